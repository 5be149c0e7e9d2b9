//! DINOv2 (Oquab et al., 2023): a vision transformer whose features were learned elsewhere, from 142 million photographs.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use gedanken_nn::{Named, Part, transposed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoder, EncoderConfig, LatentShape, Misfit, Tensors, Tokens, Vit, VitConfig};

/// Under the root of a layer norm.
const EPSILON: f64 = 1e-6;

/// DINOv2, a vision transformer with features that were learned elsewhere; map or vector latent. The defaults are those of
/// DINOv2-small, 22 million parameters. It takes pictures in red, green and blue, normalised as it learned them: `pixels = "imagenet"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dinov2Config {
    /// Side of a patch in pixels; must divide both sides of the picture. Default 14.
    #[schemars(range(min = 1, max = 256))]
    pub patch: usize,
    /// Numbers of a token. Default 384.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// Blocks. Default 12.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
    /// Heads of the attention; must divide `dim`. Default 6.
    #[schemars(range(min = 1, max = 1024))]
    pub heads: usize,
    /// Width of the hidden layer of a block's MLP. Default 1536.
    #[schemars(range(min = 1, max = 65536))]
    pub mlp: usize,
    /// The latent: the patches' tokens or the class token. Default `patches`.
    pub tokens: Tokens,
    /// The safetensors file of its weights, by Hugging Face's names, relative to the working folder. It is read when a run begins; checkpoints
    /// hold the weights from then on. Default none: random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Keeps it as it is while the other parts learn; `false` tunes it with them. Default: true where there are `weights`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
}

impl Default for Dinov2Config {
    fn default() -> Self {
        Self {
            patch: 14,
            dim: 384,
            depth: 12,
            heads: 6,
            mlp: 1536,
            tokens: Tokens::Patches,
            weights: None,
            frozen: None,
        }
    }
}

impl Dinov2Config {
    /// A new encoder for pictures `[channels, height, width]`, with random weights. It is a [`Vit`]: DINOv2 scales what attention
    /// and MLP add to a token (LayerScale), and such scales are factors of the matrices before them.
    pub fn init(&self, pixels: [usize; 3], device: &Device) -> Vit {
        self.vit().with_tokens(self.tokens, EPSILON, pixels, device)
    }

    fn vit(&self) -> VitConfig {
        let Self { patch, dim, depth, heads, mlp, .. } = *self;
        VitConfig { patch, dim, depth, heads, mlp, projector: 0 }
    }

    /// The parameters of a block.
    fn block(&self, number: usize, file: &Tensors) -> Result<Vec<Named>, Misfit> {
        let (dim, mlp) = (self.dim, self.mlp);
        let there = |name: &str| format!("encoder.layer.{number}.{name}");
        let here =
            |name: &str, shape: &[usize], values: Vec<f32>| named(&format!("blocks.{number}.{name}"), shape, values);
        let row = |name: &str, size: usize| file.get(&there(name), &[size]).map(<[f32]>::to_vec);
        let matrix = |name: &str, shape: [usize; 2]| file.transposed(&there(name), shape);
        let scaled = |mut values: Vec<f32>, scale: &str| {
            let scale = row(scale, dim)?;
            values.iter_mut().zip(scale.iter().cycle()).for_each(|(value, scale)| *value *= scale);
            Ok(values)
        };
        let parts = ["query", "key", "value"].map(|part| format!("attention.attention.{part}"));
        let mut qkv = vec![Vec::new(); dim];
        let mut biases = Vec::new();
        for part in &parts {
            let weight = matrix(&format!("{part}.weight"), [dim, dim])?;
            qkv.iter_mut().zip(weight.chunks_exact(dim)).for_each(|(row, more)| row.extend(more));
            biases.extend(row(&format!("{part}.bias"), dim)?);
        }
        let output = "attention.output.dense";
        Ok(vec![
            here("norm1.gamma", &[dim], row("norm1.weight", dim)?),
            here("norm1.beta", &[dim], row("norm1.bias", dim)?),
            here("attention.qkv.weight", &[dim, 3 * dim], qkv.concat()),
            here("attention.qkv.bias", &[3 * dim], biases),
            here(
                "attention.output.weight",
                &[dim, dim],
                scaled(matrix(&format!("{output}.weight"), [dim, dim])?, "layer_scale1.lambda1")?,
            ),
            here(
                "attention.output.bias",
                &[dim],
                scaled(row(&format!("{output}.bias"), dim)?, "layer_scale1.lambda1")?,
            ),
            here("norm2.gamma", &[dim], row("norm2.weight", dim)?),
            here("norm2.beta", &[dim], row("norm2.bias", dim)?),
            here("mlp.hidden.weight", &[dim, mlp], matrix("mlp.fc1.weight", [mlp, dim])?),
            here("mlp.hidden.bias", &[mlp], row("mlp.fc1.bias", mlp)?),
            here(
                "mlp.output.weight",
                &[mlp, dim],
                scaled(matrix("mlp.fc2.weight", [dim, mlp])?, "layer_scale2.lambda1")?,
            ),
            here("mlp.output.bias", &[dim], scaled(row("mlp.fc2.bias", dim)?, "layer_scale2.lambda1")?),
        ])
    }

