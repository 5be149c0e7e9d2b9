//! One core: control steps and pictures. `benches/peers/push_t.sh` puts pymunk and gym-pusht beside them.

use divan::{Bencher, counter::ItemsCount};
use gedanken_env::Env;
use gedanken_push_t::{Options, PushT};

fn main() {
    divan::main();
}

/// Control steps of an episode: the start and the pushes of `benches/peers/push_t_pymunk.py`.
const STEPS: usize = 100;

fn start(size: usize) -> (PushT, Vec<[f32; 2]>) {
    let mut env = PushT::new(Options { size, ..Options::default() }).unwrap();
    env.set_state(&[200.0, 300.0, 256.0, 300.0, 0.7, 0.0, 0.0]).unwrap();
    let pushes = (0..STEPS).map(|t| [0.3 * (1.3 * t as f32).sin(), 0.3 * (0.7 * t as f32).cos()]);
    (env, pushes.collect())
}

#[divan::bench]
fn control_steps(bencher: Bencher) {
    let (env, actions) = start(64);
    bencher.counter(ItemsCount::new(STEPS)).with_inputs(|| env.clone()).bench_local_values(|mut env| {
        actions.iter().for_each(|action| env.step(action));
        env
    });
}

#[divan::bench(args = [64, 96, 224])]
fn picture(bencher: Bencher, size: usize) {
    let (env, _) = start(size);
    let mut pixels = vec![0; 3 * size * size];
    bencher.bench_local(|| env.observe(&mut pixels));
}
