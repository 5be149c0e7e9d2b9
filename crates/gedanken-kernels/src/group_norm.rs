//! Group normalisation of channels-last maps.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_flex::FlexTensor;

use crate::kernels::group_norm::{self, Geometry};
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};

/// Group normalisation ([Wu and He, 2018](https://arxiv.org/abs/1803.08494)) of maps `[batch, height, width, channels]`: each of `groups` groups
/// of neighbouring channels of each map gets mean 0 and variance 1, then every channel its factor `gamma` `[channels]` and its offset `beta`
/// `[channels]`. `epsilon` is added to the variance; with `relu`, negative numbers become zero in the same pass over memory.
///
/// # Panics
///
/// If the maps have another number of channels than `gamma`.
pub fn group_norm(
    maps: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    epsilon: f64,
    relu: bool,
) -> Tensor<4> {
    assert_eq!(maps.dims()[3], gamma.dims()[0], "the maps have another number of channels than the norm");
    call(GroupNorm { groups, epsilon, relu }, [maps.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch()])
}

/// Maps, gamma, beta.
#[derive(Clone, Copy, Debug)]
struct GroupNorm {
    groups: usize,
    epsilon: f64,
    relu: bool,
}

impl GroupNorm {
    fn geometry(self, maps: &Shape) -> Geometry {
        let ([batch, height, width, channels], Self { groups, epsilon, relu }) = (maps.dims(), self);
        Geometry { batch, pixels: height * width, channels, groups, epsilon: epsilon as f32, relu }
    }

    /// Maps of mean 0 and variance 1, `[batch, pixels, groups, width]`, and what they were multiplied with,
    /// `[batch, 1, groups, 1]`.
    fn normalise<B: Backend>(self, maps: FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
        let ([batch, height, width, channels], groups) = (maps.shape().dims(), self.groups);
        let maps = B::float_reshape(maps, Shape::new([batch, height * width, groups, channels / groups]));
        let centred = B::float_sub(maps.clone(), mean::<B>(maps));
        let variance = mean::<B>(B::float_mul(centred.clone(), centred.clone()));
        let inverse = B::float_recip(B::float_sqrt(B::float_add_scalar(variance, self.epsilon.into())));
        (B::float_mul(centred, inverse.clone()), inverse)
    }

    /// Gamma or beta beside the groups, `[1, 1, groups, width]`.
    fn spread<B: Backend>(self, channels: FloatTensor<B>) -> FloatTensor<B> {
        let width = channels.shape().num_elements() / self.groups;
        B::float_reshape(channels, Shape::new([1, 1, self.groups, width]))
    }

    fn affine<B: Backend>(self, normal: FloatTensor<B>, gamma: FloatTensor<B>, beta: FloatTensor<B>) -> FloatTensor<B> {
        let result = B::float_add(B::float_mul(normal, self.spread::<B>(gamma)), self.spread::<B>(beta));
        if self.relu { B::relu(result) } else { result }
    }
}

impl Operation<3> for GroupNorm {
    type Derivative = Written;

    fn kernel(self, [maps, gamma, beta]: [FlexTensor; 3]) -> [FlexTensor; 1] {
        let geometry = self.geometry(&maps.shape());
        let out = group_norm::forward(geometry, maps.storage(), gamma.storage(), beta.storage());
        [tensor(out, maps.shape().dims::<4>())]
    }

    fn composed<B: Operations>(self, [maps, gamma, beta]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 1] {
        let shape = maps.shape();
        let (normal, _) = self.normalise::<B>(maps);
        [B::float_reshape(self.affine::<B>(normal, gamma, beta), shape)]
    }
}

impl Differentiable<3> for GroupNorm {
    /// The inputs. To measure mean and variance again costs less than to fetch anything else from memory.
    type Kept<B: Backend> = [FloatTensor<B>; 3];

    fn forward<B: Operations>(
        self,
        inputs: [FloatTensor<B>; 3],
        _: [bool; 3],
    ) -> (FloatTensor<B>, [FloatTensor<B>; 3]) {
        let [result] = self.run::<B>(inputs.clone());
        (result, inputs)
    }

    fn backward<B: Operations>(
        self,
        [maps, gamma, beta]: [FloatTensor<B>; 3],
        gradient: FloatTensor<B>,
        _: [bool; 3],
    ) -> [Option<FloatTensor<B>>; 3] {
        GroupNormGradient(self).run::<B>([maps, gamma, beta, gradient]).map(Some)
    }
}

/// Maps, gamma, beta and the gradient of the result -> those of maps, gamma and beta.
#[derive(Clone, Debug)]
struct GroupNormGradient(GroupNorm);

impl Operation<4, 3> for GroupNormGradient {
    type Derivative = Composed;

    fn kernel(self, [maps, gamma, beta, gradient]: [FlexTensor; 4]) -> [FlexTensor; 3] {
        let geometry = self.0.geometry(&maps.shape());
        let (numbers, gradient) = (maps.storage(), gradient.storage());
        let of = group_norm::backward(geometry, numbers, gamma.storage(), beta.storage(), gradient);
        let channels = [geometry.channels];
        [tensor(of.images, maps.shape().dims::<4>()), tensor(of.gamma, channels), tensor(of.beta, channels)]
    }

    fn composed<B: Operations>(self, [maps, gamma, beta, gradient]: [FloatTensor<B>; 4]) -> [FloatTensor<B>; 3] {
        let (norm, shape, channels) = (self.0, maps.shape(), gamma.shape());
        let (normal, inverse) = norm.normalise::<B>(maps);
        let mut gradient = B::float_reshape(gradient, normal.shape());
        if norm.relu {
            gradient = B::relu_backward(norm.affine::<B>(normal.clone(), gamma.clone(), beta), gradient);
        }
        let over_pixels = |maps| {
            let sum = B::float_sum_dim(B::float_sum_dim(maps, 1), 0);
            B::float_reshape(sum, channels.clone())
        };
        let of_gamma = over_pixels(B::float_mul(gradient.clone(), normal.clone()));
        let of_beta = over_pixels(gradient.clone());
        let scaled = B::float_mul(gradient, norm.spread::<B>(gamma));
        let along = B::float_mul(normal.clone(), mean::<B>(B::float_mul(scaled.clone(), normal)));
        let across = mean::<B>(scaled.clone());
        let of_maps = B::float_mul(B::float_sub(B::float_sub(scaled, across), along), inverse);
        [B::float_reshape(of_maps, shape), of_gamma, of_beta]
    }
}

/// Mean over the pixels and channels of each group: `[batch, pixels, groups, width]` -> `[batch, 1, groups, 1]`.
fn mean<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mean_dim(B::float_mean_dim(maps, 1), 3)
}