    /// The positions of the class token and of `rows x columns` patches, `[1, 1 + rows columns, dim]`: those of the file, whose pictures are
    /// square, interpolated.
    fn positions(&self, size: [usize; 2], file: &Tensors) -> Result<Vec<f32>, Misfit> {
        let (name, dim) = ("embeddings.position_embeddings", self.dim);
        let expected = || format!("{name} [1, 1 + n n, {dim}], of pictures of n x n patches");
        let Some((shape, stored)) = file.0.get(name) else {
            return Err(Misfit { found: format!("no {name}"), expected: expected() });
        };
        let side = (shape.get(1).copied().unwrap_or_default().saturating_sub(1)).isqrt();
        if side == 0 || *shape != [1, 1 + side * side, dim] {
            return Err(Misfit { found: format!("{name} {shape:?}"), expected: expected() });
        }
        let (class, patches) = stored.split_at(dim);
        Ok([class, &resized(patches, side, size, dim)].concat())
    }
}

impl EncoderConfig for Dinov2Config {
    fn problem(&self, pixels: [usize; 3]) -> Option<String> {
        self.vit().problem(pixels)
    }

    fn latent_shape(&self, [_, height, width]: [usize; 3]) -> LatentShape {
        match self.tokens {
            Tokens::Class => LatentShape::vector(self.dim),
            Tokens::Patches => LatentShape { rows: height / self.patch, columns: width / self.patch, dim: self.dim },
        }
    }

    fn init(&self, pixels: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        (Box::new(Dinov2Config::init(self, pixels, device)) as Box<dyn Encoder>).into()
    }

    fn weights(&self) -> Option<&Path> {
        self.weights.as_deref()
    }

    fn frozen(&self) -> bool {
        self.frozen.unwrap_or(self.weights.is_some())
    }

    fn adopt(&self, [channels, height, width]: [usize; 3], file: &Tensors) -> Result<Vec<Named>, Misfit> {
        let Self { patch, dim, depth, .. } = *self;
        let row = |name: &str| file.get(name, &[dim]).map(<[f32]>::to_vec);
        let map = [height / patch, width / patch];
        let kernel = file.get("embeddings.patch_embeddings.projection.weight", &[dim, channels, patch, patch])?;
        let inputs = channels * patch * patch;
        let mut all = vec![
            named("embed.weight", &[inputs, dim], transposed(kernel, inputs)),
            named("embed.bias", &[dim], row("embeddings.patch_embeddings.projection.bias")?),
            named("class", &[1, 1, dim], file.get("embeddings.cls_token", &[1, 1, dim])?.to_vec()),
            named("positions", &[1, 1 + map[0] * map[1], dim], self.positions(map, file)?),
            named("norm.gamma", &[dim], row("layernorm.weight")?),
            named("norm.beta", &[dim], row("layernorm.bias")?),
        ];
        for number in 0..depth {
            all.extend(self.block(number, file)?);
        }
        let more = format!("encoder.layer.{depth}.");
        match file.0.keys().find(|name| name.starts_with(&more)) {
            Some(name) => Err(Misfit { found: name.clone(), expected: format!("{depth} blocks (encoder.depth)") }),
            None => Ok(all),
        }
    }
}

fn named(name: &str, shape: &[usize], values: Vec<f32>) -> Named {
    Named { name: name.to_owned(), shape: shape.to_vec(), values }
}

/// A map `[side, side, dim]` -> `[rows, columns, dim]`, by PyTorch's bicubic interpolation without aligned corners (Keys, 1981, with
/// a = -0.75); of its own size it stays as it is.
fn resized(map: &[f32], side: usize, [rows, columns]: [usize; 2], dim: usize) -> Vec<f32> {
    if rows == side && columns == side {
        return map.to_vec();
    }
    let (rows, columns) = (taps(side, rows), taps(side, columns));
    let mut out = Vec::with_capacity(rows.len() * columns.len() * dim);
    for row in &rows {
        for column in &columns {
            let from = out.len();
            out.resize(from + dim, 0.0);
            for (y, of_row) in row {
                for (x, of_column) in column {
                    let token = &map[(y * side + x) * dim..][..dim];
                    out[from..].iter_mut().zip(token).for_each(|(sum, number)| *sum += of_row * of_column * number);
                }
            }
        }
    }
    out
}

/// For each of `to` places on a line: the four of `from` places that it is made of, and their weights.
fn taps(from: usize, to: usize) -> Vec<[(usize, f32); 4]> {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let at = |place: usize| {
        let x = (place as f32 + 0.5) * from as f32 / to as f32 - 0.5;
        let (floor, t) = (x.floor(), x - x.floor());
        let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        std::array::from_fn(|i| {
            let index = floor as isize + i as isize - 1;
            (index.clamp(0, from as isize - 1) as usize, weights[i])
        })
    };
    (0..to).map(at).collect()
}
