//! The time of a step, a frame, a reset and a window of 17 frames.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use gedanken_env::{Env, Many, rng};
use gedanken_maze::{Mazes, Options};

fn main() {
    divan::main();
}

const FRAMES: usize = 17;
const FRAME: usize = 3 * 64 * 64;

fn env() -> Mazes {
    Mazes::new(Options::default()).expect("the default options are good")
}

/// One step of four substeps, without its policy.
#[divan::bench]
fn step(bencher: Bencher) {
    let mut env = env();
    let (mut policy, mut rng) = (env.policy("random").expect("a policy"), rng(0, &[]));
    policy.begin(&mut env, &mut rng);
    let mut actions = vec![[0.0; 2]; 1024];
    actions.iter_mut().for_each(|action| policy.act(&env, &mut rng, action));
    bencher.counter(ItemsCount::new(actions.len())).bench_local(|| {
        actions.iter().for_each(|action| env.step(black_box(action)));
    });
}

/// One picture.
#[divan::bench]
fn frame(bencher: Bencher) {
    let env = env();
    let mut pixels = vec![0; FRAME];
    bencher.bench_local(|| black_box(&env).observe(black_box(&mut pixels)));
}

/// A new layout, drawn by the generator, with its start and goal and the picture of its walls.
#[divan::bench(args = [4, 8])]
fn reset(bencher: Bencher, cells: usize) {
    let mut env = Mazes::new(Options { cells, ..Options::default() }).expect("good options");
    let mut seed = 0;
    bencher.bench_local(|| {
        seed += 1;
        env.reset(black_box(seed));
    });
}

/// A training sample: a layout of the training set, a start, and 17 frames of random forces, simulated and drawn.
#[divan::bench]
fn window(bencher: Bencher) {
    let mut env =
        Mazes::new(Options { layouts: gedanken_maze::Layouts::Train, ..Options::default() }).expect("good options");
    let (mut policy, mut rng) = (env.policy("random").expect("a policy"), rng(0, &[]));
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

/// The true cost-to-go from a place to the goal of the time before.
#[divan::bench]
fn cost_to_go(bencher: Bencher) {
    let env = env();
    let (mut labels, mut goal) = (vec![0.0; 20], vec![0.0; 20]);
    env.labels(&mut labels);
    env.goal_labels(&mut goal);
    bencher.bench_local(|| env.cost_to_go(black_box(&labels), black_box(&goal)));
}

/// A step and a picture of each of many environments, on all cores.
#[divan::bench(args = [16, 256, 4096])]
fn many(bencher: Bencher, envs: usize) {
    let mut many = Many::new((0..envs).map(|_| Box::new(env()) as Box<dyn Env>).collect());
    many.envs_mut().iter_mut().zip(0..).for_each(|(env, seed)| env.reset(seed));
    let actions = vec![0.7; envs * 2];
    let mut pixels = vec![0; envs * FRAME];
    bencher.counter(ItemsCount::new(envs)).bench_local(|| {
        many.step(black_box(&actions));
        many.observe(black_box(&mut pixels));
    });
}
