use gedanken_data::{Dataset, Episode, Manifest, PolicyMix, Writer};
use gedanken_env::{Env, Label};

use crate::line::{CELLS, Line, both, made, write};

#[test]
fn a_summary_counts_how_often_and_how_far_other_things_than_the_agent_move() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = Line::new().spec().clone();
    spec.labels = vec![Label::new("agent", 1, "cells"), Label::new("thing", 1, "cells")];
    let mix = PolicyMix::new(&both(), &spec).unwrap();
    let path = folder.path().join("things");
    let mut writer = Writer::create(&path, Manifest::new(&spec, made(), &mix, None, 0), 1 << 20).unwrap();
    // The agent moves all the time, a thing is hit twice by policy 1 and never by policy 0.
    for (policy, things) in [(1, [0, 0, 1, 2, 2, 2, 3, 3, 3, 3]), (0, [5; 10])] {
        let episode = Episode {
            layout: 0,
            policy,
            states: vec![0.0; 30],
            actions: vec![0.5; 9],
            labels: things.iter().enumerate().flat_map(|(step, &thing)| [step as f32, thing as f32]).collect(),
            eventful: vec![false; 10],
        };
        writer.push(&episode, &[0; 10 * 2 * CELLS]).unwrap();
    }
    writer.finish().unwrap();

    let summary = Dataset::open(&path).unwrap().summary(5).unwrap();
    let [still, moved] = [0, 1].map(|policy| summary.policies[policy].moved.clone().unwrap());
    assert_eq!((still.hits, still.steps, still.windows), (0.0, 0.0, 0.0));
    assert_eq!((moved.hits, moved.steps, moved.windows), (2.0, 3.0 / 9.0, 1.0));
    assert_eq!((moved.labels[0].name.as_str(), moved.labels[0].change, moved.labels.len()), ("thing", 9.0 / 5.0, 1));
    let table = summary.to_string();
    assert!(table.contains("33.3 % of control steps, 100.0 % of windows of 5"), "{table}");
    assert_eq!(table.matches("hits").count(), 1, "{table}");
}

#[test]
fn windows_longer_than_every_episode_move_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = write(&folder.path().join("line"));
    let summary = dataset.summary(1000).unwrap();
    assert!(summary.policies.iter().all(|policy| policy.moved.as_ref().unwrap().windows == 0.0));
    assert_eq!((dataset.summary(0).unwrap().frameskip, summary.frameskip), (1, 1000));
}
