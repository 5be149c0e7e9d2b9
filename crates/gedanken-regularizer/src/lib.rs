//! What keeps latents from collapsing: one file per term, and the collapse diagnostics.
//!
//! A joint-embedding model is trained to predict its own latents, and a constant latent is predicted perfectly. The terms
//! here make that expensive: every feature must vary over the samples ([`variance()`]), no two may say the same
//! ([`covariance()`]), and consecutive frames should stay close ([`time_similarity()`]), so that distances in latent space
//! mean something to a planner. All are **means, not sums**: a coefficient keeps its meaning when a width or a batch changes.
//!
//! [`sigreg()`] asks for more in their place: that the latents of a batch are a standard Gaussian. It is LeWorldModel's only term.
//!
//! The world model weighs them by [`RegularizerConfig`]; [`Collapse`] tells afterwards whether they did their work.
//!
//! Sources: VICReg (Bardes, Ponce, LeCun, 2022, arXiv:2105.04906) for variance and covariance; PLDM (Sobal et al., 2025,
//! arXiv:2502.14819) for the same terms and time similarity on trajectories. The fourth of PLDM's terms, inverse dynamics,
//! has weights of its own and lives with the model's heads.

mod config;
mod covariance;
mod diagnostics;
mod sigreg;
mod time_similarity;
mod variance;

pub use config::RegularizerConfig;
pub use covariance::covariance;
pub use diagnostics::{Collapse, DEAD_STD, FEW, MAX_SAMPLES, MIN_MEAN_STD, MIN_RANK};
pub use sigreg::{directions, sigreg};
pub use time_similarity::time_similarity;
pub use variance::{EPSILON, variance};
