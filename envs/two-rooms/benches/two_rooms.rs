//! How long a step, a frame and a window of 17 frames take; compare `benches/peers/two_rooms_numpy.py`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use gedanken_env::{Env, Many, Policy, Rng, rng};
use gedanken_two_rooms::{Options, Rule, TwoRooms};

fn main() {
    divan::main();
}

const FRAMES: usize = 17;
const FRAME: usize = 2 * 65 * 65;

fn env(rule: Rule) -> TwoRooms {
    TwoRooms::new(Options { rule, ..Options::default() }).expect("the default options are good")
}

fn walk(env: &mut TwoRooms) -> (Box<dyn Policy>, Rng) {
    let (mut policy, mut rng) = (env.policy("heading").expect("a policy"), rng(0, &[]));
    policy.begin(env, &mut rng);
    (policy, rng)
}

/// One step of a random walk, without its policy.
#[divan::bench(args = [Rule::Stop, Rule::Bounce])]
fn step(bencher: Bencher, rule: Rule) {
    let mut env = env(rule);
    let (mut policy, mut rng) = walk(&mut env);
    let mut actions = vec![[0.0; 2]; 1024];
    actions.iter_mut().for_each(|action| policy.act(&env, &mut rng, action));
    bencher.counter(ItemsCount::new(actions.len())).bench_local(|| {
        actions.iter().for_each(|action| env.step(black_box(action)));
    });
}

/// One picture.
#[divan::bench]
fn frame(bencher: Bencher) {
    let mut env = env(Rule::Stop);
    env.reset(1);
    let mut pixels = vec![0; FRAME];
    bencher.bench_local(|| black_box(&env).observe(black_box(&mut pixels)));
}

/// What a training sample costs: a new layout, a start, and 17 frames of a heading walk, simulated and drawn.
#[divan::bench]
fn window(bencher: Bencher) {
    let mut env = env(Rule::Stop);
    let (mut policy, mut rng) = walk(&mut env);
    let mut pixels = vec![0; FRAMES * FRAME];
    let mut seed = 0;
    bencher.bench_local(|| {
        seed += 1;
        env.reset(seed);
        policy.begin(&mut env, &mut rng);
        for frame in pixels.chunks_exact_mut(FRAME) {
            env.observe(frame);
            let mut action = [0.0; 2];
            policy.act(&env, &mut rng, &mut action);
            env.step(&action);
        }
        black_box(&mut pixels);
    });
}

/// The true cost-to-go between two positions.
#[divan::bench]
fn cost_to_go(bencher: Bencher) {
    let env = env(Rule::Stop);
    bencher.bench_local(|| env.cost_to_go(black_box(&[10.0, 50.0, 32.0, 18.0]), black_box(&[50.0, 40.0, 32.0, 18.0])));
}

/// A step and a picture of each of many environments, on all cores.
#[divan::bench(args = [16, 256, 4096])]
fn many(bencher: Bencher, envs: usize) {
    let mut many = Many::new((0..envs).map(|_| Box::new(env(Rule::Stop)) as Box<dyn Env>).collect());
    many.envs_mut().iter_mut().zip(0..).for_each(|(env, seed)| env.reset(seed));
    let actions = vec![0.7; envs * 2];
    let mut pixels = vec![0; envs * FRAME];
    bencher.counter(ItemsCount::new(envs)).bench_local(|| {
        many.step(black_box(&actions));
        many.observe(black_box(&mut pixels));
    });
}
