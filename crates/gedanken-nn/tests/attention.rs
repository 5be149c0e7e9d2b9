//! Attention on a kernel of its own beside the formula, and GELU.

#[path = "../../gedanken-kernels/tests/common/mod.rs"]
mod common;

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_nn::{Attention, AttentionConfig, Noise, gelu};

/// batch, tokens, heads, numbers of a head, tokens of a frame
type Case = (usize, usize, usize, usize, Option<usize>);

const CASES: [Case; 9] = [
    (1, 1, 1, 1, None),
    (2, 3, 2, 5, Some(1)),
    (3, 17, 3, 8, None),
    (40, 3, 4, 16, Some(1)),
    (2, 65, 3, 64, None),
    (1, 101, 1, 20, Some(1)),
    (5, 49, 2, 33, Some(1)),
    (2, 147, 2, 8, Some(49)),
    (3, 10, 1, 6, Some(4)),
];

/// What goes into the attention is a layer's, whose outputs are these numbers: `[batch, tokens, 3 heads dim]`.
fn qkv((batch, tokens, heads, dim, _): Case, device: &Device) -> Tensor<3> {
    numbers(3, [batch, tokens, 3 * heads * dim], device) * 3.0
}

/// An attention whose layers pass on what they get, so that what is tested is what stands between them.
fn identity((_, _, heads, dim, frame): Case, device: &Device) -> Attention {
    let inner = heads * dim;
    let mut attention = AttentionConfig::new(3 * inner, heads, dim).with_frame(frame).init(device);
    let eye = |size: usize| {
        let numbers: Vec<f32> = (0..size * size).map(|i| f32::from(u8::from(i % (size + 1) == 0))).collect();
        Tensor::<1>::from_data(numbers.as_slice(), device).reshape([size, size])
    };
    attention.qkv.weight = burn::module::Param::from_tensor(eye(3 * inner));
    attention.qkv.bias = None;
    attention.output.weight = burn::module::Param::from_tensor(eye(inner));
    attention.output.bias = None;
    attention
}

/// The formula, step by step.
fn formula(qkv: Tensor<3>, (batch, tokens, heads, dim, frame): Case) -> Tensor<3> {
    let qkv = qkv.reshape([batch, tokens, 3, heads, dim]).permute([2, 0, 3, 1, 4]);
    let [q, k, v] = [0, 1, 2].map(|i| qkv.clone().narrow(0, i, 1).squeeze_dim::<4>(0));
    let mut scores = q.matmul(k.swap_dims(2, 3)) / (dim as f64).sqrt();
    if let Some(frame) = frame {
        let later: Vec<f32> = (0..tokens * tokens)
            .map(|i| if i % tokens / frame > i / tokens / frame { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let mask = Tensor::<1>::from_data(later.as_slice(), &v.device()).reshape([1, 1, tokens, tokens]);
        scores = scores + mask.cast(v.dtype());
    }
    softmax(scores, 3).matmul(v).swap_dims(1, 2).flatten(2, 3)
}

/// The result and the gradient of what goes in, given some gradient of the result.
fn both(case: Case, by: impl Fn(Tensor<3>) -> Tensor<3>) -> [Vec<f32>; 2] {
    let device = Device::flex().autodiff();
    let x = qkv(case, &device).require_grad();
    let out = by(x.clone());
    let gradients = (out.clone() * numbers(9, out.dims(), &device)).sum().backward();
    [values(out), values(x.grad(&gradients).expect("a gradient"))]
}

fn ours(case: Case) -> [Vec<f32>; 2] {
    let attention = identity(case, &Device::flex().autodiff());
    both(case, |x| attention.forward(x, &mut Noise::none()))
}

#[test]
fn result_and_gradient_are_the_formulas() {
    for case in CASES {
        let (ours, formulas) = (ours(case), both(case, |x| formula(x, case)));
        for (name, (ours, formulas)) in ["result", "gradient"].iter().zip(ours.iter().zip(&formulas)) {
            assert_close(&format!("{case:?}: {name}"), ours, formulas);
        }
    }
}

#[test]
fn results_are_the_same_bits_on_one_thread_and_on_three() {
    let run = |threads| on_threads(threads, || ours(CASES[3]));
    assert_eq!(run(1), run(3));
}

#[test]
fn scores_of_any_size_are_finite() {
    let (case, device) = (CASES[2], Device::flex());
    let out = values(identity(case, &device).forward(qkv(case, &device) * 1e4, &mut Noise::none()));
    assert!(out.iter().all(|number| number.is_finite() && number.abs() <= 3.001e4));
}

#[test]
fn double_precision_is_burns_and_agrees() {
    let (case, device) = (CASES[6], Device::flex());
    let single = values(identity(case, &device).forward(qkv(case, &device), &mut Noise::none()));
    let double = values(formula(qkv(case, &device).cast(DType::F64), case));
    assert_close("in double precision", &single, &double);
}

/// From PyTorch 2.15: `gelu` in double precision, and its gradient.
#[test]
fn gelu_and_its_slope_are_the_exact_ones() {
    let x = Tensor::<1>::from_data([-3.0, -0.5, 0.0, 0.25, 2.0], &Device::flex().autodiff()).require_grad();
    let out = gelu(x.clone());
    let slope = values(x.grad(&out.clone().sum().backward()).expect("a slope"));
    let close = |a: &[f32], b: [f32; 5]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    let out = values(out);
    assert!(close(&out, [-0.004_049_694, -0.154_268_77, 0.0, 0.149_676_58, 1.954_499_7]), "{out:?}");
    assert!(close(&slope, [-0.011_945_647, 0.132_504_88, 0.5, 0.695_373_35, 1.085_231_8]), "{slope:?}");
}

#[test]
fn gelu_of_many_numbers_is_burns() {
    let device = Device::flex();
    let x = numbers(3, [3, 41, 401], &device) * 6.0;
    let ours = values(gelu(x.clone()));
    assert_close("gelu", &ours, &values(burn::tensor::activation::gelu(x.clone())));
    assert_close("in double precision", &ours, &values(gelu(x.cast(DType::F64))));
    assert_eq!(gelu(numbers(3, [0, 2], &device)).dims(), [0, 2]);
}
