#![doc = include_str!("../README.md")]

mod dynamics;
mod layout;
mod options;
mod path;
mod policies;
mod render;
mod rooms;
mod sampling;
mod spec;

use std::sync::Arc;

use gedanken_env::{Entry, Env, EnvError, Policy, Show, Spec, rng};
use rand::RngExt;

pub use options::{Layouts, Options, Rule, Task, Walls};
pub use policies::TRAJECTORY;
pub use rooms::{Point, Rooms};

use options::NAME;
use rooms::{BORDER, DOOR_RANGE, WALL_RANGE, distance};
use spec::{Factors, MAX_ACTION};

/// Two-Rooms for a [`gedanken_env::Registry`], under the name `two-rooms`.
pub fn entry() -> Entry<dyn Env> {
    gedanken_env::entry(NAME, TwoRooms::new)
}

/// Two rooms and a door.
///
/// ## Observation space
/// u8 `[2, 65, 65]`. Channel 0 is the dot: `exp(-|pixel - dot|² / 2 · 1.3²) · 255`, truncated. Channel 1 is the walls:
/// a border one pixel wide on columns and rows 4 and 60, drawn across the whole picture, and an inner wall on columns
/// `wall_x - 1 ..= wall_x + 1`, open on rows `door_y - 4 ..= door_y + 4`. Pixel (column 0, row 0) is at the top left.
///
/// ## Action space
/// f32 `[2]`: the displacement (right, down) in px, each number within ±2.45, with a norm of at most 2.45. The
/// environment of PLDM and EB-JEPA has the same box but does not clip to it, nor does this one with `clip_actions =
/// false`.
///
/// ## State and labels
/// The state is `[x, y, wall_x, door_y, goal_x, goal_y, noise]`: px, and a counter of random numbers (an integer below
/// 2⁵³). The labels are `agent` (x, y), `wall` (wall_x) and `door` (door_y), in px.
///
/// ## Dynamics
/// There is no momentum: the dot moves by `action · action_gain + N(0, action_noise²) ± (0, gust)`. Where that goes through a
/// wall, [`Rule::Stop`] leaves the dot exactly where it was and [`Rule::Bounce`] puts it beside the wall, with noise.
/// EB-JEPA trains on the first and plans under the second.
///
/// ## Task
/// [`Env::reset`] draws the wall (column 20..=44) and the door (row 10..=54), then, like [`Env::restart`], a start and
/// a goal, 2.6 px or more away from all walls and in different rooms. The distance is Euclidean, in px; below 4.5 is
/// success. [`Env::cost_to_go`] is the length of the shortest path through the door over the largest step.
///
/// ## Factors of variation
/// Visual: `dot_std`, `dot_brightness`, `wall_brightness`, `distractors` (rounded down). Physical: `door_half_width`, `action_noise`, `action_gain`, `gust`.
///
/// ## Policies
/// `heading`, `door` and `random` generate data and start where they like; `expert`, `straight` and `uniform` act for
/// the goal (or for nothing) from where the dot is. A policy knows the factors that were set when it was made.
///
/// ## Traps
/// - A goal is usually closer through the wall than through the door: the Euclidean distance leads into a local
///   minimum, and a policy that walks blindly straight to the goal succeeds in 17 % of the tasks (`stop`) or 40 %
///   (`bounce`).
/// - The door is 27 of 4225 pixels, and the last thing that a latent learns.
/// - In data of the `heading` policy three steps in ten are pushes against a wall, and only 2 % of windows of 17 see
///   the door crossed: mix in `door`.
/// - Normalising each picture to its own minimum and maximum, as EB-JEPA does, hides `wall_brightness` and
///   `dot_brightness`.
#[derive(Clone, Debug)]
pub struct TwoRooms {
    /// Constant, shared by copies.
    fixed: Arc<Fixed>,
    factors: Factors,
    scene: Scene,
}

#[derive(Debug)]
struct Fixed {
    options: Options,
    spec: Spec,
    columns: Vec<u32>,
}

/// Numbers of the state.
const STATE: usize = 7;

/// The state, by name.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scene {
    agent: Point,
    wall_x: f64,
    door_y: f64,
    goal: Point,
    noise: u64,
}

impl Scene {
    fn from_state(state: &[f64; STATE]) -> Self {
        let &[x, y, wall_x, door_y, goal_x, goal_y, noise] = state;
        Self { agent: [x, y], wall_x, door_y, goal: [goal_x, goal_y], noise: noise as u64 }
    }

