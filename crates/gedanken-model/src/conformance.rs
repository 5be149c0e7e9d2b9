//! Does a part keep its promises? One check for each kind: shapes, gradients, other devices, and the way through a file.
//!
//! A part is put into a small model beside Gedanken's own, on pictures of 2 x 20 x 20 and actions of 2 numbers. A check returns the
//! first broken promise as a sentence.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_nn::{Learn, Progress, Spaces, TrainBatch, named_parameters};
use gedanken_parts::Table;

use crate::{
    Blueprint, LossConfig, ModelConfig, Parts, PredictionConfig, Statistics, TermTable, WorldModel, load, part_of, save,
};

const SPACES: Spaces = Spaces { pixels: [2, 20, 20], action: 2, labels: 3, proprioception: Vec::new() };
const TIME: usize = 7;
const NOW: Progress = Progress { step: 0, steps: 10 };

/// Checks the encoder of a table.
///
/// # Errors
/// The first broken promise.
pub fn encoder(parts: &Parts, table: &Table, devices: &[Device]) -> Result<(), String> {
    let config = parts.encoders.make(table).map_err(|error| error.to_string())?;
    if let Some(problem) = config.problem(SPACES.pixels) {
        return Err(format!("pictures of 2 x 20 x 20 do not fit: {problem}"));
    }
    let predictor = if config.latent_shape(SPACES.pixels).is_vector() { "mlp" } else { "conv" };
    let config = ModelConfig { encoder: table.clone(), predictor: kind(predictor), ..base() };
    check(parts, &config, "encoder", devices)
}

/// Checks the predictor of a table.
///
/// # Errors
/// The first broken promise.
pub fn predictor(parts: &Parts, table: &Table, devices: &[Device]) -> Result<(), String> {
    let config = ModelConfig { predictor: table.clone(), ..base() };
    let problem = |config: &ModelConfig| {
        let plan = parts.plan(config).map_err(|error| error.to_string())?;
        Ok::<_, String>(plan.problem(&SPACES, Some(TIME)))
    };
    // A predictor of maps, where vectors do not fit.
    let config = match problem(&config)? {
        None => config,
        Some(_) => ModelConfig { encoder: kind("patch"), ..config },
    };
    match problem(&config)? {
        None => check(parts, &config, "predictor", devices),
        Some((key, problem)) => Err(format!("neither vectors nor maps fit: {key}: {problem}")),
    }
}

/// Checks the target of a table.
///
/// # Errors
/// The first broken promise.
pub fn target(parts: &Parts, table: &Table, devices: &[Device]) -> Result<(), String> {
    check(parts, &ModelConfig { target: table.clone(), ..base() }, "target", devices)
}

/// Checks a term of the loss.
///
/// # Errors
/// The first broken promise.
pub fn term(parts: &Parts, name: &str, table: &TermTable, devices: &[Device]) -> Result<(), String> {
    let mut config = base();
    config.loss.0.insert(name.to_owned(), table.clone());
    // A term of the latent variable, where it does not fit a model without.
    let plan = parts.plan(&config).map_err(|error| error.to_string())?;
    if plan.problem(&SPACES, Some(TIME)).is_some() {
        config.latent_variable = kind("branches");
    }
    check(parts, &config, name, devices)
}

/// Checks the latent variable of a table.
///
/// # Errors
/// The first broken promise.
pub fn latent_variable(parts: &Parts, table: &Table, devices: &[Device]) -> Result<(), String> {
    let mut config = ModelConfig { latent_variable: table.clone(), ..base() };
    config.loss.0.insert("information".to_owned(), TermTable::default());
    check(parts, &config, "latent_variable", devices)
}

/// A vector latent, predicted by an MLP, with a prediction loss that varies.
fn base() -> ModelConfig {
    let mut encoder = kind("patch");
    encoder.keys.insert("latent".to_owned(), "vector".into());
    let loss = ["prediction", "variance"].map(|name| (name.to_owned(), TermTable::default()));
    ModelConfig {
        encoder,
        predictor: kind("mlp"),
        prediction: PredictionConfig { unroll: 3, ..PredictionConfig::default() },
        loss: LossConfig(BTreeMap::from(loss)),
        ..ModelConfig::default()
    }
}

fn kind(kind: &str) -> Table {
    Table { kind: kind.to_owned(), ..Table::default() }
}

/// Two layouts of three windows of seven frames and another one.
fn batch(device: &Device) -> TrainBatch {
    fn wave<const D: usize>(shape: [usize; D], frequency: f64, device: &Device) -> Tensor<D> {
        let numbers: Vec<f32> =
            (0..shape.iter().product()).map(|i| (frequency * ((i * i) % 10007) as f64).sin() as f32).collect();
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }
    let (windows, frames) = (6, 6 * (TIME + 1));
    TrainBatch {
        latents: None,
        pixels: wave([frames, 2, 20, 20], 0.37, device),
        actions: wave([windows, TIME - 1, 2], 0.71, device),
        labels: wave([frames, 3], 1.3, device),
        at: (0..windows).flat_map(|_| (0..TIME as u32).chain([20])).collect(),
        layouts: 2,
        episodes: 3,
        time: TIME,
        extra: 1,
        seed: 7,
    }
}

