//! Terms: the summands of a loss.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{AnyModule, LatentShape, Part, Predictor, Progress, Shown, Spaces};
use gedanken_parts::Entry;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::View;

/// One summand of a loss, with or without weights of its own.
///
/// A term without weights is its own config: a struct that derives burn's `Module`, serde's traits and `JsonSchema`. A term with
/// weights, a head, has a [`TermConfig`] beside it. Either is put into a list by [`term`], one line.
pub trait Term: AnyModule {
    /// Its value on a batch.
    fn loss(&self, view: &View) -> Value;

    /// The weight where an experiment names none. Default 1.
    fn weight(&self) -> f64 {
        1.0
    }

    /// True if it teaches the predictor's latent variable, and is nothing without one. Default false.
    fn teaches_variable(&self) -> bool {
        false
    }

    /// False if it reads detached latents, so that its gradient ends in its own weights. Default true.
    fn shapes_latents(&self) -> bool {
        true
    }

    /// Called once, when the weights of a new model have been drawn.
    fn begin(&mut self) {}

    /// Called after every update of the weights.
    fn after_update(&mut self, _: Progress) {}

    /// Curves, pictures and films of a batch, for the run. Default none.
    fn show(&self, _: &View) -> Vec<Shown> {
        Vec::new()
    }
}

/// The value of a term: a mean, not a sum, so that its weight keeps its meaning when a width or a batch changes.
pub struct Value {
    /// `[1]`, not weighted.
    pub loss: Tensor<1>,
    /// Further curves, `[1]` each, detached, by name.
    pub notes: Vec<(&'static str, Tensor<1>)>,
}

impl From<Tensor<1>> for Value {
    fn from(loss: Tensor<1>) -> Self {
        Self { loss, notes: Vec::new() }
    }
}

/// A term as an experiment writes it, `[loss.NAME]`.
pub trait TermConfig: std::fmt::Debug + Send + Sync {
    /// The weight where an experiment names none. Default 1.
    fn weight(&self) -> f64 {
        1.0
    }

    /// False where a model cannot have it: a probe has nothing to read where there are no labels. Default true.
    fn applies(&self, _: &Setting<'_>) -> bool {
        true
    }

    /// True if it looks at pictures, which a phase on kept latents does not have. Default false.
    fn looks(&self) -> bool {
        false
    }

    /// As [`Term::teaches_variable`].
    fn teaches_variable(&self) -> bool {
        false
    }

    /// A key of the table and a sentence, where the term does not fit the model or its windows.
    fn problem(&self, _: &Setting<'_>) -> Option<(&'static str, String)> {
        None
    }

    /// A new term; its weights are drawn later.
    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term>;
}

impl<T: Term + Module> TermConfig for T {
    fn weight(&self) -> f64 {
        Term::weight(self)
    }

    fn teaches_variable(&self) -> bool {
        Term::teaches_variable(self)
    }

    fn init(&self, _: &Setting<'_>, _: &Device) -> Part<dyn Term> {
        (Box::new(self.clone()) as Box<dyn Term>).into()
    }
}

/// The model that a term belongs to.
pub struct Setting<'a> {
    /// The shape of a latent.
    pub latent: LatentShape,
    /// The sizes of observations, actions and labels.
    pub spaces: &'a Spaces,
    /// Frames of a training window, where they are known.
    pub time: Option<usize>,
    /// A further predictor like the model's own.
    pub predictor: &'a dyn Fn(&Device) -> Part<dyn Predictor>,
}

/// The line that puts a term into a list.
pub fn term<C>(name: &'static str) -> Entry<dyn TermConfig>
where
    C: TermConfig + Serialize + DeserializeOwned + JsonSchema + Default + 'static,
{
    Entry::new(name, |config: C| Ok(Box::new(config) as Box<dyn TermConfig>))
}
