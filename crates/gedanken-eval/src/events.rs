//! Imagination after an event: what a model makes of a contact or a wall.

use std::fmt;

use burn::tensor::{Tensor, TensorData};
use gedanken_env::{Env, Many, derive_seed};
use gedanken_planner::World;
use serde::Serialize;

use crate::checks::behind;
use crate::episodes::Numbers;
use crate::labels::rmse;
use crate::setup::frameskip;
use crate::walks::Walks;
use crate::worlds::labels_of;
use crate::{EvalError, Labels, LearnedWorld, Perceive};

/// Errors of labels some blocks of actions after the first event ([`Env::eventful`]) of each of some episodes, in the labels' units.
#[derive(Clone, Debug, Serialize)]
pub struct Events {
    /// Events.
    pub count: usize,
    /// Blocks of actions after the event.
    pub blocks: [usize; 2],
    /// Every label that the events change.
    pub labels: Vec<AfterEvent>,
}

/// One label after an event: root mean squared distances from its true values, after so many blocks.
#[derive(Clone, Debug, Serialize)]
pub struct AfterEvent {
    /// The label.
    pub label: String,
    /// Its unit.
    pub unit: String,
    /// As the probe reads it from imagined latents.
    pub imagined: [f64; 2],
    /// From latents of the true frames: the probe's own error.
    pub seen: [f64; 2],
    /// From the latent at the event: imagining that nothing moves.
    pub still: [f64; 2],
}

const BLOCKS: [usize; 2] = [1, 4];
const EPISODES: usize = 96;
/// Blocks of an episode.
const LENGTH: usize = 24;
/// Derived seeds: the episodes.
const EVENTS: u64 = 9;

impl Events {
    /// In episodes of the environment's own policies; none where it has none, or nothing ever happens.
    ///
    /// # Errors
    /// A policy that the environment refuses.
    pub fn of(world: &LearnedWorld<'_>, env: &dyn Env, seed: u64) -> Result<Option<Self>, EvalError> {
        let spec = env.spec();
        if spec.policies.is_empty() {
            return Ok(None);
        }
        let plan = [LENGTH, frameskip(world.model, env)];
        let walks = Walks::of(env, EPISODES, plan, derive_seed(seed, &[EVENTS]))?;
        let frame = |block: usize| block.checked_sub(1).map_or(&walks.start, |block| &walks.after[block]);
        let last = BLOCKS[1];
        let first = |episode: usize| {
            (0..=LENGTH - last).find(|&block| frame(block).envs()[episode].eventful()).map(|block| (episode, block))
        };
        let events: Vec<(usize, usize)> = (0..EPISODES).filter_map(first).collect();
        if events.is_empty() {
            return Ok(None);
        }
        let after = |blocks: usize| {
            Many::new(events.iter().map(|&(episode, at)| frame(at + blocks).envs()[episode].clone()).collect())
        };
        let read = |latents: Tensor<3>| Labels::Probed(world.model, world.statistics).read(latents);
        let (now, later) = (after(0), BLOCKS.map(after));
        let start = world.present(&now);
        let actions: Vec<f32> =
            events.iter().flat_map(|&(episode, at)| walks.blocks(episode, at..at + last)).copied().collect();
        let numbers = actions.len() / (events.len() * last);
        let actions = TensorData::new(actions, [events.len(), last, numbers]);
        let future = world.rollout(start.clone(), Tensor::from_data(actions, &start.device()));
        let truth = later.each_ref().map(labels_of);
        let imagined = BLOCKS.map(|blocks| read(future.clone().narrow(1, blocks - 1, 1).squeeze_dim(1)));
        let (seen, still, before) = (later.map(|envs| read(world.present(&envs))), read(start), labels_of(&now));

        let (size, mut column, mut labels) = (spec.label_len(), 0, Vec::new());
        for label in &spec.labels {
            let columns = column..column + label.size;
            column += label.size;
            let error = |found: [&Vec<f32>; 2]| [0, 1].map(|i| rmse(found[i], &truth[i], size, columns.clone()));
            if error([&before; 2]) == [0.0; 2] {
                continue;
            }
            labels.push(AfterEvent {
                label: label.name.clone(),
                unit: label.unit.clone(),
                imagined: error(imagined.each_ref()),
                seen: error(seen.each_ref()),
                still: error([&still; 2]),
            });
        }
        Ok(Some(Self { count: events.len(), blocks: BLOCKS, labels }))
    }

    /// The numbers worth a curve.
    pub(crate) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new();
        for after in &self.labels {
            for (kind, errors) in [("imagined", after.imagined), ("seen", after.seen), ("still", after.still)] {
                for (blocks, error) in self.blocks.iter().zip(errors) {
                    numbers.insert(format!("imagine/{}/{kind}_{blocks}", after.label), error);
                }
            }
        }
        numbers
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for AfterEvent { label, unit, imagined, seen, still } in &self.labels {
            let [a, b] = self.blocks;
            let pair = |[a, b]: [f64; 2]| format!("{a:.2}, {b:.2}");
            writeln!(
                f,
                "{label} {a}, {b} blocks after an event: {}{} off (read from the true frame: {}, if nothing moved: {}, n = {})",
                pair(*imagined),
                behind(unit),
                pair(*seen),
                pair(*still),
                self.count
            )?;
        }
        Ok(())
    }
}
