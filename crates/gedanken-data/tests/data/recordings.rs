use std::fs;
use std::path::{Path, PathBuf};

use gedanken_data::{DataError, Dataset, Recordings, Retraced};
use gedanken_env::{Env, rng};
use rand::RngExt;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::line::{Line, made, write};

/// Columns of numbers: name, type, shape, values.
type Columns<'a> = Vec<(&'a str, Dtype, Vec<usize>, Vec<f64>)>;

fn file(folder: &Path, columns: Columns) -> PathBuf {
    let bytes: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = columns
        .into_iter()
        .map(|(name, dtype, shape, values)| {
            let bytes: Vec<u8> = match dtype {
                Dtype::F32 => values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
                Dtype::F64 => values.iter().flat_map(|&x| x.to_le_bytes()).collect(),
                Dtype::I32 => values.iter().flat_map(|&x| (x as i32).to_le_bytes()).collect(),
                _ => values.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect(),
            };
            (name, dtype, shape, bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).expect("a column")));
    let path = folder.join("recordings.safetensors");
    fs::write(&path, serialize(views, None).expect("columns")).expect("a file");
    path
}

/// Two episodes of the line, of three and of two frames: places and a post at 5.
fn columns() -> Columns<'static> {
    vec![
        ("state", Dtype::F32, vec![5, 2], vec![1.0, 5.0, 2.0, 5.0, 2.5, 5.0, 7.0, 5.0, 6.0, 5.0]),
        ("action", Dtype::F32, vec![5, 1], vec![1.0, 9.0, f64::NAN, -1.0, 0.0]),
        ("ep_len", Dtype::I32, vec![2], vec![3.0, 2.0]),
    ]
}

fn import(columns: Columns) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::open(&file(folder.path(), columns), Line::new().spec())?;
    let out = folder.path().join("line");
    recordings.write(&Line::new(), made(), 1, 1, &out, &mut |_| {})?;
    Dataset::open(&out)
}

#[test]
fn what_another_program_recorded_is_seen_by_our_environment() {
    let dataset = import(columns()).unwrap();
    let lengths: Vec<_> = dataset.episodes().iter().map(|entry| (entry.length, entry.layout)).collect();
    assert_eq!(lengths, [(3, 0), (2, 1)]);
    assert_eq!(dataset.manifest().policies[0].name, "recorded");
    let places: Vec<f32> = (0..5).flat_map(|row| dataset.frame(row).unwrap().labels().collect::<Vec<_>>()).collect();
    assert_eq!(places, [1.0, 5.0, 2.0, 5.0, 2.5, 5.0, 7.0, 5.0, 6.0, 5.0]);
    let actions: Vec<f32> = (0..5).flat_map(|row| dataset.frame(row).unwrap().action().collect::<Vec<_>>()).collect();
    assert_eq!(actions, [1.0, 1.0, 0.0, -1.0, 0.0], "within bounds, and none at an episode's end");
    let mut env = Line::new();
    let mut pixels = vec![0; env.spec().observation.len()];
    env.set_state(&dataset.frame(4).unwrap().state().collect::<Vec<_>>()).unwrap();
    env.observe(&mut pixels);
    assert_eq!(dataset.frame(4).unwrap().pixels(), pixels);
}

#[test]
fn our_own_datasets_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let ours = write(&folder.path().join("ours"));
    let rows = ours.frames();
    let all =
        |of: fn(gedanken_data::Frame) -> Vec<f64>| (0..rows).flat_map(|row| of(ours.frame(row).unwrap())).collect();
    let of_episodes = |of: fn(&gedanken_data::EpisodeEntry) -> f64| ours.episodes().iter().map(of).collect();
    let episodes = ours.episodes().len();
    let path = file(
        folder.path(),
        vec![
            ("state", Dtype::F64, vec![rows, 3], all(|frame| frame.state().collect())),
            ("action", Dtype::F32, vec![rows, 1], all(|frame| frame.action().map(f64::from).collect())),
            ("ep_len", Dtype::I64, vec![episodes], of_episodes(|entry| entry.length as f64)),
            ("layout", Dtype::I64, vec![episodes], of_episodes(|entry| entry.layout as f64)),
        ],
    );
    let again = folder.path().join("again");
    let recordings = Recordings::open(&path, Line::new().spec()).unwrap();
    recordings.write(&Line::new(), made(), 7, 1, &again, &mut |_| {}).unwrap();
    let shard = |folder: &str| fs::read(beside(&ours, folder).join("shard-00000.safetensors")).unwrap();
    assert_eq!(shard("ours"), shard("again"));
    assert_eq!(ours.layouts(), Dataset::open(&again).unwrap().layouts());
}

/// The folder of that name beside a dataset.
fn beside(dataset: &Dataset, name: &str) -> PathBuf {
    dataset.path().with_file_name(name)
}

