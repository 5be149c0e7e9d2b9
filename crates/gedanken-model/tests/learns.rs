//! The model as a whole: sizes, laws, and that it learns.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use gedanken_encoder::{ImpalaConfig, PatchConfig, PatchLatent};
use gedanken_model::heads::{DistanceConfig, EnsembleConfig};
use gedanken_model::*;
use gedanken_nn::{Learn, Named, Progress, Spaces, TrainBatch, named_parameters};
use gedanken_parts::Table;
use gedanken_predictor::{GruConfig, ResidualMlpConfig};

const PROGRESS: Progress = Progress { step: 0, steps: 12 };
const SPACES: Spaces = Spaces { pixels: [2, 65, 65], action: 2, labels: 4, proprioception: Vec::new() };

fn wave(shape: &[usize], frequency: f32) -> Vec<f32> {
    (0..shape.iter().product()).map(|i: usize| (i as f32 * frequency).sin()).collect()
}

fn batch(device: &Device) -> TrainBatch {
    let (layouts, episodes, time, extra) = (2, 2, 6, 2);
    let frames = layouts * episodes * (time + extra);
    let tensor = |shape: &[usize], f| Tensor::<1>::from_data(wave(shape, f).as_slice(), device);
    TrainBatch {
        latents: None,
        pixels: tensor(&[frames, 2, 65, 65], 0.37).reshape([frames, 2, 65, 65]),
        actions: tensor(&[4, 5, 2], 0.7).reshape([4, 5, 2]),
        labels: tensor(&[frames, 4], 1.3).reshape([frames, 4]),
        at: (0..4).flat_map(|_| [0, 1, 2, 3, 4, 5, 40, 60]).collect(),
        layouts,
        episodes,
        time,
        extra,
        seed: 7,
    }
}

fn small() -> ModelConfig {
    ModelConfig {
        prediction: PredictionConfig { unroll: 5, ..PredictionConfig::default() },
        loss: LossConfig::default().with("distance", None, &distance(2)),
        ..ModelConfig::default()
    }
}

fn distance(steps: usize) -> DistanceConfig {
    DistanceConfig { steps, ..DistanceConfig::default() }
}

fn plan(config: &ModelConfig) -> Plan {
    Parts::default().plan(config).expect("known parts")
}

fn number(x: &Tensor<1>) -> f32 {
    x.clone().into_scalar::<f32>()
}

#[test]
fn eb_jepa_has_2_218_672_parameters_beside_the_head() {
    let config = ModelConfig {
        encoder: Table::of("impala", &ImpalaConfig::default()),
        predictor: Table::of("gru", &GruConfig::default()),
        prediction: PredictionConfig { shared_norm: true, ..PredictionConfig::default() },
        loss: LossConfig::default().with("distance", Some(0.0), &DistanceConfig::default()),
        ..ModelConfig::default()
    };
    let device = Device::flex();
    let counts = |named: &[Named], part: &str| -> usize {
        named.iter().filter(|p| p.name.starts_with(part)).map(|p| p.values.len()).sum()
    };
    let named = named_parameters(&WorldModel::new(&plan(&config), SPACES, 0, &device));
    let norm = counts(&named, "norm.");
    assert_eq!(norm, 1_024);
    assert_eq!(counts(&named, "encoder.") + norm, 1_426_096);
    assert_eq!(counts(&named, "predictor.") + norm, 793_600);
    assert_eq!(counts(&named, "terms.inverse_dynamics."), 328_706);
}

