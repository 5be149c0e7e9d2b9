//! Planning by gradient: sequences slide down the energy, through the model, whose weights stay as they are; those that break a
//! guardrail slide out of what it forbids first.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::{MOST, at_least, at_most, between};
use crate::sampling::check_smoothness;
use crate::{Belief, Draw, Noise, PlanError, Round, Scored, Strategy, Table};

/// Keys of both descents. They start from `samples` sequences, the warm start and random ones around it; the plan is the best seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Descent {
    /// Steps down.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iterations: usize,
    /// Sequences that slide; one will do.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub samples: usize,
    /// Standard deviation of the starts around the warm start, in the actions' units.
    #[schemars(range(min = 0.0))]
    pub init_std: f32,
    /// Correlation of the starts' noise of consecutive control steps: 0 is white, near 1 pushes one way for long.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smoothness: f32,
    /// Length of the first step per number of the sequence, in the actions' units; it falls to nothing over the iterations.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f32,
    /// Standard deviation of the white noise that every step adds, in the actions' units.
    #[schemars(range(min = 0.0))]
    pub noise: f32,
}

impl Default for Descent {
    fn default() -> Self {
        Descent { iterations: 3, samples: 64, init_std: 1.0, smoothness: 0.5, learning_rate: 0.2, noise: 0.05 }
    }
}

impl Descent {
    /// Where the sequences are: at first the warm start and others around it, later at `memory[0]`, and noise.
    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Tensor<3> {
        let Some(at) = belief.memory.first() else {
            let noise = draw.noise(self.samples, Noise::Smooth(self.smoothness));
            let scale: Vec<f32> = (0..self.samples).map(|i| if i == 0 { 0.0 } else { self.init_std }).collect();
            let scale = Tensor::from_data(TensorData::new(scale, [1, self.samples, 1]), &noise.device());
            return belief.mean.clone() + noise * scale;
        };
        match round > 0 && self.noise > 0.0 {
            true => at.clone() + draw.noise(self.samples, Noise::Smooth(0.0)) * self.noise,
            false => at.clone(),
        }
    }

    /// Length of a step: it shrinks to nothing, so that the last ones settle.
    fn rate(&self, round: usize) -> f32 {
        self.learning_rate * (1.0 - round as f32 / (self.iterations + 1) as f32)
    }

    /// Sequences after a step; those from which there is no way down start again from the best.
    fn stepped(belief: &Belief, round: &Round, step: Tensor<3>) -> Tensor<3> {
        let at = round.tried.actions.clone() - step;
        match (&round.lost, &belief.best) {
            (Some(lost), Some(Scored { actions, .. })) => {
                let shape = at.dims();
                at.mask_where(lost.clone().expand(shape), actions.clone().expand(shape))
            }
            _ => at,
        }
    }

    fn check(&self) -> Result<(), PlanError> {
        at_least(self.iterations, 1, "iterations")?;
        at_most(self.iterations, MOST, "iterations")?;
        at_least(self.samples, 1, "samples")?;
        at_most(self.samples, MOST, "samples")?;
        between(self.init_std, self.init_std > 0.0, "init_std", "a positive number")?;
        check_smoothness(self.smoothness)?;
        between(self.learning_rate, self.learning_rate > 0.0, "learning_rate", "a positive number")?;
        between(self.noise, self.noise >= 0.0, "noise", "0 or more")
    }

    /// With a few starts, and steps for so many futures: there is one look more than steps, each at the price of two futures.
    fn budgeted(&self, futures: usize) -> Self {
        let samples = (futures / 8).clamp(1, 4);
        Descent { samples, iterations: (futures / (2 * samples)).max(2) - 1, noise: 0.0, ..self.clone() }
    }
}

/// Down the gradient of the energy, every step as long, from `samples` starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Gradient {
    /// Starts and steps.
    #[serde(flatten)]
    pub descent: Descent,
}

impl Strategy for Gradient {
    fn table(&self) -> Table {
        Table::of("gradient", self)
    }

    /// One look more than there are steps: the last step's energies are seen too.
    fn rounds(&self) -> usize {
        self.descent.iterations + 1
    }

    fn samples(&self, _round: usize) -> usize {
        self.descent.samples
    }

    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        Ok(self.descent.propose(round, belief, draw))
    }

    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        let Some(gradient) = round.gradient.clone() else { return Ok(()) };
        let size = gradient.clone().square().mean_dim(2).sqrt() + 1e-12;
        let step = gradient * self.descent.rate(round.number) / size;
        belief.memory = vec![Descent::stepped(belief, round, step)];
        Ok(())
    }

    fn needs_gradient(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), PlanError> {
        self.descent.check()
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        Some(Box::new(Gradient { descent: self.descent.budgeted(futures) }))
    }
}

/// Down the gradient of the energy by Adam (Kingma and Ba, 2015), from `samples` starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Adam {
    /// Starts and steps.
    #[serde(flatten)]
    pub descent: Descent,
}

impl Strategy for Adam {
    fn table(&self) -> Table {
        Table::of("adam", self)
    }

    /// One look more than there are steps: the last step's energies are seen too.
    fn rounds(&self) -> usize {
        self.descent.iterations + 1
    }

    fn samples(&self, _round: usize) -> usize {
        self.descent.samples
    }

    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        Ok(self.descent.propose(round, belief, draw))
    }

    /// `memory` holds the sequences and the gradient's first and second moments.
    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        let Some(gradient) = round.gradient.clone() else { return Ok(()) };
        let (first, second) = match &belief.memory[..] {
            [_, first, second] => (first.clone() * 0.9, second.clone() * 0.999),
            _ => (gradient.zeros_like(), gradient.zeros_like()),
        };
        let first = first + gradient.clone() * 0.1;
        let second = second + gradient.clone() * 0.001 * gradient;
        let [first_bias, second_bias] = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(round.number as i32 + 1));
        let size = (second.clone() / second_bias).sqrt() + 1e-12;
        let step = first.clone() / first_bias * self.descent.rate(round.number) / size;
        let at = Descent::stepped(belief, round, step);
        // Where there was no way down, momentum leads nowhere either.
        let first = match &round.lost {
            Some(lost) => first.clone().mask_fill(lost.clone().expand(first.dims()), 0.0),
            None => first,
        };
        belief.memory = vec![at, first, second];
        Ok(())
    }

    fn needs_gradient(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), PlanError> {
        self.descent.check()
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        Some(Box::new(Adam { descent: self.descent.budgeted(futures) }))
    }
}
