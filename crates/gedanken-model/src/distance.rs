//! The learned goal distance: a trainable cost without rewards.
//!
//! `d(z, g) = scale |phi(z) - phi(g)|` estimates the least number of control steps from `z` to `g`. From the frames of one layout
//! it learns, for every frame `z_t` of a window and every frame `g` of the layout, the target
//! `min(k + d'(z_{t+k}, g), k + d'(z_{t-k}, g), |t_g - t| if g is of the same episode)`, with `d'` from a target network that
//! follows, by an expectile that prefers the short targets. Two rooms that nobody was seen to cross between stay far.
//!
//! A norm is symmetric, so this is a distance for worlds whose moves can be undone; that is why a frame learns from the one
//! before it as well as from the one after it.
//!
//! All times are in control steps. Frames of a window may stand several apart (frameskip): `k` is then `steps` frames times the
//! control steps between two of them, which the frames' own times tell.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use gedanken_encoder::LatentShape;
use gedanken_nn::Readout;

use crate::config::DistanceConfig;

/// The online network, its slow copy, and how they are trained.
#[derive(Module, Debug)]
pub struct GoalDistance {
    online: Readout,
    target: Readout,
    #[module(skip)]
    config: DistanceConfig,
}

/// The frames of some layouts, as the distance learns from them. `frames` = episodes x frames of a window.
pub struct LayoutFrames {
    /// Latents of all frames, detached, `[layouts * episodes * (time + extra), tokens, dim]`.
    pub latents: Tensor<3>,
    /// Layouts.
    pub layouts: usize,
    /// Episodes of each.
    pub episodes: usize,
    /// Consecutive frames of a window.
    pub time: usize,
    /// Further frames of the same episode.
    pub extra: usize,
    /// Control step of the episode of every frame, `[layouts * episodes, time + extra]`; those of a window are evenly spaced,
    /// all windows alike.
    pub at: Vec<u32>,
}

/// Beyond any distance in an episode: the cap between frames of different episodes.
const FAR: f32 = 1e6;

impl GoalDistance {
    /// A new head on latents of this shape; target network equal to the online one.
    pub fn new(latent: LatentShape, config: &DistanceConfig, device: &Device) -> Self {
        let widths = [config.hidden.as_slice(), &[config.dim]].concat();
        let network = || Readout::new([latent.rows, latent.columns], latent.dim, &config.channels, &widths, device);
        let online = network();
        let mut copy = Weights::of(&online);
        let target = network().map(&mut copy).no_grad();
        Self { online, target, config: config.clone() }
    }

    /// Latents `[batch, tokens, dim]` -> embeddings `[batch, embedding]`, in control steps.
    pub fn embed(&self, latents: Tensor<3>) -> Tensor<2> {
        self.online.forward(latents) * self.config.scale
    }

    /// The loss, its mean over all pairs, and the mean estimate in control steps (both `[1]`).
    pub fn loss(&self, frames: LayoutFrames) -> (Tensor<1>, Tensor<1>) {
        let LayoutFrames { latents, layouts, episodes, time, extra, ref at } = frames;
        let (per_window, steps) = (time + extra, self.config.steps);
        let all = episodes * per_window;
        let device = latents.device();
        let embed = |network: &Readout| {
            let x = network.forward(latents.clone()) * self.config.scale;
            let dim = x.dims()[1];
            x.reshape([layouts, episodes, per_window, dim])
        };
        // Distances of the frames of windows to all frames of their layout, `[layouts, episodes, time, all]`.
        let pairs = |x: Tensor<4>| {
            let windows = x.clone().narrow(2, 0, time).flatten::<3>(1, 2);
            distances(windows, x.flatten::<3>(1, 2)).reshape([layouts, episodes, time, all])
        };

        let estimate = pairs(embed(&self.online));
        let slow = pairs(embed(&self.target).detach());
        let apart = steps * at[1].abs_diff(at[0]) as usize;
        let none = Tensor::<4>::full([layouts, episodes, steps, all], FAR, &device);
        let (after, before) = (slow.clone().narrow(2, steps, time - steps), slow.narrow(2, 0, time - steps));
        let after = Tensor::cat(vec![after, none.clone()], 2);
        let before = Tensor::cat(vec![none, before], 2);
        let caps = caps(at, layouts, episodes, per_window, time);
        let caps = Tensor::<1>::from_data(caps.as_slice(), &device).reshape([layouts, episodes, time, all]);
        let target = (after.min_pair(before) + apart as f64).min_pair(caps);
        (expectile_loss(estimate.clone(), target, self.config.expectile), estimate.mean())
    }

