//! Weights of another model: a new run that starts from an old one, and a run that goes on with another loss.

use std::collections::HashMap;

use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Named, Parts, named_parameters, replace};

use crate::{Plan, Settings, WorldModel};

/// Parameters that a model took from another one, and those that it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Taken.
    pub taken: Vec<String>,
    /// The other's, not asked for or unknown to this one.
    pub left: Vec<String>,
    /// Of the same name, but of another shape: name, this shape, the other's.
    pub unfitting: Vec<(String, Vec<usize>, Vec<usize>)>,
}

/// The part of a model that a parameter belongs to: a field, or a term of the loss.
pub fn part_of(name: &str) -> &str {
    let mut segments = name.split('.');
    let first = segments.next().unwrap_or_default();
    if first == "terms" { segments.next().unwrap_or(first) } else { first }
}

impl WorldModel {
    /// This model with the weights of another one in the place of its own, where name and shape agree; of some parts alone, if
    /// they are named.
    #[must_use]
    pub fn take(self, other: &Self, parts: Option<&[String]>) -> (Self, Transfer) {
        let wanted = |name: &str| parts.is_none_or(|parts| parts.iter().any(|part| part == part_of(name)));
        let (wanted, left): (Vec<Named>, Vec<Named>) =
            named_parameters(other).into_iter().partition(|named| wanted(&named.name));
        let mut wanted: HashMap<String, Named> = wanted.into_iter().map(|named| (named.name.clone(), named)).collect();
        let mut transfer = Transfer { left: left.into_iter().map(|named| named.name).collect(), ..Transfer::default() };
        let mut model = replace(self, &mut |name, shape| {
            let named = wanted.remove(name)?;
            if named.shape == shape {
                transfer.taken.push(name.to_owned());
                Some(named.values)
            } else {
                transfer.unfitting.push((name.to_owned(), shape.to_vec(), named.shape));
                None
            }
        });
        transfer.left.extend(wanted.into_keys());
        transfer.left.sort();
        // A target of its own that nothing was taken for starts from the encoder that was taken.
        if transfer.taken.iter().all(|name| part_of(name) != "target") {
            let perception = model.perception();
            model.target.begin(&perception);
        }
        (model, transfer)
    }

    /// This model with some parts frozen: they take no gradient, and their batch norms keep their running statistics.
    #[must_use]
    pub fn freeze(self, parts: &[String]) -> Self {
        struct Freeze<'a> {
            path: Vec<String>,
            parts: &'a [String],
        }
        impl ModuleMapper for Freeze<'_> {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if self.frozen() { param.set_require_grad(false) } else { param }
            }
            fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
                if self.frozen() { flag.with_value(false) } else { flag }
            }
        }
        impl Freeze<'_> {
            fn frozen(&self) -> bool {
                self.parts.iter().any(|part| part == part_of(&self.path.join(".")))
            }
        }
        self.map(&mut Freeze { path: Vec::new(), parts })
    }

    /// This model with the loss of a plan: its weights, the way its predictions are made, and its terms. Heads stay as they are;
    /// terms without weights may come and go.
    ///
    /// # Errors
    /// The name of a head that one of the two has and the other has not.
    pub fn with_loss(mut self, plan: &Plan, device: &Device) -> Result<Self, &'static str> {
        let mut heads: HashMap<&'static str, _> =
            self.terms.take().into_iter().filter(|(_, term)| term.num_params() > 0).collect();
        let (fresh, weights) = plan.init_terms(self.settings.latent, &self.settings.spaces, device);
        let mut terms = Vec::new();
        for (name, term) in fresh {
            terms.push((name, if term.num_params() == 0 { term } else { heads.remove(name).ok_or(name)? }));
        }
        if let Some(name) = heads.into_keys().min() {
            return Err(name);
        }
        self.terms = Parts::from(terms);
        let (teacher, unroll) = (plan.prediction.teacher, plan.prediction.unroll);
        self.settings = Settings { teacher, unroll, weights, ..self.settings };
        Ok(self)
    }
}
