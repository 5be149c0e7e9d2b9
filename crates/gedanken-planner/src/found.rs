//! The end of a search: what was found, and the plan among it.

use burn::prelude::*;
use burn::tensor::Transaction;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::score::{Candidate, Score};
use crate::scored::Scored;
use crate::{PlanError, Returned, Style};

/// The end of one task's search.
pub(crate) struct Found {
    /// The last mean, within the bounds; untried unless it may be the plan.
    pub mean: Candidate,
    /// The best sequence seen.
    pub best: Option<Candidate>,
    /// The last round's elites with a finite energy, best first.
    pub elites: Vec<Candidate>,
}

impl Found {
    /// The plan: the best sequence takes the place of one that is no plan or violates the guardrails more.
    pub fn chosen(&self, style: &Style, rng: &mut ChaCha8Rng) -> Candidate {
        let best = self.best.as_ref().unwrap_or(&self.mean);
        let plan = match style.returns {
            Returned::Mean => &self.mean,
            Returned::Best => best,
            Returned::Elite => {
                let scores: Vec<Score> = self.elites.iter().map(|elite| elite.score).collect();
                let mut left: f64 = rng.random();
                let drawn = self.elites.iter().zip(style.weights.of(&scores)).find(|(_, weight)| {
                    left -= weight;
                    left < 0.0
                });
                // Rounding may leave a sliver after the last weight.
                drawn.map(|(elite, _)| elite).or(self.elites.first()).unwrap_or(best)
            }
        };
        if plan.score.worse_kind(&best.score) { best.clone() } else { plan.clone() }
    }
}

/// The tensors that a search of several tasks ends with.
pub(crate) struct End {
    /// The last mean, within the bounds, `[tasks, 1, length]`.
    pub mean: Tensor<3>,
    /// The same with its energy, where it may be the plan.
    pub judged: Option<Scored>,
    pub best: Option<Scored>,
    pub elites: Option<Scored>,
}

impl End {
    /// All of them, to be read at once.
    pub fn tensors(&self) -> Vec<Tensor<1>> {
        let scored = [&self.judged, &self.best, &self.elites].into_iter().flatten();
        let parts = |scored: &Scored| {
            [flat(scored.actions.clone()), flat(scored.energy.clone()), flat(scored.violation.clone())]
        };
        std::iter::once(flat(self.mean.clone())).chain(scored.flat_map(parts)).collect()
    }

    /// Task by task, from the numbers of [`End::tensors`].
    pub fn found(&self, numbers: &mut impl Iterator<Item = Vec<f32>>) -> impl Iterator<Item = Found> {
        let [tasks, _, length] = self.mean.dims();
        let mut next = || numbers.next().unwrap_or_default();
        let sequences = |actions: Vec<f32>| actions.chunks_exact(length).map(<[f32]>::to_vec).collect::<Vec<_>>();
        let means = sequences(next());
        let mut candidates = |scored: &Option<Scored>| {
            let Some(scored) = scored else { return vec![Vec::new(); tasks] };
            let (actions, energy, violation) = (sequences(next()), next(), next());
            let candidate = |(actions, score)| Candidate { actions, score };
            let all: Vec<Candidate> = actions.into_iter().zip(scores(&energy, &violation)).map(candidate).collect();
            all.chunks(scored.actions.dims()[1]).map(<[Candidate]>::to_vec).collect()
        };
        let (judged, best, elites) = (candidates(&self.judged), candidates(&self.best), candidates(&self.elites));
        let finite = |candidates: Vec<Candidate>| {
            candidates.into_iter().filter(|candidate| candidate.score.energy.is_finite()).collect::<Vec<_>>()
        };
        means.into_iter().zip(judged).zip(best).zip(elites).map(move |(((mean, judged), best), elites)| Found {
            mean: judged.into_iter().next().unwrap_or(Candidate { actions: mean, score: Score::UNTRIED }),
            best: finite(best).pop(),
            elites: finite(elites),
        })
    }
}

pub(crate) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    tensor.reshape([-1])
}

/// Numbers of tensors, all read at once.
pub(crate) fn read_all(tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>, PlanError> {
    let failed = |error: &dyn std::fmt::Debug| PlanError::Device(format!("{error:?}"));
    let reads = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    let read = reads.try_execute().map_err(|error| failed(&error))?;
    read.into_iter().map(|data| data.try_into_vec_as::<f32>().map_err(|error| failed(&error))).collect()
}

pub(crate) fn scores(energy: &[f32], violation: &[f32]) -> Vec<Score> {
    energy.iter().zip(violation).map(|(&energy, &violation)| Score::of(energy, violation)).collect()
}