    /// Moves the target network towards the online one; call it after every update.
    #[must_use]
    pub fn follow(mut self) -> Self {
        let mut toward = Weights { rate: self.config.target_rate as f32, ..Weights::of(&self.online) };
        self.target = self.target.map(&mut toward);
        self
    }
}

/// Mean of `w (target - estimate)^2` with `w = expectile` where the target is longer than the estimate, else `1 - expectile`.
pub fn expectile_loss<const D: usize>(estimate: Tensor<D>, target: Tensor<D>, expectile: f64) -> Tensor<1> {
    let difference = target.detach() - estimate;
    let longer = difference.clone().detach().greater_elem(0.0).float().cast(difference.dtype());
    let weight = longer * (2.0 * expectile - 1.0) + (1.0 - expectile);
    (weight * difference.powi_scalar(2)).mean()
}

/// Euclidean distances `[batch, n, m]` between rows `[batch, n, dim]` and `[batch, m, dim]`, by one matrix product.
fn distances(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    let squares = |x: &Tensor<3>| x.clone().powi_scalar(2).sum_dim(2);
    let (a2, b2) = (squares(&a), squares(&b).swap_dims(1, 2));
    let squared = a2 + b2 - a.matmul(b.swap_dims(1, 2)) * 2.0;
    (squared.clamp_min(0.0) + 1e-4).sqrt()
}

/// Steps between the first `sources` frames of every window and every frame of its layout where they share the episode,
/// [`FAR`] elsewhere.
fn caps(at: &[u32], layouts: usize, episodes: usize, per_window: usize, sources: usize) -> Vec<f32> {
    let mut caps = vec![FAR; layouts * episodes * sources * episodes * per_window];
    for (window, rows) in caps.chunks_mut(sources * episodes * per_window).enumerate() {
        let times = &at[window * per_window..(window + 1) * per_window];
        let own = (window % episodes) * per_window;
        for (source, row) in rows.chunks_mut(episodes * per_window).enumerate() {
            for (cap, &time) in row[own..own + per_window].iter_mut().zip(times) {
                *cap = time.abs_diff(times[source]) as f32;
            }
        }
    }
    caps
}

/// Mixes a module's weights, in the order of a visit, into another module of the same shape.
struct Weights {
    values: std::vec::IntoIter<Tensor<1>>,
    rate: f32,
}

impl Weights {
    fn of(module: &Readout) -> Self {
        struct Collect(Vec<Tensor<1>>);
        impl ModuleVisitor for Collect {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let value = param.val();
                let value = if value.is_autodiff() { value.inner() } else { value };
                let numbers = value.shape().num_elements();
                self.0.push(value.reshape([numbers]));
            }
        }
        let mut collect = Collect(Vec::new());
        module.visit(&mut collect);
        Self { values: collect.0.into_iter(), rate: 1.0 }
    }
}

impl ModuleMapper for Weights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(from) = self.values.next() else { return param };
        let rate = self.rate;
        param.map(|to| {
            let autodiff = to.is_autodiff();
            let to = if autodiff { to.inner() } else { to };
            let mixed = to.clone() * (1.0 - rate) + from.reshape(to.dims()) * rate;
            if autodiff { Tensor::from_inner(mixed) } else { mixed }
        })
    }
}
