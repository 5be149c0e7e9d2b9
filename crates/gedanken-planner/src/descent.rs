//! Planning by gradient: sequences slide down the energy, through the model, whose weights stay as they are; those that break a
//! guardrail slide out of what it forbids first.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::at_least;
use crate::sampling::check_smoothness;
use crate::{Belief, Draw, Noise, PlanError, Round, Strategy, Style, Table, Width};

/// Slides sequences down the gradient of the energy, by steps of one length (`gradient`) or by Adam (`adam`; Kingma and Ba, 2015). They start
/// from the warm start and from random sequences around it; the plan is the best sequence seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Descent {
    /// Steps down.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iterations: usize,
    /// Sequences that slide; one will do.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub samples: usize,
    /// Standard deviation of the starts around the warm start: in the actions' units, or `{ share = 1.0 }` of half the width of their box.
    pub init_std: Width,
    /// Correlation of the starts' noise of consecutive control steps: 0 is white, near 1 pushes one way for long.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smoothness: f32,
    /// Length of the first step per number of the sequence: in the actions' units, or `{ share = 0.2 }` of half the width of their box; it
    /// falls to nothing over the iterations.
    pub learning_rate: Width,
    /// Standard deviation of the white noise that every step adds: in the actions' units, or `{ share = 0.05 }` of half the width of their box.
    pub noise: Width,
    /// Steps are Adam's.
    #[serde(skip)]
    pub adam: bool,
}

impl Default for Descent {
    fn default() -> Self {
        let (learning_rate, noise) = (Width::share(0.2), Width::share(0.05));
        Descent {
            iterations: 3,
            samples: 64,
            init_std: Width::share(1.0),
            smoothness: 0.5,
            learning_rate,
            noise,
            adam: false,
        }
    }
}

impl Descent {
    /// By Adam.
    #[must_use]
    pub fn with_adam(self) -> Self {
        Descent { adam: true, ..self }
    }

    /// Length of a step along every number of a sequence, `[1, 1, length]`: it shrinks to nothing, so that the last ones settle.
    fn rate(&self, belief: &Belief, round: usize) -> Tensor<3> {
        self.learning_rate.along(&belief.half_widths) * (1.0 - round as f32 / (self.iterations + 1) as f32)
    }

    /// The measure in which a gradient's length is taken, number by number: where steps are shares of a box, a box of any shape is a cube.
    fn measure(&self, belief: &Belief) -> Tensor<3> {
        match self.learning_rate {
            Width::Units(_) => belief.half_widths.ones_like(),
            Width::Share(_) => belief.half_widths.clone(),
        }
    }

    /// The step along a gradient, and the first and second moments of the gradients so far.
    fn adam(
        &self,
        moments: Option<[Tensor<3>; 2]>,
        gradient: Tensor<3>,
        rate: Tensor<3>,
        round: usize,
    ) -> (Tensor<3>, [Tensor<3>; 2]) {
        let [first, second] = match moments {
            Some([first, second]) => [first * 0.9, second * 0.999],
            None => [gradient.zeros_like(), gradient.zeros_like()],
        };
        let first = first + gradient.clone() * 0.1;
        let second = second + gradient.clone() * 0.001 * gradient;
        let [first_bias, second_bias] = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(round as i32 + 1));
        let size = (second.clone() / second_bias).sqrt() + 1e-12;
        (first.clone() / first_bias * rate / size, [first, second])
    }
}

impl Strategy for Descent {
    fn table(&self) -> Table {
        Table::of(if self.adam { "adam" } else { "gradient" }, self)
    }

    /// One look more than there are steps: the last step's energies are seen too.
    fn style(&self) -> Style {
        Style { rounds: self.iterations + 1, gradient: true, ..Style::default() }
    }

    fn samples(&self, _round: usize) -> usize {
        self.samples
    }

    /// At first the warm start and others around it, later `memory[0]`, and noise.
    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        let Some(at) = belief.memory.first() else {
            let noise = draw.noise(self.samples, Noise::Smooth(self.smoothness));
            let drawn: Vec<f32> = (0..self.samples).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect();
            let drawn = Tensor::<3>::from_data(TensorData::new(drawn, [1, self.samples, 1]), &noise.device());
            return Ok(belief.mean.clone() + noise * (drawn * self.init_std.along(&belief.half_widths)));
        };
        Ok(match round > 0 && self.noise.at(1.0) > 0.0 {
            true => {
                let noise = draw.noise(self.samples, Noise::Smooth(0.0));
                at.clone() + noise * self.noise.along(&belief.half_widths)
            }
            false => at.clone(),
        })
    }

    /// `memory` holds the sequences, and Adam's moments.
    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        let Some(gradient) = round.gradient.clone() else { return Ok(()) };
        // The gradient by numbers that are as long as the box is wide there.
        let gradient = gradient * self.measure(belief);
        let rate = self.rate(belief, round.number);
        let mut memory = std::mem::take(&mut belief.memory).into_iter().skip(1);
        let (step, moments) = if self.adam {
            let (step, moments) =
                self.adam(memory.next().zip(memory.next()).map(<[_; 2]>::from), gradient, rate, round.number);
            (step, moments.to_vec())
        } else {
            let size = gradient.clone().square().mean_dim(2).sqrt() + 1e-12;
            (gradient * rate / size, Vec::new())
        };
        let at = round.tried.actions.clone() - step;
        belief.memory = std::iter::once(at).chain(moments).collect();
        if let (Some(lost), Some(best)) = (&round.lost, &belief.best) {
            // Sequences from which there is no way down start again from the best, without momentum.
            let (shape, still) = (belief.memory[0].dims(), belief.mean.zeros_like());
            for (tensor, instead) in belief.memory.iter_mut().zip([best.actions.clone(), still]) {
                *tensor = tensor.clone().mask_where(lost.clone().expand(shape), instead.expand(shape));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), PlanError> {
        at_least(self.iterations, 1, "iterations")?;
        at_least(self.samples, 1, "samples")?;
        self.init_std.check("init_std", false)?;
        check_smoothness(self.smoothness)?;
        self.learning_rate.check("learning_rate", false)?;
        self.noise.check("noise", true)
    }

    /// With a few starts; there is one look more than steps, each at the price of two futures.
    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        let samples = (futures / 8).clamp(1, 4);
        let iterations = (futures / (2 * samples)).max(2) - 1;
        Some(Box::new(Descent { samples, iterations, noise: Width::Units(0.0), ..self.clone() }))
    }
}
