//! Recordings stepped again: does every action lead from its state to the next?

use std::f64::consts::{PI, TAU};
use std::fmt;

use gedanken_env::{Env, Spec};
use rayon::prelude::*;

use crate::DataError;
use crate::batch::row;
use crate::recordings::{Piece, Recordings};

/// The recorded states of all episodes, each stepped by its action and compared with the next.
///
/// A step's error is that of its worst number, as a share of what that number moves by: the root mean square of its recorded changes, where
/// it changes. Numbers in `rad` are compared as angles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retraced {
    /// Episodes.
    pub episodes: usize,
    /// Steps.
    pub steps: usize,
    /// Share of the actions that are out of the action space and are clipped.
    pub clipped: f64,
    /// Share of the actions with a number that is not finite, which becomes zero.
    pub not_finite: f64,
    /// Share of the steps that are off: their error is more than a tenth.
    pub off: f64,
    /// Median error of a step.
    pub median: f64,
    /// Greatest error of a step, its number, and the row that was stepped; infinite where that number never moves in the recordings.
    pub worst: (f64, String, usize),
    /// The error of one number, summed over all steps, as a share of its recorded movement, and its name: of the number where that is
    /// greatest. A number that is predicted to stay where it is has a share of 1.
    pub missed: (f64, String),
}

/// A step is off above this error.
const OFF: f64 = 0.1;
/// Most steps that may be off. Of push-T's seven numbers, which leave out what contacts remember, 2 % are in our own data, 13 % in pymunk's of
/// a block that is crushed into walls; of recordings in which every third action is missing, 34 %.
const MOST_OFF: f64 = 0.25;
/// Most of its movement that may be missed of a number: a few steps that are off may be all in which it moves.
const MOST_MISSED: f64 = 0.5;
/// Differences below this share of a number are the rounding of single precision.
const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;

impl Recordings {
    /// Steps every recorded state by its action.
    ///
    /// # Errors
    /// A state that the environment refuses, with its row.
    pub fn retrace(&self, env: &dyn Env, seed: u64) -> Result<Retraced, DataError> {
        let numbers = Numbers::of(self, env.spec());
        let tallies = self.pieces.par_iter().map(|piece| self.retrace_one(piece, env, seed, &numbers));
        let tallies = tallies.collect::<Result<Vec<_>, _>>()?;
        let mut all = Tally { missed: vec![0.0; numbers.names.len()], ..Tally::default() };
        tallies.into_iter().for_each(|tally| all.merge(tally));
        Ok(all.finish(&numbers, self.pieces.len()))
    }

    fn retrace_one(&self, piece: &Piece, env: &dyn Env, seed: u64, numbers: &Numbers) -> Result<Tally, DataError> {
        let spec = env.spec();
        let mut env = self.enter(piece, env, seed);
        let mut state = vec![0.0; spec.state.len()];
        let mut tally = Tally { missed: vec![0.0; numbers.names.len()], ..Tally::default() };
        for frame in 0..piece.frames - 1 {
            let at = piece.from + frame;
            self.place(env.as_mut(), piece, frame, &mut state)?;
            let given = row(&self.actions, at, self.sizes[1]);
            let mut action = given.to_vec();
            spec.action.clip(&mut action);
            let finite = given.iter().all(|number| number.is_finite());
            tally.not_finite += usize::from(!finite);
            tally.clipped += usize::from(finite && action != given);
            // What the recorded states leave open must not be what a step has made of it.
            let mut ahead = env.boxed_clone();
            ahead.step(&action);
            ahead.state(&mut state);
            tally.note(&numbers.differences(&state, self.state(at + 1)), numbers, at);
        }
        Ok(tally)
    }
}

/// Sums over some steps.
#[derive(Default)]
struct Tally {
    clipped: usize,
    not_finite: usize,
    /// Every number's absolute error.
    missed: Vec<f64>,
    /// Every step's error.
    errors: Vec<f64>,
    /// The greatest of them, its number and its row.
    worst: (f64, usize, usize),
}

impl Tally {
    fn note(&mut self, differences: &[f64], numbers: &Numbers, at: usize) {
        let mut greatest = 0.0;
        for (number, &difference) in differences.iter().enumerate().filter(|(_, difference)| **difference > 0.0) {
            self.missed[number] += difference;
            let error = difference / numbers.usual[number];
            greatest = f64::max(greatest, error);
            if error > self.worst.0 {
                self.worst = (error, number, at);
            }
        }
        self.errors.push(greatest);
    }

    fn merge(&mut self, other: Self) {
        self.clipped += other.clipped;
        self.not_finite += other.not_finite;
        self.missed.iter_mut().zip(other.missed).for_each(|(sum, more)| *sum += more);
        self.errors.extend(other.errors);
        if other.worst.0 > self.worst.0 {
            self.worst = other.worst;
        }
    }

