//! Comparisons from the command line, of runs whose numbers are known.

mod common;

use common::Place;
use serde_json::json;

/// Of 20 tasks those that the run of a width and a seed solves.
fn solved(width: u64, seed: u64) -> Vec<bool> {
    let of = |task: u64| match width {
        16 => (task * 11 + seed) % 20 < 11 + seed,
        _ => (task * 7 + seed * 3) % 20 < 15 + seed,
    };
    (0..20).map(of).collect()
}

/// A run with a report, and nothing else.
fn write_run(place: &Place, folder: &str, width: u64, seed: u64, version: &str, more: &str) {
    let solved = solved(width, seed);
    let episode = |(task, &done): (usize, &bool)| {
        let end = if done { 1.0 } else { 9.0 };
        json!({ "task": task, "start": 20.0 + task as f64, "end": end, "least": 1.0, "steps": 5, "evaluations": 0 })
    };
    let rate = solved.iter().filter(|&&done| done).count() as f64 / 20.0;
    let row = json!({
        "name": "model", "success": rate, "interval": [0.0, 1.0], "mean_final_distance": 10.0 - 9.0 * rate,
        "episodes": solved.iter().enumerate().map(episode).collect::<Vec<_>>(),
    });
    let report = json!({
        "version": version, "env": "two-rooms", "step": 300, "radius": 4.5,
        "protocol": { "tasks": 20, "seed": 7, "seeds": 1, "budget": 200, "rule": "final" },
        "rows": [row], "checks": { "probes": [{ "label": "agent", "rmse": 0.5 * seed as f64, "unit": "px" }] },
    });
    for inside in ["", "eval", "eval/step-000300"] {
        std::fs::create_dir_all(place.path(folder).join(inside)).expect("a folder");
    }
    place.write(&format!("{folder}/eval/step-000300/report.json"), report.to_string());
    let config = format!("# gedanken {version}\nname = \"widths\"\nseed = {seed}\n[encoder]\nwidth = {width}\n{more}");
    place.write(&format!("{folder}/config.toml"), config);
    place.write(&format!("{folder}/metrics.jsonl"), "{\"step\":300,\"seconds\":90.0,\"latent/effective_rank\":7.25}\n");
}

const HERE: &str = env!("CARGO_PKG_VERSION");

/// Two widths, three seeds.
fn widths() -> Place {
    let place = Place::new();
    for (width, seed) in [(16, 1), (16, 2), (16, 3), (32, 1), (32, 2), (32, 3)] {
        write_run(&place, &format!("widths/w{width}-{seed}"), width, seed, HERE, "");
    }
    place
}

#[test]
fn means_intervals_and_mc_nemar_are_those_of_scipy() {
    let place = widths();
    let csv = place.run(&["compare", "widths", "--by", "encoder.width", "--csv"]).good().out;
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let at = |row: usize, column: &str| {
        let column = rows[0].iter().position(|name| *name == column).unwrap_or_else(|| panic!("{column}: {csv}"));
        rows[row][column].parse::<f64>().unwrap_or(f64::NAN)
    };
    // The rates' mean; statsmodels' proportion_confint(method="wilson") of 39 and 51 of 60; scipy.stats.t.interval with 2 degrees of freedom.
    for (row, width, success, tasks, seeds) in [
        (1, 16.0, 0.65, [0.523_626_188_4, 0.758_322_256_0], [0.525_793_114_4, 0.774_206_885_6]),
        (2, 32.0, 0.85, [0.738_854_109_3, 0.919_025_594_2], [0.725_793_114_4, 0.974_206_885_6]),
    ] {
        let expected = [width, 3.0, 60.0, success, tasks[0], tasks[1], seeds[0], seeds[1], 10.0 - 9.0 * success];
        let names = "encoder.width runs tasks success tasks_low tasks_high seeds_low seeds_high distance";
        for (name, expected) in names.split(' ').zip(expected) {
            assert!((at(row, name) - expected).abs() < 1e-9, "{name}: {} is not {expected}", at(row, name));
        }
    }
    // statsmodels' mcnemar([[0, 19], [7, 0]], exact=True).
    assert_eq!((at(1, "best_alone"), at(1, "own_alone")), (19.0, 7.0));
    assert!((at(1, "p") - 0.028_959_274_291_992_19).abs() < 1e-12);
    assert!(at(2, "p").is_nan(), "the best is compared with itself");
    assert_eq!([at(1, "probe_agent"), at(1, "training_seconds"), at(1, "updates")], [1.0, 90.0, 300.0]);
}

#[test]
fn a_table_has_the_best_first_and_bold_and_says_what_its_intervals_are() {
    let place = widths();
    let plain = place.run(&["compare", "widths"]).good().out;
    let lines: Vec<&str> = plain.lines().collect();
    assert!(lines[1].starts_with("width=32") && lines[2].starts_with("width=16"), "{plain}");
    for told in ["73.9 to 91.9 %", "72.6 to 97.4 %", "0.029 (19:7)", "Wilson", "Student", "McNemar", "90 s"] {
        assert!(plain.contains(told), "{told}\n{plain}");
    }
    assert!(plain.contains("two-rooms: 200 control steps, success = distance below 4.5 at the end"), "{plain}");
    let md = place.run(&["compare", "widths", "--md", "--curves", "latent/effective_rank"]).good().out;
    assert!(md.contains("| width=32 | **85.0 %** |") && md.contains("| width=16 | 65.0 % |"), "{md}");
    assert!(md.contains("latent/effective_rank |") && md.contains("| 7.250 |"), "{md}");
    let tex = place.run(&["compare", "widths", "--tex"]).good().out;
    assert!(tex.contains("width=32 & \\textbf{85.0 \\%} & ") && tex.ends_with("\\end{tabular}\n"), "{tex}");

    let plot = ["compare", "widths", "--by", "encoder.width", "--plot", "widths.svg"];
    place.run(&plot).good();
    let svg = place.read("widths.svg");
    for text in [">0 %<", ">100 %<", ">16<", ">32<", ">encoder.width<"] {
        assert!(svg.contains(text), "{text}");
    }
    assert_eq!(place.run(&["compare", "widths", "--plot", "widths.png"]).bad_manners("svg"), None);
}

