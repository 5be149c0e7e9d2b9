//! A comparison of runs: those that differ only in their seed are one row.

mod find;
mod groups;
mod plot;
mod result;
mod table;

pub use find::find;
pub use groups::{Comparison, Group, compare};
pub use result::{Measure, RunResult};
pub use table::Format;
