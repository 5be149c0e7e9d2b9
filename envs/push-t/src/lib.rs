#![doc = include_str!("../README.md")]

mod bounds;
mod broadphase;
mod contact;
mod options;
mod policies;
mod render;
mod shape;
mod spec;
mod state;
mod success;
mod surface;
mod trial;
mod vector;

pub mod physics;

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use gedanken_env::{Entry, Env, EnvError, OtherRule, Policy, Rng, Show, Spec, rng};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

pub use options::{Action, Goal, Options};
pub use shape::{Geometry, Rectangle, Shape};
pub use success::{Pose, Success, coverage};

use physics::{Laws, Motion};
use render::{Backdrop, Scene};
use spec::{Factors, NAME};
use state::{SHORT, State};

/// Push-T for a [`gedanken_env::Registry`], under the name `push-t`.
pub fn entry() -> Entry<dyn Env> {
    gedanken_env::entry(NAME, PushT::new)
}

/// A disc and a block.
///
/// ## Observation space
/// u8 `[3, size, size]`: red, green, blue; 224 px unless `size` says otherwise. The world, 512 x 512 px with y down, is
/// drawn at its own size with hard edges, then resampled bilinearly without averaging, as OpenCV does: white floor, a green
/// T on it at (256, 256, 45°), grey walls, the block, the blue agent, and a short red line wherever the block touches
/// something. The green T is a decoration: the goal is given as a picture.
///
/// ## Action space
/// f32 `[2]`: where the agent's controller should go in this control step, relative to where the agent is at its start, in
/// units of 100 px, each number within ±1. With `action = "absolute"` (gym-pusht's): a place in px, 0 to 512.
///
/// ## State and labels
/// The full state begins with the field's own seven numbers, `[agent_x, agent_y, block_x, block_y, angle, agent_vx,
/// agent_vy]` (the block's position is the middle of the flat edge of the T's bar, not its centre of gravity), then the
/// goal `[agent_x, agent_y, block_x, block_y, angle, agent_vx, agent_vy]`, then what only the physics knows: velocities of the block,
/// remembered impulses, the tree of bounding boxes. [`Env::set_state`] takes all of it, or the seven numbers alone: then
/// the block is placed there at rest, nothing is remembered, and one substep of 0.01 s settles it. The labels are `agent`
/// (x, y), `block` (x, y), both in px, `angle` (cosine, sine), and the agent's `velocity` (x, y), px/s, which no single picture shows.
///
/// ## Dynamics
/// A control step of 0.1 s is ten substeps ([`physics`]). The agent is kinematic: a critically damped controller moves it,
/// nothing stops it, not even a wall. The block has mass 1 and, as upstream has it, a moment of inertia of 3000 px² about
/// a centre of gravity at (0, 45): physically odd, but everybody's. Contacts have no friction, and the block stops at once
/// when nobody pushes.
///
/// ## Task
/// [`Env::reset`] draws agent (50..450)², block (100..400)² and an angle, and a goal likewise. Distances and success are
/// those of [`Success`]; the other rules are reported beside.
///
/// ## Factors of variation
/// Visual: colours, the T on the floor. Physical: `agent_radius` and `block_scale` (also seen), `friction`, `damping`,
/// `mass`, `control_gain`.
///
/// ## Policies
/// `weak`, `noisy`, `expert` and `pusher` make data; `uniform` is the floor. A policy knows the factors that were set when it was
/// made.
///
/// ## Traps
/// - The agent's own place is part of success under the joint rule, and 20 px and 20° are loose beside 95 % coverage:
///   rates under different rules cannot be compared.
/// - The agent's velocity lives on between control steps, and is part of the state but not of the picture.
/// - Starts may overlap: nothing keeps the agent from starting inside the block, which the first substeps push out.
/// - The agent can push the block through a wall, and leave the picture.
#[derive(Clone, Debug)]
pub struct PushT {
    /// Constant, shared by copies.
    fixed: Arc<Fixed>,
    factors: Factors,
    /// Functions of options and factors, shared by copies.
    made: Arc<Made>,
    state: State,
}

#[derive(Debug)]
struct Fixed {
    options: Options,
    spec: Spec,
}

#[derive(Debug)]
struct Made {
    laws: Laws,
    backdrop: Backdrop,
}

