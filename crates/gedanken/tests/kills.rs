//! Collecting, training, resuming and evaluating, killed at random moments and now and then on a full disk: all of it goes on, ends with the bits
//! of an unbroken life, and leaves nothing half written.
//!
//! ```sh
//! GEDANKEN_KILLS=100 benches/kills.sh    # on a small disk of its own
//! ```
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Place, Said, metrics, names, weights};
use gedanken::env::{Rng, rng};
use rand::RngExt;
use serde_json::Value;

/// Forty updates, with a checkpoint, an evaluation or a line of metrics at almost every one.
const TRAIN: [&str; 12] = [
    "--set",
    "train.steps=40",
    "--set",
    "train.checkpoint_every=4",
    "--set",
    "train.eval_every=10",
    "--set",
    "eval.tasks=1",
    "--set",
    "data.source=disk",
    "--set",
    "data.path=data",
];
const COLLECT: [&str; 4] = ["collect", "tiny.toml", "--out", "data"];

/// Every file of a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(here) = left.pop() {
        for name in names(&here) {
            let path = here.join(name);
            match path.is_dir() {
                true => left.push(path),
                false => {
                    let bytes = fs::read(&path).unwrap_or_default();
                    found.insert(path.strip_prefix(folder).expect("inside").to_path_buf(), bytes);
                }
            }
        }
    }
    found
}

/// A life: data, a run, and the reports it was given.
struct Life {
    place: Place,
    random: Rng,
    /// Time that each kind of work takes, unbroken.
    takes: BTreeMap<&'static str, Duration>,
    /// Reports whose evaluation ended well.
    reports: BTreeMap<PathBuf, Vec<u8>>,
    kills: u64,
    full: u64,
}

impl Life {
    fn run(&self) -> Option<String> {
        let runs = names(&self.place.path("runs/tiny"));
        let run = runs.iter().find(|run| self.place.path("runs/tiny").join(run).join("config.toml").is_file());
        run.map(|run| format!("runs/tiny/{run}"))
    }

    /// Starts a piece of work and kills it at a random moment; what it said, if it ended before.
    fn risk(&mut self, work: &'static str, arguments: &[&str], disk_is_small: bool) -> Option<Said> {
        let filler = (disk_is_small && self.random.random_range(0..4) == 0).then(|| self.fill());
        let patience = self.takes[work].mul_f64(self.random.random_range(0.0..2.0));
        let said = self.place.run_for(arguments, patience);
        self.kills += u64::from(said.is_none());
        let was_full = filler.is_some();
        filler.map(fs::remove_file).transpose().expect("room again");
        let said = said?;
        if was_full && said.code != Some(0) {
            self.full += 1;
            assert_eq!(said.bad_manners(""), None, "on a full disk");
            return None;
        }
        Some(said.good())
    }

    /// Fills the disk but for a few thousand bytes.
    fn fill(&mut self) -> PathBuf {
        let path = self.place.path("filler");
        let mut file = fs::File::create(&path).expect("a file");
        let mut size = 0;
        while let Ok(written) = file.write(&[0; 4096]) {
            size += written as u64;
        }
        file.set_len(size.saturating_sub(self.random.random_range(0..200_000))).expect("a shorter file");
        path
    }

    /// Nothing that was whole is lost or changed.
    fn assert_whole(&self) {
        for (path, bytes) in &self.reports {
            assert!(fs::read(path).is_ok_and(|there| there == *bytes), "{} is as it was", path.display());
        }
    }

