//! The head that reads the action from two consecutive latents.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Conv3x3, Conv3x3Config, LatentShape, Linear, Mlp, Part, max_pool_2x2};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Inverse dynamics: the mean squared error of the action read from two consecutive latents. It is what makes a latent see
/// the agent when the background varies (PLDM, section 4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InverseDynamicsConfig {
    /// Width inside. Default 256, of the two hidden layers, for vectors; 32 channels for maps.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: Option<usize>,
}

impl TermConfig for InverseDynamicsConfig {
    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        let head = InverseDynamics::new(setting.latent, self.hidden, setting.spaces.action, device);
        (Box::new(head) as Box<dyn Term>).into()
    }
}

/// Reads actions from pairs of latents. Trained with the encoder: it is part of what shapes the latent.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum InverseDynamics {
    /// For vectors (and maps too small to pool): an MLP of two hidden layers, weights normal(0, 0.02) (EB-JEPA's: 328,706 parameters at 512 and 256).
    Vector(Mlp),
    /// For maps: both maps stacked, two convolutions with a max-pool between.
    Map(MapHead),
}

/// conv3x3, ReLU, 2x2 max-pool, conv3x3, ReLU, linear.
#[derive(Module, Debug)]
pub struct MapHead {
    conv1: Conv3x3,
    conv2: Conv3x3,
    output: Linear,
    #[module(skip)]
    map: [usize; 2],
}

impl InverseDynamics {
    /// A head for latents of this shape, `hidden` wide inside (left out: 256 for vectors, 32 for maps).
    pub fn new(latent: LatentShape, hidden: Option<usize>, action: usize, device: &Device) -> Self {
        let hidden = hidden.unwrap_or(if latent.is_vector() { 256 } else { 32 });
        if latent.rows < 2 || latent.columns < 2 {
            return Self::Vector(Mlp::with_normal_init(&[2 * latent.numbers(), hidden, hidden, action], 0.02, device));
        }
        let pooled = (latent.rows / 2) * (latent.columns / 2);
        Self::Map(MapHead {
            conv1: Conv3x3Config::new(2 * latent.dim, hidden).init(device),
            conv2: Conv3x3Config::new(hidden, hidden).init(device),
            output: Linear::new(pooled * hidden, action, device),
            map: [latent.rows, latent.columns],
        })
    }

    /// Latents `[batch, tokens, dim]` and the next ones -> actions `[batch, action]`.
    pub fn forward(&self, latents: Tensor<3>, next: Tensor<3>) -> Tensor<2> {
        match self {
            Self::Vector(mlp) => mlp.forward(Tensor::cat(vec![latents.flatten::<2>(1, 2), next.flatten(1, 2)], 1)),
            Self::Map(head) => {
                let [batch, _, dim] = latents.dims();
                let [rows, columns] = head.map;
                let both = Tensor::cat(vec![latents, next], 2).reshape([batch, rows, columns, 2 * dim]);
                let x = max_pool_2x2(head.conv1.forward_relu(both));
                let x = head.conv2.forward_relu(x);
                head.output.forward(x.flatten::<2>(1, 3))
            }
        }
    }
}

impl Term for InverseDynamics {
    fn loss(&self, view: &View) -> Value {
        let [windows, time, tokens, dim] = view.sequences.dims();
        let pairs = time - 1;
        let flat = |from| view.sequences.clone().narrow(1, from, pairs).reshape([windows * pairs, tokens, dim]);
        let actions = view.batch.actions.clone().flatten::<2>(0, 1);
        (self.forward(flat(0), flat(1)) - actions).powi_scalar(2).mean().into()
    }
}
