//! Imagined futures: what actions make of latents, by the predictor, again and again.

use std::cell::RefCell;

use burn::tensor::Tensor;
use gedanken_nn::{Noise, TrainBatch};
use gedanken_predictor::Variable;
use gedanken_regularizer::{Predicted, energy_score};

use crate::{WorldModel, normed};

/// The values of the latent variable in an imagined future, if the predictor has one.
enum Values<'a> {
    /// The likeliest.
    Likeliest,
    /// Drawn by chance: standard normal numbers `[batch, steps, chance]`.
    Drawn(&'a Tensor<3>),
    /// Those that tell of what came, `[batch, steps, tokens, dim]`, and their price, step by step.
    Inferred(&'a Tensor<4>, &'a RefCell<Told>),
}

/// Nats and scores of a latent variable, step by step.
#[derive(Default)]
struct Told {
    /// `[batch]` each.
    nats: Vec<Tensor<1>>,
    /// `[1]` each, where they were asked for.
    scores: Option<Vec<Tensor<1>>>,
}

/// One step of an imagined future, before it is made.
struct Moment<'a> {
    step: usize,
    /// `[batch, tokens, dim]`.
    now: Tensor<3>,
    /// `[batch, action]`.
    action: Tensor<2>,
    /// The next latents `[batch, tokens * dim]` under values `[batch, size]`, with and without the noise of training.
    predict: &'a dyn Fn(Tensor<2>, &mut Noise) -> Tensor<2>,
}

impl WorldModel {
    /// Imagined steps: latents `[batch, frames, tokens, dim]` of at most [`WorldModel::history`] frames, the actions taken in
    /// them `[batch, frames, action]`, with values of the latent variable behind them if there is one -> the latents after every frame
    /// `[batch, frames, tokens, dim]`, each predicted from that frame and those before it.
    pub fn predict(&self, latents: Tensor<4>, actions: Tensor<3>) -> Tensor<4> {
        self.predict_with(latents, actions, &mut Noise::none())
    }

    fn predict_with(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        normed(&self.norm, self.predictor.predict(latents, actions, noise))
    }

    /// Frames that a step is predicted from, at most.
    pub fn history(&self) -> usize {
        self.predictor.history()
    }

    /// The imagined future: first latents `[batch, tokens, dim]`, actions `[batch, steps, action]` -> the latents after every
    /// action `[batch, steps, tokens, dim]`; the likeliest one where the model has a latent variable. Every step is predicted from the last
    /// [`WorldModel::history`] latents: the first alone to begin with, then more and more imagined ones.
    pub fn unroll(&self, first: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.unroll_with(first, actions, &mut Noise::none(), &Values::Likeliest)
    }

    /// Standard normal numbers that decide a step of one of the futures that the model thinks possible; 0 of a model without a latent
    /// variable, which knows one.
    pub fn chance(&self) -> usize {
        self.latent_variable.as_ref().map_or(0, |variable| variable.chance())
    }

    /// The imagined future that is decided by `chance`, standard normal numbers `[batch, steps, chance]`; otherwise as
    /// [`WorldModel::unroll`].
    pub fn unroll_by(&self, first: Tensor<3>, actions: Tensor<3>, chance: Tensor<3>) -> Tensor<4> {
        self.unroll_with(first, actions, &mut Noise::none(), &Values::Drawn(&chance))
    }

    /// The last latents of [`WorldModel::unroll`] alone, `[batch, tokens, dim]`, without keeping the others.
    pub fn destination(&self, first: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        let mut last = first.clone().unsqueeze_dim(1);
        let steps = actions.dims()[1];
        self.imagine(first, steps, &mut Noise::none(), &Values::Likeliest, of(&actions), |next| last = next);
        last.squeeze_dim(1)
    }

    /// The actions by which the actor would get from latents `[batch, tokens, dim]` to goals of the same shape, `[batch, steps, action]`:
    /// each from where the one before is imagined to lead. None of a model without an actor.
    pub fn propose(&self, latents: Tensor<3>, goals: Tensor<3>, steps: usize) -> Option<Tensor<3>> {
        let actor = self.actor()?;
        let mut actions = Vec::with_capacity(steps);
        let act = |step, now: Tensor<3>| {
            let action = actor.act(now, goals.clone(), steps - step).unsqueeze_dim::<3>(1);
            actions.push(action.clone());
            action
        };
        self.imagine(latents, steps, &mut Noise::none(), &Values::Likeliest, act, |_| {});
        Some(Tensor::cat(actions, 1))
    }