fn check(parts: &Parts, config: &ModelConfig, part: &str, devices: &[Device]) -> Result<(), String> {
    let plan = parts.plan(config).map_err(|error| error.to_string())?;
    if let Some((key, problem)) = plan.problem(&SPACES, Some(TIME)) {
        return Err(format!("{key}: {problem}"));
    }
    let cpu = Device::flex();
    let model = WorldModel::new(&plan, SPACES, 3, &cpu);
    shapes(&model, &batch(&cpu))?;
    let (loss, norms) = losses(&model, &batch(&cpu));
    if let Some((name, value)) = loss.iter().find(|(_, value)| !value.is_finite()) {
        return Err(format!("the loss {name} is {value}"));
    }
    gradients(&model, &norms, part)?;
    for device in devices {
        let (there, _) = losses(&model.clone().fork(device), &batch(device));
        for ((name, here), (_, there)) in loss.iter().zip(&there) {
            if (here - there).abs() > 1e-3 * (1.0 + here.abs()) {
                return Err(format!("the loss {name} is {here} on the CPU and {there} on {device:?}"));
            }
        }
    }
    round_trip(parts, config, &model)
}

fn shapes(model: &WorldModel, batch: &TrainBatch) -> Result<(), String> {
    let shape = model.latent_shape();
    let (frames, tokens) = (batch.pixels.dims()[0], shape.tokens());
    let latents = model.encode(batch.pixels.clone(), None);
    let equal = |what: &str, found: &[usize], expected: &[usize]| {
        (found == expected).then_some(()).ok_or_else(|| format!("{what} are {found:?}; expected {expected:?}"))
    };
    equal("latents", &latents.dims(), &[frames, tokens, shape.dim])?;
    let first = latents.narrow(0, 0, 2);
    let actions = batch.actions.clone().narrow(0, 0, 2);
    equal("imagined latents", &model.unroll(first, actions).dims(), &[2, TIME - 1, tokens, shape.dim])
}

/// The total and every term by name, and the gradient's largest entry by parameter.
fn losses(model: &WorldModel, batch: &TrainBatch) -> (BTreeMap<String, f32>, BTreeMap<String, f32>) {
    struct Collect<'a> {
        path: Vec<String>,
        gradients: &'a GradientsParams,
        found: BTreeMap<String, f32>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.found.insert(self.path.join("."), gradient.abs().max().into_scalar::<f32>());
            }
        }
    }
    let model = model.clone().train();
    let loss = model.loss(batch.clone(), NOW);
    let number = |value: Tensor<1>| if value.is_autodiff() { value.inner() } else { value }.into_scalar::<f32>();
    let mut values = BTreeMap::from([("total".to_owned(), number(loss.total.clone()))]);
    values.extend(loss.terms.into_iter().map(|(name, value)| (name.to_owned(), number(value))));
    let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
    let mut collect = Collect { path: Vec::new(), gradients: &gradients, found: BTreeMap::new() };
    model.visit(&mut collect);
    (values, collect.found)
}

/// Every parameter of the part has a gradient, or none has; those that the latent is made of have one, and all are finite.
fn gradients(model: &WorldModel, norms: &BTreeMap<String, f32>, part: &str) -> Result<(), String> {
    if let Some((name, norm)) = norms.iter().find(|(_, norm)| !norm.is_finite()) {
        return Err(format!("the gradient of {name} is {norm}"));
    }
    let own: Vec<String> = named_parameters(model)
        .into_iter()
        .filter(|named| part_of(&named.name) == part && !named.is_statistic())
        .map(|named| named.name)
        .collect();
    let without = own.iter().find(|name| !norms.contains_key(*name));
    match without {
        // A slow copy has none by design, and so has all of a target.
        Some(name) if part != "target" && !name.contains(".copy.") => Err(format!("no gradient reaches {name}")),
        _ => Ok(()),
    }
}

/// A model that is saved and loaded again is the same.
fn round_trip(parts: &Parts, config: &ModelConfig, model: &WorldModel) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| format!("the way through a file: {error}");
    let folder =
        std::env::temp_dir().join(format!("gedanken-part-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::create_dir_all(&folder).map_err(|error| words(&error))?;
    let statistics = Statistics {
        pixel_mean: vec![0.0; 2],
        pixel_std: vec![1.0; 2],
        stretch: false,
        label_mean: vec![0.0; 3],
        label_std: vec![1.0; 3],
        action_mean: Vec::new(),
        action_std: Vec::new(),
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let blueprint = Blueprint { version, model: config.clone(), spaces: SPACES, statistics, learned_from: Vec::new() };
    let loaded = save(&folder, model, &blueprint).and_then(|()| load(&folder, parts, &Device::flex()));
    let removed = std::fs::remove_dir_all(&folder);
    let (loaded, _) = loaded.map_err(|error| words(&error))?;
    removed.map_err(|error| words(&error))?;
    if named_parameters(&loaded) != named_parameters(model) {
        return Err("weights that were saved and loaded are others".to_owned());
    }
    let device = Device::flex();
    let same = losses(&loaded, &batch(&device)).0 == losses(model, &batch(&device)).0;
    same.then_some(()).ok_or_else(|| "the loss of a loaded model is another".to_owned())
}
