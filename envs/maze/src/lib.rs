#![doc = include_str!("../README.md")]

mod dynamics;
mod layouts;
mod maze;
mod options;
mod path;
mod policies;
mod render;
mod scene;
mod spec;

use std::cell::RefCell;
use std::sync::Arc;

use gedanken_env::{Entry, Env, EnvError, Policy, Show, Spec, rng};

pub use dynamics::{Ball, Point};
pub use maze::Maze;
pub use options::{Layouts, Options};

use dynamics::{clear, distance, touch};
use options::NAME;
use path::Paths;
use render::Look;
use scene::Scene;
use spec::Factors;

/// The maze for a [`gedanken_env::Registry`], under the name `maze`.
pub fn entry() -> Entry<dyn Env> {
    gedanken_env::entry(NAME, Mazes::new)
}

/// A ball in a maze.
///
/// ## Observation space
/// u8 `[3, size, size]`: red, green, blue; 64 px unless `size` says otherwise. The maze from above with its outer wall and one ring of
/// wall more, so a cell is `size / (cells + 4)` px wide; a pixel on an edge is mixed by area. The ball is a disc of radius 0.2 cells whose edge
/// fades over a pixel, drawn over the walls. Walls and floor differ in red and green, the ball from both in blue. Velocity is not in the picture.
///
/// ## Action space
/// f32 `[2]`: the force of two motors (right, down) in units of 100 N, each number within ±1.
///
/// ## State and labels
/// The state is `[x, y, vx, vy, goal_x, goal_y, goal_vx, goal_vy]` in cells and cells/s, then a number for every row of the maze, whose bit `c` says that column `c` is
/// free. The inner grid begins at (0, 0), its first cell ends at (1, 1). The labels are `agent` (x, y), `velocity` (vx, vy) and `walls` (row by row, 1 for a wall).
///
/// ## Dynamics
/// A point mass of 4.19 kg with damping, as D4RL's: four substeps of 0.01 s, velocity clipped to ±5 cells/s on each axis before each of them. An
/// action of 1 changes the velocity by 0.953 cells/s in a control step, which moves the ball by 0.21 cells on each axis at most.
/// Where the ball, of radius 0.1, meets a wall it stops and slides along, without friction and without a bounce.
///
/// ## Task
/// [`Env::reset`] draws a layout by PLDM's generator, then, like [`Env::restart`], a start and a goal `distance_min` to `distance_max` cells apart
/// along the shortest path, within 0.1 of the middle of their cells, both at rest. The distance is Euclidean, in cells; below 0.5 is success.
/// [`Env::cost_to_go`] is the length of the shortest path of the ball's middle over the 0.296 cells of a diagonal step at top speed.
///
/// ## Factors of variation
/// Visual: `floor_color`, `wall_color`, `ball_color`, `ball_size`. Physical: `ball_radius`, `motor`, `damping`.
///
/// ## Policies
/// `random` generates data and starts where it likes; `expert`, `straight` and `uniform` act for the goal (or for nothing) from where the ball
/// is. A policy knows the factors that were set when it was made.
///
/// ## Traps
/// - A picture does not show where the ball is going: give the model `velocity` as proprioception, or more than one frame.
/// - The Euclidean distance leads into dead ends, and layouts differ: a planner needs imagination that reaches the goal, or a distance that knows walls.
/// - Only the walls differ between layouts, and they stand still: a latent that may, holds them alone and forgets the ball.
/// - With `train_layouts = 5` every wall that data can teach is in five pictures. `layouts = "held-out"` draws others than those, and
///   `"all"` may draw them.
/// - Success at any step (`rule = "ever"`, PLDM's) forgives a ball that does not stop.
#[derive(Clone, Debug)]
pub struct Mazes {
    /// Constant, shared by copies.
    fixed: Arc<Fixed>,
    factors: Factors,
    scene: Scene,
    backdrop: Arc<Backdrop>,
}

#[derive(Debug)]
struct Fixed {
    options: Options,
    spec: Spec,
    layouts: layouts::Layouts,
}

/// A maze as it looks without a ball, shared by copies.
#[derive(Debug)]
struct Backdrop {
    maze: Maze,
    look: Look,
    pixels: Vec<u8>,
}

impl Backdrop {
    fn new(maze: Maze, look: Look, size: usize) -> Arc<Self> {
        Arc::new(Self { maze, look, pixels: render::draw_maze(&look, maze, size) })
    }
}

/// Something can happen where a wall is nearer than this, cells: within two control steps, and pushed from most starts.
const EVENTFUL: f64 = 0.45;

impl Mazes {
    /// An environment, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Option`] when an option is out of its range.
    pub fn new(options: Options) -> Result<Self, EnvError> {
        options.check()?;
        let (spec, layouts) = (spec::spec(&options), layouts::Layouts::new(&options)?);
        let factors = Factors::default();
        let maze = layouts.draw(&mut rng(0, &[0]));
        let backdrop = Backdrop::new(maze, factors.look(), options.size);
        let scene = Scene { ball: Ball::default(), goal: Ball::default(), maze };
        let mut env = Self { fixed: Arc::new(Fixed { options, spec, layouts }), factors, scene, backdrop };
        env.reset(0);
        Ok(env)
    }

    /// The maze as it is now.
    pub fn maze(&self) -> Maze {
        self.scene.maze
    }

    /// True where the maze is a training layout.
    pub fn is_training_layout(&self) -> bool {
        self.fixed.layouts.trains(self.scene.maze)
    }

