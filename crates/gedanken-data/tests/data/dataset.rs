use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use gedanken_data::{
    Collected, DataError, Dataset, DatasetSource, Episode, Manifest, PolicyMix, Recorder, Source, Split, WindowConfig,
    Writer, collect,
};
use gedanken_env::Env;

use crate::line::{CELLS, Line, both, config, labels, made, small, write};
use crate::stream::check;

const FRAME: usize = 2 * CELLS;

#[test]
fn a_dataset_gives_back_every_bit_that_was_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = write(&folder.path().join("line"));
    let mix = PolicyMix::new(&both(), Line::new().spec()).unwrap();
    let mut recorder = Recorder::new(&Line::new(), &mix, 20).unwrap();
    let (mut episode, mut pixels) = (Episode::default(), vec![0; FRAME]);
    assert_eq!((dataset.frames(), dataset.episodes().len(), dataset.layouts().len()), (630, 30, 10));
    for (number, entry) in dataset.episodes().iter().enumerate() {
        recorder.record(7, entry.layout, number as u64 % 3, &mut episode).unwrap();
        assert_eq!((entry.layout, entry.policy, entry.length), (number as u64 / 3, episode.policy, 21));
        for step in 0..entry.length {
            let frame = dataset.frame(entry.offset + step).unwrap();
            recorder.render(&episode, step, &mut pixels).unwrap();
            assert_eq!(frame.pixels(), pixels);
            assert!(frame.labels().eq(episode.labels[2 * step..2 * step + 2].iter().copied()));
            assert!(frame.state().eq(episode.states[3 * step..3 * step + 3].iter().copied()));
            assert!(frame.action().eq([episode.actions.get(step).copied().unwrap_or(0.0)]));
            assert_eq!((frame.eventful(), frame.last()), (episode.eventful[step], step == 20));
        }
    }
    assert!(dataset.frame(630).is_none());
    dataset.verify().unwrap();
    dataset.check_env(Line::new().spec()).unwrap();
    assert_eq!(dataset.manifest().env, made());
    assert_eq!((dataset.manifest().seed, dataset.manifest().episode_steps), (7, Some(20)));
}

#[test]
fn the_same_call_writes_the_same_bytes_and_reports_its_progress() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("deep/er/other"));
    let mut seen = Vec::new();
    collect(&config(), &Line::new(), made(), u64::MAX, &one, &mut |progress: Collected| seen.push(progress)).unwrap();
    collect(&config(), &Line::new(), made(), u64::MAX, &other, &mut |_| {}).unwrap();
    for file in ["dataset.toml", "episodes.safetensors", "shard-00000.safetensors"] {
        assert_eq!(fs::read(one.join(file)).unwrap(), fs::read(other.join(file)).unwrap());
    }
    assert_eq!(Dataset::open(&one).unwrap().manifest().seed, u64::MAX);
    assert_eq!((seen.len(), seen[29].episodes, seen[29].total, seen[29].frames), (30, 30, 30, 630));
}

#[test]
fn shards_are_closed_when_full_and_frames_are_found_in_each() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mix) = (folder.path().join("line"), PolicyMix::new(&both(), Line::new().spec()).unwrap());
    let manifest = Manifest::new(Line::new().spec(), made(), &mix, None, 0);
    // A frame has 16 bytes of pixels and 38 of numbers and flags: each second episode of ten frames closes a shard.
    let mut writer = Writer::create(&path, manifest, 700).unwrap();
    for number in 0..5u8 {
        let episode = Episode {
            layout: 3,
            policy: 1,
            states: vec![f64::from(number); 30],
            actions: vec![0.5; 9],
            labels: vec![0.0; 20],
            eventful: vec![false; 10],
        };
        writer.push(&episode, &[number; 10 * FRAME]).unwrap();
    }
    let manifest = writer.finish().unwrap();
    assert_eq!(manifest.shards.iter().map(|shard| shard.episodes).collect::<Vec<_>>(), [2, 2, 1]);
    let dataset = Dataset::open(&path).unwrap();
    for index in 0..50 {
        assert_eq!(dataset.frame(index).unwrap().pixels(), [index as u8 / 10; FRAME]);
    }
    assert_eq!(dataset.layouts(), [(3, vec![0, 1, 2, 3, 4])].into());
}

