//! Between burn's tensors on the CPU and the slices that the kernels take.

use burn::tensor::{DType, Shape, TensorData};
use burn_flex::FlexTensor;

/// The tensors with their numbers in order, if all of them hold `f32`: the kernels are written for no other type.
pub(crate) fn contiguous<const N: usize>(tensors: [FlexTensor; N]) -> Result<[FlexTensor; N], [FlexTensor; N]> {
    if tensors.iter().all(|tensor| tensor.dtype() == DType::F32) {
        Ok(tensors.map(|tensor| tensor.to_contiguous()))
    } else {
        Err(tensors)
    }
}

/// A tensor of `values`, which are as many as `shape` says.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::new(shape)))
}
