//! Measures of whether a model is worth planning with: the error of its imagination, and the rank of good plans by its energy.

use std::fmt;

use burn::tensor::{Tensor, TensorData};
use gedanken_env::{Env, derive_seed};
use gedanken_planner::{Objective, World};
use serde::Serialize;

use crate::episodes::Numbers;
use crate::walks::Walks;
use crate::worlds::host;
use crate::{Doubt, EvalError, LearnedWorld, Perceive, Pictures};

/// The measures.
#[derive(Clone, Debug, Serialize)]
pub struct Worthiness {
    /// Mean squared error of imagined latents after every block of actions, over the variance of latents: 0 is perfect, 2 the
    /// distance of two random ones.
    pub error: Vec<f64>,
    /// The same for imagining no change.
    pub persistence: Vec<f64>,
    /// Rank of the actions that led to an episode's end among those of all episodes, by their energy for that end: the share that
    /// seems better, the mean over episodes. 0 is perfect, 0.5 chance.
    pub rank: f64,
    /// Standard deviation of these energies over their mean: near 0, a planner has nothing to choose by.
    pub spread: f64,
    /// Of a model with a latent variable, the futures that it thinks possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// Imagination as the decoder draws it, of a model that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
}

const EPISODES: usize = 32;
/// Derived seeds: the episodes.
const WALKS: u64 = 8;

impl Worthiness {
    /// Of a model under an objective, for plans of so many blocks of so many control steps.
    ///
    /// # Errors
    /// A policy that the environment refuses.
    pub fn of(
        world: &LearnedWorld<'_>,
        objective: &dyn Objective,
        env: &dyn Env,
        [horizon, frameskip]: [usize; 2],
        seed: u64,
    ) -> Result<Self, EvalError> {
        let walks = Walks::of(env, EPISODES, [horizon, frameskip], derive_seed(seed, &[WALKS]))?;
        let start = world.present(&walks.start);
        let actions = walks.actions(&start.device());
        let future = world.rollout(start.clone(), actions.clone());
        // Step by step, for the memory of a long horizon.
        let truth = walks.after.iter().map(|envs| world.present(envs).unsqueeze_dim(1)).collect();
        let truth: Tensor<4> = Tensor::cat(truth, 1);

        let variance = {
            let mean = truth.clone().mean_dim(0).mean_dim(1);
            number((truth.clone() - mean).square().mean()).max(f64::MIN_POSITIVE)
        };
        let by_step = |imagined: Tensor<4>| -> Vec<f64> {
            let squares = (imagined - truth.clone()).square();
            (0..horizon).map(|step| number(squares.clone().narrow(1, step, 1).mean()) / variance).collect()
        };

        // Every episode's start and end, with every episode's actions.
        let rows = |each: bool| {
            let index: Vec<i32> = (0..EPISODES * EPISODES)
                .map(|row| (if each { row % EPISODES } else { row / EPISODES }) as i32)
                .collect();
            Tensor::from_data(TensorData::new(index, [EPISODES * EPISODES]), &start.device())
        };
        let goals = truth.clone().narrow(1, horizon - 1, 1).squeeze_dim::<3>(1).select(0, rows(false));
        let ends = world.destination(start.clone().select(0, rows(false)), actions.select(0, rows(true)));
        let energies = host(objective.energy(ends.unsqueeze_dim(1), goals));
        let (mut better, mut spread) = (0.0, 0.0);
        for (episode, energies) in energies.chunks(EPISODES).enumerate() {
            // A tie counts as half; NaN is worse than all.
            let own = if energies[episode].is_nan() { f32::INFINITY } else { energies[episode] };
            let others = energies.iter().enumerate().filter(|(other, _)| *other != episode);
            better +=
                others.map(|(_, &e)| if e < own { 1.0 } else { 0.5 * f64::from(u8::from(e == own)) }).sum::<f64>();
            let mean = energies.iter().map(|&e| f64::from(e)).sum::<f64>() / EPISODES as f64;
            let squares = energies.iter().map(|&e| (f64::from(e) - mean).powi(2)).sum::<f64>();
            spread += (squares / EPISODES as f64).sqrt() / mean.abs().max(f64::MIN_POSITIVE);
        }
        Ok(Self {
            doubt: Doubt::of(world, &walks, &start, &truth, derive_seed(seed, &[WALKS])),
            pictures: Pictures::of(world, &walks, &future, &truth),
            error: by_step(future),
            persistence: by_step(start.unsqueeze_dim::<4>(1).repeat_dim(1, horizon)),
            rank: better / (EPISODES * (EPISODES - 1)) as f64,
            spread: spread / EPISODES as f64,
        })
    }

    /// True where latents hardly change within an episode: imagining no change is then hardly ever wrong, by less than a twentieth of their variance
    /// at the plan's end.
    pub fn stands_still(&self) -> bool {
        self.persistence.last().is_some_and(|&change| change < 0.05)
    }

    /// The numbers worth a curve.
    pub(crate) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new();
        if let (Some(first), Some(last)) = (self.error.first(), self.error.last()) {
            numbers.insert("worthiness/error_first".to_owned(), *first);
            numbers.insert("worthiness/error_last".to_owned(), *last);
        }
        numbers.insert("worthiness/rank".to_owned(), self.rank);
        numbers.insert("worthiness/spread".to_owned(), self.spread);
        numbers
    }
}

fn number(x: Tensor<1>) -> f64 {
    f64::from(x.into_scalar::<f32>())
}

impl fmt::Display for Worthiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.error.len().saturating_sub(1);
        let mut steps = vec![0, last / 2, last];
        steps.dedup();
        let at = |values: &[f64]| {
            steps.iter().filter_map(|&step| values.get(step)).map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(
            f,
            "imagined latents after {} blocks: error {} of their variance (imagining no change: {})",
            steps.iter().map(|step| (step + 1).to_string()).collect::<Vec<_>>().join(", "),
            at(&self.error),
            at(&self.persistence)
        )?;
        if self.stands_still() {
            writeln!(f, "within an episode latents hardly change: they hold what stays, not what moves")?;
        }
        writeln!(
            f,
            "actions that led to a goal: {:.1} % of others seem better; the energies' spread is {:.2} of their mean",
            100.0 * self.rank,
            self.spread
        )?;
        self.doubt.as_ref().map_or(Ok(()), |doubt| write!(f, "{doubt}"))?;
        self.pictures.as_ref().map_or(Ok(()), |pictures| write!(f, "{pictures}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_found_at_the_first_a_middle_and_the_last_block() {
        let error = vec![0.1, 0.2, 0.3, 0.4, 0.5];
        let found =
            Worthiness { persistence: error.clone(), error, rank: 0.0625, spread: 0.5, doubt: None, pictures: None };
        let text = found.to_string();
        assert!(text.contains("after 1, 3, 5 blocks: error 0.100, 0.300, 0.500"), "{text}");
        assert!(text.contains("6.2 % of others seem better"), "{text}");
        assert!(!text.contains("hardly change"), "{text}");
        let still = Worthiness { persistence: vec![0.01, 0.02], ..found };
        assert!(still.to_string().contains("within an episode latents hardly change"));
    }
}
