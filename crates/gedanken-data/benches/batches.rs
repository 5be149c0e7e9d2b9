//! Time of a batch of 64 windows of Two-Rooms (12 frames each), simulated and from the disk.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use divan::Bencher;
use gedanken_data::{CollectConfig, Dataset, DatasetSource, EnvRecord, Source, Split, Stream, WindowConfig, collect};
use gedanken_env::Env;

fn main() {
    divan::main();
}

fn env() -> Box<dyn Env> {
    gedanken_two_rooms::entry().make(&serde_json::json!({})).unwrap()
}

fn time(bencher: Bencher<'_, '_>, source: &dyn Source) {
    let mut index = 0;
    bencher.bench_local(|| {
        index += 1;
        source.batch(index).unwrap()
    });
}

#[divan::bench]
fn stream(bencher: Bencher<'_, '_>) {
    time(bencher, &Stream::new(&*env(), &BTreeMap::new(), 90, WindowConfig::default(), 1).unwrap());
}

#[divan::bench]
fn disk(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two-rooms");
    let config = CollectConfig { layouts: 32, episodes: 4, ..CollectConfig::default() };
    let made = EnvRecord { name: "two-rooms".into(), options: serde_json::json!({}), factors: BTreeMap::new() };
    collect(&config, &*env(), made, 1, &path, &mut |_| {}).unwrap();
    let dataset = Arc::new(Dataset::open(&path).unwrap());
    time(bencher, &DatasetSource::new(dataset, WindowConfig::default(), Split::Train, 0.1, 1).unwrap());
}