#[test]
fn where_there_is_no_task_runs_are_compared_by_the_ends_that_they_find() {
    let place = widths();
    for (width, found) in [(16, 12), (32, 24)] {
        let folder = format!("recorded/w{width}");
        write_run(&place, &folder, width, 1, HERE, "");
        let report = json!({
            "version": HERE, "env": "recordings", "step": 300, "radius": null, "protocol": {}, "rows": [],
            "worthiness": {
                "error": [0.1, 0.5],
                "retrieval": { "found": f64::from(found) / 32.0, "interval": [0.0, 1.0], "count": 32, "among": 32 },
            },
        });
        place.write(&format!("{folder}/eval/step-000300/report.json"), report.to_string());
    }
    let told = place.run(&["compare", "recorded"]).good().out;
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].contains("found") && lines[0].contains("95 % over episodes") && lines[0].contains("error"),
        "{told}"
    );
    // statsmodels' proportion_confint(24, 32, method="wilson").
    assert!(lines[1].starts_with("width=32  75.0 %      57.9 to 86.7 %"), "{told}");
    assert!(lines[2].starts_with("width=16  37.5 %") && lines[1].contains("0.50"), "{told}");
    assert!(told.contains("recordings: true ends of episodes among 32"), "{told}");
    // Beside runs that were judged by success they have no place.
    let told = place.run(&["compare", "widths", "recorded"]).good().out;
    assert!(told.contains("left out: recorded/w16: it has no success rate"), "{told}");
    assert_eq!(told.lines().take(3).count(), 3);
}

#[test]
fn runs_are_found_in_folders_and_globs_and_what_cannot_be_read_is_said() {
    let place = widths();
    let whole = place.run(&["compare", "widths"]).good().out;
    assert_eq!(place.run(&["compare", "widths/w*-?"]).good().out, whole);
    assert_eq!(place.run(&["compare", "widths/w16-1", "widths"]).good().out, whole, "each run once");

    // A run without a report, a damaged report, the same experiment again.
    std::fs::create_dir(place.path("widths/begun")).expect("a folder");
    place.write("widths/begun/config.toml", "seed = 1\n");
    write_run(&place, "widths/broken", 64, 1, HERE, "");
    place.write("widths/broken/eval/step-000300/report.json", "{\"rows\": [");
    write_run(&place, "widths/w32-3-again", 32, 3, HERE, "");
    let told = place.run(&["compare", "widths"]).good().out;
    assert_eq!(told.lines().take(3).collect::<Vec<_>>(), whole.lines().take(3).collect::<Vec<_>>());
    for note in [
        "note: widths/begun has no report yet",
        "note: left out: widths/broken/eval/step-000300/report.json: it is damaged",
        "left out, being the same experiment with the same seed as a later run: widths/w32-3",
    ] {
        assert!(told.contains(note), "{note}\n{told}");
    }
    for (arguments, names) in [
        (&["compare", "nowhere"][..], "nowhere: no such file or folder"),
        (&["compare", "none*"], "none*: nothing matches"),
        (&["compare", "tiny.toml"], "there is no run in it"),
        (&["compare", "widths/begun"], "there is nothing to compare"),
        (&["compare", "widths", "--by", "width"], "no run has this key; did you mean `encoder.width`?"),
        (&["compare", "widths", "--curves", "loss"], "no run has this curve"),
    ] {
        assert_eq!(place.run(arguments).bad_manners(names), None, "{arguments:?}");
    }
}

#[test]
fn runs_of_other_versions_are_read_as_far_as_they_go() {
    let place = widths();
    for seed in 1..=3 {
        write_run(&place, &format!("old/w16-{seed}"), 16, seed, "0.1.0", "depth = 2\n");
    }
    // As it was before episodes were in the report.
    let path = "old/w16-1/eval/step-000300/report.json";
    let mut report: serde_json::Value = serde_json::from_str(&place.read(path)).expect("JSON");
    report["rows"][0].as_object_mut().expect("a row").remove("episodes");
    report.as_object_mut().expect("a report").remove("checks");
    place.write(path, report.to_string());
    let said = place.run(&["compare", "old", "widths/w32*"]).good().out;
    assert!(said.contains(&format!("made by gedanken 0.1.0 and {HERE}, read by {HERE} as far as they go")), "{said}");
    assert!(said.contains("keys that not all of them have do not tell runs apart: encoder.depth"), "{said}");
    assert!(said.contains("it has no episodes: they are paired with no other run's"), "{said}");
    assert!(said.lines().nth(2).is_some_and(|row| row.starts_with("width=16") && row.contains(" 60 ")), "{said}");
}

#[test]
fn other_tasks_are_not_paired_and_their_difference_is_said() {
    let place = widths();
    for seed in 1..=3 {
        let path = format!("widths/w16-{seed}/eval/step-000300/report.json");
        let report = place.read(&path).replace("\"radius\":4.5", "\"radius\":2.0");
        place.write(&path, report);
    }
    let said = place.run(&["compare", "widths"]).good().out;
    assert!(said.contains("the tasks are not the same ones") && !said.contains("McNemar"), "{said}");
}