impl Made {
    fn new(factors: &Factors, options: &Options) -> Arc<Self> {
        let laws = factors.laws(options);
        let backdrop = Backdrop::new(factors.look(), &laws.geometry, laws.radius, options.size);
        Arc::new(Self { laws, backdrop })
    }
}

impl PushT {
    /// An environment, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::Option`] when an option is out of its range.
    pub fn new(options: Options) -> Result<Self, EnvError> {
        if !(16..=512).contains(&options.size) {
            return Err(EnvError::option(NAME, "option size", options.size, "16 to 512"));
        }
        let factors = Factors::new(&options);
        let made = Made::new(&factors, &options);
        let motion = Motion::at_rest(&made.laws, [256.0, 400.0], [0.0; 2], [256.0, 300.0], 0.0);
        let goal = Pose { agent: [0.0; 2], block: [0.0; 2], angle: 0.0 };
        let fixed = Fixed { spec: spec::spec(&options), options };
        let mut env =
            Self { fixed: Arc::new(fixed), factors, made, state: State { motion, goal, goal_velocity: [0.0; 2] } };
        env.reset(0);
        Ok(env)
    }

    /// Agent and block now.
    pub fn pose(&self) -> Pose {
        self.state.pose(&self.made.laws)
    }

    /// Puts agent and block somewhere, at rest and touching nothing, and lets one substep settle them.
    fn place(&mut self, &[ax, ay, x, y, angle, vx, vy]: &[f64; SHORT]) {
        let laws = &self.made.laws;
        let mut motion = Motion::at_rest(laws, [ax, ay], [vx, vy], [x, y], angle);
        if self.fixed.options.legacy_placement {
            motion.center = vector::add([x, y], laws.geometry.center);
        }
        motion.substep(laws);
        self.state.motion = motion;
    }

    /// A place for the agent and a pose for the block, drawn as gym-pusht draws its starts.
    fn draw_pose(&self, rng: &mut Rng) -> Pose {
        let mut within = |low: u32, high: u32| f64::from(rng.random_range(low..high));
        let (agent, block) = ([within(50, 450), within(50, 450)], [within(100, 400), within(100, 400)]);
        let turn: f64 = StandardNormal.sample(rng);
        Pose { agent, block, angle: (TAU * turn - PI).rem_euclid(TAU) }
    }

    fn distance_by(&self, rule: Success, pose: &Pose, goal: &Pose) -> f64 {
        rule.distance(&self.made.laws.geometry, self.fixed.options.shape.symmetry(), pose, goal)
    }

    fn goal_at_rest(&self) -> Motion {
        let Pose { agent, block, angle } = self.state.goal;
        Motion::at_rest(&self.made.laws, agent, [0.0; 2], block, angle)
    }

    fn show(&self, backdrop: &Backdrop, motion: &Motion, pixels: &mut [u8]) {
        let laws = &self.made.laws;
        let mut touches = Vec::new();
        if self.fixed.options.contact_marks {
            motion.touches(laws, |touch| touches.push(touch));
        }
        let scene =
            Scene { agent: motion.agent, center: motion.center, rotation: motion.rotation(), touches: &touches };
        backdrop.draw(&scene, pixels);
    }

    fn refused(found: &[f64], expected: impl Into<String>) -> EnvError {
        EnvError::state(NAME, found, expected)
    }
}

fn row(pose: &Pose, velocity: [f64; 2], out: &mut [f32]) {
    let Pose { agent, block, angle } = *pose;
    let row = [agent[0], agent[1], block[0], block[1], angle.cos(), angle.sin(), velocity[0], velocity[1]];
    out.copy_from_slice(&row.map(|value| value as f32));
}

/// The pose that a row of labels speaks of; the angle is that of any vector.
fn pose(row: &[f32]) -> Pose {
    let at = |index: usize| f64::from(row[index]);
    Pose { agent: [at(0), at(1)], block: [at(2), at(3)], angle: at(5).atan2(at(4)) }
}

impl Env for PushT {
    fn spec(&self) -> &Spec {
        &self.fixed.spec
    }

    fn reset(&mut self, seed: u64) {
        let mut rng = rng(seed, &[]);
        let (start, goal) = (self.draw_pose(&mut rng), self.draw_pose(&mut rng));
        self.state.goal = match self.fixed.options.goal {
            Goal::Random => goal,
            Goal::Fixed => {
                let (block, angle) = self.factors.look().target_pose;
                Pose { block, angle, ..goal }
            }
        };
        self.state.goal_velocity = [0.0; 2];
        let Pose { agent, block, angle } = start;
        self.place(&[agent[0], agent[1], block[0], block[1], angle, 0.0, 0.0]);
    }

