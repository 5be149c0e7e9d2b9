//! Scripted ways of driving: the generator of training data, a floor and a ceiling.

use gedanken_env::{Env, Policy, Rng, Uniform};
use rand::RngExt;

use crate::car::{ACCELERATION, DRAG, Laws, Point, STEP};
use crate::lot::Lot;

/// The policy of this name, for cars with these laws.
pub fn make(name: &str, laws: Laws) -> Option<Box<dyn Policy>> {
    Some(match name {
        "drive" => Box::new(Drive { laws, action: [0.0; 2], left: 0 }),
        "expert" => Box::new(Search { laws, sees_posts: true, plan: Plan::default() }),
        "blind" => Box::new(Search { laws, sees_posts: false, plan: Plan::default() }),
        Uniform::NAME => Box::new(Uniform),
        _ => return None,
    })
}

/// `drive`: throttle and steering are held for a while.
struct Drive {
    laws: Laws,
    action: Point,
    left: u32,
}

impl Policy for Drive {
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng) {
        let mut lot = Lot::of(env);
        lot.car = lot.anywhere(rng);
        lot.car.speed = self.laws.top_speed() * rng.random_range(-0.5..=1.0);
        let moved = env.set_state(&lot.to_state());
        debug_assert!(moved.is_ok(), "the car fits");
        self.left = 0;
    }

    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let stopped = Lot::of(env).car.speed == 0.0;
        if self.left == 0 || stopped {
            // Away from what stopped it; else mostly on, as far as the lot is wide.
            let back = if stopped { self.action[0] > 0.0 } else { rng.random_bool(0.3) };
            let direction = if back { -1.0 } else { 1.0 };
            self.action = [direction * rng.random_range(0.2..=1.0), steering(rng)];
            self.left = rng.random_range(5..=30);
        }
        self.left -= 1;
        action.copy_from_slice(&self.action.map(|number| number as f32));
    }
}

/// Steering within ±1, at full lock every third time.
fn steering(rng: &mut Rng) -> f64 {
    rng.random_range(-1.5f64..=1.5).clamp(-1.0, 1.0)
}

/// Arcs, each driven at one throttle and steering for some steps, then brakes.
#[derive(Clone, Copy, Default)]
struct Plan {
    arcs: [(Point, u32); 3],
}

impl Plan {
    fn draw(rng: &mut Rng) -> Self {
        let mut arc = || {
            let direction = if rng.random() { 1.0 } else { -1.0 };
            let steer = steering(rng);
            ([direction * rng.random_range(0.2..=1.0), steer], rng.random_range(0..=25))
        };
        Self { arcs: [arc(), arc(), arc()] }
    }

    /// A plan much like this one.
    fn varied(mut self, rng: &mut Rng) -> Self {
        for (action, steps) in &mut self.arcs {
            *action = action.map(|number| (number + rng.random_range(-0.3..=0.3)).clamp(-1.0, 1.0));
            *steps = steps.saturating_add_signed(rng.random_range(-2..=2));
        }
        self
    }

    /// The actions.
    fn actions(&self) -> impl Iterator<Item = Point> {
        self.arcs.into_iter().flat_map(|(action, steps)| std::iter::repeat_n(action, steps as usize))
    }

    /// Its rest after a step.
    fn later(mut self) -> Self {
        if let Some((_, steps)) = self.arcs.iter_mut().find(|(_, steps)| *steps > 0) {
            *steps -= 1;
        }
        self
    }

    /// Distance from the goal at its end, m, after the car has braked, and a little for its length.
    fn cost(&self, laws: Laws, lot: &Lot, posts: &[Point]) -> f64 {
        let mut car = lot.car;
        self.actions().for_each(|action| car = laws.step(car, posts, action));
        for _ in 0..BRAKES {
            car = laws.step(car, posts, [brake(laws, car.speed), 0.0]);
        }
        let steps: u32 = self.arcs.iter().map(|(_, steps)| steps).sum();
        Lot { car, ..*lot }.distance() + 0.01 * f64::from(steps)
    }
}

/// Control steps in which a car stops.
const BRAKES: usize = 10;

/// The throttle that ends a speed within the step, as far as it can.
fn brake(laws: Laws, speed: f64) -> f64 {
    ((DRAG * speed - speed / STEP) / (ACCELERATION * laws.power)).clamp(-1.0, 1.0)
}

/// `expert` and `blind`: at every step the best of many plans, driven in the mind, in a lot with posts or without.
struct Search {
    laws: Laws,
    sees_posts: bool,
    plan: Plan,
}

/// Plans drawn at a step, beside what is left of the one before.
const PLANS: usize = 100;

impl Policy for Search {
    fn begin(&mut self, _: &mut dyn Env, _: &mut Rng) {
        self.plan = Plan::default();
    }

    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let lot = Lot::of(env);
        let posts: &[Point] = if self.sees_posts { &lot.posts } else { &[] };
        let mut best = self.plan.later();
        let mut least = best.cost(self.laws, &lot, posts);
        for tried in 0..PLANS {
            let plan = if tried % 2 == 0 { Plan::draw(rng) } else { best.varied(rng) };
            let cost = plan.cost(self.laws, &lot, posts);
            if cost < least {
                (best, least) = (plan, cost);
            }
        }
        self.plan = best;
        let first = best.actions().next().unwrap_or([brake(self.laws, lot.car.speed), 0.0]);
        action.copy_from_slice(&first.map(|number| number as f32));
    }
}
