//! Convolutions over a map, then a multi-layer perceptron on all of it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{Conv3x3, Conv3x3Config, Mlp};

/// Reads a few numbers from a map: 3x3 convolutions with ReLU see what stands beside what, an MLP where it all is.
#[derive(Module, Debug)]
pub struct Readout {
    convolutions: Vec<Conv3x3>,
    mlp: Mlp,
    #[module(skip)]
    map: [usize; 2],
}

impl Readout {
    /// A readout of maps of `rows x columns` tokens of `dim` numbers, through `channels` of the convolutions and the `widths` of
    /// the MLP, the last of which is the output. A map of one token, a vector, has no convolutions.
    pub fn new(map: [usize; 2], dim: usize, channels: &[usize], widths: &[usize], device: &Device) -> Self {
        let channels = if map == [1, 1] { &[] } else { channels };
        let depths = [&[dim], channels].concat();
        let flat = map[0] * map[1] * depths[depths.len() - 1];
        Self {
            convolutions: depths.windows(2).map(|w| Conv3x3Config::new(w[0], w[1]).init(device)).collect(),
            mlp: Mlp::new(&[&[flat], widths].concat(), device),
            map,
        }
    }

    /// Tokens `[batch, rows * columns, dim]` -> `[batch, output]`.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        let [batch, _, dim] = tokens.dims();
        let [rows, columns] = self.map;
        let maps = tokens.reshape([batch, rows, columns, dim]);
        let features = self.convolutions.iter().fold(maps, |x, convolution| convolution.forward_relu(x));
        self.mlp.forward(features.flatten::<2>(1, 3))
    }
}
