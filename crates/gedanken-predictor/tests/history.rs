//! Which frames a prediction depends on.

use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Noise, Part};
use gedanken_predictor::{
    ConvConfig, GruConfig, Predictor, PredictorConfig, ResidualMlpConfig, TransformerConfig, VitConfig,
};

fn wave<const D: usize>(shape: [usize; D], phase: f32) -> Tensor<D> {
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|i: usize| ((i * i) as f32 * 0.37 + phase).sin()).collect();
    Tensor::<1>::from_data(numbers.as_slice(), &Device::flex()).reshape(shape)
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// An AdaLN-zero block looks at nothing at first, so every weight is given a value.
fn filled(config: &dyn PredictorConfig, latent: LatentShape) -> Part<dyn Predictor> {
    use burn::module::{Module, ModuleMapper, Param};
    struct Fill(f32);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 0.1;
            param.map(|old| wave(old.dims(), self.0).abs() * 0.3 + 0.1)
        }
    }
    config.init(latent, 2, &Device::flex()).map(&mut Fill(0.0))
}

fn transformer(dropout: f64) -> Part<dyn Predictor> {
    let config =
        TransformerConfig { heads: 2, head_dim: 4, mlp: 8, depth: 2, projector: 6, dropout, ..Default::default() };
    filled(&config, LatentShape::vector(6))
}

/// Over maps of 2 x 2 tokens.
fn vit(residual: bool) -> VitConfig {
    VitConfig { heads: 2, head_dim: 4, mlp: 8, depth: 2, action_dim: 3, residual, ..Default::default() }
}

const MAP: LatentShape = LatentShape { rows: 2, columns: 2, dim: 6 };

fn predict(predictor: &Part<dyn Predictor>, latents: Tensor<4>, actions: Tensor<3>) -> Tensor<4> {
    predictor.predict(latents, actions, &mut Noise::none())
}

#[test]
fn a_later_frame_or_action_changes_no_earlier_prediction_and_an_earlier_one_does() {
    let vits = [false, true].map(|residual| (filled(&vit(residual), MAP), MAP.tokens()));
    for (predictor, tokens) in [(transformer(0.0), 1)].into_iter().chain(vits) {
        let (latents, actions) = (wave([2, 3, tokens, 6], 0.1), wave([2, 3, 2], 0.2));
        let at = |next: &Tensor<4>, frame| numbers(next.clone().narrow(1, frame, 1));
        let next = predict(&predictor, latents.clone(), actions.clone());
        for changed in 0..3 {
            // One token of the frame, its last.
            let place = [0..2, changed..changed + 1, tokens - 1..tokens, 0..6];
            let other_latent = latents.clone().slice_assign(place, wave([2, 1, 1, 6], 1.7));
            let other_action = actions.clone().slice_assign([0..2, changed..changed + 1, 0..2], wave([2, 1, 2], 2.3));
            for other in
                [predict(&predictor, other_latent, actions.clone()), predict(&predictor, latents.clone(), other_action)]
            {
                for frame in 0..3 {
                    assert_eq!(at(&next, frame) == at(&other, frame), frame < changed, "{changed} seen from {frame}");
                    // Each token of a frame sees all of it.
                    let first = |next: &Tensor<4>| numbers(next.clone().slice([0..2, frame..frame + 1, 0..1, 0..6]));
                    assert_eq!(first(&next) == first(&other), frame < changed, "{changed} seen from {frame}'s first");
                }
            }
        }
        // The first frame alone is the first frame of three.
        let first = predict(&predictor, latents.clone().narrow(1, 0, 1), actions.narrow(1, 0, 1));
        for (ours, theirs) in at(&first, 0).into_iter().zip(at(&next, 0)) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs}");
        }
    }
}

#[test]
fn a_residual_vision_transformer_begins_by_imagining_that_nothing_changes() {
    let predict_new = |residual| {
        let predictor = PredictorConfig::init(&vit(residual), MAP, 2, &Device::flex());
        numbers(predict(&predictor, wave([2, 3, 4, 6], 0.1), wave([2, 3, 2], 0.2)))
    };
    assert_eq!(predict_new(true), numbers(wave([2, 3, 4, 6], 0.1)));
    assert_ne!(predict_new(false), numbers(wave([2, 3, 4, 6], 0.1)));
}

#[test]
fn a_predictor_without_a_history_takes_frames_as_rows_of_the_batch() {
    let (conv, mlp, gru) =
        (ConvConfig { width: 4, groups: 2, depth: 1 }, ResidualMlpConfig::default(), GruConfig::default());
    let dim = 5;
    let kinds: [(&dyn PredictorConfig, LatentShape); 3] = [
        (&conv, LatentShape { rows: 2, columns: 3, dim }),
        (&mlp, LatentShape::vector(dim)),
        (&gru, LatentShape::vector(dim)),
    ];
    for (config, latent) in kinds {
        assert_eq!(config.history(), 1);
        let predictor = config.init(latent, 2, &Device::flex());
        assert_eq!(predictor.history(), 1);
        let tokens = latent.tokens();
        let (latents, actions) = (wave([2, 4, tokens, dim], 0.1), wave([2, 4, 2], 0.2));
        let together = predict(&predictor, latents.clone(), actions.clone());
        for frame in 0..4 {
            let alone = predict(&predictor, latents.clone().narrow(1, frame, 1), actions.clone().narrow(1, frame, 1));
            let ours = numbers(together.clone().narrow(1, frame, 1));
            for (ours, alone) in ours.into_iter().zip(numbers(alone)) {
                assert!((ours - alone).abs() < 1e-5, "{ours} and {alone}");
            }
        }
    }
}

#[test]
fn dropout_follows_from_its_seed_and_planning_has_none() {
    let (dropping, whole) = (transformer(0.3), transformer(0.0));
    let run = |predictor: &Part<dyn Predictor>, mut noise: Noise| {
        numbers(predictor.predict(wave([2, 3, 1, 6], 0.1), wave([2, 3, 2], 0.2), &mut noise))
    };
    assert_eq!(run(&dropping, Noise::seeded(5)), run(&dropping, Noise::seeded(5)));
    assert_ne!(run(&dropping, Noise::seeded(5)), run(&dropping, Noise::seeded(6)));
    assert_eq!(run(&dropping, Noise::none()), run(&whole, Noise::seeded(5)));
    let mut noise = Noise::seeded(1);
    let kept = numbers(noise.dropout(wave([100, 100], 0.0).zeros_like() + 1.0, 0.3));
    assert!(kept.iter().all(|&x| x == 0.0 || (x - 1.0 / 0.7).abs() < 1e-6));
    let mean = kept.iter().sum::<f32>() / 1e4;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
}
