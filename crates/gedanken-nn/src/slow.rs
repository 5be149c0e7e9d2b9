//! A slow copy of a module: an exponential moving average of its weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// A module's moving average, as BYOL, V-JEPA and target networks have it: it starts as a copy, takes no gradient, and follows.
/// The running statistics of batch norms follow like weights.
#[derive(Module, Debug)]
pub struct Slow<M: Module> {
    copy: M,
}

impl<M: Module> Slow<M> {
    /// A copy, which takes no gradient. `like` has weights of its own: a new module of the same shape, or another's
    /// [`Module::valid`], whose running statistics are not shared.
    pub fn like(like: M) -> Self {
        Self { copy: like.no_grad() }
    }

    /// The copy.
    pub fn get(&self) -> &M {
        &self.copy
    }

    /// Moves a share `rate` of the way to `online`: `copy <- (1 - rate) copy + rate online`.
    pub fn follow(&mut self, online: &M, rate: f64) {
        let training = self.copy.devices().iter().any(Device::is_autodiff);
        let mut collect = Collect(Vec::new());
        // Running statistics are up to date in what `valid` returns alone.
        online.valid().visit(&mut collect);
        let copy = self.copy.valid().map(&mut Mix { values: collect.0.into_iter(), rate: rate as f32 });
        self.copy = if training { copy.train() } else { copy };
    }
}

/// Values in the order of a visit.
struct Collect(Vec<Tensor<1>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let numbers = value.shape().num_elements();
        self.0.push(value.reshape([numbers]));
    }
}

/// `(1 - rate) old + rate value`, parameter by parameter.
struct Mix {
    values: std::vec::IntoIter<Tensor<1>>,
    rate: f32,
}

impl ModuleMapper for Mix {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(from) = self.values.next() else { return param };
        let rate = self.rate;
        param.map(|to| to.clone() * (1.0 - rate) + from.reshape(to.dims()) * rate)
    }
}
