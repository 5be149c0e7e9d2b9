//! Strategies: the sequences that a search proposes, and the lessons of their energies.

use burn::prelude::*;
use gedanken_parts::Table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Draw, PlanError, Scored, Width};

/// A way to search. One value serves all tasks of a batch; knowledge of the tasks is in their [`Belief`].
///
/// Tensors hold a sequence of actions as `length = horizon * action` numbers in the environment's units, and the active tasks of a
/// batch in their first dimension. The search around a strategy brings proposals within the bounds, imagines and ranks them, ends
/// each task's search when its budget is spent, and returns the plans.
///
/// ```
/// use burn::prelude::*;
/// use gedanken_planner::{Belief, Draw, Noise, PlanError, Round, Strategy, Style, Table};
///
/// /// Small changes to the best sequence so far.
/// struct HillClimbing;
///
/// impl Strategy for HillClimbing {
///     fn table(&self) -> Table {
///         Table { kind: "hill-climbing".into(), ..Table::default() }
///     }
///     fn style(&self) -> Style {
///         Style { rounds: 10, ..Style::default() }
///     }
///     fn samples(&self, _round: usize) -> usize {
///         32
///     }
///     fn propose(&self, _: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
///         Ok(belief.mean.clone() + draw.noise(32, Noise::Smooth(0.5)) * 0.3)
///     }
///     fn refine(&self, belief: &mut Belief, _: &Round) -> Result<(), PlanError> {
///         if let Some(best) = &belief.best {
///             belief.mean = best.actions.clone();
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Strategy: Send + Sync {
    /// Its name and its keys, as a config or a report shows them: `Table::of("name", self)` for one that is its own config.
    fn table(&self) -> Table;

    /// Rounds, elites and other requests to the search around it.
    fn style(&self) -> Style;

    /// Sequences that a round proposes for every task, at least one; rounds count from 0.
    fn samples(&self, round: usize) -> usize;

    /// The sequences of a round, `[tasks, samples, length]`.
    ///
    /// # Errors
    /// A device that fails.
    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError>;

    /// Learns from a round. Nothing by default.
    ///
    /// # Errors
    /// A device that fails.
    fn refine(&self, _belief: &mut Belief, _round: &Round) -> Result<(), PlanError> {
        Ok(())
    }

    /// Checks the keys. All work by default.
    ///
    /// # Errors
    /// The first key that cannot, and why.
    fn check(&self) -> Result<(), PlanError> {
        Ok(())
    }

    /// The same strategy with rounds and samples for about this many futures of a task in all, as comparisons at equal cost ask for. None
    /// by default: it is compared as it is configured.
    fn budgeted(&self, _futures: usize) -> Option<Box<dyn Strategy>> {
        None
    }
}

/// Requests of a strategy to the search around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Rounds of a search: each proposes, imagines and refines once. Default 1.
    pub rounds: usize,
    /// Best sequences of a round that are kept: for [`Round::elites`], for polishing and for [`Plans::others`](crate::Plans::others); at
    /// least one, at most as many as samples. Default 1.
    pub elites: usize,
    /// Weights of the elites among which [`Returned::Elite`] draws. Default: all alike.
    pub weights: Weights,
    /// Which sequence is the plan. Default: the best one seen.
    pub returns: Returned,
    /// Standard deviation of the first belief. Default 0, for strategies without one.
    pub init_std: Width,
    /// Other sequences of the plan before, shifted, that may take part in the first round beside its rest. Default 0.
    pub carries: usize,
    /// Rounds need the gradient of the energy by the actions ([`Round::gradient`]), which doubles their cost. Default: no.
    pub gradient: bool,
}

impl Default for Style {
    fn default() -> Self {
        let (weights, returns) = (Weights::Equal, Returned::Best);
        Style { rounds: 1, elites: 1, weights, returns, init_std: Width::Units(0.0), carries: 0, gradient: false }
    }
}

/// Tensors that describe what a search knows of its active tasks; the first dimension of each is `tasks`.
#[derive(Clone, Debug)]
pub struct Belief {
    /// Mean sequence, `[tasks, 1, length]`. At first what is left of the plan before, else the middle of the box.
    pub mean: Tensor<3>,
    /// Standard deviation around it, `[tasks, 1, length]`. At first [`Style::init_std`].
    pub std: Tensor<3>,
    /// Middle of the actions' box, `[1, 1, length]`; of a side without an end, what is nearest to zero.
    pub middle: Tensor<3>,
    /// Half the width of the actions' box, `[1, 1, length]`: 1 where it has no end.
    pub half_widths: Tensor<3>,
    /// Whatever else a strategy remembers from round to round.
    pub memory: Vec<Tensor<3>>,
    /// Elites of the last round, best first; none before the first.
    pub elites: Option<Scored>,
    /// Best sequence so far, `samples = 1`; none before the first round.
    pub best: Option<Scored>,
    /// Sequences that each task's search starts from, best first.
    pub(crate) known: Vec<Vec<Vec<f32>>>,
}

impl Belief {
    /// These tasks alone.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let index: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let index = Tensor::<1, Int>::from_data(index.as_slice(), &self.mean.device());
        let of = |tensor: &Tensor<3>| tensor.clone().select(0, index.clone());
        Belief {
            mean: of(&self.mean),
            std: of(&self.std),
            middle: self.middle.clone(),
            half_widths: self.half_widths.clone(),
            memory: self.memory.iter().map(of).collect(),
            elites: self.elites.as_ref().map(|elites| elites.select(rows, &index)),
            best: self.best.as_ref().map(|best| best.select(rows, &index)),
            known: rows.iter().map(|&row| self.known[row].clone()).collect(),
        }
    }
}

/// The outcome of a round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its number, from 0.
    pub number: usize,
    /// All proposals, within the bounds, in the order in which they were proposed.
    pub tried: Scored,
    /// The best of them, [`Style::elites`] for every task, best first.
    pub elites: Scored,
    /// Gradient of each proposal's energy, or of its violation where it breaks a guardrail, `[tasks, samples, length]`; where it is not
    /// finite, zero. None unless [`Style::gradient`].
    pub gradient: Option<Tensor<3>>,
    /// Proposals without a finite gradient, `[tasks, samples, 1]`; none where it is known that there is no such proposal.
    pub lost: Option<Tensor<3, Bool>>,
}

/// Weights of elites in the next distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// All alike; a standard deviation by them is the unbiased one.
    Equal,
    /// By `exp(-(c - c_min) / temperature)`; the standard deviation is the biased one.
    Softmax {
        /// Energy difference over which a weight falls by e.
        temperature: f32,
    },
}

/// Which sequence is the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Returned {
    /// The mean of the last distribution, or the best sequence where the mean's energy is not finite.
    #[default]
    Mean,
    /// The sequence of the lowest energy seen.
    Best,
    /// One of the last round's elites, drawn by their weights.
    Elite,
}