    /// One piece of work, whichever is due; true once a training has ended.
    fn go_on(&mut self, small: bool) -> bool {
        let run = self.run();
        // A killed writer leaves a hidden folder there.
        let checkpoints = run.as_ref().map_or(Vec::new(), |run| names(&self.place.path(&format!("{run}/checkpoints"))));
        let begun = checkpoints.iter().any(|name| name.starts_with("step-"));
        if !self.place.path("data").exists() {
            self.risk("collect", &COLLECT, small);
        } else if begun && self.random.random_range(0..3) == 0 {
            let run = run.unwrap_or_default();
            let seed = format!("eval.seed={}", self.random.random_range(0..1000));
            let arguments = ["eval", &run, "--set", "eval.baselines=false", "--set", "eval.films=1", "--set", &seed];
            if let Some(said) = self.risk("eval", &arguments, small) {
                let report = self.place.path(said.last()).join("report.json");
                let bytes = fs::read(&report).expect("the report that was told of");
                serde_json::from_slice::<Value>(&bytes).expect("a whole report");
                self.reports.insert(report, bytes);
            }
        } else {
            let arguments = match &run {
                Some(run) => vec!["train", "--resume", run],
                None => [&["train", "tiny.toml"], &TRAIN[..]].concat(),
            };
            return self.risk("train", &arguments, small).is_some();
        }
        false
    }
}

/// `GEDANKEN_KILLS` asks for more kills than the six of every day; `GEDANKEN_SMALL_DISK` says that temporary files lie on a disk that may be filled.
#[test]
fn lives_among_kills_and_full_disks_end_with_the_bits_of_an_unbroken_one() {
    let kills: u64 = std::env::var("GEDANKEN_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6);
    let small = std::env::var_os("GEDANKEN_SMALL_DISK").is_some();
    let unbroken = Place::new();
    let mut takes = BTreeMap::new();
    let mut whole = |work, arguments: &[&str]| {
        let began = Instant::now();
        let said = unbroken.run(arguments).good();
        takes.insert(work, began.elapsed());
        said.last().to_owned()
    };
    whole("collect", &COLLECT);
    let run = whole("train", &[&["train", "tiny.toml"], &TRAIN[..]].concat());
    whole("eval", &["eval", &run, "--set", "eval.baselines=false"]);
    let data = files(&unbroken.path("data"));
    let run = unbroken.path(&run);

    let (mut killed, mut full, mut lives, mut reports) = (0, 0, 0, 0);
    while killed < kills {
        let (place, reports_so_far) = (Place::new(), BTreeMap::new());
        let random = rng(7, &[lives]);
        let mut life = Life { place, random, takes: takes.clone(), reports: reports_so_far, kills: 0, full: 0 };
        while !life.go_on(small) {
            life.assert_whole();
        }
        life.assert_whole();
        let place = &life.place;
        assert_eq!(files(&place.path("data")), data, "the data of an unbroken life");
        let own = place.path(&life.run().expect("a run"));
        // An evaluation in training that finds the disk full is a warning, and its numbers are missing.
        let all = metrics(&run);
        let (own_lines, found) = (metrics(&own), |line: &&Value| line.get("loss/total").is_some());
        assert_eq!(own_lines.iter().filter(found).count(), all.iter().filter(found).count());
        let other =
            own_lines.iter().find(|line| line.as_object().is_some_and(|line| line.len() > 1) && !all.contains(line));
        assert_eq!(other, None, "a line of an unbroken life");
        assert!(weights(&own, 40) == weights(&run, 40), "the weights differ in some bit");
        // The next work in a folder clears away what killed ones left in it.
        place.run(&["collect", "tiny.toml", "--out", "data-2"]).good();
        place.run(&["eval", &life.run().expect("a run"), "--set", "eval.baselines=false"]).good();
        let left: Vec<_> = files(&place.path("")).into_keys().collect();
        let left: Vec<_> = left.iter().map(|path| path.to_string_lossy()).collect();
        let half: Vec<_> = left.iter().filter(|path| path.contains(".tmp") || path.contains(".partial-")).collect();
        assert!(half.is_empty(), "half written: {half:?}");
        killed += life.kills;
        full += life.full;
        reports += life.reports.len();
        lives += 1;
    }
    println!("{killed} kills, {full} refusals of a full disk and {reports} reports in {lives} lives");
}
