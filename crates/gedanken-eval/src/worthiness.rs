//! Measures of whether a model is worth planning with: the error of its imagination, and the rank of good plans by its energy.

use std::fmt;

use burn::tensor::{Tensor, TensorData};
use gedanken_env::derive_seed;
use gedanken_planner::{Objective, World};
use serde::Serialize;

use crate::episodes::Numbers;
use crate::walks::Walks;
use crate::worlds::host;
use crate::{Doubt, EvalError, LearnedWorld, Perceive, Pictures, wilson};

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
    /// The true end of an episode among those of others, by the end that was imagined.
    pub retrieval: Retrieval,
    /// Of a model with a latent variable, the futures that it thinks possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// Imagination as the decoder draws it, of a model that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
}

/// True ends of episodes, found by imagined ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Retrieval {
    /// Share of the episodes whose imagined end is nearer to their own true end than to those of all others.
    pub found: f64,
    /// Its Wilson 95 % interval.
    pub interval: [f64; 2],
    /// The same for imagining no change.
    pub still: f64,
    /// Episodes.
    pub count: usize,
    /// Ends to choose from: chance is one of so many.
    pub among: usize,
}

/// Episodes that are compared with each other.
pub(crate) const EPISODES: usize = 32;
/// Derived seeds: the episodes.
const WALKS: u64 = 8;

/// Sums over some groups of episodes.
#[derive(Default)]
struct Sums {
    variance: f64,
    imagined: Vec<f64>,
    still: Vec<f64>,
    better: f64,
    spread: f64,
    found: [usize; 2],
}

impl Sums {
    /// Adds a group: its starts `[episodes, tokens, dim]`, its imagined future and the true one `[episodes, horizon, tokens, dim]`.
    fn add(&mut self, start: &Tensor<3>, future: &Tensor<4>, truth: &Tensor<4>) {
        let horizon = truth.dims()[1];
        let mean = truth.clone().mean_dim(0).mean_dim(1);
        self.variance += number((truth.clone() - mean).square().mean());
        let still = start.clone().unsqueeze_dim::<4>(1).repeat_dim(1, horizon);
        for (sums, imagined) in [(&mut self.imagined, future), (&mut self.still, &still)] {
            let squares = (imagined.clone() - truth.clone()).square();
            sums.resize(horizon, 0.0);
            sums.iter_mut()
                .enumerate()
                .for_each(|(step, sum)| *sum += number(squares.clone().narrow(1, step, 1).mean()));
        }
        let end = |latents: &Tensor<4>| latents.clone().narrow(1, horizon - 1, 1).flatten::<2>(1, 3);
        for (found, imagined) in self.found.iter_mut().zip([future, &still]) {
            *found += nearest(end(imagined), end(truth));
        }
    }

    /// Adds the energies `[episodes][actions]` of every episode's end under every episode's actions.
    fn rank(&mut self, energies: &[f32]) {
        for (episode, energies) in energies.chunks(EPISODES).enumerate() {
            // A tie counts as half; NaN is worse than all.
            let own = if energies[episode].is_nan() { f32::INFINITY } else { energies[episode] };
            let others = energies.iter().enumerate().filter(|(other, _)| *other != episode);
            self.better +=
                others.map(|(_, &e)| if e < own { 1.0 } else { 0.5 * f64::from(u8::from(e == own)) }).sum::<f64>();
            let mean = energies.iter().map(|&e| f64::from(e)).sum::<f64>() / EPISODES as f64;
            let squares = energies.iter().map(|&e| (f64::from(e) - mean).powi(2)).sum::<f64>();
            self.spread += (squares / EPISODES as f64).sqrt() / mean.abs().max(f64::MIN_POSITIVE);
        }
    }
}

