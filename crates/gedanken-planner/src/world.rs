//! A world as planners see it: latents, and what actions make of them.

use burn::prelude::*;

/// A world that can be imagined: a trained model, an ensemble, the true simulator, a toy. How its latents come from what an agent
/// sees is no matter of planning.
///
/// Rows are independent: what a row becomes does not depend on the rows beside it. On a CPU, threads imagine some rows each, at the
/// same time.
pub trait World: Sync {
    /// The imagined future: latents `[rows, tokens, dim]` and actions `[rows, horizon, action]` in the environment's units
    /// give the latents after each action, `[rows, horizon, tokens, dim]`.
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4>;

    /// The last latents of the imagined future alone, `[rows, tokens, dim]`: what planning for the last step asks for. A world
    /// that can forget the way there should.
    fn destination(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        let future = self.rollout(latents, actions);
        let last = future.dims()[1].saturating_sub(1);
        future.narrow(1, last, 1).squeeze_dim(1)
    }

    /// Standard normal numbers that decide a step of one of the futures that the world thinks possible. Default 0: it knows one.
    fn chance(&self) -> usize {
        0
    }

    /// The imagined future that is decided by `chance`, standard normal numbers `[rows, horizon, chance]`; otherwise as
    /// [`World::rollout`].
    fn rollout_by(&self, latents: Tensor<3>, actions: Tensor<3>, _chance: Tensor<3>) -> Tensor<4> {
        self.rollout(latents, actions)
    }

    /// Sequences that may lead from latents `[rows, tokens, dim]` to goals of the same shape in `horizon` actions of `[action]` numbers,
    /// `[rows, horizon, action]` in the environment's units: what an actor would do. None by default: nobody proposes anything.
    fn propose(&self, _latents: Tensor<3>, _goals: Tensor<3>, _horizon: usize) -> Option<Tensor<3>> {
        None
    }
}

/// An imagined way, as constraints and what a way costs by itself see it.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// Where it begins: latents `[rows, tokens, dim]`.
    pub start: Tensor<3>,
    /// Where its actions lead, `[rows, steps, tokens, dim]`.
    pub latents: Tensor<4>,
    /// The actions, in the environment's units, `[rows, steps, action]`.
    pub actions: Tensor<3>,
}

impl Trajectory {
    /// The latents in which its actions are taken: the start, and all but the last, `[rows, steps, tokens, dim]`.
    pub fn before(&self) -> Tensor<4> {
        let steps = self.latents.dims()[1];
        let start = self.start.clone().unsqueeze_dim(1);
        if steps < 2 {
            return start;
        }
        Tensor::cat(vec![start, self.latents.clone().narrow(1, 0, steps - 1)], 1)
    }
}
