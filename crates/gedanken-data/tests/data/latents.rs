use std::sync::atomic::{AtomicUsize, Ordering};

use gedanken_data::{DataConfig, Episodes, LatentEncoder, LatentsConfig, SourceKind, WindowConfig};

use crate::line::{CELLS, Line, made, write};

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
    let data =
        DataConfig { source: SourceKind::Disk, path: Some(dataset.path().to_owned()), window, ..DataConfig::default() };
    let calls = AtomicUsize::new(0);
    let keep = |identity: u32| {
        let encode = |pictures: &[u8], _: &[f32]| {
            calls.fetch_add(1, Ordering::Relaxed);
            first_two(pictures)
        };
        let encoder = LatentEncoder { shape: [1, 1], identity, encode: &encode };
        let episodes = Episodes { data: &data, env: &Line::new(), made: made(), seed: 3 };
        LatentsConfig::default().keep(episodes, &encoder, &out, &mut |_| {}).unwrap()
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