/// Rows of one table that are nearer to their own row of another, both `[rows, numbers]`, than to any other.
fn nearest(rows: Tensor<2>, of: Tensor<2>) -> usize {
    let [count, numbers] = rows.dims();
    let (rows, of) = (host(rows), host(of));
    let distance = |a: usize, b: usize| {
        let pairs = rows[a * numbers..][..numbers].iter().zip(&of[b * numbers..][..numbers]);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    let finds = |&row: &usize| {
        let own = distance(row, row);
        (0..count).all(|other| other == row || own < distance(row, other))
    };
    (0..count).filter(finds).count()
}

impl Worthiness {
    /// Of a model under an objective, on some groups of [`EPISODES`] episodes each; `walks` makes a group from a seed.
    ///
    /// # Errors
    /// As `walks`.
    pub(crate) fn of(
        world: &LearnedWorld<'_>,
        objective: &dyn Objective,
        walks: &dyn Fn(u64) -> Result<Walks, EvalError>,
        groups: usize,
        seed: u64,
    ) -> Result<Self, EvalError> {
        let (mut sums, mut doubt, mut pictures) = (Sums::default(), None, None);
        let groups = groups.max(1);
        for group in 0..groups as u64 {
            let seed = if group == 0 { derive_seed(seed, &[WALKS]) } else { derive_seed(seed, &[WALKS, group]) };
            let walks = walks(seed)?;
            let start = world.present(&walks.start);
            let actions = walks.actions(&start.device());
            let future = world.rollout(start.clone(), actions.clone());
            // Step by step, for the memory of a long horizon.
            let truth = walks.after.iter().map(|envs| world.present(envs).unsqueeze_dim(1)).collect();
            let truth: Tensor<4> = Tensor::cat(truth, 1);
            sums.add(&start, &future, &truth);
            sums.rank(&energies(world, objective, &start, &actions, &truth));
            if group == 0 {
                doubt = Doubt::of(world, &walks, &start, &truth, seed);
                pictures = Pictures::of(world, &walks, &future, &truth);
            }
        }
        let (variance, count) = (sums.variance.max(f64::MIN_POSITIVE), groups * EPISODES);
        let share = |count: usize, of: usize| count as f64 / of as f64;
        Ok(Self {
            error: sums.imagined.iter().map(|sum| sum / variance).collect(),
            persistence: sums.still.iter().map(|sum| sum / variance).collect(),
            rank: sums.better / (count * (EPISODES - 1)) as f64,
            spread: sums.spread / count as f64,
            retrieval: Retrieval {
                found: share(sums.found[0], count),
                interval: wilson(sums.found[0], count),
                still: share(sums.found[1], count),
                count,
                among: EPISODES,
            },
            doubt,
            pictures,
        })
    }

    /// True where latents hardly change within an episode: imagining no change is then hardly ever wrong, by less than a twentieth of their variance
    /// at the plan's end.
    pub fn stands_still(&self) -> bool {
        self.persistence.last().is_some_and(|&change| change < 0.05)
    }

    /// The numbers that are the result where nothing is planned.
    pub(crate) fn results(&self) -> Vec<(String, f64)> {
        let Retrieval { found, interval: [low, high], .. } = self.retrieval;
        let error = self.error.last().copied().unwrap_or(f64::NAN);
        [("imagination/error", error), ("retrieval/success", found), ("retrieval/low", low), ("retrieval/high", high)]
            .map(|(name, value)| (format!("final/{name}"), value))
            .to_vec()
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
        numbers.insert("worthiness/retrieval".to_owned(), self.retrieval.found);
        numbers
    }
}

/// The finding that latents stand still, and what moves them.
pub(crate) const STANDS_STILL: &str = "within an episode latents hardly change: they hold what stays, not what moves. Draw several episodes of \
     each layout into a batch (data.window.episodes), then try inverse dynamics (loss.inverse_dynamics); see docs/not-learning.md";

/// The energies of every episode's end under every episode's actions, `[episodes, episodes]`.
fn energies(
    world: &LearnedWorld<'_>,
    objective: &dyn Objective,
    start: &Tensor<3>,
    actions: &Tensor<3>,
    truth: &Tensor<4>,
) -> Vec<f32> {
    let rows = |each: bool| {
        let index: Vec<i32> =
            (0..EPISODES * EPISODES).map(|row| (if each { row % EPISODES } else { row / EPISODES }) as i32).collect();
        Tensor::from_data(TensorData::new(index, [EPISODES * EPISODES]), &start.device())
    };
    let horizon = truth.dims()[1];
    let goals = truth.clone().narrow(1, horizon - 1, 1).squeeze_dim::<3>(1).select(0, rows(false));
    let ends = world.destination(start.clone().select(0, rows(false)), actions.clone().select(0, rows(true)));
    host(objective.energy(ends.unsqueeze_dim(1), goals))
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
            writeln!(f, "{STANDS_STILL}")?;
        }
        writeln!(
            f,
            "actions that led to a goal: {:.1} % of others seem better; the energies' spread is {:.2} of their mean",
            100.0 * self.rank,
            self.spread
        )?;
        writeln!(f, "{}", self.retrieval)?;
        self.doubt.as_ref().map_or(Ok(()), |doubt| write!(f, "{doubt}"))?;
        self.pictures.as_ref().map_or(Ok(()), |pictures| write!(f, "{pictures}"))
    }
}

impl fmt::Display for Retrieval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.interval.map(|share| 100.0 * share);
        write!(
            f,
            "an episode's true end among {}: {:.1} % ({low:.0}-{high:.0}) nearest to the imagined one, n = {} (imagining no change: {:.1} %, chance {:.1} %)",
            self.among,
            100.0 * self.found,
            self.count,
            100.0 * self.still,
            100.0 / self.among as f64
        )
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_row_finds_its_own_where_no_other_is_as_near() {
        let table = |rows: [[f32; 2]; 3]| Tensor::<2>::from_data(rows, &Device::flex());
        let truth = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]];
        assert_eq!(nearest(table(truth), table(truth)), 3);
        // The first is between two, the second nearer to the first.
        assert_eq!(nearest(table([[0.5, 0.0], [0.4, 0.0], [0.1, 1.9]]), table(truth)), 1);
    }

    const SOME: Retrieval = Retrieval { found: 0.75, interval: [0.58, 0.87], still: 0.25, count: 32, among: 32 };

    #[test]
    fn it_says_what_it_found_at_the_first_a_middle_and_the_last_block() {
        let error = vec![0.1, 0.2, 0.3, 0.4, 0.5];
        let found = Worthiness {
            persistence: error.clone(),
            error,
            rank: 0.0625,
            spread: 0.5,
            retrieval: SOME,
            doubt: None,
            pictures: None,
        };
        let text = found.to_string();
        assert!(text.contains("after 1, 3, 5 blocks: error 0.100, 0.300, 0.500"), "{text}");
        assert!(text.contains("6.2 % of others seem better"), "{text}");
        assert!(text.contains("among 32: 75.0 % (58-87) nearest to the imagined one, n = 32 (imagining no change: 25.0 %, chance 3.1 %)"), "{text}");
        assert!(!text.contains("hardly change"), "{text}");
        let still = Worthiness { persistence: vec![0.01, 0.02], ..found };
        assert!(still.to_string().contains("within an episode latents hardly change"));
    }
}
