//! Terms of a loss: what a term is, what it sees, and those that keep latents from collapsing, one file each.
//!
//! A joint-embedding model is trained to predict its own latents, and a constant latent is predicted perfectly. The terms
//! here make that expensive: every feature must vary over the samples ([`Variance`]), no two may say the same
//! ([`Covariance`]), and consecutive frames stay close ([`TimeSimilarity`]), so that distances in latent space mean something
//! to a planner. [`Sigreg`] asks for more in their place: that the latents of a batch are a standard Gaussian. All are
//! **means, not sums**: a weight keeps its meaning when a width or a batch changes.
//!
//! A [`Term`] takes a [`View`] of a batch and returns its value; [`terms`] is the list. [`Collapse`] measures afterwards
//! whether they did their work.
//!
//! Sources: VICReg (Bardes, Ponce, LeCun, 2022, arXiv:2105.04906) for variance and covariance; PLDM (Sobal et al., 2025,
//! arXiv:2502.14819) for the same terms and time similarity on trajectories; LeJEPA (arXiv:2511.08544) for SIGReg.

mod covariance;
mod diagnostics;
mod prediction;
mod sigreg;
mod term;
mod time_similarity;
mod variance;
mod view;

use gedanken_parts::Catalog;

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
}
