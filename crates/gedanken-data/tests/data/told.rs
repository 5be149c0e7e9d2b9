//! A dataset's own account: episodes left out, scales, identity, coverage.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gedanken_data::{
    Dataset, DatasetSource, Episode, Manifest, PolicyMix, Source, Split, WindowConfig, Writer, collect,
};
use gedanken_env::Env;

use crate::line::{CELLS, Line, both, config, made, small, write};

const FRAME: usize = 2 * CELLS;

/// Writes episodes of some lengths, each in a layout of its own unless it is told otherwise, whose agents move by `0.1 * layout`.
fn write_lengths(path: &Path, episodes: &[(u64, usize)]) -> Arc<Dataset> {
    let mix = PolicyMix::new(&both(), Line::new().spec()).unwrap();
    let manifest = Manifest::new(Line::new().spec(), made(), &mix, None, 0);
    let mut writer = Writer::create(path, manifest, 1 << 20).unwrap();
    for &(layout, length) in episodes {
        let episode = Episode {
            layout,
            policy: 0,
            states: vec![1.0; 3 * length],
            actions: vec![0.1 * layout as f32; length - 1],
            labels: vec![layout as f32; 2 * length],
            eventful: vec![true; length],
        };
        writer.push(&episode, &vec![0; length * FRAME]).unwrap();
    }
    writer.finish().unwrap();
    Arc::new(Dataset::open(path).unwrap())
}

#[test]
fn episodes_that_are_left_out_are_counted_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let lengths: Vec<_> = (0..8).map(|layout| (layout, if layout < 5 { 4 } else { 9 })).collect();
    let dataset = write_lengths(&folder.path().join("line"), &lengths);
    let window = |time, episodes| WindowConfig { time, frameskip: 1, extra: 0, layouts: 1, episodes, eventful: 0.0 };
    let remark = |dataset: &Arc<Dataset>, window| {
        DatasetSource::new(dataset.clone(), window, Split::Train, 0.0, 0).unwrap().remark()
    };
    let said = remark(&dataset, window(9, 1)).unwrap();
    let path = dataset.path().display();
    assert_eq!(
        said,
        format!("{path}, training: 5 of 8 episodes, 20 of 47 frames are shorter than a window of 9: left out")
    );
    assert_eq!(remark(&dataset, window(4, 1)), None);
    let dataset = write_lengths(&folder.path().join("two"), &[(0, 9), (0, 9), (1, 9), (1, 3), (2, 9)]);
    let said = remark(&dataset, window(9, 2)).unwrap();
    assert!(said.contains("1 of 5 episodes, 3 of 39 frames are shorter than a window of 9, and 2 of 5 episodes, 18 of 39 frames are in 2 layouts of fewer than data.window.episodes = 2"), "{said}");
}

#[test]
fn the_scales_are_those_of_all_training_episodes_whatever_windows_are_preferred() {
    let folder = tempfile::tempdir().unwrap();
    let lengths: Vec<_> = (0..10).map(|layout| (layout, 5 + layout as usize)).collect();
    let dataset = write_lengths(&folder.path().join("line"), &lengths);
    let window = WindowConfig { time: 2, layouts: 1, episodes: 1, ..small() };
    let source = DatasetSource::new(dataset, window, Split::Train, 0.3, 0).unwrap();
    let actions: Vec<f64> = (source.layouts().iter().flatten())
        .flat_map(|entry| vec![f64::from(0.1 * entry.layout as f32); entry.length - 1])
        .collect();
    let mean = actions.iter().sum::<f64>() / actions.len() as f64;
    let std = (actions.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / actions.len() as f64).sqrt();
    let scales = source.scales().unwrap();
    assert!((f64::from(scales.actions.mean()[0]) - mean).abs() < 1e-6, "{:?}, {mean}", scales.actions.mean());
    assert!((f64::from(scales.actions.std()[0]) - std).abs() < 1e-6, "{:?}, {std}", scales.actions.std());
    assert_eq!((scales.actions.mean().len(), scales.labels.mean().len()), (1, 2));
}

#[test]
fn a_dataset_is_told_from_any_other_by_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let collected = |name: &str, seed| {
        collect(&config(), &Line::new(), made(), seed, &folder.path().join(name), &mut |_| {}).unwrap().identity()
    };
    let (one, other) = (collected("one", 7), collected("other", 8));
    assert_eq!(one, collected("again", 7), "wherever it lies");
    assert_ne!(one, other);
    assert_eq!(one, Manifest::read(&folder.path().join("one")).unwrap().identity());
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error_and_one_that_is_removed_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Arc::new(write(&folder.path().join("line")));
    let source = DatasetSource::new(dataset.clone(), small(), Split::Train, 0.2, 0).unwrap();
    let shard = dataset.path().join("shard-00000.safetensors");
    let whole = fs::read(&shard).unwrap();
    let before = source.batch(0).unwrap();
    fs::File::options().write(true).open(&shard).unwrap().set_len(4096).unwrap();
    for told in [source.batch(0).err(), source.episode(0).err(), source.scales().err()] {
        let told = told.unwrap().to_string();
        assert!(told.contains("shard-00000.safetensors: length: 4096 bytes; expected"), "{told}");
        assert!(told.ends_with("it was changed while it was read"), "{told}");
    }
    fs::write(&shard, whole).unwrap();
    assert_eq!(source.batch(0).unwrap(), before);
    fs::remove_file(&shard).unwrap();
    assert_eq!(source.batch(0).unwrap(), before);
}

#[test]
fn a_summary_says_what_numbers_are_covered() {
    let folder = tempfile::tempdir().unwrap();
    let lengths: Vec<_> = (0..101).map(|layout| (layout, 2)).collect();
    let summary = write_lengths(&folder.path().join("line"), &lengths).summary(1).unwrap();
    let action = &summary.actions[0];
    let rounded = |values: [f64; 3]| values.map(|value| (1e5 * value).round() / 1e5);
    assert_eq!(action.name, "action", "of one number");
    assert_eq!(rounded([action.values.min, action.values.mean, action.values.max]), [0.0, 5.0, 10.0]);
    assert_eq!(rounded(action.quantiles), [0.5, 5.0, 9.5]);
    assert_eq!(summary.labels[1].quantiles, [5.0, 50.0, 95.0]);
    assert_eq!((summary.states[2].name.as_str(), summary.states[2].std), ("goal", 0.0));
    let table = summary.to_string();
    assert!(table.lines().any(|line| line.starts_with("action ") && line.ends_with("cells")), "{table}");
    assert!(!table.contains("state goal"), "it never varies: {table}");
}

#[test]
fn a_summary_says_how_many_pixels_change_and_how_many_answer_to_actions() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = write(&folder.path().join("line"));
    let mut summary = dataset.summary(3).unwrap();
    let pixels = summary.pixels.as_mut().unwrap();
    // Two cells of eight change where the dot comes to another one.
    assert!(pixels.step > 0.05 && pixels.step < pixels.window && pixels.window < 0.25, "{pixels:?}");
    pixels.answer = dataset.answer(&Line::new(), 3).unwrap();
    assert!(pixels.answer.is_some_and(|answer| answer > 0.05 && answer < 0.25), "{pixels:?}");
    let table = summary.to_string();
    assert!(
        table.contains("pixels that change") && table.contains("after 3 control steps of other actions"),
        "{table}"
    );
    assert!(dataset.summary(3).unwrap().to_string().contains("not simulated"));
    assert_eq!((dataset.summary(21).unwrap().pixels, dataset.answer(&Line::new(), 21).unwrap()), (None, None));
}
