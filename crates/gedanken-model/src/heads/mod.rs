//! Heads: terms of the loss with weights of their own.

mod action_nce;
mod actor;
mod decoder;
mod distance;
mod ensemble;
mod inverse_dynamics;
mod probe;

use gedanken_parts::Catalog;
use gedanken_regularizer::{TermConfig, term};

pub use action_nce::{ActionNce, ActionNceConfig};
pub use actor::{Actor, ActorConfig};
pub use decoder::{Decoder, DecoderConfig};
pub use distance::{DistanceConfig, GoalDistance, LayoutFrames, expectile_loss};
pub use ensemble::{Ensemble, EnsembleConfig};
pub use inverse_dynamics::{
    Displacement, DisplacementConfig, ImaginedInverse, ImaginedInverseConfig, InverseDynamics, InverseDynamicsConfig,
};
pub use probe::{Probe, ProbeConfig};

/// All terms, in the order in which a loss adds them up and the weights of heads are drawn.
pub fn terms() -> Catalog<dyn TermConfig> {
    gedanken_regularizer::terms()
        .with(term::<InverseDynamicsConfig>("inverse_dynamics"))
        .with(term::<ProbeConfig>("probe"))
        .with(term::<DistanceConfig>("distance"))
        .with(term::<EnsembleConfig>("ensemble"))
        .with(term::<ActorConfig>("actor"))
        .with(term::<ImaginedInverseConfig>("imagined_inverse"))
        .with(term::<DisplacementConfig>("displacement"))
        .with(term::<ActionNceConfig>("action_nce"))
        .with(term::<DecoderConfig>("decoder"))
}
