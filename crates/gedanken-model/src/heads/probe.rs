//! The probe: reads every label from a latent, and teaches the latent nothing.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Part, Readout};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Probe: one network that reads every label from the latent; the mean squared error of normalised labels. It teaches the latent nothing,
/// unless it is asked to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Channels of the convolutions before the hidden layer, where latents are maps; an empty list for none. Default 32, 16.
    #[schemars(length(max = 8), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Width of the hidden layer. Default 256.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// The encoder learns from it too: a supervised model, which is told the state that others have to find; a baseline. Default false.
    pub teaches: bool,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { channels: vec![32, 16], hidden: 256, teaches: false }
    }
}

impl TermConfig for ProbeConfig {
    fn applies(&self, setting: &Setting<'_>) -> bool {
        setting.spaces.labels > 0
    }

    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        (Box::new(Probe::new(setting.latent, self, setting.spaces.labels, device)) as Box<dyn Term>).into()
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Probe {
    readout: Readout,
    #[module(skip)]
    teaches: bool,
}

impl Probe {
    /// A probe of so many labels in latents of this shape.
    pub fn new(latent: LatentShape, config: &ProbeConfig, labels: usize, device: &Device) -> Self {
        let map = [latent.rows, latent.columns];
        Self {
            readout: Readout::new(map, latent.dim, &config.channels, &[config.hidden, labels], device),
            teaches: config.teaches,
        }
    }

    /// Latents `[batch, tokens, dim]` -> normalised labels `[batch, labels]`.
    pub fn read(&self, latents: Tensor<3>) -> Tensor<2> {
        self.readout.forward(latents)
    }
}

impl Term for Probe {
    fn shapes_latents(&self) -> bool {
        self.teaches
    }

    fn loss(&self, view: &View) -> Value {
        let labels = view.batch.labels.clone();
        let latents = if self.teaches { view.latents.clone() } else { view.latents.clone().detach() };
        (self.read(latents) - labels).powi_scalar(2).mean().into()
    }
}
