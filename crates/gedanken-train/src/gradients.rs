//! Gradient norms, and clipping by the norm of a whole part.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use gedanken_nn::PARTS;

/// The gradient norm of one part of a model.
pub struct PartNorm {
    /// The part: a field of the model, or one of [`gedanken_nn::Parts`] in a field.
    pub name: String,
    /// Its norm over all parameters before clipping, `[1]`, on the device.
    pub norm: Tensor<1>,
}

/// Clips the gradient of every part of the model (every field of it) to the norm `max`, where `max` is not 0, as PyTorch's
/// `clip_grad_norm_` does: `g max / (norm + 1e-6)` where the norm is greater. Nothing is read back from the device.
pub fn clip_parts<M: Module>(model: &M, gradients: &mut GradientsParams, max: f64) -> Vec<PartNorm> {
    let mut measure = Measure { part: Part::default(), gradients, squares: Vec::new() };
    model.visit(&mut measure);
    let norms: Vec<PartNorm> = measure
        .squares
        .into_iter()
        .map(|(name, squares)| PartNorm { name, norm: Tensor::cat(squares, 0).sum().sqrt() })
        .collect();
    if max > 0.0 {
        let factors = norms
            .iter()
            .map(|part| (part.name.clone(), (part.norm.clone() + 1e-6).recip().mul_scalar(max).clamp_max(1.0)))
            .collect();
        model.visit(&mut Scale { part: Part::default(), gradients, factors });
    }
    norms
}

/// Splits gradients by the share of the learning rate that their parts learn at, `rates` by part; parts that are not named learn
/// at the whole rate, and those at 0 not at all.
pub fn split<M: Module>(
    model: &M,
    mut gradients: GradientsParams,
    rates: &BTreeMap<String, f64>,
) -> Vec<(f64, GradientsParams)> {
    let mut shares: Vec<(f64, GradientsParams)> = Vec::new();
    for (name, &rate) in rates {
        let mut take = Take { part: Part::default(), name, from: &mut gradients, to: GradientsParams::new() };
        model.visit(&mut take);
        if rate > 0.0 {
            shares.push((rate, take.to));
        }
    }
    shares.insert(0, (1.0, gradients));
    shares
}

/// Follows a visit and knows which part of the model it is in: a field, or one of [`gedanken_nn::Parts`] in a field.
#[derive(Default)]
struct Part {
    depth: usize,
    name: String,
}

impl Part {
    fn enter(&mut self, name: &str, container: &str) {
        if self.depth == 0 || self.depth == 1 && container == PARTS {
            name.clone_into(&mut self.name);
        }
        self.depth += 1;
    }

    fn exit(&mut self) {
        self.depth -= 1;
    }
}

struct Measure<'a> {
    part: Part,
    gradients: &'a GradientsParams,
    squares: Vec<(String, Vec<Tensor<1>>)>,
}

impl ModuleVisitor for Measure<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.part.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.part.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let square = gradient.powi_scalar(2).sum();
        match self.squares.last_mut() {
            Some((name, squares)) if *name == self.part.name => squares.push(square),
            _ => self.squares.push((self.part.name.clone(), vec![square])),
        }
    }
}

struct Scale<'a> {
    part: Part,
    gradients: &'a mut GradientsParams,
    factors: Vec<(String, Tensor<1>)>,
}

impl ModuleVisitor for Scale<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.part.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.part.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let factor = self.factors.iter().find(|(name, _)| *name == self.part.name).map(|(_, factor)| factor.clone());
        if let (Some(factor), Some(gradient)) = (factor, self.gradients.remove::<D>(param.id)) {
            self.gradients.register(param.id, gradient * factor.reshape([1; D]));
        }
    }
}

struct Take<'a> {
    part: Part,
    name: &'a str,
    from: &'a mut GradientsParams,
    to: GradientsParams,
}

impl ModuleVisitor for Take<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.part.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.part.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.part.name == self.name
            && let Some(gradient) = self.from.remove::<D>(param.id)
        {
            self.to.register(param.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Two {
        small: Linear,
        large: Linear,
    }

    #[test]
    fn every_part_is_clipped_by_its_own_norm() {
        let device = Device::flex().autodiff();
        let linear = || LinearConfig::new(2, 1).with_bias(false).init(&device);
        let model = Two { small: linear(), large: linear() };
        let row = |x: [f32; 2]| Tensor::<2>::from_data([x], &device);
        // d/dw of w.x is x: norms 0.5 and 50.
        let loss = model.small.forward(row([0.3, 0.4])).sum() + model.large.forward(row([30.0, 40.0])).sum();
        let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
        let norms = clip_parts(&model, &mut gradients, 2.0);
        let norm = |i: usize| norms[i].norm.clone().into_scalar::<f32>();
        assert_eq!((norms[0].name.as_str(), norms[1].name.as_str()), ("small", "large"));
        assert!((norm(0) - 0.5).abs() < 1e-6 && (norm(1) - 50.0).abs() < 1e-4);
        let gradient = |linear: &Linear| {
            gradients.get::<2>(linear.weight.id).map(|g| g.into_data().try_to_vec::<f32>().unwrap()).unwrap()
        };
        assert_eq!(gradient(&model.small), [0.3, 0.4]);
        let large = gradient(&model.large);
        assert!((large[0] - 1.2).abs() < 1e-5 && (large[1] - 1.6).abs() < 1e-5, "{large:?}");
    }
}
