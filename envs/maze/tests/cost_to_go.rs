//! The true cost-to-go against laws, against brute force, and against rolling it.

use std::collections::BinaryHeap;

use gedanken_env::{Env, Rng, rng};
use gedanken_maze::{Maze, Mazes, Options};
use rand::RngExt;

fn env(cells: usize) -> Mazes {
    Mazes::new(Options { cells, ..Options::default() }).unwrap()
}

fn rows(env: &Mazes) -> (Vec<f32>, Vec<f32>) {
    let (mut labels, mut goal) = (vec![0.0; env.spec().label_len()], vec![0.0; env.spec().label_len()]);
    env.labels(&mut labels);
    env.goal_labels(&mut goal);
    (labels, goal)
}

/// At least `margin` away from all walls, with square corners.
fn clear(maze: Maze, [x, y]: [f64; 2], margin: f64) -> bool {
    [-margin, margin].iter().all(|right| {
        [-margin, margin].iter().all(|down| maze.free((x + right).floor() as i64, (y + down).floor() as i64))
    })
}

/// The labels of a place of the ball in the maze.
fn place(env: &Mazes, rng: &mut Rng) -> Vec<f32> {
    let mut row = rows(env).0;
    let cells = env.maze().cells as f32;
    loop {
        [row[0], row[1]] = [(); 2].map(|()| cells * rng.random::<f32>());
        if clear(env.maze(), [row[0].into(), row[1].into()], 0.1) {
            return row;
        }
    }
}

#[test]
fn it_is_a_distance_that_is_never_below_the_straight_line() {
    let mut rng = rng(1, &[]);
    for (cells, resets) in [(4, 3000), (8, 30)] {
        let mut env = env(cells);
        let mut longer = 0;
        for seed in 0..resets {
            env.reset(seed);
            let [a, b, c] = [(); 3].map(|()| place(&env, &mut rng));
            let length = |a: &[f32], b: &[f32]| env.path_length(a, b);
            assert!((length(&a, &b) - length(&b, &a)).abs() < 1e-6, "{a:?} {b:?}");
            assert!(length(&a, &c) <= length(&a, &b) + length(&b, &c) + 1e-6, "{a:?} {b:?} {c:?}");
            assert!(length(&a, &b) >= env.plain_distance(&a, &b).unwrap() - 1e-6, "{a:?} {b:?}");
            assert!(length(&a, &b).is_finite() && length(&a, &a) == 0.0);
            longer += usize::from(length(&a, &b) > env.plain_distance(&a, &b).unwrap() + 1e-6);
        }
        assert!(longer > resets as usize / 4, "only {longer} of {resets} went around a corner");
    }
}

/// Brute force: Dijkstra's algorithm on a grid of 16 places a cell with moves to all places up to three away on each axis. A grid's ways
/// are longer than the shortest, by 1.4 % at most with such moves, and a corner of a wall may lie between its places.
#[test]
fn it_is_as_long_as_the_best_way_on_a_fine_grid() {
    const FINE: i64 = 16;
    let mut rng = rng(2, &[]);
    let mut env = env(4);
    for seed in 0..12 {
        env.reset(seed);
        let maze = env.maze();
        // Places in the middle of a grid's squares: the first one clear is 1.5 / 16 = 0.094 from a wall.
        let at = |i: i64| (i as f64 + 0.5) / FINE as f64;
        let free = |x: i64, y: i64| clear(maze, [at(x), at(y)], 1.5 / FINE as f64 - 1e-9);
        let side = 4 * FINE;
        let start = loop {
            let [x, y] = [(); 2].map(|()| rng.random_range(0..side));
            if free(x, y) {
                break (x, y);
            }
        };
        let mut best = vec![f64::INFINITY; (side * side) as usize];
        best[(start.1 * side + start.0) as usize] = 0.0;
        let mut queue = BinaryHeap::from([(std::cmp::Reverse(0u64), start)]);
        while let Some((_, (x, y))) = queue.pop() {
            let here = best[(y * side + x) as usize];
            for (right, down) in (-3..=3).flat_map(|right| (-3..=3).map(move |down| (right, down))) {
                let (to_x, to_y) = (x + right, y + down);
                let between = (1..=6).all(|part| {
                    let share = part as f64 / 6.0;
                    let point = [at(x) + share * right as f64 / FINE as f64, at(y) + share * down as f64 / FINE as f64];
                    clear(maze, point, 1.5 / FINE as f64 - 1e-9)
                });
                if !between || !free(to_x, to_y) {
                    continue;
                }
                let length = here + (right as f64).hypot(down as f64) / FINE as f64;
                let slot = &mut best[(to_y * side + to_x) as usize];
                if length < *slot - 1e-12 {
                    *slot = length;
                    queue.push((std::cmp::Reverse((length * 1e9) as u64), (to_x, to_y)));
                }
            }
        }
        let row = |x: i64, y: i64| {
            let mut row = rows(&env).0;
            [row[0], row[1]] = [at(x) as f32, at(y) as f32];
            row
        };
        let from = row(start.0, start.1);
        for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).filter(|&(x, y)| free(x, y)) {
            let (found, brute) = (env.path_length(&from, &row(x, y)), best[(y * side + x) as usize]);
            assert!(found <= brute + 0.05 && found >= 0.98 * brute - 0.02, "to {x}, {y}: {found}, brute force {brute}");
        }
    }
}

#[test]
fn nobody_is_faster_and_the_expert_takes_a_few_times_as_many_steps() {
    let mut rng = rng(3, &[]);
    for (cells, resets) in [(4, 500), (8, 30)] {
        let mut env = env(cells);
        let (mut steps, mut bound) = (0.0, 0.0);
        for seed in 0..resets {
            env.reset(seed);
            let mut expert = env.policy("expert").unwrap();
            let (labels, goal) = rows(&env);
            let cost = env.cost_to_go(&labels, &goal).unwrap();
            expert.begin(&mut env, &mut rng);
            let mut taken = 0.0;
            while env.distance() > 0.05 && taken < 400.0 {
                let mut action = [0.0; 2];
                expert.act(&env, &mut rng, &mut action);
                env.step(&action);
                taken += 1.0;
            }
            assert!(taken > cost && taken < 400.0, "seed {seed}: {taken} steps for a bound of {cost}");
            (steps, bound) = (steps + taken, bound + cost);
        }
        println!("{cells} x {cells}: {:.2} times the bound", steps / bound);
        assert!(steps < 4.0 * bound, "{steps} steps for a bound of {bound}");
    }
}

#[test]
fn any_labels_have_a_cost() {
    let env = env(4);
    let mut rng = rng(5, &[]);
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0, 1.0, 4.0, 0.5, 2.1];
    for _ in 0..50_000 {
        let mut row = || -> Vec<f32> {
            (0..20)
                .map(|_| if rng.random() { wild[rng.random_range(0..wild.len())] } else { rng.random::<f32>() * 4.0 })
                .collect()
        };
        let (labels, goal) = (row(), row());
        let cost = env.cost_to_go(&labels, &goal).unwrap();
        assert!((0.0..200.0).contains(&cost), "{labels:?} {goal:?}: {cost}");
    }
}
