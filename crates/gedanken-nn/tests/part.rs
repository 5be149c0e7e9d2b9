//! Modules behind trait objects are modules like any other.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use gedanken_nn::{AnyModule, Part, Parts, named_parameters};

trait Doubles: AnyModule {
    fn double(&self, x: Tensor<2>) -> Tensor<2>;
}

#[derive(Module, Debug)]
struct Double {
    linear: Linear,
    norm: BatchNorm,
}

impl Doubles for Double {
    fn double(&self, x: Tensor<2>) -> Tensor<2> {
        self.linear.forward(x) * 2.0
    }
}

#[derive(Module, Debug)]
struct Holder {
    parts: Parts<dyn Doubles>,
}

fn double(device: &Device) -> Double {
    Double { linear: LinearConfig::new(3, 2).init(device), norm: BatchNormConfig::new(2).init(device) }
}

#[test]
fn a_boxed_module_shows_the_same_parameters_under_its_name() {
    let plain = double(&Device::flex());
    let boxed: Box<dyn Doubles> = Box::new(plain.clone());
    let holder = Holder { parts: vec![("mine", boxed.into())].into() };
    let (plain, held) = (named_parameters(&plain), named_parameters(&holder));
    assert_eq!(plain.len(), 6, "weight, bias, gamma, beta, running mean and variance");
    for (plain, held) in plain.iter().zip(&held) {
        assert_eq!(format!("parts.mine.{}", plain.name), held.name);
        assert_eq!(plain.values, held.values);
    }
    assert_eq!(plain.len(), held.len());
}

#[test]
fn a_boxed_module_is_mapped_and_trained_like_any_other() {
    struct Zero;
    impl ModuleMapper for Zero {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.zeros_like())
        }
    }
    let boxed: Box<dyn Doubles> = Box::new(double(&Device::flex()));
    let part: Part<dyn Doubles> = boxed.into();
    let kept = part.clone();
    let part = part.map(&mut Zero);
    let numbers = |part: &Part<dyn Doubles>| named_parameters(part).into_iter().flat_map(|p| p.values);
    assert!(numbers(&part).all(|x| x == 0.0));
    assert!(numbers(&kept).any(|x| x != 0.0), "a clone keeps its weights");
    assert_eq!(Module::num_params(&part), 16, "burn counts running statistics too");

    let training = kept.clone().train();
    let x = Tensor::<2>::ones([1, 3], &Device::flex().autodiff());
    let gradients = training.double(x).sum().backward();
    let inside = (*training).as_any().downcast_ref::<Double>().expect("the type it had");
    let gradient = inside.linear.weight.val().grad(&gradients).expect("a gradient");
    assert_eq!(gradient.into_data().try_to_vec::<f32>().expect("floats"), vec![2.0; 6]);
    assert!(!training.valid().double(Tensor::ones([1, 3], &Device::flex())).is_autodiff());
}
