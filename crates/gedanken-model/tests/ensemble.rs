//! The ensemble: agreed where it has been, at odds elsewhere.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use gedanken_model::Ensemble;
use gedanken_nn::{LatentShape, Noise, seeded};
use gedanken_predictor::{ConvConfig, PredictorConfig, ResidualMlpConfig, TransformerConfig};

const DIM: usize = 4;

fn wave(count: usize, frequency: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * frequency).sin()).collect()
}

fn ensemble(predictor: &dyn PredictorConfig, members: usize, latent: LatentShape) -> Ensemble {
    seeded(1, |device| Ensemble::new((0..members).map(|_| predictor.init(latent, 2, device)).collect()))
}

fn read(x: Tensor<2>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_to_vec().unwrap()
}

#[test]
fn it_agrees_on_what_it_has_seen_and_not_on_what_it_has_not() {
    let device = Device::flex();
    let latent = LatentShape { rows: 1, columns: 1, dim: DIM };
    let mlp = ResidualMlpConfig { hidden: 32, action_dim: 8 };
    let mut ensemble = ensemble(&mlp, 3, latent).train();
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    // The first two numbers of a latent move by the action, the others stay.
    let (rows, mut losses) = (256, Vec::new());
    let actions = Tensor::<1>::from_data(wave(rows * 2, 1.7).as_slice(), &device).reshape([rows, 1, 2]);
    let first = Tensor::<1>::from_data(wave(rows * DIM, 0.9).as_slice(), &device).reshape([rows, 1, 1, DIM]);
    let moved = Tensor::cat(vec![actions.clone(), Tensor::zeros([rows, 1, DIM - 2], &device)], 2).unsqueeze_dim::<4>(2);
    let sequences = Tensor::cat(vec![first.clone(), first.clone() + moved], 1);
    for _ in 0..300 {
        let loss = ensemble.error(sequences.clone(), actions.clone());
        losses.push(loss.clone().inner().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &ensemble);
        ensemble = optimizer.step(3e-3, ensemble, gradients);
    }
    assert!(losses[299] < 0.05 * losses[0], "{} {}", losses[0], losses[299]);
    let ensemble = ensemble.valid();
    let mean = |actions: Tensor<3>| read(ensemble.disagreement(first.clone(), actions)).iter().sum::<f32>();
    let (seen, unseen) = (mean(actions.clone()), mean(actions * 4.0));
    assert!(unseen > 20.0 * seen, "{unseen} {seen}");
}

#[test]
fn disagreement_is_the_variance_of_what_the_members_say() {
    let device = Device::flex();
    let map = LatentShape { rows: 2, columns: 2, dim: DIM };
    let conv = ConvConfig { width: 8, ..ConvConfig::default() };
    let transformer = TransformerConfig { depth: 1, ..TransformerConfig::default() };
    let kinds: [(&dyn PredictorConfig, LatentShape); 2] = [(&conv, map), (&transformer, LatentShape::vector(DIM))];
    for (predictor, latent) in kinds {
        let (members, tokens) = (ensemble(predictor, 3, latent), latent.tokens());
        let numbers = tokens * DIM;
        let latents = Tensor::<1>::from_data(wave(6 * numbers, 0.9).as_slice(), &device).reshape([2, 3, tokens, DIM]);
        let actions = Tensor::<1>::from_data(wave(12, 1.7).as_slice(), &device).reshape([2, 3, 2]);
        let found = read(members.disagreement(latents.clone(), actions.clone()));
        for (at, found) in found.into_iter().enumerate() {
            let guesses: Vec<Vec<f32>> = members
                .members()
                .iter()
                .map(|member| {
                    let seen = latents.clone().reshape([6, 1, tokens, DIM]).narrow(0, at, 1);
                    let action = actions.clone().reshape([6, 1, 2]).narrow(0, at, 1);
                    read(member.predict(seen, action, &mut Noise::none()).flatten::<2>(0, 2))
                })
                .collect();
            let mean = |i: usize| guesses.iter().map(|guess| guess[i]).sum::<f32>() / 3.0;
            let variance = |i: usize| guesses.iter().map(|guess| (guess[i] - mean(i)).powi(2)).sum::<f32>() / 3.0;
            let truth = (0..numbers).map(variance).sum::<f32>() / numbers as f32;
            assert!(truth > 0.0 && (found - truth).abs() < 1e-5 * (1.0 + truth), "{found} {truth}");
        }
    }
}
