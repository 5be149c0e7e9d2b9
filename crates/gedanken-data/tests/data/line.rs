//! The world of these tests: a dot on a line of eight cells, with a post standing in it.

use std::collections::BTreeMap;

use gedanken_data::{Batch, CollectConfig, Collected, Dataset, EnvRecord, WindowConfig, collect};
use gedanken_env::{
    ActionSpace, Env, EnvError, Field, Label, ObservationSpace, Policy, PolicyInfo, Rng, Spec, TaskInfo, conformance,
    rng,
};
use rand::RngExt;

pub const CELLS: usize = 8;

/// State and labels: dot, post, and for the state the goal. Pictures: channel 0 the dot, channel 1 the post.
#[derive(Clone)]
pub struct Line {
    spec: Spec,
    dot: f64,
    post: f64,
    goal: f64,
}

impl Line {
    pub fn new() -> Self {
        let observation = ObservationSpace { channels: 2, height: 1, width: CELLS };
        let state = ["dot", "post", "goal"].map(|name| Field::new(name, "cells"));
        let action = ActionSpace::cube(1, -1.0, 1.0, "cells");
        let spec = Spec {
            labels: vec![Label::new("place", 2, "cells")],
            task: Some(TaskInfo::new(0.5, "cells")),
            policies: ["walk", "rest"].map(|name| PolicyInfo::new(name, "moves")).to_vec(),
            ..Spec::new("line", "A dot on a line.", observation, action, state)
        };
        Self { spec, dot: 0.0, post: 0.0, goal: 0.0 }
    }

    fn draw(&self, dot: f64, pixels: &mut [u8]) {
        pixels.fill(0);
        pixels[dot.round() as usize] = 200;
        pixels[CELLS + self.post as usize] = 100;
    }
}

/// `walk` takes random steps from where it is; `rest` goes to the last cell and stays.
struct Scripted {
    walks: bool,
}

impl Policy for Scripted {
    fn begin(&mut self, env: &mut dyn Env, _rng: &mut Rng) {
        if !self.walks {
            let mut state = [0.0; 3];
            env.state(&mut state);
            state[0] = (CELLS - 1) as f64;
            env.set_state(&state).unwrap();
        }
    }

    fn act(&mut self, _env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        // Beyond the action space, so that a record of what was executed differs from what was asked for.
        action[0] = if self.walks { rng.random_range(-1.5..1.5) } else { 0.0 };
    }
}

impl Env for Line {
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn reset(&mut self, seed: u64) {
        self.post = rng(seed, &[1]).random_range(0..CELLS) as f64;
        self.restart(seed);
    }
    fn restart(&mut self, seed: u64) {
        let mut rng = rng(seed, &[2]);
        self.dot = rng.random_range(0.0..7.0);
        self.goal = rng.random_range(0.0..7.0);
    }
    fn step(&mut self, action: &[f32]) {
        let mut action = [action[0]];
        self.spec.action.clip(&mut action);
        self.dot = (self.dot + f64::from(action[0])).clamp(0.0, (CELLS - 1) as f64);
    }
    fn observe(&self, pixels: &mut [u8]) {
        self.draw(self.dot, pixels);
    }
    fn observe_goal(&self, pixels: &mut [u8]) {
        self.draw(self.goal, pixels);
    }
    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&[self.dot, self.post, self.goal]);
    }
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        match state {
            &[dot, post, goal] if state.iter().all(|x| (0.0..CELLS as f64).contains(x)) => {
                (self.dot, self.post, self.goal) = (dot, post, goal);
                Ok(())
            }
            _ => Err(EnvError::state("line", state, "three numbers from 0 to 8")),
        }
    }
    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let (dot, post) = (self.dot, self.post);
        self.set_state(state)?;
        (self.dot, self.post, self.goal) = (dot, post, self.dot);
        Ok(())
    }
    fn labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.dot as f32, self.post as f32]);
    }
    fn goal_labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.goal as f32, self.post as f32]);
    }
    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(f64::from((labels[0] - goal[0]).abs()))
    }
    fn eventful(&self) -> bool {
        (self.dot - self.post).abs() < 0.3
    }
    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        match name {
            "walk" | "rest" => Ok(Box::new(Scripted { walks: name == "walk" })),
            _ => Err(self.spec.no_policy(name)),
        }
    }
}

pub fn made() -> EnvRecord {
    let options = serde_json::json!({ "cells": CELLS, "nothing": null });
    EnvRecord { name: "line".into(), options, factors: BTreeMap::from([("light".into(), 0.5)]) }
}

pub fn both() -> BTreeMap<String, f64> {
    BTreeMap::from([("walk".into(), 3.0), ("rest".into(), 1.0)])
}

pub fn small() -> WindowConfig {
    WindowConfig { time: 5, frameskip: 1, extra: 3, layouts: 4, episodes: 2, eventful: 0.4 }
}

pub fn config() -> CollectConfig {
    CollectConfig { layouts: 10, episodes: 3, episode_steps: 20, shard_mib: 1, policies: both() }
}

/// The picture of a frame of a window, u8 `[2, 1, CELLS]`.
pub fn picture(batch: &Batch, window: usize, frame: usize) -> &[u8] {
    &batch.pixels[(window * batch.frames() + frame) * 2 * CELLS..][..2 * CELLS]
}

/// The labels of a frame of a window: dot and post.
pub fn labels(batch: &Batch, window: usize, frame: usize) -> &[f32] {
    &batch.labels[(window * batch.frames() + frame) * 2..][..2]
}

/// A dataset of ten layouts with three episodes each.
pub fn write(path: &std::path::Path) -> Dataset {
    collect(&config(), &Line::new(), made(), 7, path, &mut |_: Collected| {}).unwrap();
    Dataset::open(path).unwrap()
}

#[test]
fn the_line_is_an_environment() {
    conformance::check(&mut Line::new()).unwrap();
}
