//! The time of a step, a frame and an action of the expert.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use gedanken_car::{Options, Parking};
use gedanken_env::{Env, rng};

fn main() {
    divan::main();
}

fn env() -> Parking {
    Parking::new(Options::default()).expect("the default options are good")
}

/// One step, without its policy.
#[divan::bench]
fn step(bencher: Bencher) {
    let mut env = env();
    let (mut policy, mut rng) = (env.policy("drive").expect("a policy"), rng(0, &[]));
    policy.begin(&mut env, &mut rng);
    let mut actions = vec![[0.0; 2]; 1024];
    for action in &mut actions {
        policy.act(&env, &mut rng, action);
        env.step(action);
    }
    bencher.counter(ItemsCount::new(actions.len())).bench_local(|| {
        actions.iter().for_each(|action| env.step(black_box(action)));
    });
}

/// One picture.
#[divan::bench]
fn frame(bencher: Bencher) {
    let env = env();
    let mut pixels = vec![0; 3 * 64 * 64];
    bencher.bench_local(|| black_box(&env).observe(black_box(&mut pixels)));
}

/// One action of the expert.
#[divan::bench]
fn expert(bencher: Bencher) {
    let env = env();
    let (mut policy, mut rng) = (env.policy("expert").expect("a policy"), rng(0, &[]));
    let mut action = [0.0; 2];
    bencher.bench_local(|| policy.act(black_box(&env), &mut rng, &mut action));
}
