//! The head that reads the action from two consecutive latents, and the three ways of training it: on what was seen, on what was
//! imagined too, and from the change alone.

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

/// Inverse dynamics of imagination: one head reads the action from two consecutive latents, and from a latent and what was predicted to
/// follow it, so that what a prediction makes of an action can be told (SLIM, arXiv:2610.03137). The sum of both mean squared errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImaginedInverseConfig {
    /// Width inside, as that of `inverse_dynamics`.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: Option<usize>,
}

/// Displacement: the mean squared error of the action read from the change between two consecutive latents alone, so that equal actions
/// are equal changes (Delta-JEPA, arXiv:2606.31232). Default weight 10, theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DisplacementConfig {
    /// Width of the two hidden layers. Default 256.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
}

impl Default for DisplacementConfig {
    fn default() -> Self {
        Self { hidden: 256 }
    }
}

impl TermConfig for ImaginedInverseConfig {
    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        let head = InverseDynamics::new(setting.latent, self.hidden, setting.spaces.action, device);
        (Box::new(ImaginedInverse { head }) as Box<dyn Term>).into()
    }
}

impl TermConfig for DisplacementConfig {
    fn weight(&self) -> f64 {
        10.0
    }

    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        let widths = [setting.latent.numbers(), self.hidden, self.hidden, setting.spaces.action];
        (Box::new(Displacement { head: Mlp::new(&widths, device) }) as Box<dyn Term>).into()
    }
}

/// Reads actions from pairs of latents, imagined ones too.
#[derive(Module, Debug)]
pub struct ImaginedInverse {
    head: InverseDynamics,
}

/// Reads actions from changes of latents.
#[derive(Module, Debug)]
pub struct Displacement {
    head: Mlp,
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

/// Latents `[windows, steps, tokens, dim]` -> `[windows * steps, tokens, dim]`.
fn rows(latents: Tensor<4>) -> Tensor<3> {
    latents.flatten(0, 1)
}

/// Consecutive latents of the windows and the actions between them: `[pairs, tokens, dim]` twice, `[pairs, action]`.
fn seen(view: &View) -> (Tensor<3>, Tensor<3>, Tensor<2>) {
    let (sequences, pairs) = (&view.sequences, view.sequences.dims()[1] - 1);
    let from = |first| rows(sequences.clone().narrow(1, first, pairs));
    (from(0), from(1), view.batch.actions.clone().flatten(0, 1))
}

fn error(read: Tensor<2>, taken: Tensor<2>) -> Tensor<1> {
    (read - taken).powi_scalar(2).mean()
}

impl Term for InverseDynamics {
    fn loss(&self, view: &View) -> Value {
        let (latents, next, taken) = seen(view);
        error(self.forward(latents, next), taken).into()
    }
}

impl Term for ImaginedInverse {
    fn loss(&self, view: &View) -> Value {
        let (latents, next, taken) = seen(view);
        let of_seen = error(self.head.forward(latents, next), taken);
        let (imagined, actions) = (view.predictions(), view.batch.actions.clone());
        let steps = imagined.dims()[1];
        let before = rows(view.sequences.clone().narrow(1, 0, steps));
        let taken = actions.narrow(1, 0, steps).flatten(0, 1);
        let of_imagined = error(self.head.forward(before, rows(imagined)), taken);
        Value { loss: of_seen + of_imagined.clone(), notes: vec![("imagined_inverse_error", of_imagined.detach())] }
    }
}

impl Term for Displacement {
    fn loss(&self, view: &View) -> Value {
        let (latents, next, taken) = seen(view);
        error(self.head.forward((next - latents).flatten::<2>(1, 2)), taken).into()
    }
}
