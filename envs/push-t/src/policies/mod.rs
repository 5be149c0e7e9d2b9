//! Scripted ways of acting, one file each: the generators of training data, the floor and the ceiling.

mod beside;
mod expert;
mod pusher;
mod weak;

use gedanken_env::{Env, Policy, Rng, Uniform};
use rand_distr::{Distribution, StandardNormal};

use crate::options::Action;
use crate::physics::Laws;
use crate::state::State;
use crate::vector::{Vector, add, scale};

/// The policy of this name, for an environment with these laws.
pub fn make(name: &str, laws: &Laws, action: Action) -> Option<Box<dyn Policy>> {
    let laws = laws.clone();
    Some(match name {
        "weak" => Box::new(weak::Weak { laws, action }),
        "noisy" => Box::new(expert::Expert::new(laws, action, true)),
        "expert" => Box::new(expert::Expert::new(laws, action, false)),
        "pusher" => Box::new(pusher::Pusher::new(laws, action)),
        Uniform::NAME => Box::new(Uniform),
        _ => return None,
    })
}

/// The environment's state.
fn look(env: &dyn Env, laws: &Laws) -> Option<State> {
    let mut numbers = vec![0.0; env.spec().state.len()];
    env.state(&mut numbers);
    State::read(laws, &numbers).ok()
}

/// Writes a relative action, in units of 100 px, in the meaning that the environment takes.
fn write(action: &mut [f32], meaning: Action, from: Vector, relative: Vector) {
    let target = match meaning {
        Action::Relative => relative,
        Action::Absolute => add(from, scale(relative, 100.0)),
    };
    action.iter_mut().zip(target).for_each(|(a, t)| *a = t as f32);
}

/// A target with noise of a standard deviation, brought into the bounds of a relative action; all in units of 100 px.
fn noisy(target: Vector, deviation: f64, rng: &mut Rng) -> Vector {
    target.map(|target| {
        let noise: f64 = StandardNormal.sample(rng);
        (target + deviation * noise).clamp(-1.0, 1.0)
    })
}
