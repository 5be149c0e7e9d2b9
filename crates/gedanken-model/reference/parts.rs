//! parts.json for the tests of the crates whose parts it describes: tensors by formula, modules filled with them, and what
//! PyTorch made of them. A test includes this file by its path.
#![allow(dead_code)]

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::Value;

/// f64 pins the formula (to 1e-6: burn's way back rounds some constants to f32); f32 is what runs.
pub const PRECISIONS: [(DType, f64); 2] = [(DType::F64, 1e-6), (DType::F32, 1e-4)];

/// What is stored of a part.
pub fn part(name: &str) -> Value {
    let mut parts: Value = serde_json::from_str(include_str!("parts.json")).unwrap();
    parts[name].take()
}

/// What is stored of a part of LeWorldModel.
pub fn lewm(name: &str) -> Value {
    let mut parts: Value = serde_json::from_str(include_str!("lewm.json")).unwrap();
    parts[name].take()
}

pub fn number(case: &Value) -> f64 {
    case.as_f64().unwrap()
}

pub fn array(case: &Value) -> Vec<f64> {
    case.as_array().unwrap().iter().map(number).collect()
}

fn shape(described: &Value) -> Vec<usize> {
    described["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// The numbers of a described tensor, row by row in PyTorch's layout: the formula of `make.py`.
pub fn wave(described: &Value) -> Vec<f64> {
    let [scale, phase, offset] = ["scale", "phase", "offset"].map(|key| number(&described[key]));
    let numbers = 0..shape(described).iter().product::<usize>();
    numbers.map(|i| offset + scale * (0.37 * ((i * i) % 10007) as f64 + phase).sin()).collect()
}

/// A described tensor on the CPU.
pub fn tensor<const D: usize>(described: &Value, dtype: DType) -> Tensor<D> {
    let shape: [usize; D] = shape(described).try_into().unwrap();
    Tensor::from_data(TensorData::new(wave(described), shape), (&Device::flex(), dtype))
}

/// The same as an input whose gradient is asked for.
pub fn input<const D: usize>(described: &Value, dtype: DType) -> Tensor<D> {
    tensor(described, dtype).autodiff().require_grad()
}

pub fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// `[rows, columns]` numbers, the other way round.
fn transposed(numbers: &[f64], [rows, columns]: [usize; 2]) -> Vec<f64> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| numbers[row * columns + column])).collect()
}

/// The numbers of 3x3 kernels, `[out, in, 3, 3]` there, as ours: `[3 * 3 * in, out]`.
fn kernels(numbers: &[f64], [output, input]: [usize; 2]) -> Vec<f64> {
    let at = |tap: usize, i: usize, o: usize| numbers[(o * input + i) * 9 + tap];
    (0..9).flat_map(|tap| (0..input).flat_map(move |i| (0..output).map(move |o| at(tap, i, o)))).collect()
}

/// The same the other way round.
fn their_kernels(numbers: &[f64], [output, input]: [usize; 2]) -> Vec<f64> {
    let at = |tap: usize, i: usize, o: usize| numbers[(tap * input + i) * output + o];
    (0..output).flat_map(|o| (0..input).flat_map(move |i| (0..9).map(move |tap| at(tap, i, o)))).collect()
}

/// Sets a module's parameters, in the order of a visit, to described tensors, and puts it on the autodiff graph. The only
/// matrices there are weights of linear layers, `[in, out]` here and `[out, in]` there.
pub fn fill<M: Module>(module: M, described: &[Value], dtype: DType) -> M {
    struct Fill<'a>(std::slice::Iter<'a, Value>, DType);
    impl ModuleMapper for Fill<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let described = self.0.next().expect("as many parameters as PyTorch has");
            let (mut numbers, mut theirs) = (wave(described), shape(described));
            match *theirs.as_slice() {
                [rows, columns] => {
                    numbers = transposed(&numbers, [rows, columns]);
                    theirs.reverse();
                }
                [output, input, 3, 3] => {
                    numbers = kernels(&numbers, [output, input]);
                    theirs = vec![9 * input, output];
                }
                _ => {}
            }
            param.map(|old| {
                assert_eq!(old.dims().as_slice(), theirs, "{}", described["name"]);
                Tensor::from_data(TensorData::new(numbers, theirs), (&old.device(), self.1))
            })
        }
    }
    let mut fill = Fill(described.iter(), dtype);
    let module = module.map(&mut fill);
    assert_eq!(fill.0.len(), 0, "parameters that PyTorch has and the module does not");
    module.train()
}

/// The gradients of all parameters in the order of a visit, each in PyTorch's layout. Running statistics have none.
pub fn parameter_gradients<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<Vec<f64>> {
    struct Collect<'a> {
        gradients: &'a GradientsParams,
        modules: Vec<String>,
        found: Vec<Vec<f64>>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, kind: &str) {
            self.modules.push(format!("{name} of {kind}"));
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.modules.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.gradients.get::<D>(param.id);
            if self.modules.last().is_some_and(|path| path.starts_with("running_")) {
                return assert!(gradient.is_none(), "running statistics are not learned");
            }
            let gradient = gradient.expect("every parameter has a gradient");
            let dims = gradient.dims();
            let gradient = numbers(gradient);
            let of_kernels = self.modules.iter().any(|kind| kind.ends_with("Conv3x3"));
            self.found.push(match D {
                2 if of_kernels => their_kernels(&gradient, [dims[1], dims[0] / 9]),
                2 => transposed(&gradient, [dims[0], dims[1]]),
                _ => gradient,
            });
        }
    }
    let mut collect = Collect { gradients, modules: Vec::new(), found: Vec::new() };
    module.visit(&mut collect);
    collect.found
}

/// Gradients of parameters, in the order of a visit, against those of `lewm.py`: their norms and first numbers.
#[track_caller]
pub fn assert_parameter_gradients(ours: &[Vec<f64>], case: &Value, relative: f64) {
    let theirs = case["parameter_gradients"].as_array().unwrap();
    assert_eq!(ours.len(), theirs.len());
    // Some are zero in exact arithmetic: a bias before a batch norm.
    let greatest = theirs.iter().map(|each| number(&each["norm"])).fold(0.0, f64::max);
    for (ours, theirs) in ours.iter().zip(theirs) {
        let size = number(&theirs["norm"]).max(0.1 * greatest);
        let norm = ours.iter().map(|v| v * v).sum::<f64>().sqrt();
        let few = ours.iter().copied().take(4).zip(array(&theirs["first_4"]));
        for (ours, expected) in few.chain([(norm, number(&theirs["norm"]))]) {
            assert!((ours - expected).abs() <= relative * size, "{}: {ours} instead of {expected}", theirs["name"]);
        }
    }
}

/// Every number within `relative` of the greatest magnitude of theirs.
#[track_caller]
pub fn assert_close(ours: &[f64], theirs: &[f64], relative: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let size = theirs.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= relative * size, "{what}, number {i}: {a}, but {b} was expected");
    }
}
