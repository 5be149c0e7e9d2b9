//! The futures that a model with a latent variable thinks possible, beside the one that came.

use std::fmt;

use burn::tensor::Tensor;
use gedanken_nn::Noise;
use serde::Serialize;

use crate::LearnedWorld;
use crate::walks::Walks;
use crate::worlds::host;

/// One block ahead, over the true frames of some episodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Doubt {
    /// Mean squared error of the drawn future that is nearest to the one that came, over the variance of latents.
    pub nearest: f64,
    /// The same of the likeliest future.
    pub likeliest: f64,
    /// Share of drawn futures that are nearer to the middle of them all than the one that came: a half where their spread is that of what
    /// comes, more where the model is too sure.
    pub rank: f64,
}

/// Futures drawn for every frame.
const DRAWS: usize = 16;
/// Blocks of an episode that are looked at, at most.
const BLOCKS: usize = 8;

impl Doubt {
    /// Of a model with a latent variable: the latents of episodes' starts `[episodes, tokens, dim]`, and of what came after every block,
    /// `[episodes, horizon, tokens, dim]`.
    pub(crate) fn of(
        world: &LearnedWorld<'_>,
        walks: &Walks,
        start: &Tensor<3>,
        came: &Tensor<4>,
        seed: u64,
    ) -> Option<Self> {
        let (model, chance) = (world.model, world.model.chance());
        if chance == 0 {
            return None;
        }
        let [episodes, horizon, tokens, dim] = came.dims();
        let (blocks, numbers) = (horizon.min(BLOCKS), tokens * dim);
        let rows = episodes * blocks;
        let first = Tensor::cat(vec![start.clone().unsqueeze_dim::<4>(1), came.clone()], 1).narrow(1, 0, blocks);
        let (first, came) = (first.reshape([rows, tokens, dim]), came.clone().narrow(1, 0, blocks));
        let actions = world.statistics.actions(walks.actions(world.device)).narrow(1, 0, blocks);
        let action = actions.dims()[2];
        let actions = actions.reshape([rows, 1, action]);
        let came = host(came.reshape([rows, numbers]));
        let likeliest = host(model.unroll(first.clone(), actions.clone()).reshape([rows, numbers]));
        let mut noise = Noise::seeded(seed);
        let drawn: Vec<Vec<f32>> = (0..DRAWS)
            .map(|_| {
                let chance = noise.normal([rows, 1, chance], world.device);
                host(model.unroll_by(first.clone(), actions.clone(), chance).reshape([rows, numbers]))
            })
            .collect();
        let apart =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / numbers as f64;
        let row = |all: &[f32], row: usize| all[row * numbers..][..numbers].to_vec();
        let mean: Vec<f32> =
            (0..numbers).map(|i| came.iter().skip(i).step_by(numbers).sum::<f32>() / rows as f32).collect();
        let variance = (0..rows).map(|i| apart(&row(&came, i), &mean)).sum::<f64>() / rows as f64;
        let (mut nearest, mut likely, mut rank) = (0.0, 0.0, 0.0);
        for i in 0..rows {
            let (truth, draws) = (row(&came, i), drawn.iter().map(|all| row(all, i)).collect::<Vec<_>>());
            nearest += draws.iter().map(|draw| apart(draw, &truth)).fold(f64::INFINITY, f64::min);
            likely += apart(&row(&likeliest, i), &truth);
            let middle: Vec<f32> =
                (0..numbers).map(|n| draws.iter().map(|draw| draw[n]).sum::<f32>() / DRAWS as f32).collect();
            let far = apart(&truth, &middle);
            rank += draws.iter().filter(|draw| apart(draw, &middle) < far).count() as f64 / DRAWS as f64;
        }
        let rows = rows as f64;
        let share = |sum: f64| sum / rows / variance.max(f64::MIN_POSITIVE);
        Some(Self { nearest: share(nearest), likeliest: share(likely), rank: rank / rows })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "of {DRAWS} futures drawn for one block the nearest errs by {:.3} of the variance of latents, the likeliest by {:.3}; {:.0} % of them \
             are nearer to their middle than what came (50 % where the doubt is as wide as it should be)",
            self.nearest,
            self.likeliest,
            100.0 * self.rank
        )
    }
}