#[test]
fn a_wrong_column_is_named_with_what_would_be_right() {
    let with = |name: &str, dtype: Dtype, shape: &[usize], values: &[f64]| {
        let mut columns = columns();
        let column = columns.iter_mut().find(|column| column.0 == name).expect("a column");
        (column.1, column.2, column.3) = (dtype, shape.to_vec(), values.to_vec());
        import(columns).map(|_| ()).expect_err("refused").to_string()
    };
    let without = |name: &str| {
        let mut columns = columns();
        columns.retain(|column| column.0 != name);
        import(columns).map(|_| ()).expect_err("refused").to_string()
    };
    for (told, expected) in [
        (without("state"), "a column `state`"),
        (without("ep_len"), "a column `ep_len`"),
        (with("ep_len", Dtype::I32, &[2], &[3.0, 3.0]), "column `state`: [5, 2]; expected [6, 1 to 3]"),
        (
            with("ep_len", Dtype::I32, &[5], &[1.0; 5]),
            "ep_len: no episode of 2 frames or more; expected one with an action",
        ),
        (with("ep_len", Dtype::I32, &[2], &[6.0, -1.0]), "column `ep_len`: -1; expected 0 or more"),
        (with("ep_len", Dtype::F32, &[2], &[3.0, 2.0]), "column `ep_len`: F32; expected I32 or I64"),
        (with("action", Dtype::F32, &[5, 2], &[0.0; 10]), "column `action`: [5, 2]; expected [5, 1]"),
        (with("action", Dtype::F32, &[5], &[0.0; 5]), "column `action`: [5]; expected 2 dimensions"),
        (with("state", Dtype::F32, &[5, 1], &[0.0, 1.0, 2.0, 99.0, 3.0]), "row 3 (frame 0 of episode 1)"),
    ] {
        assert!(told.contains(expected), "{told}\nand not: {expected}");
    }
}

#[test]
fn an_episode_of_a_single_frame_is_left_out_and_the_others_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut columns = columns();
    columns[2] = ("ep_len", Dtype::I32, vec![4], vec![1.0, 0.0, 2.0, 2.0]);
    let path = file(folder.path(), columns);
    let recordings = Recordings::open(&path, Line::new().spec()).unwrap();
    let said = recordings.remark().unwrap();
    assert!(said.contains("2 of 4 episodes have a single frame and no action, or none at all: left out"), "{said}");
    let out = folder.path().join("line");
    recordings.write(&Line::new(), made(), 1, 1, &out, &mut |_| {}).unwrap();
    let dataset = Dataset::open(&out).unwrap();
    let lengths: Vec<_> = dataset.episodes().iter().map(|entry| (entry.length, entry.layout)).collect();
    assert_eq!(lengths, [(2, 2), (2, 3)]);
    assert_eq!(dataset.frame(0).unwrap().labels().next(), Some(2.0), "the second frame of the file");
}

const FRAMES: usize = 11;

/// Places of twenty episodes of ten random steps, and their actions.
fn walks() -> (Vec<f64>, Vec<f64>) {
    let (mut rng, mut dots, mut actions) = (rng(5, &[]), Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut dot = 3.5;
        for _ in 0..FRAMES {
            dots.push(dot);
            actions.push(f64::from(rng.random_range(-0.3..0.3f32)));
            dot += actions[actions.len() - 1];
        }
    }
    (dots, actions)
}

fn retrace(dots: &[f64], actions: Vec<f64>) -> Retraced {
    let (folder, rows) = (tempfile::tempdir().unwrap(), dots.len());
    let states = dots.iter().flat_map(|&dot| [dot, 5.0]).collect();
    let path = file(
        folder.path(),
        vec![
            ("state", Dtype::F32, vec![rows, 2], states),
            ("action", Dtype::F32, vec![rows, 1], actions),
            ("ep_len", Dtype::I32, vec![rows / FRAMES], vec![FRAMES as f64; rows / FRAMES]),
        ],
    );
    Recordings::open(&path, Line::new().spec()).unwrap().retrace(&Line::new(), 1).unwrap()
}

#[test]
fn recordings_whose_actions_lead_from_state_to_state_pass() {
    let (dots, actions) = walks();
    let found = retrace(&dots, actions);
    assert_eq!((found.episodes, found.steps, found.clipped, found.not_finite), (20, 200, 0.0, 0.0));
    assert_eq!((found.off, found.problem()), (0.0, None));
    assert!(found.worst.0 < 1e-5, "rounding alone: {found}");
}

#[test]
fn recordings_whose_actions_lead_elsewhere_are_told_with_how_far() {
    let (dots, actions) = walks();
    let changed = |change: &dyn Fn(usize, f64) -> f64| -> Retraced {
        retrace(&dots, actions.iter().enumerate().map(|(row, &action)| change(row, action)).collect())
    };
    let scaled = changed(&|_, action| 100.0 * action);
    assert!(scaled.clipped > 0.9 && scaled.off > 0.9 && scaled.missed.0 > 1.0, "{scaled}");
    let degrees = changed(&|_, action| action.to_degrees());
    let shifted = changed(&|row, _| actions[row.saturating_sub(1)]);
    let missing = changed(&|row, action| if row % 3 == 0 { f64::NAN } else { action });
    assert!((missing.not_finite - 0.33).abs() < 0.04, "{missing}");
    for found in [scaled, degrees, shifted, missing] {
        let problem = found.problem().unwrap_or_else(|| panic!("no problem: {found}"));
        assert!(problem.contains("of the steps are off; expected at most 25.0 %"), "{problem}");
        assert!(
            found.to_string().contains(&format!("worst {:.1} % of that (dot after row", 100.0 * found.worst.0)),
            "{found}"
        );
    }
    let still = retrace(&vec![3.5; dots.len()], actions.clone());
    assert!(still.problem().unwrap().starts_with("dot never moves in the recordings, and does here"), "{still}");
    // A few steps are enough where nothing else moves.
    let rare: Vec<f64> = (0..dots.len()).map(|row| if row % FRAMES < 5 { 2.0 } else { 2.5 }).collect();
    let rare = retrace(&rare, vec![0.0; dots.len()]);
    assert_eq!((rare.off, rare.missed.0), (0.1, 1.0));
    assert!(rare.problem().unwrap().starts_with("100.0 % of the movement of dot is missed"), "{rare}");
}