    fn unroll_with(&self, first: Tensor<3>, actions: Tensor<3>, noise: &mut Noise, values: &Values) -> Tensor<4> {
        let mut future = Vec::with_capacity(actions.dims()[1]);
        self.imagine(first, actions.dims()[1], noise, values, of(&actions), |next| future.push(next));
        Tensor::cat(future, 1)
    }

    /// Asks for the action `[batch, 1, action]` of every step in the last latents `[batch, tokens, dim]`, and shows every imagined latent
    /// `[batch, 1, tokens, dim]`, one after the other.
    fn imagine(
        &self,
        first: Tensor<3>,
        steps: usize,
        noise: &mut Noise,
        values: &Values,
        mut act: impl FnMut(usize, Tensor<3>) -> Tensor<3>,
        mut show: impl FnMut(Tensor<4>),
    ) {
        let (mut last, mut seen, mut taken) =
            (first.clone(), vec![first.unsqueeze_dim::<4>(1)], Vec::<Tensor<3>>::new());
        for step in 0..steps {
            let (frames, action) = (seen.len(), act(step, last.clone()));
            let next = |action: Tensor<3>, noise: &mut Noise| {
                let actions: Vec<_> = taken.iter().cloned().chain([action]).collect();
                let next = self.predict_with(joined(&seen), joined(&actions), noise);
                if frames == 1 { next } else { next.narrow(1, frames - 1, 1) }
            };
            let action = match &self.latent_variable {
                None => action,
                Some(variable) => {
                    let flat = action.clone().squeeze_dim::<2>(1);
                    let with = |values: Tensor<2>| Tensor::cat(vec![flat.clone(), values], 1).unsqueeze_dim::<3>(1);
                    let predict = |values: Tensor<2>, noise: &mut Noise| next(with(values), noise).flatten(1, 3);
                    let moment = Moment { step, now: last, action: flat.clone(), predict: &predict };
                    with(values.of(&**variable, moment, noise))
                }
            };
            let next = next(action.clone(), noise);
            show(next.clone());
            last = next.clone().squeeze_dim(1);
            taken.push(action);
            seen.push(next);
            let old = seen.len().saturating_sub(self.history());
            seen.drain(..old);
            taken.drain(..old);
        }
    }

    /// Predictions of the frames of windows `[windows, time, tokens, dim]` after the first -> `[windows, steps, tokens, dim]`.
    pub(crate) fn predictions(
        &self,
        sequences: Tensor<4>,
        targets: impl FnOnce() -> Tensor<4>,
        batch: &TrainBatch,
    ) -> Predicted {
        let mut noise = Noise::seeded(batch.seed);
        if self.latent_variable.is_none() {
            return match self.settings.teacher {
                true => self.predict_next(sequences, batch.actions.clone(), &mut noise),
                false => {
                    let first = sequences.narrow(1, 0, 1).squeeze_dim(1);
                    let actions = batch.actions.clone().narrow(1, 0, self.settings.unroll);
                    self.unroll_with(first, actions, &mut noise, &Values::Likeliest)
                }
            }
            .into();
        }
        let (shape, told) = (sequences.dims(), RefCell::new(Told::default()));
        let (first, actions, came) = self.futures(sequences, targets(), batch);
        let latents = self.unroll_with(first, actions, &mut noise, &Values::Inferred(&came, &told));
        let nats = Tensor::cat(told.into_inner().nats, 0).mean();
        Predicted {
            latents: latents.reshape([shape[0] as i32, -1, shape[2] as i32, shape[3] as i32]),
            nats: Some(nats),
        }
    }

