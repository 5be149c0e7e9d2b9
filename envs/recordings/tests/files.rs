//! Files of numpy, taken by the process of Python. `GEDANKEN_PYTHON` names a Python that has it; without one nothing is tested, and that is said.

use std::path::Path;
use std::process::Command;

use gedanken_data::Dataset;
use gedanken_env::{Env, conformance};
use gedanken_recordings::{Import, Imported, Options, Recordings};

/// A file of three episodes, of 5, 1 and 3 frames: a picture's corner and a label count the frames, an action is two thirds of it.
const MAKE: &str = "
import numpy as np, sys
n = 9
pixels = np.zeros((n, 16, 12, 3), np.uint8)
pixels[:, :8, :6, 0] = 10 * np.arange(n)[:, None, None]
action = np.stack([np.arange(n) / 1.5, -np.ones(n)], 1).astype(np.float32)
action[4, 0] = np.nan
columns = dict(pixels=pixels, action=action, ep_len=np.array([5, 1, 3]), step_idx=np.arange(n))
columns['robot.state'] = np.stack([np.arange(n), np.arange(n) ** 2], 1).astype(np.float64)
columns['broken'] = np.where(np.arange(n) == 7, np.nan, 1.0)
if len(sys.argv) > 2: del columns[sys.argv[2]]
np.savez(sys.argv[1], **columns)
";

/// A Python with numpy.
fn python() -> Option<String> {
    let python = std::env::var("GEDANKEN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import numpy"]).output();
    match found.is_ok_and(|output| output.status.success()) {
        true => Some(python),
        false => {
            eprintln!("{python} has no numpy: not tested");
            None
        }
    }
}

fn file(folder: &Path, python: &str, without: Option<&str>) -> String {
    let path = folder.join("episodes.npz").display().to_string();
    let made = Command::new(python).args(["-c", MAKE, &path]).args(without).status().unwrap();
    assert!(made.success());
    path
}

fn import(source: String, python: String) -> Import {
    let labels = Some(vec!["robot.state".to_owned()]);
    let (format, pixels, action) = (None, None, "action".to_owned());
    Import { source, format, pixels, action, labels, size: 8, python, timeout: 60.0, episodes: None, shard_mib: 1 }
}

#[test]
fn episodes_come_as_they_are_and_an_environment_replays_them() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (file(folder.path(), &python, None), folder.path().join("data"));
    let Imported { manifest, short, broken, left, .. } = import(source, python).write(&out, &mut |_| {}).unwrap();
    // The one frame has no action; the number that was none stands at an episode's end, where nobody acts.
    assert_eq!((manifest.counts.episodes, manifest.counts.frames, short, broken), (2, 8, 1, 0));
    assert_eq!((manifest.labels[0].name.as_str(), manifest.labels[0].size), ("state", 2));
    assert_eq!(left, ["step_idx", "broken"]);
    assert_eq!((manifest.action.low.as_slice(), manifest.action.high[0]), (&[0.0, -1.0][..], 7.0 / 1.5));

    let dataset = Dataset::open(&out).unwrap();
    dataset.verify().unwrap();
    for (row, frame) in [0, 1, 2, 3, 4, 6, 7, 8].into_iter().enumerate() {
        let seen = dataset.frame(row).unwrap();
        let number = frame as f32;
        // Reduced to half, the corner is still a corner.
        assert_eq!((seen.pixels()[0], seen.pixels()[7]), (10 * frame as u8, 0), "frame {frame}");
        assert_eq!(seen.labels().collect::<Vec<_>>(), [number, number * number], "frame {frame}");
        assert!(seen.last() || seen.action().next() == Some(number / 1.5), "frame {frame}");
    }

    let mut env = Recordings::new(Options { path: out }).unwrap();
    env.set_state(&[1.0, 1.0]).unwrap();
    let label = |env: &Recordings| {
        let mut labels = [0.0; 2];
        env.labels(&mut labels);
        labels[0]
    };
    env.step(&[0.0, 0.0]);
    assert_eq!(label(&env), 8.0);
    env.step(&[1.0, 1.0]);
    assert_eq!(label(&env), 8.0, "an episode stands still at its end");
    assert!(env.set_state(&[1.0, 3.0]).is_err() && env.set_state(&[0.5, 0.0]).is_err());
    conformance::check(&mut env).unwrap();
}

#[test]
fn what_is_not_there_is_an_error_that_names_what_is() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    let said = |import: Import| import.write(&out, &mut |_| {}).unwrap_err().to_string();
    let source = file(folder.path(), &python, None);
    let all = import(source.clone(), python.clone());
    for (import, expected) in [
        (
            Import { pixels: Some("image".into()), ..all.clone() },
            "no pictures `image`, uint8 [frames, height, width, 1 or 3]; --pixels takes one of: pixels",
        ),
        (
            Import { action: "moves".into(), ..all.clone() },
            "`moves`; --action takes one of: action, step_idx, robot.state, broken",
        ),
        (Import { labels: None, ..all.clone() }, "column `broken`: NaN in frame 1 of episode 2"),
        (Import { source: "nothing.npz".into(), ..all.clone() }, "no file nothing.npz"),
        (Import { format: Some("hdf5".into()), ..all.clone() }, "episodes.npz: "),
    ] {
        let said = said(import);
        assert!(said.contains(expected), "{said}");
        assert!(!out.exists());
    }
    file(folder.path(), &python, Some("ep_len"));
    let text = said(all.clone());
    assert!(text.contains("expected ep_len"), "{text}");
    // An episode too many, by what ep_len says.
    let more = "import numpy as np, sys; np.savez(sys.argv[1], pixels=np.zeros((9, 8, 8, 3), np.uint8), action=np.zeros((9, 1)), ep_len=[5, 5])";
    assert!(Command::new(&all.python).args(["-c", more, &all.source]).status().unwrap().success());
    let text = said(all);
    assert!(text.contains("left: pixels (9 rows, 10 frames by ep_len)"), "{text}");
}

#[test]
fn a_folder_that_is_no_recording_is_refused() {
    let said = |path: &str| Recordings::new(Options { path: path.into() }).err().unwrap().to_string();
    assert!(said("").contains("gedanken data import"));
    assert!(said("nowhere").contains("nowhere"));
}
