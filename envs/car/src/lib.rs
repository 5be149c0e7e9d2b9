#![doc = include_str!("../README.md")]

mod car;
mod draw;
mod lot;
mod policies;

use gedanken_env::{
    ActionSpace, Entry, Env, EnvError, Factor, FactorKind, Field, Label, ObservationSpace, Policy, PolicyInfo, Show,
    Spec, TaskInfo, rng,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use car::{Car, Laws, SIDE, apart};
use draw::Look;
use lot::{Lot, POSTS};

/// The name in the registry.
const NAME: &str = "car";

/// The car for a [`gedanken_env::Registry`], under the name `car`.
pub fn entry() -> Entry<dyn Env> {
    gedanken_env::entry(NAME, Parking::new)
}

/// The options of the car.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Side of the picture, px; the lot has 8 m.
    #[schemars(range(min = 16, max = 512))]
    pub size: usize,
    /// A distance to the goal below this is success, m: the mean of how far nose and tail are from where they belong.
    #[schemars(range(min = 0.01, max = 8.0))]
    pub success_radius: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { size: 64, success_radius: 0.5 }
    }
}

/// A car that parks.
///
/// ## Observation space
/// u8 `[3, size, size]`: red, green, blue; 64 px unless `size` says otherwise. The lot of 8 x 8 m from above: two posts, and the car, its front half
/// in another colour. Edges fade over a pixel. Speed is not in the picture.
///
/// ## Action space
/// f32 `[2]`: throttle (forwards, backwards) and steering (right, left), each within ±1.
///
/// ## State and labels
/// The state is `[x, y, heading, speed, goal_x, goal_y, goal_heading, goal_speed, post_1_x, post_1_y, post_2_x, post_2_y]` in m, rad from x towards y, and m/s. The labels are
/// `agent` (x, y), `heading` (cosine, sine), `speed` and `posts`.
///
/// ## Dynamics
/// Control steps of 0.1 s: full throttle accelerates by 2 m/s², a rolling car loses its speed at 1/s, so the top speed is 2 m/s. The middle of the car
/// moves along its heading (both axles steer), at full steering on a circle of radius 1.25 m. Where the car would touch a post or leave the lot it stops.
///
/// ## Task
/// [`Env::reset`] draws two posts, then, like [`Env::restart`], a start and a goal 3 to 6 m apart, headings at random, both at rest, a post on the straight line
/// between them. The distance is the mean of how far nose and tail are from where they belong, m; below 0.5 is success.
///
/// ## Factors of variation
/// Visual: `ground_color`, `post_color`, `tail_color`, `nose_color`. Physical: `power`, `steering`.
///
/// ## Policies
/// `drive` generates data and starts where it likes. `expert` tries a hundred drives in its mind at every step, `blind` the same in a lot without posts.
///
/// ## Traps
/// - A picture does not show the speed: give the model `speed` as proprioception, or more than one frame.
/// - A car cannot move sideways: a goal beside it is near and yet a manoeuvre away.
#[derive(Clone, Debug)]
pub struct Parking {
    options: Options,
    spec: Spec,
    laws: Laws,
    look: Look,
    lot: Lot,
}

/// Something can happen where a wall or a post is nearer than this, m: the way of five control steps.
const EVENTFUL: f64 = 0.5;

impl Parking {
    /// An environment, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Option`] when an option is out of its range.
    pub fn new(options: Options) -> Result<Self, EnvError> {
        let Options { size, success_radius } = options;
        if !(16..=512).contains(&size) {
            return Err(EnvError::option(NAME, "option size", size, "16 to 512"));
        }
        if !(0.01..=8.0).contains(&success_radius) {
            return Err(EnvError::option(NAME, "option success_radius", success_radius, "0.01 to 8"));
        }
        let look =
            Look { ground: color(GROUND), post: color(POST_COLOR), tail: color(TAIL_COLOR), nose: color(NOSE_COLOR) };
        let laws = Laws { power: 1.0, steering: 1.0 };
        let mut env = Self { spec: spec(&options), options, laws, look, lot: Lot::default() };
        env.reset(0);
        Ok(env)
    }

    fn draw(&self, pixels: &mut [u8], car: Option<Car>, size: usize) {
        draw::draw_lot(pixels, &self.look, &self.lot.posts, size);
        car.iter().for_each(|car| draw::draw_car(pixels, &self.look, *car, size));
    }

    fn row(&self, car: Car, out: &mut [f32]) {
        let (sin, cos) = libm::sincos(car.heading);
        let numbers = [car.at[0], car.at[1], cos, sin, car.speed];
        out.iter_mut().zip(numbers.iter().chain(self.lot.posts.iter().flatten())).for_each(|(l, n)| *l = *n as f32);
    }
}

const GROUND: u32 = 0x20_2830;
const POST_COLOR: u32 = 0xe0_4040;
const TAIL_COLOR: u32 = 0x40_60f0;
const NOSE_COLOR: u32 = 0xf0_f040;

fn color(number: u32) -> [u8; 3] {
    let [_, red, green, blue] = number.to_be_bytes();
    [red, green, blue]
}

