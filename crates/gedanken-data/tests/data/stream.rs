use std::collections::BTreeMap;

use gedanken_data::{Batch, DataError, Episode, PolicyMix, Recorder, Shape, Source, Stream, WindowConfig};
use gedanken_env::Env;

use crate::line::{CELLS, Line, both, labels, picture, small};

fn stream(window: WindowConfig, seed: u64) -> Stream {
    Stream::new(&Line::new(), &both(), 30, window, seed).unwrap()
}

/// Holds in every batch of the line, wherever it comes from.
pub fn check(batch: &Batch, steps: u32) {
    for window in 0..batch.windows() {
        let at = |frame| batch.at[window * batch.frames() + frame];
        for frame in 0..batch.frames() {
            let places = labels(batch, window, frame);
            let mut pixels = vec![0; 2 * CELLS];
            pixels[places[0].round() as usize] = 200;
            pixels[CELLS + places[1] as usize] = 100;
            assert_eq!(picture(batch, window, frame), pixels, "the picture is that of the labels");
            assert!(at(frame) <= steps);
        }
        for step in 0..batch.time - 1 {
            let (now, next) = (labels(batch, window, step)[0], labels(batch, window, step + 1)[0]);
            let block = &batch.actions[(window * (batch.time - 1) + step) * batch.frameskip..][..batch.frameskip];
            assert_eq!(batch.shape.action, batch.frameskip);
            assert!(block.iter().all(|action| action.abs() <= 1.0), "the executed action is recorded");
            let end = block.iter().fold(now, |now, action| (now + action).clamp(0.0, 7.0));
            assert!((end - next).abs() < 1e-5, "actions lead from frame to frame");
            assert_eq!(at(step) + batch.frameskip as u32, at(step + 1));
        }
        let inside: Vec<u32> = (0..batch.time).map(at).collect();
        assert!((batch.time..batch.frames()).all(|frame| !inside.contains(&at(frame))), "extra frames are others");
        let group = window / batch.episodes * batch.episodes;
        assert_eq!(labels(batch, window, 0)[1], labels(batch, group, 0)[1], "one layout in a group");
    }
}

#[test]
fn a_batch_is_a_function_of_seed_and_index_in_any_order() {
    let (one, other) = (stream(small(), 1), stream(small(), 1));
    let fifth = one.batch(5).unwrap();
    let in_order: Vec<_> = (0..6).map(|index| other.batch(index).unwrap()).collect();
    assert_eq!(fifth, in_order[5]);
    assert_eq!(one.batch(5).unwrap(), fifth);
    assert_ne!(in_order[4], in_order[5]);
    assert_ne!(stream(small(), 2).batch(5).unwrap(), fifth);
}

#[test]
fn windows_are_whole_and_their_parts_belong_together() {
    let stream = stream(small(), 3);
    let batch = stream.batch(0).unwrap();
    assert_eq!((batch.windows(), batch.frames(), batch.shape), (8, 8, Shape::of(Line::new().spec())));
    assert_eq!(batch.pixels.len(), 8 * 8 * 2 * CELLS);
    assert_eq!((batch.actions.len(), batch.labels.len(), batch.at.len()), (8 * 4, 8 * 8 * 2, 64));
    (0..50).for_each(|index| check(&stream.batch(index).unwrap(), 30));
}

#[test]
fn with_a_frameskip_frames_stand_apart_and_actions_come_in_blocks() {
    let stream = stream(WindowConfig { frameskip: 5, ..small() }, 3);
    let shape = Shape::of(Line::new().spec()).blocks(5);
    assert_eq!(shape.action, 5);
    let batch = stream.batch(0).unwrap();
    assert_eq!((batch.frames(), batch.shape, batch.actions.len()), (8, shape, 8 * 4 * 5));
    (0..50).for_each(|index| check(&stream.batch(index).unwrap(), 30));
}

#[test]
fn extra_frames_beside_a_frameskip_are_uniform_over_all_others() {
    // The only window there is sees frames 0, 3 and 6 of 7.
    let window = WindowConfig { time: 3, frameskip: 3, extra: 1, layouts: 64, episodes: 1, eventful: 0.5 };
    let stream = Stream::new(&Line::new(), &both(), 6, window, 3).unwrap();
    let mut counts = [0; 7];
    for index in 0..25 {
        for at in stream.batch(index).unwrap().at.chunks(4) {
            assert_eq!(at[..3], [0, 3, 6]);
            counts[at[3] as usize] += 1;
        }
    }
    // 1,600 draws over 4 frames: within six standard deviations of the mean.
    assert_eq!([counts[0], counts[3], counts[6]], [0; 3]);
    assert!([1, 2, 4, 5].iter().all(|&frame| (296..=504).contains(&counts[frame])), "{counts:?}");
}

#[test]
fn an_episode_is_a_function_of_seed_and_index() {
    let (one, other) = (stream(small(), 1), stream(small(), 2));
    let episode = one.episode(u64::MAX).unwrap();
    assert_eq!((episode.frames(), episode.actions.len(), episode.states.len()), (31, 30, 31 * 3));
    assert_eq!(one.episode(u64::MAX).unwrap(), episode);
    assert_ne!(one.episode(0).unwrap(), episode);
    assert_ne!(other.episode(u64::MAX).unwrap(), episode);
}

#[test]
fn a_window_as_long_as_its_episode_takes_its_extra_frames_from_within() {
    let window = WindowConfig { time: 31, extra: 40, ..small() };
    let batch = stream(window, 3).batch(0).unwrap();
    assert!(batch.at.iter().all(|&at| at <= 30));
    assert_eq!(batch.at[..31], (0..31).collect::<Vec<_>>());
}

