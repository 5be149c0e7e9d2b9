//! The ladder of blame: true dynamics with a model's eyes, and which part of a model its rows blame.

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_env::{Env, Many};
use gedanken_eval::{
    Blame, Episodes, EvalConfig, LearnedWorld, Part, Perceive, Row, Rule, Tasks, TrueDynamics, Unnumbered,
};
use gedanken_model::{ModelConfig, Parts, Statistics, WorldModel};
use gedanken_nn::Spaces;
use gedanken_planner::{ActionCost, LatentDistance, Objective, Trajectory, World};
use serde_json::json;

fn two_rooms() -> Box<dyn Env> {
    let entry = gedanken_two_rooms::entry();
    entry.make(&entry.defaults()).unwrap()
}

/// A model and what it needs to see.
struct Seer {
    model: WorldModel,
    statistics: Statistics,
    device: Device,
}

impl Seer {
    fn eyes(&self) -> LearnedWorld<'_> {
        LearnedWorld { model: &self.model, statistics: &self.statistics, device: &self.device }
    }
}

/// A small model that has learned nothing, of blocks of two actions; it feels the agent's place.
fn seer(env: &dyn Env) -> Seer {
    let config = json!({
        "encoder": { "kind": "patch", "patch": 13, "width": 8, "groups": 2, "dim": 4 },
        "predictor": { "kind": "conv", "width": 8, "groups": 2 },
        "loss": {},
    });
    let config: ModelConfig = serde_json::from_value(config).unwrap();
    let space = env.spec().observation;
    let spaces = Spaces {
        pixels: [space.channels, space.height, space.width],
        action: 2 * env.spec().action.len(),
        labels: env.spec().label_len(),
        proprioception: vec![0, 1],
    };
    let statistics = Statistics {
        pixel_mean: vec![0.1; space.channels],
        pixel_std: vec![0.3; space.channels],
        stretch: false,
        label_mean: vec![32.0; 4],
        label_std: vec![20.0; 4],
        action_mean: Vec::new(),
        action_std: Vec::new(),
    };
    let device = Device::flex();
    Seer { model: WorldModel::new(&Parts::default().plan(&config).unwrap(), spaces, 1, &device), statistics, device }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Three rows, of environments 1, 0 and 1, with other actions each: three blocks of two.
fn rows(latents: &Tensor<3>) -> (Tensor<3>, Vec<f32>, Tensor<3>) {
    let start = latents.clone().select(0, Tensor::from_data([1, 0, 1], &Device::flex()));
    let actions: Vec<f32> = (0..3 * 3 * 4).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
    let blocks = Tensor::from_data(TensorData::new(actions.clone(), [3, 3, 4]), &Device::flex());
    (start, actions, blocks)
}

#[test]
fn true_dynamics_imagine_what_the_encoder_sees_of_the_true_future() {
    let env = two_rooms();
    let seer = seer(env.as_ref());
    let world = TrueDynamics::new(seer.eyes());
    let start = Tasks::of(env.as_ref(), &EvalConfig::default(), 2).start();
    let (latents, actions, blocks) = rows(&world.present(&start));
    let [_, tokens, dim] = latents.dims();
    assert_eq!(tokens, seer.model.latent_shape().tokens() + 1, "one token holds the number of the environment");

    let future = world.rollout(latents.clone(), blocks.clone());
    assert_eq!(future.dims(), [3, 3, tokens, dim]);
    let mut truth = start.select(&[1, 0, 1]);
    for block in 0..3 {
        for step in 0..2 {
            let action = |row: usize| actions[row * 12 + block * 4 + step * 2..][..2].to_vec();
            truth.step(&(0..3).flat_map(action).collect::<Vec<_>>());
        }
        let imagined = future.clone().narrow(1, block, 1).squeeze_dim::<3>(1);
        assert_eq!(numbers(imagined.clone().narrow(1, 0, 1).narrow(2, 0, 1)), [1.0, 0.0, 1.0]);
        assert_eq!(numbers(imagined.narrow(1, 1, tokens - 1)), numbers(seer.eyes().present(&truth)), "block {block}");
    }
    let last = future.narrow(1, 2, 1).squeeze_dim::<3>(1);
    assert_eq!(numbers(world.destination(latents, blocks)), numbers(last));
}

#[test]
fn nobody_knows_the_future_of_an_environment_that_was_not_shown() {
    let env = two_rooms();
    let seer = seer(env.as_ref());
    let world = TrueDynamics::new(seer.eyes());
    let two = world.present(&Tasks::of(env.as_ref(), &EvalConfig::default(), 2).start());
    world.present(&Many::new(vec![env]));
    let (latents, _, blocks) = rows(&two);
    assert!(numbers(world.rollout(latents.clone(), blocks.clone())).iter().all(|x| x.is_nan()));
    assert!(numbers(world.destination(latents, blocks)).iter().all(|x| x.is_nan()));
}

#[test]
fn an_objective_does_not_see_the_numbers_of_environments() {
    let env = two_rooms();
    let seer = seer(env.as_ref());
    let (world, start) = (TrueDynamics::new(seer.eyes()), Tasks::of(env.as_ref(), &EvalConfig::default(), 2).start());
    let distance = LatentDistance::default();
    let now = |latents: Tensor<3>| latents.unsqueeze_dim::<4>(1);
    assert_eq!(
        numbers(Unnumbered(&distance).energy(now(world.present(&start)), world.goals(&start))),
        numbers(distance.energy(now(seer.eyes().present(&start)), seer.eyes().goals(&start)))
    );
    let effort = ActionCost { effort: 1.0, smoothness: 0.0, dims: 2 };
    let (start, _, actions) = rows(&world.present(&start));
    let way = Trajectory { latents: world.rollout(start.clone(), actions.clone()), start, actions };
    let cost = |objective: &dyn Objective| numbers(objective.way_cost(&way).unwrap());
    assert_eq!(cost(&Unnumbered(&effort)), cost(&effort));
}

/// Rows that do as many of 40 tasks as it says, the same ones first; a task is done at a distance below 1.
fn blame(rows: &[(&str, usize)]) -> (Vec<Part>, String) {
    let row = |&(name, done): &(&str, usize)| {
        let distances = (0..40).map(|task| vec![9.0, if task < done { 0.5 } else { 5.0 }]).collect();
        Row::of(name, "", &Episodes { distances, ..Episodes::default() }, Rule::Final, 1.0, 0.0)
    };
    let rows: Vec<Row> = rows.iter().map(row).collect();
    let Blame { parts, sentence } = Blame::of(&rows, Rule::Final, 1.0).unwrap();
    (parts, sentence)
}

#[test]
fn the_part_with_the_largest_drop_is_blamed() {
    let ladder = |simulator, dynamics, model| {
        blame(&[("model", model), ("simulator-true", simulator), ("true-dynamics", dynamics)])
    };
    let (parts, sentence) = ladder(39, 37, 10);
    assert_eq!(parts, [Part::Predictor]);
    assert_eq!(
        sentence,
        "The predictor holds this model back: with true dynamics in its place 92 %, with its own 25 %."
    );
    let (parts, sentence) = ladder(40, 16, 10);
    assert_eq!(parts, [Part::Encoder, Part::Objective]);
    let expected = "The encoder or the objective holds this model back: with true states and the true cost in their place 100 %, \
                    with their own 40 %.";
    assert_eq!(sentence, expected);
    let (parts, sentence) = ladder(16, 14, 10);
    assert_eq!(parts, [Part::Planner]);
    assert_eq!(sentence, "The planner holds this model back: simulator-true reaches 40 %.");
}

#[test]
fn the_objective_is_blamed_where_the_true_cost_alone_makes_up_for_it() {
    let rows = |cost| [("model", 12), ("simulator-true", 40), ("true-dynamics", 14), ("model-true-cost", cost)];
    let (parts, sentence) = blame(&rows(36));
    assert_eq!(parts, [Part::Objective]);
    assert_eq!(
        sentence,
        "The objective holds this model back: with the true cost in its place 90 %, with its own 30 %."
    );
    assert_eq!(blame(&rows(13)).0, [Part::Encoder, Part::Objective]);
}

#[test]
fn without_the_true_dynamics_the_sentence_says_how_to_tell_more() {
    let rows = |cost| [("model", 10), ("simulator-plain", 38), ("model-plain-cost", cost)];
    let (parts, sentence) = blame(&rows(12));
    assert_eq!(parts, [Part::Encoder, Part::Predictor, Part::Probe]);
    assert!(
        sentence.ends_with("in their place 95 %, with their own 30 %; eval.ladder = true says which."),
        "{sentence}"
    );
    let (parts, sentence) = blame(&rows(38));
    assert_eq!(parts, [Part::Objective]);
    assert!(sentence.contains("with the plain distance in its place 95 %, with its own 25 %."), "{sentence}");
}

#[test]
fn a_drop_that_chance_explains_blames_nobody() {
    let (parts, sentence) = blame(&[("model", 34), ("simulator-true", 38), ("true-dynamics", 36)]);
    assert_eq!(parts, []);
    let expected = "No part stands out: simulator-true 95 %, true-dynamics 90 %, model 85 % differ by no more than chance (n = 40).";
    assert_eq!(sentence, expected);
    let (parts, sentence) = blame(&[("model", 40), ("simulator-true", 40)]);
    assert_eq!((parts, sentence.as_str()), (vec![], "Nothing holds this model back: it does all 40 tasks."));
}

#[test]
fn a_simulator_under_a_bad_cost_is_no_ceiling() {
    let (parts, sentence) = blame(&[("model", 24), ("simulator-plain", 12), ("true-dynamics", 40)]);
    assert_eq!(parts, [Part::Predictor]);
    assert!(sentence.contains("with true dynamics in its place 100 %, with its own 60 %"), "{sentence}");
    let (_, sentence) = blame(&[("model", 12), ("simulator-plain", 16)]);
    let expected =
        "The planner holds this model back, if the plain distance is a fair cost: simulator-plain reaches 40 %.";
    assert_eq!(sentence, expected);
}

#[test]
fn rows_that_know_no_more_than_the_model_blame_nobody() {
    let row =
        Row::of("model", "", &Episodes { distances: vec![vec![5.0]], ..Episodes::default() }, Rule::Final, 1.0, 0.0);
    assert_eq!(Blame::of(&[row], Rule::Final, 1.0), None);
}
