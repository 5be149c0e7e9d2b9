//! A model's parameters by name and by number.

use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};

/// One parameter on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The path of its fields, `encoder.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub values: Vec<f32>,
}

impl Named {
    /// Whether it is a running statistic of a batch norm: it belongs to the model, but no gradient changes it.
    pub fn is_statistic(&self) -> bool {
        [".running_mean", ".running_var"].iter().any(|end| self.name.ends_with(end))
    }
}

/// All parameters, and the running statistics of batch norms, in the order of the module's fields. Those of a model in training
/// may be an update behind: ask its [`Module::valid`].
pub fn named_parameters<M: Module>(module: &M) -> Vec<Named> {
    struct Collect {
        path: Vec<String>,
        found: Vec<Named>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let data = param.val().into_data().convert::<f32>();
            let shape = data.shape().to_vec();
            let values = data.try_to_vec().unwrap_or_default();
            self.found.push(Named { name: self.path.join("."), shape, values });
        }
    }
    let mut collect = Collect { path: Vec::new(), found: Vec::new() };
    module.visit(&mut collect);
    collect.found
}

/// What `make` builds on the device that it is given, the CPU: its weights are a function of `seed` alone.
pub fn seeded<M: Module>(seed: u64, make: impl FnOnce(&Device) -> M) -> M {
    // burn draws initial weights from one generator per process, when they are first looked at.
    static DRAWING: Mutex<()> = Mutex::new(());
    let _guard = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let cpu = Device::flex();
    cpu.seed(seed);
    draw_and_number(make(&cpu))
}

/// Draws every lazily initialised parameter now, in order, and numbers the parameters in that order: the identity of a
/// parameter, which the optimiser's state hangs on, is then the same in every process.
pub(crate) fn draw_and_number<M: Module>(module: M) -> M {
    struct Number(u64);
    impl ModuleMapper for Number {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (_, value, mapper) = param.consume();
            Param::from_mapped_value(ParamId::from(self.0), value, mapper)
        }
    }
    module.map(&mut Number(0))
}

/// The numbers that a parameter gets, by its name and shape; `None` leaves it as it is.
type ValueOf<'a> = dyn FnMut(&str, &[usize]) -> Option<Vec<f32>> + 'a;

/// Puts values in the place of every parameter, by name.
pub(crate) fn replace<M: Module>(module: M, value_of: &mut ValueOf) -> M {
    struct Replace<'a, 'b> {
        path: Vec<String>,
        value_of: &'a mut ValueOf<'b>,
    }
    impl ModuleMapper for Replace<'_, '_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.val().dims();
            match (self.value_of)(&self.path.join("."), &shape) {
                Some(values) => {
                    param.map(|old| Tensor::<1>::from_data(values.as_slice(), &old.device()).reshape(shape))
                }
                None => param,
            }
        }
    }
    module.map(&mut Replace { path: Vec::new(), value_of })
}
