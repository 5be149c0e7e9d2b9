//! The decoder: a window into the model. It draws what a latent says, and the model learns nothing from it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Conv3x3, Conv3x3Config, GroupNorm, GroupNormConfig, LatentShape, Linear, Part, Shown};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Decoder: the mean squared error of pictures drawn from latents, of normalised pixels. Films of imagination go to TensorBoard: what was
/// seen above, what was imagined of it from the first frame on below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecoderConfig {
    /// Channels inside, a multiple of 4. Default 64.
    #[schemars(range(min = 4, max = 4096))]
    pub width: usize,
    /// Residual convolutions. Default 2.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
    /// The encoder learns from it too: the generative model that joint embedding does without. Default false.
    pub teaches: bool,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self { width: 64, depth: 2, teaches: false }
    }
}

/// Groups of the group norms.
const GROUPS: usize = 4;

impl TermConfig for DecoderConfig {
    fn looks(&self) -> bool {
        true
    }

    fn problem(&self, setting: &Setting<'_>) -> Option<(&'static str, String)> {
        let [_, height, width] = setting.spaces.pixels;
        let LatentShape { rows, columns, .. } = setting.latent;
        if !self.width.is_multiple_of(GROUPS) {
            return Some(("width", format!("{}; expected a multiple of {GROUPS}", self.width)));
        }
        let fits = setting.latent.is_vector() || height.is_multiple_of(rows) && width.is_multiple_of(columns);
        (!fits)
            .then(|| ("width", format!("a map of {rows} x {columns} does not divide a picture of {height} x {width}")))
    }

    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        (Box::new(Decoder::new(setting.latent, setting.spaces.pixels, self, device)) as Box<dyn Term>).into()
    }
}

/// A map of the latent, `depth` times `x + conv3x3(relu(norm(x)))`, norm and ReLU, and a square of pixels for every place.
#[derive(Module, Debug)]
pub struct Decoder {
    input: Linear,
    norms: Vec<GroupNorm>,
    convolutions: Vec<Conv3x3>,
    norm: GroupNorm,
    output: Linear,
    #[module(skip)]
    map: [usize; 2],
    #[module(skip)]
    pixels: [usize; 3],
    #[module(skip)]
    config: DecoderConfig,
}

/// The most pixels of a square's side.
const SQUARE: usize = 8;

impl Decoder {
    /// A new decoder of latents of this shape to pictures `[channels, height, width]`.
    pub fn new(latent: LatentShape, pixels: [usize; 3], config: &DecoderConfig, device: &Device) -> Self {
        let [channels, height, columns] = pixels;
        let vector = latent.is_vector();
        let map = match vector {
            true => {
                let side = (1..=SQUARE).rev().find(|&side| height.is_multiple_of(side) && columns.is_multiple_of(side));
                let side = side.unwrap_or(1);
                [height / side, columns / side]
            }
            false => [latent.rows, latent.columns],
        };
        let width = config.width;
        let square = channels * (height / map[0]) * (columns / map[1]);
        Self {
            input: Linear::new(latent.dim, if vector { map[0] * map[1] * width } else { width }, device),
            norms: (0..config.depth).map(|_| GroupNormConfig::new(GROUPS, width).init(device)).collect(),
            convolutions: (0..config.depth)
                .map(|_| Conv3x3Config::new(width, width).with_zero_init(true).init(device))
                .collect(),
            norm: GroupNormConfig::new(GROUPS, width).init(device),
            output: Linear::new(width, square, device),
            map,
            pixels,
            config: config.clone(),
        }
    }

    /// Latents `[frames, tokens, dim]` -> normalised pixels `[frames, channels, height, width]`.
    pub fn draw(&self, latents: Tensor<3>) -> Tensor<4> {
        let (frames, [rows, columns], [channels, height, width]) = (latents.dims()[0], self.map, self.pixels);
        let x = self.input.forward(latents).reshape([frames, rows, columns, self.config.width]);
        let layers = self.norms.iter().zip(&self.convolutions);
        let x = layers.fold(x, |x, (norm, convolution)| x.clone() + convolution.forward(norm.forward_relu(x)));
        let squares = self.output.forward(self.norm.forward_relu(x));
        squares
            .reshape([frames, rows, columns, channels, height / rows, width / columns])
            .permute([0, 3, 1, 4, 2, 5])
            .reshape([frames, channels, height, width])
    }
}

impl Term for Decoder {
    fn shapes_latents(&self) -> bool {
        self.config.teaches
    }

    fn loss(&self, view: &View) -> Value {
        let latents = if self.config.teaches { view.latents.clone() } else { view.latents.clone().detach() };
        (self.draw(latents) - view.batch.pixels.clone()).powi_scalar(2).mean().into()
    }

    /// The first window: seen above, imagined below.
    fn show(&self, view: &View) -> Vec<Shown> {
        if view.batch.latents.is_some() {
            return Vec::new();
        }
        let imagined = view.predictions();
        let [_, steps, tokens, dim] = imagined.dims();
        let first = view.sequences.clone().narrow(0, 0, 1).narrow(1, 0, 1);
        let imagined = Tensor::cat(vec![first, imagined.narrow(0, 0, 1)], 1).reshape([steps + 1, tokens, dim]);
        let seen = view.batch.pixels.clone().narrow(0, 0, steps + 1);
        let drawn = self.draw(imagined);
        let number = |step: usize| {
            let of = |x: &Tensor<4>| x.clone().narrow(0, step, 1);
            Shown::Number { name: format!("imagine/psnr_{step}"), value: psnr(of(&seen), of(&drawn)) }
        };
        let both = Tensor::cat(vec![seen.clone(), drawn.clone()], 2);
        let film = Shown::Film { name: "imagine/seen_and_imagined".to_owned(), pixels: coloured(both, &seen) };
        [film].into_iter().chain([1, steps].map(number)).collect()
    }
}

/// The signal-to-noise ratio of pictures in decibels `[1]`, the range of `true_ones` the signal.
fn psnr(true_ones: Tensor<4>, others: Tensor<4>) -> Tensor<1> {
    let range = true_ones.clone().max() - true_ones.clone().min();
    let error = (true_ones - others).powi_scalar(2).mean().clamp_min(1e-12);
    (range.powi_scalar(2) / error).log() * (10.0 / std::f64::consts::LN_10)
}

/// Normalised pixels `[time, channels, height, width]` in 0 to 1, `[time, 3, height, width]`, by the range of `seen`; of two channels the
/// third is empty, of one all are equal.
fn coloured(pixels: Tensor<4>, seen: &Tensor<4>) -> Tensor<4> {
    let [time, channels, height, width] = pixels.dims();
    let channel = |channel: usize| {
        let seen = seen.clone().narrow(1, channel, 1);
        let (low, high) = (seen.clone().min().reshape([1, 1, 1, 1]), seen.max().reshape([1, 1, 1, 1]));
        let range = (high - low.clone()).clamp_min(1e-6);
        ((pixels.clone().narrow(1, channel, 1) - low) / range).clamp(0.0, 1.0)
    };
    let dark = || Tensor::zeros([time, 1, height, width], &pixels.device());
    let planes = match channels {
        1 => vec![channel(0), channel(0), channel(0)],
        2 => vec![channel(0), channel(1), dark()],
        _ => vec![channel(0), channel(1), channel(2)],
    };
    Tensor::cat(planes, 1)
}