    fn finish(mut self, numbers: &Numbers, episodes: usize) -> Retraced {
        let steps = self.errors.len();
        let share = |count: usize| count as f64 / steps.max(1) as f64;
        let missed = self
            .missed
            .iter()
            .zip(&numbers.moved)
            .map(|(missed, &moved)| if moved > 0.0 { missed / moved } else { 0.0 });
        let (missed, number) = missed.zip(0..).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
        let name = |number: usize| numbers.names.get(number).cloned().unwrap_or_default();
        let off = share(self.errors.iter().filter(|&&error| error > OFF).count());
        let median = match steps {
            0 => 0.0,
            _ => *self.errors.select_nth_unstable_by(steps / 2, f64::total_cmp).1,
        };
        let (worst, worst_number, row) = self.worst;
        Retraced {
            episodes,
            steps,
            clipped: share(self.clipped),
            not_finite: share(self.not_finite),
            off,
            median,
            worst: (worst, name(worst_number), row),
            missed: (missed, name(number)),
        }
    }
}

/// The recorded numbers of the state.
struct Numbers {
    names: Vec<String>,
    angles: Vec<bool>,
    /// Sums of their absolute changes.
    moved: Vec<f64>,
    /// Root mean squares of their changes, where they change.
    usual: Vec<f64>,
}

impl Numbers {
    fn of(recordings: &Recordings, spec: &Spec) -> Self {
        let fields = &spec.state[..recordings.sizes[0]];
        let none = vec![0.0; fields.len()];
        let names = fields.iter().map(|field| field.name.clone()).collect();
        let angles = fields.iter().map(|field| field.unit == "rad").collect();
        let mut numbers = Self { names, angles, moved: none.clone(), usual: none.clone() };
        let mut counts = none;
        for piece in &recordings.pieces {
            for at in piece.from..piece.from + piece.frames - 1 {
                let changes = numbers.differences(recordings.state(at), recordings.state(at + 1));
                for (i, change) in changes.into_iter().enumerate().filter(|(_, change)| *change > 0.0) {
                    numbers.moved[i] += change;
                    numbers.usual[i] += change * change;
                    counts[i] += 1.0;
                }
            }
        }
        numbers.usual.iter_mut().zip(counts).for_each(|(usual, count)| *usual = (*usual / f64::max(count, 1.0)).sqrt());
        numbers
    }

    /// Distance between the first numbers of two states.
    fn differences(&self, found: &[f64], expected: &[f64]) -> Vec<f64> {
        let difference = |((&found, &expected), &angle): ((&f64, &f64), &bool)| {
            let off = (found - expected).abs();
            let off = if angle { PI - (off.rem_euclid(TAU) - PI).abs() } else { off };
            if off <= ROUNDING * found.abs().max(expected.abs()) { 0.0 } else { off }
        };
        found.iter().zip(expected).zip(&self.angles).map(difference).collect()
    }
}

impl Retraced {
    /// The fault of the recordings, in a sentence; none where states and actions belong together.
    pub fn problem(&self) -> Option<String> {
        let ((missed, number), (worst, at, _)) = (&self.missed, &self.worst);
        let found = match () {
            () if self.off > MOST_OFF && worst.is_infinite() => {
                format!("{at} never moves in the recordings, and does here")
            }
            () if self.off > MOST_OFF => {
                format!("{} of the steps are off; expected at most {}", percent(self.off), percent(MOST_OFF))
            }
            () if *missed > MOST_MISSED => {
                format!(
                    "{} of the movement of {number} is missed; expected at most {}",
                    percent(*missed),
                    percent(MOST_MISSED)
                )
            }
            () => return None,
        };
        let about = "the recorded actions do not lead from state to state in this environment (another unit or scale, swapped columns, \
                     actions of the step before?)";
        Some(format!("{found}: {about}"))
    }
}

impl fmt::Display for Retraced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((worst, at, row), (missed, number)) = (&self.worst, &self.missed);
        writeln!(f, "every recorded state stepped by its action: {} steps of {} episodes", self.steps, self.episodes)?;
        writeln!(f, "  actions   {} clipped, {} not finite", percent(self.clipped), percent(self.not_finite))?;
        writeln!(
            f,
            "  off       {} of the steps: a number by more than a tenth of what it moves by",
            percent(self.off)
        )?;
        write!(f, "  error     median {}", percent(self.median))?;
        match *worst {
            0.0 => Ok(()),
            f64::INFINITY => write!(f, "; after row {row} {at} moves, which it never does in the recordings"),
            worst => {
                writeln!(f, ", worst {} of that ({at} after row {row})", percent(worst))?;
                write!(f, "  missed    {} of the movement of {number}, more than of any other", percent(*missed))
            }
        }
    }
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "beyond all".to_owned() }
}