    fn step(&mut self, action: &[f32]) {
        let mut a = [action[0], action[1]];
        self.fixed.spec.action.clip(&mut a);
        let a = a.map(f64::from);
        let motion = &mut self.state.motion;
        let target = match self.fixed.options.action {
            Action::Relative => vector::add(motion.agent, vector::scale(a, 100.0)),
            Action::Absolute => a,
        };
        motion.control(&self.made.laws, target);
    }

    fn observe(&self, pixels: &mut [u8]) {
        self.show(&self.made.backdrop, &self.state.motion, pixels);
    }

    fn observe_goal(&self, pixels: &mut [u8]) {
        self.show(&self.made.backdrop, &self.goal_at_rest(), pixels);
    }

    fn state(&self, out: &mut [f64]) {
        self.state.write(&self.made.laws, out);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        if let Ok(short) = <&[f64; SHORT]>::try_from(state) {
            if short.iter().any(|number| number.is_nan() || number.abs() > 1e6) {
                return Err(Self::refused(state, "seven finite numbers of at most 1e6"));
            }
            self.place(short);
            return Ok(());
        }
        let numbers = self.fixed.spec.state.len();
        if state.len() != numbers {
            return Err(Self::refused(state, format!("{SHORT} or {numbers} numbers")));
        }
        self.state = State::read(&self.made.laws, state).map_err(|expected| Self::refused(state, expected))?;
        Ok(())
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let before = self.state;
        self.set_state(state)?;
        let goal_velocity = self.state.motion.agent_velocity;
        self.state = State { motion: before.motion, goal: self.pose(), goal_velocity };
        Ok(())
    }

    fn labels(&self, out: &mut [f32]) {
        row(&self.pose(), self.state.motion.agent_velocity, out);
    }

    fn goal_labels(&self, out: &mut [f32]) {
        row(&self.state.goal, self.state.goal_velocity, out);
    }

    fn distance(&self) -> f64 {
        self.distance_by(self.fixed.options.success, &self.pose(), &self.state.goal)
    }

    fn other_rules(&self) -> Vec<OtherRule> {
        let pose = self.pose();
        let others = Success::ALL.iter().filter(|rule| **rule != self.fixed.options.success);
        others
            .map(|rule| OtherRule {
                name: rule.name(),
                distance: self.distance_by(*rule, &pose, &self.state.goal),
                radius: rule.radius(),
            })
            .collect()
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(self.distance_by(self.fixed.options.success, &pose(labels), &pose(goal)))
    }

    fn rest(&self, action: &mut [f32]) {
        let stay = match self.fixed.options.action {
            Action::Relative => [0.0; 2],
            Action::Absolute => self.state.motion.agent,
        };
        action.iter_mut().zip(stay).for_each(|(action, at)| *action = at as f32);
    }

    fn in_picture(&self, place: [f32; 2]) -> [f32; 2] {
        let scale = self.fixed.options.size as f32 / surface::SIDE as f32;
        place.map(|at| (at + 0.5) * scale)
    }

    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let laws = &self.made.laws;
        let backdrop = Backdrop::new(self.factors.look(), &laws.geometry, laws.radius, height);
        let mut pixels = backdrop.picture().to_vec();
        match show {
            Show::Now => self.show(&backdrop, &self.state.motion, &mut pixels),
            Show::Goal => self.show(&backdrop, &self.goal_at_rest(), &mut pixels),
            Show::Ground => {}
        }
        Some(pixels)
    }

    fn eventful(&self) -> bool {
        self.state.motion.touches_agent(&self.made.laws)
    }

    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        self.fixed.spec.check_factor(name, value)?;
        if let Some(slot) = self.factors.get_mut(name) {
            *slot = value;
        }
        // The block may have another shape now: what was remembered of its contacts is of no use.
        let Pose { agent, block, angle } = self.pose();
        let velocity = self.state.motion.agent_velocity;
        self.made = Made::new(&self.factors, &self.fixed.options);
        self.state.motion = Motion::at_rest(&self.made.laws, agent, velocity, block, angle);
        Ok(())
    }

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        policies::make(name, &self.made.laws, self.fixed.options.action).ok_or_else(|| self.fixed.spec.no_policy(name))
    }
}
