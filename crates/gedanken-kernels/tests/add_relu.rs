//! The end of a residual block, and its gradients.

mod common;

use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_kernels::add_relu;

fn maps(seed: u32, shape: [usize; 4]) -> Tensor<4> {
    numbers(seed, shape, &Device::flex().autodiff()).require_grad()
}

/// The result and both gradients, given some gradient of the result.
fn all(a: &Tensor<4>, b: &Tensor<4>, forward: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<4>) -> [Vec<f32>; 3] {
    let out = forward(a.clone(), b.clone());
    let weights = numbers(9, out.dims(), &out.device()).cast(out.dtype());
    let gradients = (out.clone() * weights).sum().backward();
    [values(out), values(a.grad(&gradients).expect("a")), values(b.grad(&gradients).expect("b"))]
}

#[test]
fn it_is_the_rectified_sum_with_its_gradients() {
    for shape in [[1, 1, 1, 1], [3, 5, 7, 3], [70, 4, 6, 8], [2, 33, 31, 16], [0, 3, 3, 2]] {
        let (a, b) = (maps(1, shape), maps(2, shape));
        let plain = all(&a, &b, |a, b| relu(a + b));
        for (ours, plain) in all(&a, &b, add_relu).iter().zip(&plain) {
            assert_close(&format!("{shape:?}"), ours, plain);
        }
        let wide = |x: &Tensor<4>| x.clone().cast(DType::F64).detach().require_grad();
        assert_close("in double precision", &all(&wide(&a), &wide(&b), add_relu)[0], &plain[0]);
    }
}

#[test]
fn threads_change_nothing_and_what_is_not_a_number_is_seen() {
    let (a, b) = (maps(1, [70, 9, 8, 5]), maps(2, [70, 9, 8, 5]));
    assert_eq!(on_threads(1, || all(&a, &b, add_relu)), on_threads(3, || all(&a, &b, add_relu)));
    assert!(values(add_relu(a * f32::NAN, b)).iter().all(|x| x.is_nan()));
}
