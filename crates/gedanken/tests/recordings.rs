//! Recordings of other programs through the command line: those that are right are taken, with what is left out; those that are not, are told.

mod common;

use std::fs;
use std::path::Path;

use common::Place;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

/// Rows of states and of actions, and frames of each episode.
struct Recording {
    states: Vec<Vec<f32>>,
    actions: Vec<Vec<f32>>,
    lengths: Vec<i64>,
}

impl Recording {
    /// Two episodes of 60 pushes in pymunk 6.8.1: `push_t_pymunk.py record`.
    fn of_pymunk() -> Self {
        let rows = include_str!("pymunk.csv").lines().skip(1);
        let row = |line: &str| line.split(',').skip(1).map(|x| x.parse().expect("a number")).collect::<Vec<f32>>();
        let (states, actions) = rows.map(row).map(|row| (row[..7].to_vec(), row[7..].to_vec())).unzip();
        Self { states, actions, lengths: vec![61, 61] }
    }

    /// The full states of a dataset of one shard.
    fn of_dataset(folder: &Path) -> Self {
        let bytes = fs::read(folder.join("shard-00000.safetensors")).expect("a shard");
        let file = SafeTensors::deserialize(&bytes).expect("columns");
        let rows = |name: &str, width: usize, number: &dyn Fn(&[u8]) -> f32| -> Vec<Vec<f32>> {
            let view = file.tensor(name).expect("a column");
            let numbers: Vec<f32> = view.data().chunks_exact(width).map(number).collect();
            numbers.chunks(view.shape()[1]).map(<[f32]>::to_vec).collect()
        };
        let states = rows("state", 8, &|bytes| f64::from_le_bytes(bytes.try_into().expect("eight")) as f32);
        let actions = rows("action", 4, &|bytes| f32::from_le_bytes(bytes.try_into().expect("four")));
        let lengths = vec![21; states.len() / 21];
        Self { states, actions, lengths }
    }

    fn write(&self, path: &Path) {
        let bytes = |rows: &[Vec<f32>]| rows.concat().iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let lengths: Vec<u8> = self.lengths.iter().flat_map(|x| x.to_le_bytes()).collect();
        let columns = [
            ("state", Dtype::F32, vec![self.states.len(), self.states[0].len()], bytes(&self.states)),
            ("action", Dtype::F32, vec![self.actions.len(), self.actions[0].len()], bytes(&self.actions)),
            ("ep_len", Dtype::I64, vec![self.lengths.len()], lengths),
        ];
        let views = columns
            .iter()
            .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).expect("a column")));
        fs::write(path, serialize(views, None).expect("columns")).expect("a file");
    }
}

#[test]
fn what_pymunk_recorded_of_push_t_passes_and_what_was_broken_on_the_way_does_not() {
    let place = Place::new();
    place.write("push.toml", "name = \"push\"\n[env]\nname = \"push-t\"\nsize = 40\n");
    let import = |recording: &Recording, out: &str, more: &[&str]| {
        recording.write(&place.path("recordings.safetensors"));
        let arguments = ["collect", "push.toml", "--from", "recordings.safetensors", "--out", out];
        place.run(&[&arguments[..], more].concat())
    };
    let said = import(&Recording::of_pymunk(), "pushes", &[]).good();
    for part in ["120 steps of 2 episodes", "0.0 % clipped, 0.0 % not finite", "error     median 0."] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let changed = |change: &dyn Fn(&mut Recording)| {
        let mut recording = Recording::of_pymunk();
        change(&mut recording);
        recording
    };
    let actions = |change: &dyn Fn(usize, &mut Vec<f32>)| {
        changed(&|recording| recording.actions.iter_mut().enumerate().for_each(|(row, action)| change(row, action)))
    };
    for (what, broken) in [
        ("times 100", actions(&|_, action| action.iter_mut().for_each(|x| *x *= 100.0))),
        ("in degrees", actions(&|_, action| action.iter_mut().for_each(|x| *x = x.to_degrees()))),
        ("swapped", actions(&|_, action| action.swap(0, 1))),
        (
            "every third missing",
            actions(&|row, action| {
                if row % 3 == 0 {
                    action.fill(f32::NAN)
                }
            }),
        ),
        ("of the step before", changed(&|recording| recording.actions.rotate_right(1))),
        ("of the step after", changed(&|recording| recording.actions.rotate_left(1))),
        ("angle in degrees", changed(&|recording| recording.states.iter_mut().for_each(|s| s[4] = s[4].to_degrees()))),
        ("no velocity", changed(&|recording| recording.states.iter_mut().for_each(|s| s[5..].fill(0.0)))),
    ] {
        let said = import(&broken, "broken", &[]);
        assert_eq!(said.bad_manners("--unfitting takes them all the same"), None, "{what}");
        assert!(!place.path("broken").exists(), "{what}");
    }
    let broken = actions(&|_, action| action.swap(0, 1));
    let said = import(&broken, "broken", &["--unfitting"]).good();
    assert!(said.err.contains("warning: ") && place.path("broken/dataset.toml").exists(), "{}", said.err);
}

#[test]
fn short_episodes_are_left_out_wherever_they_are_too_short_and_counted() {
    let place = Place::new();
    place.run(&["collect", "tiny.toml", "--out", "rooms"]).good();
    let mut recording = Recording::of_dataset(&place.path("rooms"));
    // Of every episode one frame, four frames and sixteen.
    recording.lengths = recording.lengths.iter().flat_map(|_| [1, 4, 16]).collect();
    recording.write(&place.path("recordings.safetensors"));
    let said = place.run(&["collect", "tiny.toml", "--from", "recordings.safetensors", "--out", "pieces"]).good();
    assert!(said.err.contains("12 of 36 episodes have a single frame and no action"), "{}", said.err);
    assert!(said.err.contains("off       0.0 % of the steps"), "{}", said.err);

    let disk = "data.source=disk data.path=pieces data.window.episodes=1 eval.tasks_from=recorded eval.goal_offset=6 eval.tasks=2 \
                eval.baselines=false eval.films=0 train.steps=2 data.validation=0.25";
    let disk: Vec<&str> = disk.split(' ').flat_map(|setting| ["--set", setting]).collect();
    let said = place.run(&[&["train", "tiny.toml"], &disk[..]].concat()).good();
    let told = "training: ";
    let line = said.err.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{}", said.err));
    assert!(line.contains(" of 18 episodes, ") && line.contains("are shorter than a window of 5: left out"), "{line}");
    assert!(
        said.err.contains("validation: ") && said.out.contains("no longer than 6 control steps"),
        "{}{}",
        said.err,
        said.out
    );
}