    fn to_state(self) -> [f64; STATE] {
        let Self { agent, wall_x, door_y, goal, noise } = self;
        [agent[0], agent[1], wall_x, door_y, goal[0], goal[1], noise as f64]
    }

    fn rooms(&self, door_half_width: f64) -> Rooms {
        Rooms::new(self.wall_x, self.door_y, door_half_width)
    }
}

impl TwoRooms {
    /// An environment, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Option`] when an option is out of its range or no wall column is left to draw.
    pub fn new(options: Options) -> Result<Self, EnvError> {
        let fixed = Fixed { spec: spec::spec(&options), columns: options.wall_columns()?, options };
        let scene = Scene { agent: [0.0; 2], wall_x: 0.0, door_y: 0.0, goal: [0.0; 2], noise: 0 };
        let mut env = Self { fixed: Arc::new(fixed), factors: Factors::default(), scene };
        env.reset(0);
        Ok(env)
    }

    /// The length of the shortest path from one row of labels to another, px, in the rooms of the first. Labels may come from an
    /// imperfect probe: walls and doors are brought into their ranges and positions into the rooms.
    pub fn path_length(&self, labels: &[f32], goal: &[f32]) -> f64 {
        let (rooms, from, to) = self.query(labels, goal);
        path::length(&rooms, from, to)
    }

    fn query(&self, labels: &[f32], goal: &[f32]) -> (Rooms, Point, Point) {
        let number = |row: &[f32], at: usize, low: f64, high: f64| {
            let value = row.get(at).map_or(f64::NAN, |&value| f64::from(value));
            if value.is_nan() { 0.5 * (low + high) } else { value.clamp(low, high) }
        };
        let wall_x = number(labels, 2, *WALL_RANGE.start(), *WALL_RANGE.end());
        let door_y = number(labels, 3, *DOOR_RANGE.start(), *DOOR_RANGE.end());
        let rooms = Rooms::new(wall_x, door_y, self.factors.door_half_width);
        let place = |row: &[f32]| rooms.project([0, 1].map(|at| number(row, at, BORDER[0], BORDER[1])));
        (rooms, place(labels), place(goal))
    }

    /// The rooms as they are now.
    pub fn rooms(&self) -> Rooms {
        self.scene.rooms(self.factors.door_half_width)
    }

    fn draw(&self, pixels: &mut [u8], dot: Point) {
        render::draw(pixels, &self.factors.look, dot, self.scene.wall_x, self.rooms().door);
        self.distractors().for_each(|place| render::draw_distractor(pixels, &self.factors.look, place));
    }

    fn distractors(&self) -> impl Iterator<Item = Point> {
        let noise = self.scene.noise;
        let place = move |number| sampling::unit_pair(noise, 3 + number).map(|unit| unit * (rooms::SIZE - 1) as f64);
        (0..self.factors.distractors as u64).map(place)
    }

    fn row(&self, [x, y]: Point, out: &mut [f32]) {
        let row = [x, y, self.scene.wall_x, self.scene.door_y].map(|value| value as f32);
        out.copy_from_slice(&row);
    }

    /// A state that can be, or what would be right.
    fn possible(&self, state: &[f64]) -> Result<Scene, String> {
        let state: &[f64; STATE] = state.try_into().map_err(|_| format!("{STATE} numbers"))?;
        let scene = Scene::from_state(state);
        let rooms = scene.rooms(self.factors.door_half_width);
        let whole = |value: f64| value.fract() == 0.0;
        if !WALL_RANGE.contains(&scene.wall_x) || !whole(scene.wall_x) {
            Err(format!("wall_x, an integer in {WALL_RANGE:?}"))
        } else if !DOOR_RANGE.contains(&scene.door_y) || !whole(scene.door_y) {
            Err(format!("door_y, an integer in {DOOR_RANGE:?}"))
        } else if !rooms.free(scene.agent) {
            Err("x and y inside the border and outside the inner wall".to_owned())
        } else if !rooms.free(scene.goal) {
            Err("goal_x and goal_y inside the border and outside the inner wall".to_owned())
        } else if scene.noise as f64 != state[6] || scene.noise >= 1 << 53 {
            Err("noise, an integer below 2^53".to_owned())
        } else {
            Ok(scene)
        }
    }
}