#[test]
fn starts_and_extra_frames_are_uniform_over_the_episode() {
    let window = WindowConfig { time: 2, frameskip: 1, extra: 1, layouts: 64, episodes: 1, eventful: 0.0 };
    let (mut starts, mut extra) = ([0; 31], [0; 31]);
    let stream = stream(window, 3);
    for index in 0..100 {
        for at in stream.batch(index).unwrap().at.chunks(3) {
            starts[at[0] as usize] += 1;
            extra[at[2] as usize] += 1;
        }
    }
    // 6,400 draws over 30 starts and 31 times: within six standard deviations of the mean.
    assert_eq!(starts[30], 0);
    assert!(starts[..30].iter().chain(&extra).all(|&count| (120..=300).contains(&count)), "{starts:?} {extra:?}");
}

#[test]
fn the_share_of_eventful_windows_follows_the_configuration() {
    let share = |eventful| {
        let window = WindowConfig { time: 3, extra: 0, eventful, ..small() };
        let (mut seen, mut all) = (0, 0);
        let stream = Stream::new(&Line::new(), &BTreeMap::from([("walk".into(), 1.0)]), 60, window, 9).unwrap();
        for index in 0..200 {
            let batch = stream.batch(index).unwrap();
            for window in 0..batch.windows() {
                let mut places = (0..3).map(|frame| labels(&batch, window, frame));
                seen += usize::from(places.any(|places| (places[0] - places[1]).abs() < 0.3));
                all += 1;
            }
        }
        seen as f64 / all as f64
    };
    let (plain, raised, full) = (share(0.0), share(0.4), share(1.0));
    assert!(plain < 0.4, "{plain}");
    // An episode that never comes near its post has no eventful window, so the raised shares stay under 0.4 + 0.6 plain.
    assert!(raised > plain + 0.15 && full > raised + 0.2 && full > 0.75, "{plain} {raised} {full}");
}

#[test]
fn policies_act_by_their_weights_and_an_empty_table_means_the_first() {
    let mix = PolicyMix::new(&both(), Line::new().spec()).unwrap();
    assert_eq!(mix.policies(), [("rest".to_owned(), 0.25), ("walk".to_owned(), 0.75)]);
    let mut recorder = Recorder::new(&Line::new(), &mix, 4).unwrap();
    let mut episode = Episode::default();
    let mut rests = 0;
    for index in 0..1000 {
        recorder.record(1, 0, index, &mut episode).unwrap();
        let rested = episode.actions.iter().all(|&action| action == 0.0) && episode.labels[0] == 7.0;
        assert_eq!(rested, episode.policy == 0);
        rests += usize::from(rested);
    }
    assert!((190..310).contains(&rests), "{rests}");
    assert_eq!(PolicyMix::new(&BTreeMap::new(), Line::new().spec()).unwrap().policies(), [("walk".to_owned(), 1.0)]);
}

#[test]
fn impossible_values_are_refused_with_their_key() {
    let refused = |weights: &[(&str, f64)], steps, window| {
        let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        match Stream::new(&Line::new(), &weights, steps, window, 0).err() {
            Some(DataError::Config { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&[("wlak", 1.0)], 30, small()), "data.policies.wlak");
    assert_eq!(refused(&[("walk", -1.0)], 30, small()), "data.policies.walk");
    assert_eq!(refused(&[("walk", f64::NAN)], 30, small()), "data.policies.walk");
    assert_eq!(refused(&[("walk", 0.0)], 30, small()), "data.policies");
    assert_eq!(refused(&[], 0, small()), "data.episode_steps");
    assert_eq!(refused(&[], 3, small()), "data.window.time");
    assert_eq!(refused(&[], 30, WindowConfig { frameskip: 8, ..small() }), "data.window.frameskip");
    assert_eq!(refused(&[], 30, WindowConfig { frameskip: 0, ..small() }), "data.window.frameskip");
    assert_eq!(refused(&[], 30, WindowConfig { time: 1, ..small() }), "data.window.time");
    assert_eq!(refused(&[], 30, WindowConfig { layouts: 0, ..small() }), "data.window.layouts");
    assert_eq!(refused(&[], 30, WindowConfig { episodes: 0, ..small() }), "data.window.episodes");
    assert_eq!(refused(&[], 30, WindowConfig { eventful: 1.1, ..small() }), "data.window.eventful");
    assert_eq!(refused(&[], 30, WindowConfig { extra: usize::MAX, ..small() }), "data.window.extra");
}

#[test]
fn the_scales_of_a_stream_are_those_of_its_first_512_episodes() {
    let stream = Stream::new(&Line::new(), &both(), 20, small(), 7).unwrap();
    let actions = (0..512).flat_map(|index| stream.episode(index).unwrap().actions).map(f64::from).collect::<Vec<_>>();
    let mean = actions.iter().sum::<f64>() / actions.len() as f64;
    let std = (actions.iter().map(|action| (action - mean).powi(2)).sum::<f64>() / actions.len() as f64).sqrt();
    let scales = stream.scales().unwrap();
    assert!((f64::from(scales.actions.mean()[0]) - mean).abs() < 1e-6);
    assert!((f64::from(scales.actions.std()[0]) - std).abs() < 1e-6);
    assert_eq!(scales, stream.scales().unwrap(), "whatever threads count");
}