#[test]
fn a_dataset_without_episodes_can_be_read_but_gives_no_windows() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mix) = (folder.path().join("line"), PolicyMix::new(&both(), Line::new().spec()).unwrap());
    Writer::create(&path, Manifest::new(Line::new().spec(), made(), &mix, None, 0), 1).unwrap().finish().unwrap();
    let dataset = Dataset::open(&path).unwrap();
    assert!(dataset.frame(0).is_none() && dataset.summary(5).unwrap().length.max == 0.0);
    let source = DatasetSource::new(Arc::new(dataset), small(), Split::Train, 0.1, 0);
    assert!(matches!(source, Err(DataError::TooFew { .. })));
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written_is_left_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line");
    let mix = PolicyMix::new(&both(), Line::new().spec()).unwrap();
    let manifest = || Manifest::new(Line::new().spec(), made(), &mix, None, 0);
    let names = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();

    // Killed in the middle: the folder stays, and no reader or writer minds.
    std::mem::forget(Writer::create(&path, manifest(), 1).unwrap());
    assert_eq!(names().len(), 1);
    assert!(matches!(Dataset::open(&path), Err(DataError::Io { .. })));
    let leftover = folder.path().join(&names()[0]);
    assert!(leftover.file_name().unwrap().to_str().unwrap().starts_with(".line.partial-"));
    assert!(Dataset::open(&leftover).is_err());

    // Given up in the middle: removed.
    drop(Writer::create(&path, manifest(), 1).unwrap());
    assert_eq!(names().len(), 1);

    write(&path);
    assert!(matches!(Writer::create(&path, manifest(), 1), Err(DataError::Exists { .. })));
    let again = collect(&config(), &Line::new(), made(), 8, &path, &mut |_| {});
    assert!(matches!(again, Err(DataError::Exists { .. })));

    // Somebody else takes the name meanwhile.
    let late = folder.path().join("late");
    let writer = Writer::create(&late, manifest(), 1).unwrap();
    fs::create_dir(&late).unwrap();
    assert!(matches!(writer.finish(), Err(DataError::Exists { .. })));
    assert_eq!(names().len(), 3);
    assert_eq!(Dataset::open(&path).unwrap().manifest().seed, 7);
}

#[test]
fn what_a_killed_writer_left_is_removed_by_the_next_and_what_a_living_one_writes_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mix = PolicyMix::new(&both(), Line::new().spec()).unwrap();
    let start = |name: &str| {
        Writer::create(&folder.path().join(name), Manifest::new(Line::new().spec(), made(), &mix, None, 0), 1)
    };
    let left = folder.path().join(".line.partial-4194305-0");
    let mine = folder.path().join(".line.partial-of-mine");
    for path in [&left, &mine] {
        fs::create_dir(path).unwrap();
        fs::write(path.join("shard-00000.safetensors"), [0; 100]).unwrap();
    }
    let living = start("other").unwrap();
    let names = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert!(!left.exists() && mine.exists(), "{:?}", names());
    let writer = start("line").unwrap();
    assert_eq!(names().len(), 3, "one of each writer, and what has another name: {:?}", names());
    writer.finish().unwrap();
    living.finish().unwrap();
    assert_eq!(names(), [".line.partial-of-mine", "line", "other"].map(str::to_owned).into());
}

#[test]
fn an_episode_of_the_wrong_size_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mix = PolicyMix::new(&both(), Line::new().spec()).unwrap();
    let manifest = Manifest::new(Line::new().spec(), made(), &mix, None, 0);
    let mut writer = Writer::create(&folder.path().join("line"), manifest, 1).unwrap();
    let right = Episode {
        layout: 0,
        policy: 0,
        states: vec![0.0; 6],
        actions: vec![0.0],
        labels: vec![0.0; 4],
        eventful: vec![false; 2],
    };
    let mut refuse = |episode: Episode, pixels: usize| {
        assert!(matches!(writer.push(&episode, &vec![0; pixels]), Err(DataError::Config { .. })));
    };
    refuse(right.clone(), FRAME);
    refuse(Episode { states: vec![0.0; 5], ..right.clone() }, 2 * FRAME);
    refuse(Episode { labels: vec![0.0; 5], ..right.clone() }, 2 * FRAME);
    refuse(Episode { actions: vec![0.0; 2], ..right.clone() }, 2 * FRAME);
    refuse(Episode { policy: 2, ..right.clone() }, 2 * FRAME);
    refuse(Episode { layout: u64::MAX, ..right.clone() }, 2 * FRAME);
    refuse(Episode::default(), 0);
    writer.push(&right, &[0; 2 * FRAME]).unwrap();
}

