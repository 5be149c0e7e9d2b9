//! Where the time of updates goes.

use std::time::{Duration, Instant};

/// A part of an update.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Data,
    Forward,
    Backward,
    Update,
}

/// Where the time of updates goes. On a GPU, which works behind the program's back, only the sum means something.
pub struct Clock {
    parts: [Duration; 4],
    updates: usize,
    pub(crate) frames: usize,
    since: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { parts: [Duration::ZERO; 4], updates: 0, frames: 0, since: Instant::now() }
    }
}

impl Clock {
    pub(crate) fn time<T>(&mut self, part: Part, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.parts[part as usize] += start.elapsed();
        self.updates += usize::from(matches!(part, Part::Update));
        result
    }

    pub(crate) fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }

    /// Milliseconds per update: waiting for data, forward, backward, update of the weights.
    pub fn scalars(&self) -> [(String, f64); 4] {
        let per_update = |part: Part| self.parts[part as usize].as_secs_f64() * 1e3 / self.updates.max(1) as f64;
        [
            ("milliseconds/data".to_owned(), per_update(Part::Data)),
            ("milliseconds/forward".to_owned(), per_update(Part::Forward)),
            ("milliseconds/backward".to_owned(), per_update(Part::Backward)),
            ("milliseconds/update".to_owned(), per_update(Part::Update)),
        ]
    }
}
