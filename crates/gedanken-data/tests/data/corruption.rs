use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gedanken_data::{DataError, Dataset};
use gedanken_env::rng;
use rand::RngExt;

use crate::line::write;

const SHARD: &str = "shard-00000.safetensors";
const EPISODES: &str = "episodes.safetensors";
const MANIFEST: &str = "dataset.toml";

/// Opens, checks and reads everything.
fn read(path: &Path) -> Result<(), DataError> {
    let dataset = Dataset::open(path)?;
    let summary = dataset.summary(5).map(drop);
    dataset.verify()?;
    for frame in (0..dataset.frames()).filter_map(|index| dataset.frame(index)) {
        assert!(!frame.pixels().is_empty() && frame.action().count() > 0 && frame.state().count() > 0);
    }
    summary
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for file in [SHARD, EPISODES, MANIFEST] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Replaces text of the same length in a binary file, or of any length in the manifest.
fn replace(path: &Path, from: &str, to: &str) {
    edit(path, |bytes| {
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("no `{from}` in {}", path.display()));
        bytes.splice(at..at + from.len(), to.bytes());
    });
}

/// Makes the manifest agree with changed files, so that only their content can give them away.
fn agree(folder: &Path) {
    let mut manifest: toml::Table = fs::read_to_string(folder.join(MANIFEST)).unwrap().parse().unwrap();
    let record = |file: &str| {
        let bytes = fs::read(folder.join(file)).unwrap();
        (toml::Value::from(bytes.len() as i64), toml::Value::from(i64::from(crc32fast::hash(&bytes))))
    };
    let (bytes, crc32) = record(EPISODES);
    let episodes = manifest["episodes"].as_table_mut().unwrap();
    episodes.extend([("bytes".to_owned(), bytes), ("crc32".to_owned(), crc32)]);
    let (bytes, crc32) = record(SHARD);
    let shard = manifest["shards"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    shard.extend([("bytes".to_owned(), bytes), ("crc32".to_owned(), crc32)]);
    fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
}

/// First byte of the data of a safetensors file.
fn data(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// Overwrites an i64 of the file of episodes: column 0 length, 1 offset, 2 layout, 3 policy.
fn set_episode(folder: &Path, column: usize, episode: usize, value: i64) {
    edit(&folder.join(EPISODES), |bytes| {
        let at = data(bytes) + (column * 30 + episode) * 8;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    });
    agree(folder);
}

/// Overwrites a byte of the shard, counted from its end; its last columns are eventful and last.
fn set_shard_byte(folder: &Path, from_end: usize, value: u8) {
    edit(&folder.join(SHARD), |bytes| {
        let at = bytes.len() - from_end;
        bytes[at] = value;
    });
    agree(folder);
}

type Damage = (&'static str, fn(&Path), &'static str);

/// The damage to a dataset, and a word that its error must have.
const DAMAGES: &[Damage] = &[
    ("an empty manifest", |at| fs::write(at.join(MANIFEST), "").unwrap(), "format"),
    ("no manifest", |at| fs::remove_file(at.join(MANIFEST)).unwrap(), "dataset.toml"),
    ("a manifest that is not text", |at| fs::write(at.join(MANIFEST), [0xff, 0xfe]).unwrap(), "UTF-8"),
    ("a manifest that is not TOML", |at| fs::write(at.join(MANIFEST), "a = = b").unwrap(), "TOML"),
    ("another format", |at| replace(&at.join(MANIFEST), "gedanken-dataset", "another"), "gedanken-dataset"),
    ("a newer version", |at| replace(&at.join(MANIFEST), "version = 1", "version = 2\nnews = 1"), "version"),
    ("a version of the wrong type", |at| replace(&at.join(MANIFEST), "version = 1", "version = \"1\""), "version"),
    ("an unknown key", |at| replace(&at.join(MANIFEST), "version = 1", "version = 1\nnews = 1"), "news"),
    ("a seed that is no number", |at| replace(&at.join(MANIFEST), "seed = \"7\"", "seed = \"seven\""), "digit"),
    ("options that are no JSON", |at| replace(&at.join(MANIFEST), "\"cells\":8", "cells:8"), "key"),
    ("a picture without channels", |at| replace(&at.join(MANIFEST), "channels = 2", "channels = 0"), "channels"),
    ("a picture beyond memory", |at| replace(&at.join(MANIFEST), "width = 8", "width = 4611686018427387904"), "width"),
    ("a negative size", |at| replace(&at.join(MANIFEST), "height = 1", "height = -1"), "-1"),
    ("wider pictures", |at| replace(&at.join(MANIFEST), "width = 8", "width = 9"), "pixels"),
    ("an action more", |at| replace(&at.join(MANIFEST), "low = [", "low = [0.0, "), "high"),
    ("a label more", |at| replace(&at.join(MANIFEST), "size = 2", "size = 3"), "label"),
    ("labels beyond memory", |at| replace(&at.join(MANIFEST), "size = 2", "size = 9223372036854775807"), "labels"),
    ("too many frames", |at| replace(&at.join(MANIFEST), "frames = 630", "frames = 631"), "frames"),
    ("too many episodes", |at| replace(&at.join(MANIFEST), "episodes = 30", "episodes = 31"), "episodes"),
    ("too many layouts", |at| replace(&at.join(MANIFEST), "layouts = 10", "layouts = 11"), "layout"),
    ("a shard outside the folder", |at| replace(&at.join(MANIFEST), SHARD, "../shard.safetensors"), "file"),
    ("no shard", |at| fs::remove_file(at.join(SHARD)).unwrap(), SHARD),
    ("no episodes", |at| fs::remove_file(at.join(EPISODES)).unwrap(), EPISODES),
    ("an empty shard", |at| fs::write(at.join(SHARD), "").unwrap(), "0 bytes"),
    (
        "an empty shard that the manifest agrees with",
        |at| {
            fs::write(at.join(SHARD), "").unwrap();
            agree(at);
        },
        SHARD,
    ),
    ("a shard cut by a byte", |at| edit(&at.join(SHARD), |bytes| bytes.truncate(bytes.len() - 1)), "cut off"),
    (
        "a cut shard that the manifest agrees with",
        |at| {
            edit(&at.join(SHARD), |bytes| bytes.truncate(bytes.len() / 2));
            agree(at);
        },
        "safetensors",
    ),
    ("a longer shard", |at| edit(&at.join(SHARD), |bytes| bytes.push(0)), "length"),
    ("a shard cut in its header", |at| edit(&at.join(SHARD), |bytes| bytes.truncate(20)), "20 bytes"),
    ("a header of impossible length", |at| edit(&at.join(SHARD), |bytes| bytes[..8].fill(0xff)), "header"),
    ("a header that is not JSON", |at| edit(&at.join(SHARD), |bytes| bytes[8] = b'!'), "JSON"),
    ("a wrong type", |at| replace(&at.join(SHARD), "\"F64\"", "\"I64\""), "F64"),
    ("a wrong name", |at| replace(&at.join(SHARD), "pixels", "pixelz"), "pixels"),
    ("a wrong shape", |at| replace(&at.join(SHARD), "[630,2,1,8]", "[630,1,2,8]"), "pixels"),
    ("offsets of a wrong length", |at| replace(&at.join(SHARD), "[0,15120]", "[0,15119]"), "safetensors"),
    ("a changed pixel", |at| edit(&at.join(SHARD), |bytes| *bytes.iter_mut().nth_back(5000).unwrap() ^= 1), "checksum"),
    ("a changed episode", |at| edit(&at.join(EPISODES), |bytes| *bytes.last_mut().unwrap() ^= 1), "checksum"),
    ("an episode of no frame", |at| set_episode(at, 0, 0, 0), "length[0]"),
    ("an episode of negative length", |at| set_episode(at, 0, 3, -21), "length[3]"),
    ("an episode beyond the end", |at| set_episode(at, 0, 29, 22), "length[29]"),
    ("a length beyond memory", |at| set_episode(at, 0, 5, i64::MAX), "length[5]"),
    ("episodes that end too early", |at| set_episode(at, 0, 29, 20), "629 frames"),
    ("an offset that overlaps", |at| set_episode(at, 1, 1, 20), "offset[1]"),
    ("an offset beyond the end", |at| set_episode(at, 1, 29, 630), "offset[29]"),
    ("a negative offset", |at| set_episode(at, 1, 0, -1), "offset[0]"),
    ("a negative layout", |at| set_episode(at, 2, 4, -1), "layout[4]"),
    ("a layout too many", |at| set_episode(at, 2, 4, 99), "11 different"),
    ("a policy that is not there", |at| set_episode(at, 3, 0, 2), "policy[0]"),
    ("an end in the middle of an episode", |at| set_shard_byte(at, 630 - 5, 1), "last"),
    ("an episode without an end", |at| set_shard_byte(at, 630 - 20, 0), "last"),
    ("an eventful that is neither yes nor no", |at| set_shard_byte(at, 2 * 630, 7), "eventful"),
];

#[test]
fn every_damage_is_an_error_that_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    write(&whole);
    copy(&whole, &broken);
    agree(&broken);
    read(&broken).unwrap();
    for (what, damage, word) in DAMAGES {
        copy(&whole, &broken);
        damage(&broken);
        let result = catch_unwind(AssertUnwindSafe(|| read(&broken)));
        let error = result.unwrap_or_else(|_| panic!("{what}: a panic")).err();
        let text = error.unwrap_or_else(|| panic!("{what}: no error")).to_string();
        assert!(text.contains(word), "{what}: {text}");
    }
}

#[test]
fn no_flipped_byte_panics_and_none_in_the_data_goes_unnoticed() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    write(&whole);
    copy(&whole, &broken);
    let mut rng = rng(1, &[]);
    for file in [SHARD, EPISODES, MANIFEST] {
        let bytes = fs::read(whole.join(file)).unwrap();
        for _ in 0..200 {
            // Half of the flips hit the headers.
            let end = if rng.random() { bytes.len().min(600) } else { bytes.len() };
            let mut changed = bytes.clone();
            changed[rng.random_range(0..end)] ^= 1 << rng.random_range(0..8);
            fs::write(broken.join(file), changed).unwrap();
            let result = catch_unwind(AssertUnwindSafe(|| read(&broken)));
            assert!(result.is_ok(), "a panic");
            assert!(file == MANIFEST || result.is_ok_and(|result| result.is_err()), "{file}: unnoticed");
        }
        fs::write(broken.join(file), bytes).unwrap();
    }
}
