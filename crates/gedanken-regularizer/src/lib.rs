#![doc = include_str!("../README.md")]

mod barlow_twins;
mod covariance;
mod diagnostics;
mod prediction;
mod sigreg;
mod term;
mod time_similarity;
mod variance;
mod view;

use gedanken_parts::Catalog;

pub use barlow_twins::{BarlowTwins, barlow_twins};
pub use covariance::{Covariance, covariance};
pub use diagnostics::{Collapse, DEAD_STD, FEW, MAX_SAMPLES, MIN_MEAN_STD, MIN_RANK};
pub use prediction::Prediction;
pub use sigreg::{Sigreg, directions, sigreg};
pub use term::{Setting, Term, TermConfig, Value, term};
pub use time_similarity::{TimeSimilarity, time_similarity};
pub use variance::{EPSILON, Variance, variance};
pub use view::{View, sequences};

/// The terms without weights of their own, in the order in which a loss adds them up.
pub fn terms() -> Catalog<dyn TermConfig> {
    Catalog::new("term of the loss")
        .with(term::<Prediction>("prediction"))
        .with(term::<Variance>("variance"))
        .with(term::<Covariance>("covariance"))
        .with(term::<TimeSimilarity>("time_similarity"))
        .with(term::<Sigreg>("sigreg"))
        .with(term::<BarlowTwins>("barlow_twins"))
}