fn spec(options: &Options) -> Spec {
    let factor = |name: &str, kind, default, [low, high]: [f64; 2], about: &str| Factor {
        name: name.to_owned(),
        kind,
        default,
        low,
        high,
        about: about.to_owned(),
    };
    let visual = |name: &str, color: u32, about: &str| {
        factor(name, FactorKind::Visual, f64::from(color), [0.0, f64::from(0xff_ffff)], &format!("{about}, 0xRRGGBB"))
    };
    let physical = |name: &str, about: &str| factor(name, FactorKind::Physical, 1.0, [0.5, 1.5], about);
    let cars = ["", "goal_"].into_iter().flat_map(|whose| {
        [("x", "m"), ("y", "m"), ("heading", "rad"), ("speed", "m/s")]
            .map(|(name, unit)| Field::new(&format!("{whose}{name}"), unit))
    });
    let posts = (1..=POSTS).flat_map(|post| ["x", "y"].map(|axis| Field::new(&format!("post_{post}_{axis}"), "m")));
    Spec {
        labels: vec![
            Label::new("agent", 2, "m"),
            Label::new("heading", 2, "1"),
            Label::new("speed", 1, "m/s"),
            Label::new("posts", 2 * POSTS, "m"),
        ],
        task: Some(TaskInfo::new(options.success_radius, "m")),
        factors: vec![
            visual("ground_color", GROUND, "the ground"),
            visual("post_color", POST_COLOR, "the posts"),
            visual("tail_color", TAIL_COLOR, "the car's rear half"),
            visual("nose_color", NOSE_COLOR, "its front half"),
            physical("power", "factor on the acceleration"),
            physical("steering", "factor on the curvature of the way"),
        ],
        policies: vec![
            PolicyInfo::new(
                "drive",
                "throttle and steering held for 5 to 30 steps, away from what stopped it; starts anywhere",
            ),
            PolicyInfo::new(
                "expert",
                "at every step the best of a hundred drives in its mind: two arcs and the brakes",
            ),
            PolicyInfo::new("blind", "the same in a lot without posts: the floor that a planner has to beat"),
            PolicyInfo::new("uniform", "each number of the action uniform in its bounds"),
        ],
        ..Spec::new(
            NAME,
            "A car with momentum parks between posts.",
            ObservationSpace { channels: 3, height: options.size, width: options.size },
            ActionSpace::cube(2, -1.0, 1.0, "1"),
            cars.chain(posts),
        )
    }
}

impl Env for Parking {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) {
        self.lot.posts = Lot::draw_posts(&mut rng(seed, &[0]));
        self.restart(seed);
    }

    fn restart(&mut self, seed: u64) {
        self.lot = self.lot.draw_task(&mut rng(seed, &[1]));
    }

    fn step(&mut self, action: &[f32]) {
        let mut action = [action[0], action[1]];
        self.spec.action.clip(&mut action);
        self.lot.car = self.laws.step(self.lot.car, &self.lot.posts, action.map(f64::from));
    }

    fn observe(&self, pixels: &mut [u8]) {
        self.draw(pixels, Some(self.lot.car), self.options.size);
    }

    fn observe_goal(&self, pixels: &mut [u8]) {
        self.draw(pixels, Some(self.lot.goal), self.options.size);
    }

    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.lot.to_state());
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        self.lot = Lot::possible(state).map_err(|expected| EnvError::state(NAME, state, expected))?;
        Ok(())
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let there = Lot::possible(state).map_err(|expected| EnvError::state(NAME, state, expected))?;
        self.set_state(&Lot { goal: there.car, ..self.lot }.to_state())
    }

    fn labels(&self, out: &mut [f32]) {
        self.row(self.lot.car, out);
    }

    fn goal_labels(&self, out: &mut [f32]) {
        self.row(self.lot.goal, out);
    }

    fn distance(&self) -> f64 {
        self.lot.distance()
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let pair = |row: &[f32], first: usize| [f64::from(row[first]), f64::from(row[first + 1])];
        Some(apart(pair(labels, 0), pair(labels, 2), pair(goal, 0), pair(goal, 2)))
    }

    fn eventful(&self) -> bool {
        self.lot.car.room(&self.lot.posts) < EVENTFUL
    }

    fn in_picture(&self, place: [f32; 2]) -> [f32; 2] {
        place.map(|at| at * self.options.size as f32 / SIDE as f32)
    }

    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let mut pixels = vec![0; 3 * height * height];
        let car = match show {
            Show::Now => Some(self.lot.car),
            Show::Goal => Some(self.lot.goal),
            Show::Ground => None,
        };
        self.draw(&mut pixels, car, height);
        Some(pixels)
    }

    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        self.spec.check_factor(name, value)?;
        match name {
            "ground_color" => self.look.ground = color(value.round() as u32),
            "post_color" => self.look.post = color(value.round() as u32),
            "tail_color" => self.look.tail = color(value.round() as u32),
            "nose_color" => self.look.nose = color(value.round() as u32),
            "power" => self.laws.power = value,
            _ => self.laws.steering = value,
        }
        Ok(())
    }

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        policies::make(name, self.laws).ok_or_else(|| self.spec.no_policy(name))
    }
}
