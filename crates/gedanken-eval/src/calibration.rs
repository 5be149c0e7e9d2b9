//! Calibration of margins and levels: split conformal prediction on episodes of the environment's own policies.

use std::ops::Range;

use burn::tensor::Tensor;
use gedanken_env::Env;
use gedanken_planner::Trajectory;

use crate::walks::Walks;
use crate::worlds::{host, labels_of};
use crate::{EvalError, Labels, Perceive, Uncertainty};

/// Episodes that margins and levels are calibrated on.
const EPISODES: usize = 512;

/// Some episodes as they were imagined, and as they were.
pub(crate) struct Imagined {
    /// `[episodes, horizon, labels]`
    read: Vec<f32>,
    /// `[horizon][episodes, labels]`
    truth: Vec<Vec<f32>>,
    horizon: usize,
    labels: usize,
}

impl Imagined {
    /// Of the world, in episodes of the environment's own policies.
    pub fn of(
        world: &dyn Perceive,
        labels: Labels<'_>,
        env: &dyn Env,
        plan: [usize; 2],
        seed: u64,
    ) -> Result<Self, EvalError> {
        let walks = Walks::of(env, EPISODES, plan, seed)?;
        let start = world.present(&walks.start);
        let futures = world.rollout(start.clone(), walks.actions(&start.device()));
        let read = labels.read(futures.flatten::<3>(0, 1));
        let truth = walks.after.iter().map(labels_of).collect();
        Ok(Self { read, truth, horizon: walks.horizon, labels: env.spec().label_len() })
    }

    /// Distance of imagined and true labels, `[horizon][episodes]`, in the label's unit.
    pub fn errors(&self, columns: Range<usize>) -> Vec<Vec<f64>> {
        let distance = |episode: usize, step: usize| {
            let read = &self.read[(episode * self.horizon + step) * self.labels..][columns.clone()];
            let truth = &self.truth[step][episode * self.labels..][columns.clone()];
            read.iter().zip(truth).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let step = |step: usize| (0..EPISODES).map(|episode| distance(episode, step)).collect();
        (0..self.horizon).map(step).collect()
    }
}

/// Disagreement of a model's ensemble along some episodes, `[horizon][episodes]`.
pub(crate) fn uncertain(
    world: &dyn Perceive,
    uncertainty: Uncertainty<'_>,
    env: &dyn Env,
    plan: [usize; 2],
    seed: u64,
) -> Result<Vec<Vec<f64>>, EvalError> {
    let walks = Walks::of(env, EPISODES, plan, seed)?;
    let start = world.present(&walks.start);
    let actions = walks.actions(&start.device());
    let latents = world.rollout(start.clone(), actions.clone());
    let found: Tensor<2> = uncertainty.along(&Trajectory { start, latents, actions });
    let found = host(found);
    let step = |step: usize| found.iter().skip(step).step_by(walks.horizon).map(|&x| f64::from(x)).collect();
    Ok((0..walks.horizon).map(step).collect())
}

/// Every step's bound that holds for a new case with this probability.
pub(crate) fn quantiles(steps: Vec<Vec<f64>>, confidence: f64) -> Vec<f32> {
    steps.into_iter().map(|errors| conformal(errors, confidence) as f32).collect()
}

/// The smallest margin that holds for a new case with this probability: the `ceil((n + 1) confidence)`-th smallest of n errors,
/// the greatest where that is more than n.
fn conformal(mut errors: Vec<f64>, confidence: f64) -> f64 {
    errors.sort_by(f64::total_cmp);
    let rank = ((errors.len() + 1) as f64 * confidence).ceil() as usize;
    errors.get(rank.clamp(1, errors.len().max(1)) - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use gedanken_env::Many;
    use gedanken_planner::World;

    use super::*;
    use crate::TrueWorld;

    #[test]
    fn a_conformal_margin_is_the_rank_that_covers_a_new_case() {
        let errors: Vec<f64> = (1..=99).rev().map(f64::from).collect();
        assert_eq!(conformal(errors.clone(), 0.9), 90.0);
        assert_eq!(conformal(errors.clone(), 0.0), 1.0);
        assert_eq!(conformal(errors, 0.999), 99.0);
    }

    /// Imagines what happens, and the first label half a unit more off with every block, twice as much in every other episode.
    struct Drifting(TrueWorld);

    impl Perceive for Drifting {
        fn present(&self, envs: &Many) -> Tensor<3> {
            self.0.present(envs)
        }

        fn goals(&self, envs: &Many) -> Tensor<3> {
            self.0.goals(envs)
        }
    }

    impl World for Drifting {
        fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
            let futures = self.0.rollout(latents, actions);
            let [rows, horizon, tokens, numbers] = futures.dims();
            let off = |row: usize, block: usize| 0.5 * (1 + row % 2) as f32 * (block + 1) as f32;
            let drift = (0..rows).flat_map(|row| (0..horizon).map(move |block| off(row, block)));
            let drift = drift.flat_map(|off| (0..numbers).map(move |number| if number == 1 { off } else { 0.0 }));
            let drift = TensorData::new(drift.collect::<Vec<f32>>(), [rows, horizon, tokens, numbers]);
            futures.clone() + Tensor::from_data(drift, &futures.device())
        }
    }

    #[test]
    fn margins_are_what_imagination_errs_by_block_by_block() {
        let entry = gedanken_two_rooms::entry();
        let env = entry.make(&entry.defaults()).unwrap();
        let (plan, seed) = ([3, 2], 5);
        let world = Drifting(TrueWorld::default());
        let imagined = Imagined::of(&world, Labels::Simulated, env.as_ref(), plan, seed).unwrap();
        let agent = env.spec().label_columns("agent");
        for (confidence, expected) in [(0.3, [0.5, 1.0, 1.5]), (0.9, [1.0, 2.0, 3.0])] {
            for (margin, expected) in quantiles(imagined.errors(agent.clone()), confidence).into_iter().zip(expected) {
                assert!((margin - expected).abs() < 1e-5, "{margin} instead of {expected} at {confidence}");
            }
        }
        let wall = env.spec().label_columns("wall");
        assert_eq!(quantiles(imagined.errors(wall), 0.9), [0.0; 3], "of other labels nothing is wrong");
    }
}
