#![doc = include_str!("../README.md")]

mod anisotropic_sigreg;
mod barlow_twins;
mod code_length;
mod coding_rate;
mod covariance;
mod diagnostics;
mod energy_score;
mod info_nce;
mod information;
mod prediction;
mod sigreg;
mod straightening;
mod term;
mod time_similarity;
mod variance;
mod view;
mod visreg;

use gedanken_parts::Catalog;

pub use anisotropic_sigreg::{AnisotropicSigreg, AnisotropicSigregConfig};
pub use barlow_twins::{BarlowTwins, barlow_twins};
pub use code_length::{CodeLength, code_length};
pub use coding_rate::{CodingRate, coding_rate};
pub use covariance::{Covariance, covariance};
pub use diagnostics::{Collapse, DEAD_STD, FEW, MAX_SAMPLES, MIN_MEAN_STD, MIN_RANK};
pub use energy_score::{EnergyScore, energy_score};
pub use info_nce::{InfoNce, info_nce};
pub use information::Information;
pub use prediction::Prediction;
pub use sigreg::{Sigreg, directions, sigreg};
pub use straightening::{Straightening, straightening};
pub use term::{Setting, Term, TermConfig, Value, term};
pub use time_similarity::{TimeSimilarity, time_similarity};
pub use variance::{EPSILON, Variance, variance};
pub use view::{Predicted, View, sequences};
pub use visreg::{Visreg, visreg};

/// The terms on latents alone, in the order in which a loss adds them up.
pub fn terms() -> Catalog<dyn TermConfig> {
    Catalog::new("term of the loss")
        .with(term::<Prediction>("prediction"))
        .with(term::<Variance>("variance"))
        .with(term::<Covariance>("covariance"))
        .with(term::<TimeSimilarity>("time_similarity"))
        .with(term::<Sigreg>("sigreg"))
        .with(term::<BarlowTwins>("barlow_twins"))
        .with(term::<Visreg>("visreg"))
        .with(term::<CodeLength>("code_length"))
        .with(term::<CodingRate>("coding_rate"))
        .with(term::<InfoNce>("info_nce"))
        .with(term::<Straightening>("straightening"))
        .with(term::<AnisotropicSigregConfig>("anisotropic_sigreg"))
        .with(term::<Information>("information"))
        .with(term::<EnergyScore>("energy_score"))
}
