//! Recorded tasks, blocks of actions, and the rows that tell how hard they are.

use burn::tensor::{Device, Tensor};
use gedanken_data::{DataConfig, Source, SourceKind, Split};
use gedanken_env::Env;
use gedanken_eval::{
    CostRule, Draw, EvalConfig, EvalError, LabelCost, Labels, Nobody, Perceive, Planning, Row, Rule, Tasks, TasksFrom,
    Thinker, TrueWorld,
};
use gedanken_planner::{Cem, PlanConfig, Planner, World};

fn two_rooms() -> Box<dyn Env> {
    let entry = gedanken_two_rooms::entry();
    entry.make(&entry.defaults()).unwrap()
}

fn config() -> EvalConfig {
    EvalConfig { tasks_from: TasksFrom::Recorded, goal_offset: 12, budget: 20, ..EvalConfig::default() }
}

fn source(env: &dyn Env) -> std::sync::Arc<dyn Source> {
    let data = DataConfig { source: SourceKind::Stream, episode_steps: 40, ..DataConfig::default() };
    data.open_episodes(env, Split::Validation, 7).unwrap()
}

fn row<T>(all: &[T], index: usize, size: usize) -> &[T] {
    &all[index * size..][..size]
}

#[test]
fn a_recorded_task_starts_and_ends_where_its_episode_says() {
    let (env, config) = (two_rooms(), config());
    let source = source(env.as_ref());
    let tasks = Tasks::recorded(env.as_ref(), &config, 20, source.as_ref()).unwrap();
    let start = tasks.start();
    for (piece, env) in tasks.pieces().unwrap().iter().zip(start.envs()) {
        let episode = source.episode(piece.episode).unwrap();
        let (mut labels, mut goal) = (vec![0.0; 4], vec![0.0; 4]);
        env.labels(&mut labels);
        env.goal_labels(&mut goal);
        assert_eq!(labels, row(&episode.labels, piece.frame, 4));
        assert_eq!(goal, row(&episode.labels, piece.frame + 12, 4));
        assert_eq!(piece.actions, episode.actions[2 * piece.frame..][..24]);
    }
    let frames: std::collections::BTreeSet<usize> = tasks.pieces().unwrap().iter().map(|piece| piece.frame).collect();
    assert!(frames.len() > 8 && frames.iter().all(|frame| *frame <= 28), "{frames:?}");
}

#[test]
fn a_recorded_task_is_the_same_whatever_tasks_stand_beside_it() {
    let (env, config) = (two_rooms(), config());
    let source = source(env.as_ref());
    let pieces = |count| {
        let tasks = Tasks::recorded(env.as_ref(), &config, count, source.as_ref()).unwrap();
        tasks.pieces().unwrap().iter().map(|piece| (piece.episode, piece.frame)).collect::<Vec<_>>()
    };
    assert_eq!(pieces(3), pieces(9)[..3]);
}

#[test]
fn the_recorded_actions_arrive_when_the_recording_did_and_zero_actions_stay() {
    let (env, config) = (two_rooms(), config());
    let tasks = Tasks::recorded(env.as_ref(), &config, 30, source(env.as_ref()).as_ref()).unwrap();
    let replayed = tasks.run(&mut tasks.replay().unwrap()).unwrap();
    assert!(replayed.distances.iter().all(|d| d.len() == 21 && d[12] == 0.0 && d[20] == 0.0));
    let rested = tasks.run(&mut Nobody).unwrap();
    assert!(rested.distances.iter().all(|d| d.iter().all(|distance| *distance == d[0])));
    assert!(replayed.distances.iter().zip(&rested.distances).all(|(a, b)| a[0] == b[0]));
    let drawn = Tasks::of(env.as_ref(), &config, 1);
    assert!(matches!(drawn.replay(), Err(EvalError::Mismatch(_))));
}

#[test]
fn solved_tasks_are_drawn_again_when_that_is_asked_for_and_impossible_offsets_are_named() {
    let env = two_rooms();
    let source = source(env.as_ref());
    let starts = |config: &EvalConfig| {
        let tasks = Tasks::recorded(env.as_ref(), config, 60, source.as_ref())?;
        Ok::<_, EvalError>(tasks.start().distances())
    };
    let kept = EvalConfig { goal_offset: 6, ..config() };
    assert!(starts(&kept).unwrap().iter().any(|&distance| distance < 4.5));
    let skipped = EvalConfig { skip_solved: true, ..kept.clone() };
    let (kept, skipped) = (starts(&kept).unwrap(), starts(&skipped).unwrap());
    assert!(skipped.iter().all(|&distance| distance >= 4.5));
    assert!(kept.iter().zip(&skipped).all(|(a, b)| *a < 4.5 || a == b), "the others stay");
    let error = |config: EvalConfig| starts(&config).unwrap_err().to_string();
    assert!(error(EvalConfig { goal_offset: 41, ..config() }).starts_with("eval.goal_offset: 41; expected at most 40"));
    let never = EvalConfig { skip_solved: true, radius: Some(1e9), ..config() };
    assert!(error(never).starts_with("eval.skip_solved"));
}