    /// The length of the shortest path of the ball's middle from one row of labels to another, cells, in the maze of the second, whose walls are those above
    /// 0.5. Labels may come from an imperfect probe: places in walls count as the nearest free ones, and where no way is left, the straight line
    /// and a cell for every cell.
    pub fn path_length(&self, labels: &[f32], goal: &[f32]) -> f64 {
        thread_local!(static PATHS: RefCell<Option<Paths>> = const { RefCell::new(None) });
        let cells = self.fixed.options.cells;
        let walls = goal[4..].iter().enumerate();
        let free = walls.fold(0, |free, (cell, &wall)| free | u64::from(wall <= 0.5) << cell);
        let maze = Maze { cells, free };
        let place = |row: &[f32]| {
            [row[0], row[1]].map(|at| if at.is_nan() { 0.0 } else { f64::from(at).clamp(0.0, cells as f64) })
        };
        let (from, to) = (place(labels), place(goal));
        let radius = self.factors.laws().radius;
        PATHS.with_borrow_mut(|kept| {
            let paths = match kept.take() {
                Some(paths) => paths.again(maze, radius, to),
                None => Paths::new(maze, radius, to),
            };
            let length = paths.length(from);
            *kept = Some(paths);
            if length.is_finite() { length } else { distance(from, to) + (cells * cells) as f64 }
        })
    }

    fn draw(&self, pixels: &mut [u8], ball: Ball) {
        pixels.copy_from_slice(&self.backdrop.pixels);
        render::draw_ball(pixels, &self.backdrop.look, ball.at, self.scene.maze.cells, self.fixed.options.size);
    }

    fn row(&self, ball: Ball, out: &mut [f32]) {
        let (balls, walls) = out.split_at_mut(4);
        let numbers = [ball.at[0], ball.at[1], ball.velocity[0], ball.velocity[1]];
        balls.copy_from_slice(&numbers.map(|number| number as f32));
        walls.iter_mut().enumerate().for_each(|(cell, wall)| *wall = (!(self.scene.maze.free >> cell) & 1) as f32);
    }

    /// Takes a scene, and draws its maze if it is another.
    fn show(&mut self, scene: Scene) {
        self.scene = scene;
        let look = self.factors.look();
        if self.backdrop.maze != scene.maze || self.backdrop.look != look {
            self.backdrop = Backdrop::new(scene.maze, look, self.fixed.options.size);
        }
    }
}

impl Env for Mazes {
    fn spec(&self) -> &Spec {
        &self.fixed.spec
    }

    fn reset(&mut self, seed: u64) {
        let maze = self.fixed.layouts.draw(&mut rng(seed, &[0]));
        self.show(Scene { maze, ..self.scene });
        self.restart(seed);
    }

    fn restart(&mut self, seed: u64) {
        let places = self.fixed.layouts.draw_task(self.scene.maze, &mut rng(seed, &[1]));
        [self.scene.ball, self.scene.goal] = places.map(|at| Ball { at, velocity: [0.0; 2] });
    }

    fn step(&mut self, action: &[f32]) {
        let mut a = [action[0], action[1]];
        self.fixed.spec.action.clip(&mut a);
        self.scene.ball = self.factors.laws().step(self.scene.maze, self.scene.ball, a.map(f64::from));
    }

    fn observe(&self, pixels: &mut [u8]) {
        self.draw(pixels, self.scene.ball);
    }

    fn observe_goal(&self, pixels: &mut [u8]) {
        self.draw(pixels, self.scene.goal);
    }

    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.scene.to_state());
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let scene = Scene::possible(state, self.fixed.options.cells, self.factors.laws().radius)
            .map_err(|expected| EnvError::state(NAME, state, expected))?;
        self.show(scene);
        Ok(())
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let before = self.scene;
        let mut there = self.clone();
        there.set_state(state)?;
        self.set_state(&Scene { goal: there.scene.ball, ..before }.to_state())
    }

    fn labels(&self, out: &mut [f32]) {
        self.row(self.scene.ball, out);
    }

    fn goal_labels(&self, out: &mut [f32]) {
        self.row(self.scene.goal, out);
    }

    fn distance(&self) -> f64 {
        distance(self.scene.ball.at, self.scene.goal.at)
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let place = |row: &[f32]| [f64::from(row[0]), f64::from(row[1])];
        Some(distance(place(labels), place(goal)))
    }

    fn cost_to_go(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(self.path_length(labels, goal) / self.factors.laws().longest_step())
    }

    fn eventful(&self) -> bool {
        !clear(self.scene.maze, self.scene.ball.at, EVENTFUL)
    }

    fn in_picture(&self, place: [f32; 2]) -> [f32; 2] {
        let Options { cells, size, .. } = self.fixed.options;
        place.map(|at| (at + render::RING as f32) * render::scale(cells, size) as f32)
    }

    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let Backdrop { maze, look, .. } = *self.backdrop;
        let mut pixels = render::draw_maze(&look, maze, height);
        let ball = match show {
            Show::Now => Some(self.scene.ball),
            Show::Goal => Some(self.scene.goal),
            Show::Ground => None,
        };
        ball.iter().for_each(|ball| render::draw_ball(&mut pixels, &look, ball.at, maze.cells, height));
        Some(pixels)
    }

    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        self.fixed.spec.check_factor(name, value)?;
        if let Some(slot) = self.factors.get_mut(name) {
            *slot = value;
        }
        // A larger ball may reach into a wall.
        let (maze, radius) = (self.scene.maze, self.factors.laws().radius);
        let [ball, goal] = [self.scene.ball, self.scene.goal].map(|ball| touch(maze, ball, radius));
        self.show(Scene { ball, goal, maze });
        Ok(())
    }

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        policies::make(name, self.factors.laws()).ok_or_else(|| self.fixed.spec.no_policy(name))
    }
}