#[test]
fn the_same_seed_gives_the_same_model_and_another_seed_another() {
    let device = Device::flex();
    let weights = |seed| named_parameters(&WorldModel::new(&plan(&small()), SPACES, seed, &device));
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn training_lowers_the_loss_and_the_same_training_gives_the_same_numbers() {
    let device = Device::flex();
    let train = || {
        let mut model = WorldModel::new(&plan(&small()), SPACES, 3, &device).train();
        let mut optimizer: ModuleOptimizer = AdamWConfig::new().with_epsilon(1e-8).init();
        let mut losses = Vec::new();
        for _ in 0..12 {
            let loss = model.loss(batch(&device), PROGRESS);
            losses.push(number(&loss.total.clone().inner()));
            let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
            model = optimizer.step(2e-3, model, gradients).after_update(PROGRESS);
        }
        losses
    };
    let losses = train();
    assert!(losses.iter().all(|l| l.is_finite()) && losses[11] < losses[0], "{losses:?}");
    assert_eq!(losses, train());
}

#[test]
fn every_kind_of_latent_goes_all_the_way() {
    let patch = PatchConfig { latent: PatchLatent::Vector, dim: 32, ..PatchConfig::default() };
    let vector = Table::of("patch", &patch);
    for (encoder, predictor) in [
        (vector.clone(), Table::of("gru", &GruConfig::default())),
        (vector, Table::of("mlp", &ResidualMlpConfig::default())),
        (small().encoder, small().predictor),
    ] {
        let config = ModelConfig { encoder, predictor, ..small() };
        assert_eq!(plan(&config).problem(&SPACES, Some(6)), None);
        let far = ModelConfig { loss: config.loss.clone().with("distance", None, &distance(3)), ..config.clone() };
        let (key, _) = plan(&far).problem(&SPACES, Some(6)).expect("frame 3 of 6 would have no neighbour");
        assert_eq!(key, "loss.distance.steps");
        let device = Device::flex();
        let model = WorldModel::new(&plan(&config), SPACES, 0, &device).train();
        let loss = model.loss(batch(&device), PROGRESS);
        let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
        let names: Vec<&str> = loss.terms.iter().map(|t| t.0).collect();
        assert_eq!(names[..5], ["prediction", "variance", "covariance", "time_similarity", "inverse_dynamics"]);
        // Every parameter but the target network's has a gradient.
        let targets = named_parameters(&model).iter().filter(|p| p.name.starts_with("terms.distance.target")).count();
        let learned = named_parameters(&model).iter().filter(|p| !p.is_statistic()).count();
        assert_eq!(gradients.len(), learned - targets);
    }
}

#[test]
fn an_ensemble_teaches_the_latent_nothing() {
    let device = Device::flex();
    let gradient = |members| {
        let loss = match members {
            0 => small().loss,
            _ => small().loss.with("ensemble", None, &EnsembleConfig { members }),
        };
        let config = ModelConfig { loss, ..small() };
        let model = WorldModel::new(&plan(&config), SPACES, 3, &device).train();
        let loss = model.loss(batch(&device), PROGRESS);
        assert_eq!(loss.terms.iter().any(|term| term.0 == "ensemble"), members > 0);
        let gradients = loss.total.backward();
        let named =
            named_parameters(&model).into_iter().filter(|p| !p.name.starts_with("terms.ensemble")).collect::<Vec<_>>();
        let mut optimizer: ModuleOptimizer = AdamWConfig::new().with_epsilon(1e-8).init();
        let gradients = GradientsParams::from_grads(gradients, &model);
        let after = named_parameters(&optimizer.step(1e-3, model, gradients).valid());
        (named, after.into_iter().filter(|p| !p.name.starts_with("terms.ensemble")).collect::<Vec<_>>())
    };
    assert_eq!(gradient(0), gradient(2));
}

#[test]
fn a_model_feels_the_labels_it_is_told_to_and_no_others() {
    let device = Device::flex();
    let spaces = Spaces { proprioception: vec![1, 2], ..SPACES };
    let model = WorldModel::new(&plan(&small()), spaces, 5, &device);
    let latents = |labels: [f32; 4]| {
        let pixels = Tensor::<4>::zeros([1, 2, 65, 65], &device);
        let felt = model.felt(Tensor::from_data([labels], &device));
        model.encode(pixels, felt).into_data()
    };
    assert_eq!(latents([0.0, 0.5, -1.0, 0.0]), latents([9.0, 0.5, -1.0, 9.0]));
    assert_ne!(latents([0.0, 0.5, -1.0, 0.0]), latents([0.0, 0.6, -1.0, 0.0]));
    assert_ne!(latents([0.0, 0.5, -1.0, 0.0]), latents([0.0, 0.5, -1.1, 0.0]));

    let blind = WorldModel::new(&plan(&small()), SPACES, 5, &device);
    assert!(blind.felt(Tensor::zeros([1, 4], &device)).is_none());
    let others =
        |model| named_parameters(model).into_iter().filter(|p| !p.name.starts_with("proprioception")).collect();
    let (with, without): (Vec<Named>, Vec<Named>) = (others(&model), others(&blind));
    assert_eq!(with, without, "its weights change no other part's");

    // It learns with the rest.
    let model = model.train();
    let gradients = GradientsParams::from_grads(model.loss(batch(&device), PROGRESS).total.backward(), &model);
    let targets = named_parameters(&model).iter().filter(|p| p.name.starts_with("terms.distance.target")).count();
    assert_eq!(gradients.len(), named_parameters(&model).iter().filter(|p| !p.is_statistic()).count() - targets);
}

#[test]
fn what_is_appended_to_every_token_is_seen_by_nothing_else() {
    let device = Device::flex();
    let spaces = Spaces { proprioception: vec![1, 2], ..SPACES };
    for (appended, numbers) in [
        (ProprioceptionConfig { append: 3, ..ProprioceptionConfig::default() }, 3),
        (ProprioceptionConfig { raw: true, ..ProprioceptionConfig::default() }, 2),
    ] {
        let raw = appended.raw;
        let config = ModelConfig { proprioception: appended, ..small() };
        let felt = Tensor::<2>::from_data([[0.5, -1.0]], &device);
        let pixels = Tensor::<4>::ones([1, 2, 65, 65], &device);
        let model = WorldModel::new(&plan(&config), spaces.clone(), 5, &device);
        let blind = WorldModel::new(&plan(&config), SPACES, 5, &device);
        let (shape, seen) = (model.latent_shape(), blind.latent_shape());
        assert_eq!((shape.dim, shape.tokens()), (seen.dim + numbers, seen.tokens()));

        let latents = model.encode(pixels.clone(), Some(felt.clone()));
        assert_eq!(latents.dims(), [1, shape.tokens(), shape.dim]);
        let of_pixels = latents.clone().narrow(2, 0, seen.dim);
        assert_eq!(of_pixels.into_data(), blind.encode(pixels, None).into_data());
        let of_body = latents.narrow(2, seen.dim, numbers);
        let first = of_body.clone().narrow(1, 0, 1).repeat_dim(1, shape.tokens());
        assert_eq!(of_body.clone().into_data(), first.into_data(), "the same in every token");
        if raw {
            assert_eq!(of_body.narrow(1, 0, 1).into_data(), felt.unsqueeze_dim::<3>(1).into_data(), "as it is");
        }
    }
}

#[test]
fn a_model_survives_the_disk_bit_by_bit() {
    let device = Device::flex();
    let folder = std::env::temp_dir().join(format!("gedanken-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let model = WorldModel::new(&plan(&small()), SPACES, 5, &device);
    let statistics = Statistics {
        pixel_mean: vec![0.1; 2],
        pixel_std: vec![0.3; 2],
        stretch: false,
        label_mean: vec![32.0; 4],
        label_std: vec![16.0; 4],
        action_mean: vec![0.5; 2],
        action_std: vec![2.0; 2],
    };
    let blueprint = Blueprint {
        version: env!("CARGO_PKG_VERSION").into(),
        model: small(),
        spaces: SPACES,
        statistics,
        learned_from: Vec::new(),
    };
    save(&folder, &model, &blueprint).unwrap();
    let (loaded, same) = load(&folder, &Parts::default(), &device).unwrap();
    assert_eq!(same, blueprint);
    assert_eq!(named_parameters(&loaded), named_parameters(&model));

    let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
    for cut in [0, 7, 100, weights.len() / 2, weights.len() - 1] {
        std::fs::write(folder.join("model.safetensors"), &weights[..cut]).unwrap();
        let error = load(&folder, &Parts::default(), &device).unwrap_err().to_string();
        assert!(error.contains("model.safetensors"), "{error}");
    }

    // A model of another version is refused before anything else is looked at.
    let old = r#"{ "version": "0.1.3", "model": { "regularizer": { "variance": 16.0 } } }"#;
    std::fs::write(folder.join("model.json"), old).unwrap();
    let error = load(&folder, &Parts::default(), &device).unwrap_err().to_string();
    let told = "model.json: a model of gedanken 0.1.3; expected one of gedanken 0.2.x; evaluate it with the program that \
                made it, or train it again";
    assert!(error.ends_with(told), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