    /// The energy score of the futures that the latent variable has, in windows `[windows, time, tokens, dim]` with these targets, step by
    /// step on the way that came nearest to them.
    pub(crate) fn energy_score(&self, sequences: Tensor<4>, targets: Tensor<4>, batch: &TrainBatch) -> Tensor<1> {
        let told = RefCell::new(Told { scores: Some(Vec::new()), ..Told::default() });
        let (first, actions, came) = self.futures(sequences, targets, batch);
        self.unroll_with(first, actions, &mut Noise::seeded(batch.seed), &Values::Inferred(&came, &told));
        Tensor::cat(told.into_inner().scores.unwrap_or_default(), 0).mean()
    }

    /// Windows and their targets as futures: first latents, actions, and what came after each. Taught from true frames, every frame is a
    /// first one, with a future of one step.
    fn futures(
        &self,
        sequences: Tensor<4>,
        targets: Tensor<4>,
        batch: &TrainBatch,
    ) -> (Tensor<3>, Tensor<3>, Tensor<4>) {
        let [windows, time, tokens, dim] = sequences.dims();
        let steps = if self.settings.teacher { time - 1 } else { self.settings.unroll };
        let (actions, came) = (batch.actions.clone().narrow(1, 0, steps), targets.narrow(1, 1, steps));
        if !self.settings.teacher {
            return (sequences.narrow(1, 0, 1).squeeze_dim(1), actions, came);
        }
        let (rows, action) = (windows * steps, actions.dims()[2]);
        let first = sequences.narrow(1, 0, steps).reshape([rows, tokens, dim]);
        (first, actions.reshape([rows, 1, action]), came.reshape([rows, 1, tokens, dim]))
    }

    /// Every frame but the first of windows `[windows, time, tokens, dim]`, predicted from the true frames before it and the
    /// actions `[windows, time - 1, action]`, in runs of [`WorldModel::history`] frames -> `[windows, time - 1, tokens, dim]`.
    fn predict_next(&self, windows: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        let ([count, time, tokens, dim], action) = (windows.dims(), actions.dims()[2]);
        let (runs, history) = ((time - 1) / self.history(), self.history());
        let seen = windows.narrow(1, 0, time - 1).reshape([count * runs, history, tokens, dim]);
        let next = self.predict_with(seen, actions.reshape([count * runs, history, action]), noise);
        next.reshape([count, time - 1, tokens, dim])
    }
}

impl Values<'_> {
    /// The values of one step, `[batch, size]`. Nothing of it shapes a latent.
    fn of(&self, variable: &dyn Variable, moment: Moment, noise: &mut Noise) -> Tensor<2> {
        let Moment { step, now, action, predict } = moment;
        let (now, at) = (now.detach().flatten::<2>(1, 2), |x: &Tensor<4>| -> Tensor<2> {
            x.clone().narrow(1, step, 1).flatten(1, 3)
        });
        match self {
            Self::Likeliest => variable.likeliest(now, action),
            Self::Drawn(chance) => variable.draw(now, action, (*chance).clone().narrow(1, step, 1).squeeze_dim(1)),
            Self::Inferred(came, told) => {
                let (came, [batch, _]) = (at(came), now.dims());
                let chance = noise.normal([batch, variable.chance()], &now.device());
                let still = |values| predict(values, &mut Noise::none()).detach();
                let inferred = variable.infer(now.clone(), action.clone(), came.clone().detach(), chance, &still);
                let mut told = told.borrow_mut();
                told.nats.push(inferred.nats);
                if let Some(scores) = &mut told.scores {
                    let (values, odds) = variable.candidates(now, action, noise);
                    let futures: Vec<_> = values.into_iter().map(|values| predict(values, noise)).collect();
                    scores.push(energy_score(&futures, odds, came));
                }
                inferred.values
            }
        }
    }
}

/// The actions `[batch, steps, action]`, one after the other.
fn of(actions: &Tensor<3>) -> impl FnMut(usize, Tensor<3>) -> Tensor<3> + use<> {
    let actions = actions.clone();
    move |step, _| actions.clone().narrow(1, step, 1)
}

/// One after the other along the second dimension.
fn joined<const D: usize>(parts: &[Tensor<D>]) -> Tensor<D> {
    match parts {
        [only] => only.clone(),
        several => Tensor::cat(several.to_vec(), 1),
    }
}
