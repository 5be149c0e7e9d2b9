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
    /// True for a running statistic of a batch norm: it belongs to the model, but no gradient changes it.
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

/// Names and shapes of what [`named_parameters`] returns, without drawing weights that have not been drawn yet.
pub fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct Collect {
        path: Vec<String>,
        found: Vec<(String, Vec<usize>)>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push((self.path.join("."), param.lazy_shape().to_vec()));
        }
    }
    let mut collect = Collect { path: Vec::new(), found: Vec::new() };
    module.visit(&mut collect);
    collect.found
}

/// A module made on the CPU, the device that `make` is given: its weights are a function of `seed` alone, and its parameters
/// are numbered.
pub fn seeded<M: Module>(seed: u64, make: impl FnOnce(&Device) -> M) -> M {
    // burn draws initial weights from one generator per process, when they are first looked at.
    static DRAWING: Mutex<()> = Mutex::new(());
    let _guard = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let cpu = Device::flex();
    cpu.seed(seed);
    number(make(&cpu))
}

/// Draws every weight that has not been drawn yet, in the order of the module's fields. burn draws a weight when it is first looked at.
pub fn draw<M: Module>(module: M) -> M {
    struct Look;
    impl ModuleVisitor for Look {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
    }
    module.visit(&mut Look);
    module
}

/// Numbers the parameters in the order of the module's fields: the identity of a parameter, which the optimiser's state hangs on,
/// is then the same in every process. Draws what has not been drawn yet.
pub fn number<M: Module>(module: M) -> M {
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

/// The numbers of a parameter, by its name and shape; `None` leaves it as it is.
pub type ValueOf<'a> = dyn FnMut(&str, &[usize]) -> Option<Vec<f32>> + 'a;

/// Puts values in the place of parameters, by name and shape.
pub fn replace<M: Module>(module: M, value_of: &mut ValueOf<'_>) -> M {
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
            let shape: [usize; D] = param.lazy_shape().dims();
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

/// A matrix `[rows, columns]`, row by row -> `[columns, rows]`: PyTorch's linear layers are `[output, input]`, ours `[input, output]`.
pub fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}
