use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gedanken_data::{
    CollectConfig, DataConfig, DataError, Dataset, DatasetSource, Episodes, LatentEncoder, LatentsConfig, Source,
    SourceKind, Split, WindowConfig, collect,
};

use crate::line::{CELLS, Line, config, made, write};

/// A latent is the first two bytes of a picture: one number of half precision.
fn first_two(pictures: &[u8]) -> Vec<u8> {
    pictures.chunks(2 * CELLS).flat_map(|picture| picture[..2].to_vec()).collect()
}

#[test]
fn kept_latents_are_those_of_every_frame_in_steps_of_the_frameskip_and_are_encoded_once() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = write(&folder.path().join("line"));
    let out = folder.path().join("latents");
    let window = WindowConfig { frameskip: 4, time: 3, ..WindowConfig::default() };
    let (source, path) = (SourceKind::Disk, Some(dataset.path().to_owned()));
    let data = DataConfig { source, path, validation: 0.0, window, ..DataConfig::default() };
    let calls = AtomicUsize::new(0);
    let keep = |identity: u32| {
        let encode = |pictures: &[u8], _: &[f32]| {
            calls.fetch_add(1, Ordering::Relaxed);
            first_two(pictures)
        };
        let encoder = LatentEncoder { shape: [1, 1], identity, encode: &encode };
        let episodes = Episodes { data: &data, env: &Line::new(), made: made(), seed: 3 };
        LatentsConfig::default()
            .keep(episodes, &encoder, &out, |_| Ok::<_, DataError>(Vec::new()), &mut |_| {})
            .unwrap()
    };
    let kept = keep(5);
    assert_eq!((kept.episodes().len(), calls.load(Ordering::Relaxed)), (4 * 30, 4 * 30));
    let mut frames = 0;
    for (number, entry) in kept.episodes().iter().enumerate() {
        let from = dataset.episodes()[number / 4];
        let at = |step: usize| dataset.frame(from.offset + step).unwrap();
        // The four of an episode begin at its first four frames, in some order.
        let first = kept.episodes()[4 * (number / 4)..][..4].iter().position(|other| other == entry).unwrap();
        let begins: Vec<usize> = (0..4).filter(|&s| (s..21).step_by(4).count() == entry.length).collect();
        let same = |start: usize| {
            (0..entry.length).all(|i| {
                let (frame, step) = (kept.frame(entry.offset + i).unwrap(), start + 4 * i);
                let block = (step..step + 4).filter(|&s| s < 20 && i + 1 < entry.length).map(|s| at(s).action().next());
                let block: Vec<f32> = block.map(|action| action.unwrap()).collect();
                frame.pixels() == first_two(at(step).pixels())
                    && frame.labels().eq(at(step).labels())
                    && frame.state().eq(at(step).state())
                    && (block.is_empty() || frame.action().eq(block))
            })
        };
        assert!(begins.into_iter().any(same), "episode {number}, its part {first}");
        frames += entry.length;
    }
    assert_eq!(frames, dataset.frames(), "every frame is kept once");
    keep(5);
    assert_eq!(calls.load(Ordering::Relaxed), 120, "the same encoder has encoded them already");
    keep(6);
    assert_eq!(calls.load(Ordering::Relaxed), 240, "another one has not");
}

#[test]
fn latents_are_kept_of_training_episodes_alone_and_of_short_ones_too() {
    let folder = tempfile::tempdir().unwrap();
    for layouts in [1, 10] {
        let path = folder.path().join(format!("line-{layouts}"));
        let config = CollectConfig { layouts, episodes: 6, episode_steps: 2, ..config() };
        collect(&config, &Line::new(), made(), 7, &path, &mut |_| {}).unwrap();
        let window = WindowConfig { frameskip: 5, time: 2, extra: 0, layouts: 1, episodes: 1, eventful: 0.0 };
        let data = DataConfig {
            source: SourceKind::Disk,
            path: Some(path.clone()),
            validation: 0.3,
            window,
            ..DataConfig::default()
        };
        let single = WindowConfig { frameskip: 1, ..window };
        let learned =
            DatasetSource::new(Arc::new(Dataset::open(&path).unwrap()), single, Split::Train, 0.3, 0).unwrap();
        let starts = |episodes: &mut dyn Iterator<Item = Vec<f64>>| {
            episodes.map(|s| format!("{:?}", &s[..2])).collect::<BTreeSet<_>>()
        };
        let all = learned.layouts().iter().map(Vec::len).sum::<usize>();
        let expected = (0..all as u64)
            .flat_map(|i| learned.episode(i).unwrap().states.chunks(3).map(<[f64]>::to_vec).collect::<Vec<_>>());
        let expected = starts(&mut expected.into_iter());
        let encoder = LatentEncoder { shape: [1, 1], identity: 1, encode: &|pictures, _| first_two(pictures) };
        let episodes = Episodes { data: &data, env: &Line::new(), made: made(), seed: 3 };
        let out = folder.path().join(format!("latents-{layouts}"));
        let config = LatentsConfig { starts: Some(5), ..LatentsConfig::default() };
        let kept = config.keep(episodes, &encoder, &out, |_| Ok::<_, DataError>(Vec::new()), &mut |_| {}).unwrap();
        assert_eq!(kept.episodes().len(), 5 * all, "five starts each, of {layouts} layouts");
        let found = starts(&mut (0..kept.frames()).map(|row| kept.frame(row).unwrap().state().collect()));
        assert_eq!(found, expected);
    }
}
