//! Models of other programs: a file for each format, and a line in [`FORMATS`].

mod lewm;
mod tensors;

use std::path::Path;

use gedanken_model::{CheckpointError, ModelConfig};

pub use tensors::Mapped;

/// A format in which another program keeps its models.
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// The program, and the files that are read.
    pub about: &'static str,
    /// The experiment of its authors, in TOML: world, planner and protocol.
    pub experiment: &'static str,
    /// Mean and standard deviation of every number of a control step's action in that world's data, in the environment's units.
    pub actions: [&'static [f32]; 2],
    /// Reads a folder.
    pub read: fn(&Path) -> Result<Foreign, CheckpointError>,
}

/// All formats.
pub static FORMATS: [Format; 1] = [lewm::FORMAT];

/// Another program's model.
pub struct Foreign {
    /// Its parts, in our words.
    pub model: ModelConfig,
    /// Pictures, `[channels, height, width]`.
    pub pixels: [usize; 3],
    /// Numbers of a block of actions.
    pub action: usize,
    /// Frames of the windows that it learns from.
    pub time: usize,
    /// Mean and standard deviation of every channel, of pixels in 0 to 1.
    pub pixel_scales: [Vec<f32>; 2],
    /// Changes that its sizes make in the experiment of its authors, each `KEY=VALUE`.
    pub world: Vec<String>,
    /// Its weights under our names.
    pub weights: Mapped,
}