impl Env for TwoRooms {
    fn spec(&self) -> &Spec {
        &self.fixed.spec
    }

    fn reset(&mut self, seed: u64) {
        let Fixed { options, columns, .. } = self.fixed.as_ref();
        [self.scene.wall_x, self.scene.door_y] = layout::draw_layout(options, columns, &mut rng(seed, &[0]));
        self.restart(seed);
    }

    fn restart(&mut self, seed: u64) {
        let mut rng = rng(seed, &[1]);
        [self.scene.agent, self.scene.goal] = layout::draw_task(self.fixed.options.task, self.scene.wall_x, &mut rng);
        self.scene.noise = rng.random_range(0..1 << 53);
    }

    fn step(&mut self, action: &[f32]) {
        let mut a = [action[0], action[1]].map(|a| if a.is_finite() { a } else { 0.0 });
        if self.fixed.options.clip_actions {
            self.fixed.spec.action.clip(&mut a);
        }
        let scene = &mut self.scene;
        scene.noise = sampling::advance(scene.noise);
        let mut q = [0, 1].map(|i| scene.agent[i] + f64::from(a[i]) * self.factors.action_gain);
        if self.factors.action_noise > 0.0 {
            let noise = sampling::normal_pair(scene.noise, 0);
            q = [0, 1].map(|i| q[i] + self.factors.action_noise * noise[i]);
        }
        if self.factors.gust > 0.0 {
            q[1] += self.factors.gust * sampling::normal_pair(scene.noise, 2)[0].signum();
        }
        let rooms = scene.rooms(self.factors.door_half_width);
        scene.agent = match self.fixed.options.rule {
            Rule::Stop => dynamics::stop(&rooms, scene.agent, q),
            Rule::Bounce => {
                let noise = || sampling::normal_pair(scene.noise, 1).map(|n| 0.5 * n);
                dynamics::bounce(&rooms, scene.agent, q, noise)
            }
        };
    }

    fn observe(&self, pixels: &mut [u8]) {
        self.draw(pixels, self.scene.agent);
    }

    fn observe_goal(&self, pixels: &mut [u8]) {
        self.draw(pixels, self.scene.goal);
    }

    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.scene.to_state());
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        self.scene = self.possible(state).map_err(|expected| EnvError::state(NAME, state, expected))?;
        Ok(())
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let scene = self.scene;
        self.set_state(state)?;
        let state = Scene { goal: self.scene.agent, ..scene }.to_state();
        self.set_state(&state).inspect_err(|_| self.scene = scene)
    }

    fn labels(&self, out: &mut [f32]) {
        self.row(self.scene.agent, out);
    }

    fn goal_labels(&self, out: &mut [f32]) {
        self.row(self.scene.goal, out);
    }

    fn distance(&self) -> f64 {
        distance(self.scene.agent, self.scene.goal)
    }

    fn cost_to_go(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(self.path_length(labels, goal) / (MAX_ACTION * self.factors.action_gain))
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let point = |row: &[f32]| [f64::from(row[0]), f64::from(row[1])];
        Some(distance(point(labels), point(goal)))
    }

    fn eventful(&self) -> bool {
        let [left, right] = self.rooms().shrunk(6.0).faces;
        (left..=right).contains(&self.scene.agent[0])
    }

    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let mut walls = vec![0; rooms::SIZE * rooms::SIZE];
        render::draw_walls(&mut walls, self.factors.look.wall_brightness as u8, self.scene.wall_x, self.rooms().door);
        let dots: &[Point] = match show {
            Show::Now => &[self.scene.agent],
            Show::Goal => &[self.scene.goal],
            Show::Ground => &[],
        };
        let distractors: Vec<Point> = self.distractors().collect();
        Some(render::draw_sharp(height, &self.factors.look, &walls, dots, &distractors))
    }

    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        self.fixed.spec.check_factor(name, value)?;
        if let Some(slot) = self.factors.get_mut(name) {
            *slot = value;
        }
        // A narrower door may have closed around the dot.
        let rooms = self.rooms();
        for point in [&mut self.scene.agent, &mut self.scene.goal] {
            if !rooms.free(*point) {
                *point = rooms.shrunk(0.01).project(*point);
            }
        }
        Ok(())
    }

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        policies::make(name, &self.factors, self.fixed.options.expert_step)
            .ok_or_else(|| self.fixed.spec.no_policy(name))
    }
}