#[test]
fn batches_of_a_dataset_are_whole_and_a_function_of_seed_and_index() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Arc::new(write(&folder.path().join("line")));
    let source = |seed| DatasetSource::new(dataset.clone(), small(), Split::Train, 0.2, seed).unwrap();
    let fifth = source(1).batch(5).unwrap();
    let other = source(1);
    let in_order: Vec<_> = (0..6).map(|index| other.batch(index).unwrap()).collect();
    assert_eq!(fifth, in_order[5]);
    assert_ne!(source(2).batch(5).unwrap(), fifth);
    in_order.iter().for_each(|batch| check(batch, 20));
}

#[test]
fn the_splits_share_no_layout_and_together_are_all() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Arc::new(write(&folder.path().join("line")));
    let window = WindowConfig { layouts: 1, episodes: 1, ..small() };
    let layouts = |split, validation, seed| -> BTreeSet<u64> {
        let source = DatasetSource::new(dataset.clone(), window, split, validation, seed).unwrap();
        source.layouts().iter().flatten().map(|episode| episode.layout).collect()
    };
    let (train, validation) = (layouts(Split::Train, 0.3, 1), layouts(Split::Validation, 0.3, 2));
    assert_eq!((train.len(), validation.len()), (7, 3));
    assert!(train.is_disjoint(&validation));
    assert_eq!(layouts(Split::Train, 0.3, 99), train, "the split does not depend on the seed");
    // Never nothing on one side, and all on one side only when that is asked for.
    assert_eq!(layouts(Split::Validation, 0.001, 1).len(), 1);
    assert_eq!(layouts(Split::Train, 0.999, 1).len(), 1);
    assert_eq!(layouts(Split::Train, 0.0, 1).len(), 10);
    assert!(DatasetSource::new(dataset.clone(), window, Split::Validation, 0.0, 1).is_err());
}

#[test]
fn a_dataset_of_one_layout_is_split_by_episode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line");
    let config = gedanken_data::CollectConfig { layouts: 1, episodes: 10, ..config() };
    collect(&config, &Line::new(), made(), 7, &path, &mut |_| {}).unwrap();
    let dataset = Arc::new(Dataset::open(&path).unwrap());
    let window = WindowConfig { layouts: 1, episodes: 2, ..small() };
    let offsets = |split| -> BTreeSet<usize> {
        let source = DatasetSource::new(dataset.clone(), window, split, 0.2, 0).unwrap();
        check(&source.batch(0).unwrap(), 20);
        source.layouts()[0].iter().map(|episode| episode.offset).collect()
    };
    let (train, validation) = (offsets(Split::Train), offsets(Split::Validation));
    assert_eq!((train.len(), validation.len()), (8, 2));
    assert!(train.is_disjoint(&validation));
}