/// Plans on the true simulator in blocks of `frameskip`.
fn planned(frameskip: usize, budget: usize) -> Vec<Vec<f64>> {
    let env = two_rooms();
    let world = TrueWorld::default();
    let objective = LabelCost { env: env.as_ref(), labels: Labels::Simulated, rule: CostRule::ToGo };
    let plan = PlanConfig { horizon: 4, replan_every: 2, ..PlanConfig::default() };
    let planner = Planner::new(Box::new(Cem::default()), plan).unwrap();
    let mut actor = Planning::new(Thinker {
        world: &world,
        objective: &objective,
        guardrails: &[],
        planner: &planner,
        frameskip,
        arrived: None,
    });
    let config = EvalConfig { budget, ..EvalConfig::default() };
    let mut plans = 0;
    let episodes = Tasks::of(env.as_ref(), &config, 6).watch(&mut actor, &mut |_| plans += 1).unwrap();
    assert_eq!(plans, budget + 1);
    // One plan for every two blocks, begun ones counted.
    assert_eq!(episodes.planned.unwrap().effort.plans as usize, budget.div_ceil(2 * frameskip));
    episodes.distances
}

#[test]
fn a_plan_of_blocks_is_executed_over_their_control_steps_and_leads_to_the_goal() {
    let blocks = planned(5, 83);
    assert!(blocks.iter().all(|distances| distances.len() == 84));
    let arrived = blocks.iter().filter(|distances| distances[83] < 4.5).count();
    assert!(arrived >= 5, "{arrived} of 6");
    for distances in blocks {
        assert!(distances.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 2.46), "one action at a time");
    }
}

#[test]
fn blocks_of_one_are_single_steps() {
    // What the planner did before there were blocks: act at every step, with the steps that are left.
    let env = two_rooms();
    let world = TrueWorld::default();
    let objective = LabelCost { env: env.as_ref(), labels: Labels::Simulated, rule: CostRule::ToGo };
    let plan = PlanConfig { horizon: 4, replan_every: 2, ..PlanConfig::default() };
    let planner = Planner::new(Box::new(Cem::default()), plan).unwrap();
    let space = env.spec().action.clone();
    let bounds = gedanken_planner::Bounds::new(space.low, space.high, space.max_norm).unwrap();
    let config = EvalConfig { budget: 9, ..EvalConfig::default() };
    let mut many = Tasks::of(env.as_ref(), &config, 6).start();
    let seeds = (0..6).map(|task| gedanken_env::derive_seed(config.seed, &[task, 2])).collect();
    let mut agent = gedanken_planner::Agent::new(planner, bounds, seeds).unwrap();
    let goals = world.goals(&many);
    let mut distances: Vec<Vec<f64>> = many.distances().into_iter().map(|d| vec![d]).collect();
    for step in 0..9 {
        let actions = agent.act(&world, &objective, &[], &|| world.present(&many), &goals, 9 - step).unwrap();
        many.step(&actions);
        distances.iter_mut().zip(many.distances()).for_each(|(all, now)| all.push(now));
    }
    assert_eq!(planned(1, 9), distances);
}

#[test]
fn the_simulator_rolls_blocks_out() {
    let env = two_rooms();
    let actions: Vec<f32> = (0..3 * 2 * 5 * 2).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
    let last = |frameskip: usize| {
        let many = Tasks::of(env.as_ref(), &EvalConfig::default(), 3).start();
        let world = TrueWorld::default();
        let start = world.present(&many);
        let actions = Tensor::<1>::from_data(actions.as_slice(), &Device::flex());
        let future = world.rollout(start, actions.reshape([3, 10 / frameskip, 2 * frameskip]));
        let steps = future.dims()[1];
        future.narrow(1, steps - 1, 1).into_data().try_to_vec::<f32>().unwrap()
    };
    assert_eq!(last(1), last(5));
}

#[test]
fn other_rules_are_reported_beside_the_tasks_own() {
    let distances = vec![vec![9.0, 1.0, 9.0], vec![9.0, 9.0, 9.0], vec![9.0, 9.0, 1.0], vec![1.0, 9.0, 9.0]];
    let other = gedanken_eval::Other { name: "block".into(), radius: 2.0, distances: distances.clone() };
    let episodes = gedanken_eval::Episodes { distances, others: vec![other], ..Default::default() };
    let row = Row::of("", "", &episodes, Rule::Ever, 0.5, 0.0);
    let other = &row.others[0];
    assert_eq!((row.success, other.success, other.success_final, other.success_ever), (0.0, 0.75, 0.25, 0.75));
    assert_eq!(other.interval, gedanken_eval::wilson(3, 4));
    assert_eq!(other.to_string(), "block 75.0 % (30-95)");
}

