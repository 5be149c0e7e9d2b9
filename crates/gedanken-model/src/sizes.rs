//! How large a model would be, told before any memory is taken: a stored description may ask for anything.

use gedanken_encoder::{EncoderConfig, PatchLatent};
use gedanken_predictor::PredictorConfig;
use serde_json::Value;

use crate::{ModelConfig, Spaces};

/// Most that any one size may be.
const MOST: u64 = 65_536;
/// Most items that any list may have.
const LONGEST: usize = 64;

/// The first size of a model that no experiment file could have asked for.
pub(crate) fn unreasonable(model: &ModelConfig) -> Option<String> {
    fn look(path: &str, value: &Value) -> Option<String> {
        match value {
            Value::Number(number) if number.is_u64() => {
                // There may be no hidden layer, projector or ensemble, but nothing else has a size of zero.
                let least = u64::from(!["depth", "projector", "members"].iter().any(|end| path.ends_with(end)));
                let wrong = !number.as_u64().is_some_and(|n| (least..=MOST).contains(&n));
                wrong.then(|| format!("{path} = {number}"))
            }
            Value::Number(number) => {
                number.as_f64().is_none_or(|x| !x.is_finite()).then(|| format!("{path} = {number}"))
            }
            Value::Array(items) if items.len() > LONGEST => Some(format!("{path} with {} items", items.len())),
            Value::Array(items) => items.iter().find_map(|item| look(path, item)),
            Value::Object(table) => table.iter().find_map(|(key, inner)| look(&join(path, key), inner)),
            _ => None,
        }
    }
    look("", &serde_json::to_value(model).unwrap_or_default())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The weights of the large matrices of a model: it has at least these. Reasonable sizes only, which cannot overflow.
pub(crate) fn least_weights(model: &ModelConfig, spaces: &Spaces) -> u128 {
    let [channels, height, width] = spaces.pixels;
    let latent = model.encoder.latent_shape(spaces.pixels);
    let dim = latent.dim;
    let chain = |widths: &[usize]| widths.windows(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<_>>();
    let readout = |channels: &[usize], widths: &[usize]| {
        let depths = [&[dim][..], if latent.is_vector() { &[][..] } else { channels }].concat();
        let flat = latent.tokens() * depths[depths.len() - 1];
        let convolutions = chain(&depths).into_iter().map(|[from, to]| [9 * from, to]);
        convolutions.chain(chain(&[&[flat][..], widths].concat())).collect::<Vec<_>>()
    };
    let mut matrices = match spaces.labels {
        0 => Vec::new(),
        labels => readout(&model.probe.channels, &[model.probe.hidden, labels]),
    };

    if !spaces.proprioception.is_empty() {
        matrices.push([spaces.proprioception.len() + dim, model.proprioception.hidden]);
    }

    // There and back; none where there is no projector.
    let projector = |width: usize| [2 * dim, width];
    match &model.encoder {
        EncoderConfig::Impala(c) => {
            let half = |side: usize| c.channels.iter().fold(side, |side, _| side.div_ceil(2));
            let last = c.channels.last().copied().unwrap_or(channels);
            matrices.extend(c.channels.iter().map(|&n| [9 * n, 4 * n]));
            matrices.push([last * half(height) * half(width), c.dim]);
        }
        EncoderConfig::Patch(c) => {
            matrices.push([channels * c.patch * c.patch, c.width]);
            matrices.extend(vec![[9 * c.width, c.width]; c.depth]);
            if c.latent == PatchLatent::Vector {
                let tokens = (height / c.patch) * (width / c.patch);
                matrices.push([tokens * (c.width / 4).max(1), c.dim]);
            }
        }
        EncoderConfig::Conv(c) => {
            let first = channels * c.patch * c.patch;
            let inputs = std::iter::once(first).chain(c.channels.iter().map(|&n| 4 * n));
            matrices.extend(inputs.zip(&c.channels).map(|(from, &to)| [from + 9 * to * c.depth, to]));
            matrices.push(projector(c.projector));
            if let (true, Some(last)) = (latent.is_vector(), c.channels.last()) {
                let stride = c.patch << (c.channels.len() - 1).min(16);
                matrices.push([(height / stride) * (width / stride) * last, dim]);
            }
        }
        EncoderConfig::Vit(c) => {
            matrices.extend([[channels * c.patch * c.patch, dim], projector(c.projector)]);
            matrices.push([(height / c.patch) * (width / c.patch), dim]);
            matrices.extend(vec![[dim, 4 * dim + 2 * c.mlp]; c.depth]);
        }
    }
    let mut predictor = Vec::new();
    match &model.predictor {
        PredictorConfig::Transformer(c) => {
            let inner = c.heads * c.head_dim;
            predictor.extend([[c.action_hidden, spaces.action + dim], [c.history, dim], projector(c.projector)]);
            predictor.extend(vec![[dim, 6 * dim + 4 * inner + 2 * c.mlp]; c.depth]);
        }
        PredictorConfig::Gru(_) => predictor.push([dim, 3 * dim]),
        PredictorConfig::Mlp(c) => predictor.extend([[dim + c.action_dim, c.hidden], [c.hidden, c.hidden + dim]]),
        PredictorConfig::Conv(c) => predictor.extend(vec![[9 * c.width, c.width]; c.depth]),
    }
    matrices.extend(predictor.repeat(1 + model.ensemble.members));
    if model.inverse_dynamics.weight > 0.0 {
        let hidden = model.inverse_dynamics.hidden.unwrap_or(1);
        matrices.push([2 * dim, hidden]);
        matrices.push([hidden, hidden]);
    }
    if model.distance.enabled {
        let widths = [model.distance.hidden.as_slice(), &[model.distance.dim]].concat();
        let network = readout(&model.distance.channels, &widths);
        matrices.extend(network.iter().chain(&network));
    }
    matrices.iter().map(|[rows, columns]| *rows as u128 * *columns as u128).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EnsembleConfig, WorldModel, named_parameters};
    use burn::tensor::Device;
    use gedanken_encoder::{ConvEncoderConfig, ImpalaConfig, PatchConfig, VitConfig};
    use gedanken_predictor::{GruConfig, ResidualMlpConfig, TransformerConfig};

    #[test]
    fn a_model_has_at_least_the_weights_it_is_said_to_have_and_not_many_more() {
        let spaces = Spaces { pixels: [2, 20, 20], action: 2, labels: 4, proprioception: vec![0, 3] };
        let vector = PatchConfig { latent: PatchLatent::Vector, dim: 24, ..PatchConfig::default() };
        let impala = ImpalaConfig { channels: vec![4, 8], dim: 16 };
        let parts = [
            (EncoderConfig::default(), PredictorConfig::default()),
            (EncoderConfig::Patch(vector), PredictorConfig::Mlp(ResidualMlpConfig::default())),
            (EncoderConfig::Impala(impala), PredictorConfig::Gru(GruConfig::default())),
            (
                EncoderConfig::Vit(VitConfig { patch: 5, depth: 2, ..VitConfig::default() }),
                PredictorConfig::Transformer(TransformerConfig { depth: 2, ..TransformerConfig::default() }),
            ),
            (
                EncoderConfig::Conv(ConvEncoderConfig { patch: 5, ..ConvEncoderConfig::default() }),
                PredictorConfig::Transformer(TransformerConfig { projector: 0, depth: 1, ..Default::default() }),
            ),
        ];
        for (encoder, predictor) in parts {
            let ensemble = EnsembleConfig { members: 2 };
            let config = ModelConfig { encoder, predictor, ensemble, ..ModelConfig::default() };
            let model = WorldModel::new(&config, spaces.clone(), 0, &Device::flex());
            let weights = named_parameters(&model).iter().map(|p| p.values.len() as u128).sum::<u128>();
            let least = least_weights(&config, &spaces);
            assert!(least <= weights && weights < 2 * least, "{weights} weights, at least {least}");
            assert_eq!(unreasonable(&config), None);
        }
    }

    #[test]
    fn a_size_that_nobody_asked_for_is_named() {
        let mut config = ModelConfig::default();
        config.probe.hidden = 1 << 40;
        assert_eq!(unreasonable(&config).as_deref(), Some("probe.hidden = 1099511627776"));
        config.probe.hidden = 0;
        assert_eq!(unreasonable(&config).as_deref(), Some("probe.hidden = 0"));
    }
}
