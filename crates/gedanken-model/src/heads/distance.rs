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

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Part, Progress, Readout, Slow};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learned goal distance: control steps between two latents of one layout, by expectile regression on temporal
/// differences (in the manner of HILP, Park et al. 2024, and IQL, Kostrikov et al. 2022). Trained on detached latents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DistanceConfig {
    /// Channels of the convolutions before the hidden layers, where latents are maps; an empty list for none. Default 32, 16.
    #[schemars(length(max = 8), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Widths of the hidden layers of the embedding. Default 512, 256.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65536)))]
    pub hidden: Vec<usize>,
    /// Numbers of the embedding. Default 64.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// Control steps per unit of embedding distance. Default 10.
    #[schemars(range(min = 0.001))]
    pub scale: f64,
    /// Frames between a state and the earlier or later one whose distance is its target (times `frameskip`, control steps): less than
    /// half the frames of a window, so that every frame has one. Default 4.
    #[schemars(range(min = 1, max = 1024))]
    pub steps: usize,
    /// Weight of targets longer than the estimate; shorter ones weigh one less this. Below 0.5 the distance follows the shortest
    /// ways seen. Default 0.1.
    #[schemars(range(min = 0.001, max = 0.999))]
    pub expectile: f64,
    /// Share of the online network that the target network takes in at every update. Default 0.01.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub target_rate: f64,
}

impl Default for DistanceConfig {
    fn default() -> Self {
        Self {
            channels: vec![32, 16],
            hidden: vec![512, 256],
            dim: 64,
            scale: 10.0,
            steps: 4,
            expectile: 0.1,
            target_rate: 0.01,
        }
    }
}

impl TermConfig for DistanceConfig {
    fn problem(&self, setting: &Setting<'_>) -> Option<(&'static str, String)> {
        let (steps, least) = (self.steps, 2 * self.steps + 1);
        let time = setting.time.filter(|&time| time < least)?;
        Some(("steps", format!("{steps} steps need windows of {least} frames, not {time}")))
    }

    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        (Box::new(GoalDistance::new(setting.latent, self, device)) as Box<dyn Term>).into()
    }
}

/// The online network, its slow copy, and how they are trained.
#[derive(Module, Debug)]
pub struct GoalDistance {
    online: Readout,
    target: Slow<Readout>,
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
    /// A new head on latents of this shape. [`Term::begin`] makes the target network equal to the online one.
    pub fn new(latent: LatentShape, config: &DistanceConfig, device: &Device) -> Self {
        let widths = [config.hidden.as_slice(), &[config.dim]].concat();
        let network = || Readout::new([latent.rows, latent.columns], latent.dim, &config.channels, &widths, device);
        Self { online: network(), target: Slow::like(network()), config: config.clone() }
    }

    /// Latents `[batch, tokens, dim]` -> embeddings `[batch, embedding]`, in control steps.
    pub fn embed(&self, latents: Tensor<3>) -> Tensor<2> {
        self.online.forward(latents) * self.config.scale
    }

    /// The loss, its mean over all pairs, and the mean estimate in control steps (both `[1]`).
    pub fn regress(&self, frames: LayoutFrames) -> (Tensor<1>, Tensor<1>) {
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
        let slow = pairs(embed(self.target.get()).detach());
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
}

impl Term for GoalDistance {
    fn shapes_latents(&self) -> bool {
        false
    }

    fn loss(&self, view: &View) -> Value {
        let batch = &view.batch;
        let (loss, mean) = self.regress(LayoutFrames {
            latents: view.latents.clone().detach(),
            layouts: batch.layouts,
            episodes: batch.episodes,
            time: batch.time,
            extra: batch.extra,
            at: batch.at.clone(),
        });
        Value { loss, notes: vec![("distance_mean", mean.detach())] }
    }

    fn begin(&mut self) {
        self.target.follow(&self.online, 1.0);
    }

    fn after_update(&mut self, _: Progress) {
        self.target.follow(&self.online, self.config.target_rate);
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