/// Episodes of given lengths in Two-Rooms, in which nothing moves.
struct Few(Vec<usize>);

impl Source for Few {
    fn batch(&self, _: u64) -> Result<gedanken_data::Batch, gedanken_data::DataError> {
        unreachable!("no batch is asked for")
    }

    fn episode(&self, index: u64) -> Result<gedanken_data::Episode, gedanken_data::DataError> {
        let (mut env, frames) = (two_rooms(), self.0[index as usize % self.0.len()]);
        env.reset(index % self.0.len() as u64);
        let mut state = vec![0.0; env.spec().state.len()];
        env.state(&mut state);
        Ok(gedanken_data::Episode {
            states: state.repeat(frames),
            actions: vec![0.0; 2 * (frames - 1)],
            labels: vec![0.0; 4 * frames],
            eventful: vec![false; frames],
            ..Default::default()
        })
    }

    fn lengths(&self) -> Option<Vec<usize>> {
        Some(self.0.clone())
    }
}

/// Episode and frame of every task.
fn places(config: &EvalConfig, count: usize, source: &Few) -> (Vec<(u64, usize)>, Vec<String>) {
    let env = two_rooms();
    let tasks = Tasks::recorded(env.as_ref(), config, count, source).unwrap();
    assert_eq!(tasks.count, tasks.start().len());
    let places = tasks.pieces().unwrap().iter().map(|piece| (piece.episode, piece.frame)).collect();
    (places, tasks.remarks().to_vec())
}

/// The draws of before tasks had to be different: for task `i` the first.
fn drawn(config: &EvalConfig, task: u64, source: &Few) -> (u64, usize) {
    let random = |what: u64| gedanken_env::derive_seed(config.seed, &[task, 5, 0, what]);
    let episode = random(0) % source.0.len() as u64;
    (episode, random(1) as usize % (source.0[episode as usize] - config.goal_offset))
}

#[test]
fn a_task_that_another_one_is_already_is_drawn_again_and_all_others_stay() {
    let (config, source) = (EvalConfig { goal_offset: 5, ..config() }, Few(vec![15; 20]));
    let (found, remarks) = places(&config, 60, &source);
    assert_eq!(found.iter().collect::<std::collections::BTreeSet<_>>().len(), 60, "all are different");
    let mut seen = std::collections::BTreeSet::new();
    let mut again = 0;
    for (task, place) in found.iter().enumerate() {
        let first = drawn(&config, task as u64, &source);
        if seen.contains(&first) {
            again += 1;
        } else {
            assert_eq!(*place, first, "task {task}");
        }
        seen.insert(*place);
    }
    assert!((3..20).contains(&again) && remarks.is_empty(), "{again} of 60 among 200, {remarks:?}");
    assert_eq!(places(&config, 25, &source).0, found[..25], "whatever follows");
}

#[test]
fn where_there_are_too_few_pieces_every_one_is_a_task_once() {
    let (config, source) = (EvalConfig { goal_offset: 5, ..config() }, Few(vec![5, 6, 7, 3]));
    let (mut found, remarks) = places(&config, 100, &source);
    assert_eq!(places(&config, 2, &source).0, found[..2]);
    found.sort_unstable();
    assert_eq!(found, [(1, 0), (2, 0), (2, 1)]);
    let said = [
        "3 tasks and not 100: no other piece of 5 control steps",
        "2 of 4 episodes are no longer than 5 control steps",
    ];
    assert!(
        remarks.len() == 2 && said.iter().zip(&remarks).all(|(said, remark)| remark.starts_with(said)),
        "{remarks:?}"
    );
    // Thousands, to the last one.
    let source = Few(vec![55; 60]);
    let (found, remarks) = places(&config, 3000, &source);
    assert_eq!((found.iter().collect::<std::collections::BTreeSet<_>>().len(), remarks.len()), (3000, 0));
}

#[test]
fn a_draw_of_frames_gives_a_long_episode_more_tasks_than_a_short_one() {
    let source = Few([vec![6; 9], vec![1005]].concat());
    let share = |draw| {
        let config = EvalConfig { goal_offset: 5, draw, ..config() };
        let (found, _) = places(&config, 100, &source);
        found.iter().filter(|(episode, _)| *episode == 9).count()
    };
    // Nine pieces in nine short episodes, a thousand in the long one.
    assert_eq!(share(Draw::Episodes), 91);
    assert!(share(Draw::Frames) >= 96, "{}", share(Draw::Frames));
}