#[test]
fn a_dataset_too_small_for_its_windows_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Arc::new(write(&folder.path().join("line")));
    let refused = |window| match DatasetSource::new(dataset.clone(), window, Split::Train, 0.0, 0).err() {
        Some(error @ DataError::TooFew { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let text = refused(WindowConfig { episodes: 4, ..small() });
    assert!(text.contains("3 episodes") && text.contains("data.window.episodes = 4"), "{text}");
    let text = refused(WindowConfig { layouts: 11, ..small() });
    assert!(text.contains("10 layouts") && text.contains("data.window.layouts = 11"), "{text}");
    let text = refused(WindowConfig { time: 22, ..small() });
    assert!(text.contains("0 episodes of at least 22 frames (data.window.time: 22)"), "{text}");
    let text = refused(WindowConfig { frameskip: 6, ..small() });
    assert!(text.contains("0 episodes of at least 25 frames (data.window.frameskip: 6"), "{text}");
}

#[test]
fn whole_episodes_are_those_of_the_split() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Arc::new(write(&folder.path().join("line")));
    let window = WindowConfig { layouts: 1, frameskip: 2, ..small() };
    let source = DatasetSource::new(dataset.clone(), window, Split::Validation, 0.2, 0).unwrap();
    check(&source.batch(0).unwrap(), 20);
    let entries: Vec<_> = source.layouts().iter().flatten().copied().collect();
    assert_eq!(entries.len(), 6);
    for index in 0..14 {
        let (episode, entry) = (source.episode(index).unwrap(), entries[index as usize % 6]);
        assert_eq!((episode.frames(), episode.layout, episode.policy), (21, entry.layout, entry.policy));
        let frames = || (0..21).map(|step| dataset.frame(entry.offset + step).unwrap());
        assert_eq!(episode.states, frames().flat_map(|frame| frame.state().collect::<Vec<_>>()).collect::<Vec<_>>());
        assert_eq!(episode.labels, frames().flat_map(|frame| frame.labels().collect::<Vec<_>>()).collect::<Vec<_>>());
        assert_eq!(
            episode.actions,
            frames().take(20).flat_map(|frame| frame.action().collect::<Vec<_>>()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn eventful_windows_are_drawn_more_often_from_a_dataset_too() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Arc::new(write(&folder.path().join("line")));
    let share = |eventful| {
        let window = WindowConfig { time: 2, eventful, ..small() };
        let source = DatasetSource::new(dataset.clone(), window, Split::Train, 0.0, 0).unwrap();
        let near = |labels: &[f32]| (labels[0] - labels[1]).abs() < 0.3;
        let batches = (0..100).map(|index| source.batch(index).unwrap());
        let count = |batch: gedanken_data::Batch| {
            let seen = |window: &usize| (0..2).any(|frame| near(labels(&batch, *window, frame)));
            (0..batch.windows()).filter(seen).count()
        };
        batches.map(count).sum::<usize>()
    };
    assert!(share(1.0) > 2 * share(0.0));
}

#[test]
fn a_summary_counts_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = write(&folder.path().join("line"));
    let summary = dataset.summary(5).unwrap();
    assert_eq!((summary.counts.frames, summary.counts.episodes, summary.counts.layouts), (630, 30, 10));
    assert_eq!((summary.length.min, summary.length.mean, summary.length.max), (21.0, 21.0, 21.0));
    assert_eq!(summary.episodes_of_layout.mean, 3.0);
    assert_eq!(summary.policies.iter().map(|policy| policy.episodes).sum::<usize>(), 30);
    assert_eq!(summary.labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(), ["place[0]", "place[1]"]);
    let frames = || (0..630).map(|index| dataset.frame(index).unwrap());
    let mean = frames().map(|frame| f64::from(frame.labels().next().unwrap())).sum::<f64>() / 630.0;
    assert!((summary.labels[0].values.mean - mean).abs() < 1e-9);
    let norms: Vec<_> =
        frames().filter(|frame| !frame.last()).map(|frame| f64::from(frame.action().next().unwrap().abs())).collect();
    assert!((summary.action_norm_mean - norms.iter().sum::<f64>() / 600.0).abs() < 1e-9);
    assert_eq!(summary.eventful, frames().filter(gedanken_data::Frame::eventful).count() as f64 / 630.0);
    let files = ["episodes.safetensors", "shard-00000.safetensors"];
    let bytes = files.map(|file| fs::metadata(dataset.path().join(file)).unwrap().len());
    assert_eq!(summary.bytes, bytes.iter().sum::<u64>());
    let table = summary.to_string();
    assert!(table.contains("policy walk") && table.contains("label place[1]"), "{table}");
    let by_policy = |p: &gedanken_data::PolicySummary| p.eventful * (p.episodes * 21) as f64;
    let together = summary.policies.iter().map(by_policy).sum::<f64>() / 630.0;
    assert!((together - summary.eventful).abs() < 1e-9, "{together} {}", summary.eventful);
    let square = frames().map(|frame| (f64::from(frame.labels().next().unwrap()) - mean).powi(2)).sum::<f64>();
    assert!((summary.labels[0].std - (square / 630.0).sqrt()).abs() < 1e-9);
    assert_eq!(serde_json::to_value(&summary).unwrap()["counts"]["frames"], 630);
}

#[test]
fn a_dataset_of_another_environment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = write(&folder.path().join("line"));
    let refused = |change: fn(&mut gedanken_env::Spec)| {
        let mut spec = Line::new().spec().clone();
        change(&mut spec);
        dataset.check_env(&spec).unwrap_err().to_string()
    };
    assert!(refused(|spec| spec.name = "plane".into()).contains("expected plane"));
    assert!(refused(|spec| spec.observation.width = 9).contains("2 x 1 x 8; expected 2 x 1 x 9"));
    assert!(refused(|spec| spec.action.low.push(0.0)).contains("action"));
    assert!(refused(|spec| spec.labels[0].size = 3).contains("place[2]; expected place[3]"));
}
