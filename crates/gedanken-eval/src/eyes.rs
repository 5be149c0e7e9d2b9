//! The true dynamics, seen with a model's eyes.

use burn::tensor::{Tensor, TensorData};
use gedanken_env::Many;
use gedanken_planner::{Guardrail, Objective, Trajectory, World};
use rayon::prelude::*;

use crate::worlds::{Copies, host, labels_of, pixels_of};
use crate::{LearnedWorld, Perceive};

/// A model whose dynamics are the true ones: it moves copies of the environments, draws what would be seen there, and encodes that.
/// Under the model's own objective it is planned with as the model is.
///
/// A latent is the model's behind one more token that holds the number of its environment: [`Unnumbered`] takes that off for an
/// objective or a guardrail. A future of an environment that it was not shown is NaN.
pub struct TrueDynamics<'a> {
    eyes: LearnedWorld<'a>,
    copies: Copies,
}

/// Frames that are encoded in one piece, which bounds the memory.
const PIECE: usize = 256;
/// The fewest environments that one thread moves.
const MOVED: usize = 16;

impl<'a> TrueDynamics<'a> {
    /// With the eyes of a model.
    pub fn new(eyes: LearnedWorld<'a>) -> Self {
        Self { eyes, copies: Copies::default() }
    }

    /// The model's latents of environments, behind their numbers: `[envs, 1 + tokens, dim]`.
    fn see(&self, envs: &Many, numbers: &[usize]) -> Tensor<3> {
        let (pixels, labels) = (pixels_of(envs), labels_of(envs));
        let [picture, row] = [pixels.len(), labels.len()].map(|all| all / envs.len().max(1));
        let pieces = (0..envs.len()).step_by(PIECE).map(|first| {
            let last = envs.len().min(first + PIECE);
            self.eyes.encode(&pixels[first * picture..last * picture], &labels[first * row..last * row])
        });
        numbered(Tensor::cat(pieces.collect(), 0), numbers)
    }

    /// A copy of the environment of every latent, and its number.
    fn begin(&self, latents: &Tensor<3>) -> Option<(Many, Vec<usize>)> {
        let (envs, number) = (self.copies.get(), latents.clone().narrow(1, 0, 1).narrow(2, 0, 1));
        let numbers: Vec<usize> = host(number).into_iter().map(|number| number as usize).collect();
        let copies: Option<Vec<_>> = numbers.iter().map(|&number| envs.envs().get(number).cloned()).collect();
        Some((Many::new(copies?), numbers))
    }
}

impl Perceive for TrueDynamics<'_> {
    fn present(&self, envs: &Many) -> Tensor<3> {
        self.copies.keep(envs);
        self.see(envs, &(0..envs.len()).collect::<Vec<_>>())
    }

    fn goals(&self, envs: &Many) -> Tensor<3> {
        numbered(self.eyes.goals(envs), &(0..envs.len()).collect::<Vec<_>>())
    }
}

impl World for TrueDynamics<'_> {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let ([rows, tokens, dim], [_, horizon, _]) = (latents.dims(), actions.dims());
        let Some((mut envs, numbers)) = self.begin(&latents) else {
            return Tensor::full([rows, horizon, tokens, dim], f32::NAN, &latents.device());
        };
        let future = (0..horizon).map(|step| {
            advance(&mut envs, actions.clone().narrow(1, step, 1));
            self.see(&envs, &numbers)
        });
        Tensor::stack(future.collect(), 1)
    }

    /// Draws and encodes the last frames alone.
    fn destination(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        let Some((mut envs, numbers)) = self.begin(&latents) else {
            return Tensor::full(latents.dims(), f32::NAN, &latents.device());
        };
        advance(&mut envs, actions);
        self.see(&envs, &numbers)
    }
}

/// Takes the environments through actions `[envs, steps, action]`, blocks of as many control steps as their length holds.
fn advance(envs: &mut Many, actions: Tensor<3>) {
    let [rows, steps, action] = actions.dims();
    let actions = host(actions);
    let rows = actions.par_chunks((steps * action).max(1)).take(rows);
    envs.envs_mut().par_iter_mut().with_min_len(MOVED).zip(rows).for_each(|(env, actions)| {
        let size = env.spec().action.len();
        actions.chunks(size).for_each(|action| env.step(action));
    });
}

/// Latents `[rows, tokens, dim]` behind a token of their environments' numbers.
fn numbered(latents: Tensor<3>, numbers: &[usize]) -> Tensor<3> {
    let ([rows, _, dim], device) = (latents.dims(), latents.device());
    let token = |&number: &usize| std::iter::once(number as f32).chain(std::iter::repeat_n(0.0, dim - 1));
    let tokens: Vec<f32> = numbers.iter().flat_map(token).collect();
    Tensor::cat(vec![Tensor::from_data(TensorData::new(tokens, [rows, 1, dim]), &device), latents], 1)
}

/// An objective or a guardrail of a model, for latents of its [`TrueDynamics`]: it gets them without their numbers.
pub struct Unnumbered<'a, T: ?Sized>(pub &'a T);

/// Latents `[.., 1 + tokens, dim]` -> `[.., tokens, dim]`.
fn unnumbered<const D: usize>(latents: Tensor<D>) -> Tensor<D> {
    let tokens = latents.dims()[D - 2];
    latents.narrow(D - 2, 1, tokens - 1)
}

fn way(way: &Trajectory) -> Trajectory {
    let Trajectory { start, latents, actions } = way.clone();
    Trajectory { start: unnumbered(start), latents: unnumbered(latents), actions }
}

impl<T: Objective + ?Sized> Objective for Unnumbered<'_, T> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        self.0.energy(unnumbered(futures), unnumbered(goals))
    }

    fn way_cost(&self, of: &Trajectory) -> Option<Tensor<1>> {
        self.0.way_cost(&way(of))
    }

    fn watches_the_way(&self) -> bool {
        self.0.watches_the_way()
    }
}

impl<T: Guardrail + ?Sized> Guardrail for Unnumbered<'_, T> {
    fn violation(&self, of: &Trajectory) -> Tensor<2> {
        self.0.violation(&way(of))
    }
}
