//! The true cost-to-go against laws, against brute force, and against walking it.

use gedanken_env::{Env, Policy, Rng, rng};
use gedanken_two_rooms::{Options, Task, TwoRooms};
use rand::RngExt;

fn env() -> TwoRooms {
    TwoRooms::new(Options { task: Task::Any, expert_step: 2.45, ..Options::default() }).unwrap()
}

fn rows(env: &TwoRooms) -> ([f32; 4], [f32; 4]) {
    let (mut labels, mut goal) = ([0.0; 4], [0.0; 4]);
    env.labels(&mut labels);
    env.goal_labels(&mut goal);
    (labels, goal)
}

/// A free place of the layout, often in the door or beside the wall.
fn place(env: &TwoRooms, layout: [f32; 4], rng: &mut Rng) -> [f32; 4] {
    loop {
        let near: bool = rng.random();
        let mut draw = |low: f32, high: f32| low + (high - low) * rng.random::<f32>();
        let x = if near { draw(layout[2] - 3.0, layout[2] + 3.0) } else { draw(4.1, 59.9) };
        let y = if near { draw(layout[3] - 8.0, layout[3] + 8.0).clamp(4.1, 59.9) } else { draw(4.1, 59.9) };
        if env.rooms().free([x.into(), y.into()]) {
            return [x, y, layout[2], layout[3]];
        }
    }
}

#[test]
fn it_is_a_distance_that_is_never_below_the_straight_line() {
    let mut env = env();
    let mut rng = rng(1, &[]);
    let mut longer = 0;
    for seed in 0..20_000 {
        env.reset(seed);
        let layout = rows(&env).0;
        let [a, b, c] = [(); 3].map(|()| place(&env, layout, &mut rng));
        let length = |a, b| env.path_length(a, b);
        assert!((length(&a, &b) - length(&b, &a)).abs() < 1e-9, "{a:?} {b:?}");
        assert!(length(&a, &c) <= length(&a, &b) + length(&b, &c) + 1e-9, "{a:?} {b:?} {c:?}");
        assert!(length(&a, &b) >= env.plain_distance(&a, &b).unwrap() - 1e-9, "{a:?} {b:?}");
        assert!(length(&a, &b).is_finite() && length(&a, &a) == 0.0);
        longer += usize::from(length(&a, &b) > env.plain_distance(&a, &b).unwrap() + 1e-9);
    }
    assert!(longer > 4000, "only {longer} of 20000 went around a corner");
}

/// Brute force: the best of a fine grid of places at the two faces of the wall.
#[test]
fn it_is_the_shortest_of_all_ways_through_the_door() {
    let mut env = env();
    let mut rng = rng(2, &[]);
    for seed in 0..300 {
        env.reset(seed);
        let layout = rows(&env).0;
        let [a, b] = [(); 2].map(|()| place(&env, layout, &mut rng));
        let rooms = env.rooms();
        let point = |row: [f32; 4]| [f64::from(row[0]), f64::from(row[1])];
        let (from, to) = if a[0] <= b[0] { (point(a), point(b)) } else { (point(b), point(a)) };
        let gates: Vec<f64> = rooms
            .faces
            .into_iter()
            .enumerate()
            .filter(|&(i, face)| if i == 0 { from[0] <= face && to[0] > face } else { from[0] < face && to[0] >= face })
            .map(|(_, face)| face)
            .collect();
        const N: usize = 400;
        let mut best = vec![(from, 0.0)];
        for gate in gates.into_iter().map(Some).chain([None]) {
            let next = |i: usize| {
                let row = rooms.door[0] + (rooms.door[1] - rooms.door[0]) * i as f64 / N as f64;
                gate.map_or(to, |gate| [gate, row])
            };
            best = (0..=if gate.is_some() { N } else { 0 })
                .map(|i| {
                    let p: [f64; 2] = next(i);
                    let cost = |&(q, cost): &([f64; 2], f64)| cost + (p[0] - q[0]).hypot(p[1] - q[1]);
                    (p, best.iter().map(cost).fold(f64::INFINITY, f64::min))
                })
                .collect();
        }
        let (brute, found) = (best[0].1, env.path_length(&a, &b));
        assert!(found <= brute + 1e-9 && found >= brute - 1e-3, "{a:?} {b:?}: {found}, brute force {brute}");
    }
}

#[test]
fn walking_to_the_goal_takes_about_as_many_steps() {
    let mut env = env();
    let mut rng = rng(3, &[]);
    for seed in 0..2000 {
        env.reset(seed);
        let mut expert: Box<dyn Policy> = env.policy("expert").unwrap();
        let (labels, goal) = rows(&env);
        let cost = env.cost_to_go(&labels, &goal).unwrap();
        expert.begin(&mut env, &mut rng);
        let mut steps = 0;
        while env.distance() > 1e-3 && steps < 100 {
            let mut action = [0.0; 2];
            expert.act(&env, &mut rng, &mut action);
            env.step(&action);
            steps += 1;
        }
        let steps = f64::from(steps);
        assert!(steps >= cost - 1e-3 && steps <= cost + 3.0, "seed {seed}: {steps} steps for a cost-to-go of {cost}");
    }
}

#[test]
fn the_expert_reaches_any_goal_from_any_place() {
    let mut env = env();
    let mut rng = rng(4, &[]);
    for seed in 0..3000 {
        env.reset(seed);
        let layout = rows(&env).0;
        let [a, b] = [(); 2].map(|()| place(&env, layout, &mut rng).map(f64::from));
        env.set_state(&[a[0], a[1], a[2], a[3], b[0], b[1], 0.0]).unwrap();
        let mut expert = env.policy("expert").unwrap();
        for _ in 0..100 {
            let mut action = [0.0; 2];
            expert.act(&env, &mut rng, &mut action);
            env.step(&action);
        }
        assert!(env.distance() < 1e-3, "seed {seed}: from {a:?} to {b:?}, left {}", env.distance());
    }
}

#[test]
fn any_labels_have_a_cost() {
    let env = env();
    let mut rng = rng(5, &[]);
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0, 4.0, 60.0, 31.0, 32.0, 33.0, 28.0];
    for _ in 0..100_000 {
        let mut row = || -> [f32; 4] {
            [(); 4]
                .map(|()| if rng.random() { wild[rng.random_range(0..wild.len())] } else { rng.random::<f32>() * 64.0 })
        };
        let (labels, goal) = (row(), row());
        let cost = env.cost_to_go(&labels, &goal).unwrap();
        assert!((0.0..200.0 / 2.45).contains(&cost), "{labels:?} {goal:?}: {cost}");
    }
}
