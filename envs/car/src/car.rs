//! The car and the lot: how it drives, and what stops it.

use std::f64::consts::{PI, TAU};

/// A place, m: x to the right, y down, from the upper left corner of the lot.
pub type Point = [f64; 2];

/// Side of the lot, m.
pub const SIDE: f64 = 8.0;
/// Length and width of the car, m.
pub const BODY: [f64; 2] = [1.6, 0.8];
/// Radius of a post, m.
pub const POST: f64 = 0.5;
/// A control step, s.
pub const STEP: f64 = 0.1;
/// Acceleration at full throttle, m/s².
pub const ACCELERATION: f64 = 2.0;
/// Share of its speed that a rolling car loses, 1/s. With the acceleration it makes the top speed of 2 m/s.
pub const DRAG: f64 = 1.0;
/// Curvature of the way at full steering, 1/m: a circle of radius 1.25 m.
pub const CURVATURE: f64 = 0.8;

/// Strength of motor and steering, as factors of the normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laws {
    /// Factor on the acceleration.
    pub power: f64,
    /// Factor on the curvature.
    pub steering: f64,
}

/// Where a car stands, and how fast it drives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Car {
    /// Its middle, m.
    pub at: Point,
    /// Where its nose points, rad from x towards y, within ±π.
    pub heading: f64,
    /// Its speed along the heading, m/s; negative backwards.
    pub speed: f64,
}

impl Laws {
    /// One control step under an action within ±1. Both axles steer, so the middle moves along the heading; the way of a step is the chord of its arc. A car
    /// that would touch a post or leave the lot stops where it is.
    pub fn step(&self, car: Car, posts: &[Point], [throttle, steer]: [f64; 2]) -> Car {
        let speed = car.speed + STEP * (ACCELERATION * self.power * throttle - DRAG * car.speed);
        let turn = STEP * speed * CURVATURE * self.steering * steer;
        let (sin, cos) = libm::sincos(car.heading + turn / 2.0);
        let [x, y] = car.at;
        let at = [x + STEP * speed * cos, y + STEP * speed * sin];
        let moved = Car { at, heading: wrapped(car.heading + turn), speed };
        if moved.fits(posts) { moved } else { Car { speed: 0.0, ..car } }
    }

    /// Top speed, m/s.
    pub fn top_speed(&self) -> f64 {
        ACCELERATION * self.power / DRAG
    }
}

impl Car {
    /// Its own frame.
    pub fn frame(&self) -> Frame {
        let (sin, cos) = libm::sincos(self.heading);
        Frame { at: self.at, sin, cos }
    }

    /// All of the car is in the lot, and no post within it.
    pub fn fits(&self, posts: &[Point]) -> bool {
        self.room(posts) >= 0.0
    }

    /// Distance from the nearest wall or post, m; negative where one is touched.
    pub fn room(&self, posts: &[Point]) -> f64 {
        let frame = self.frame();
        let [ahead, right] = BODY.map(|side| side / 2.0);
        let corners = [[ahead, right], [ahead, -right], [-ahead, right], [-ahead, -right]].map(|c| frame.place_of(c));
        let walls = corners.iter().flatten().map(|&at| at.min(SIDE - at));
        posts.iter().map(|&post| frame.clearance(post) - POST).chain(walls).fold(f64::INFINITY, f64::min)
    }
}

/// A car's own frame: the first axis ahead, the second to the right, m.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    at: Point,
    sin: f64,
    cos: f64,
}

impl Frame {
    /// A place of the lot, as the car sees it.
    pub fn seen(&self, place: Point) -> Point {
        let [x, y] = [place[0] - self.at[0], place[1] - self.at[1]];
        [x * self.cos + y * self.sin, y * self.cos - x * self.sin]
    }

    /// The place in the lot of one that the car sees.
    pub fn place_of(&self, [ahead, right]: Point) -> Point {
        [self.at[0] + ahead * self.cos - right * self.sin, self.at[1] + ahead * self.sin + right * self.cos]
    }

    /// Distance of a place of the lot from the body, m; negative inside.
    pub fn clearance(&self, place: Point) -> f64 {
        let seen = self.seen(place);
        let [x, y] = [0, 1].map(|axis| seen[axis].abs() - BODY[axis] / 2.0);
        let [outside_x, outside_y] = [x.max(0.0), y.max(0.0)];
        (outside_x * outside_x + outside_y * outside_y).sqrt() + x.max(y).min(0.0)
    }
}

/// An angle within ±π.
pub fn wrapped(angle: f64) -> f64 {
    (angle - TAU * ((angle + PI) / TAU).floor()).clamp(-PI, PI)
}

/// Mean distance of the two ends of a car from those of another, m: nose from nose, tail from tail. Headings are given as (cos, sin).
pub fn apart(at: Point, heading: Point, goal: Point, goal_heading: Point) -> f64 {
    let half = BODY[0] / 2.0;
    let end = |side: f64| {
        let off = [0, 1].map(|axis| at[axis] - goal[axis] + side * half * (heading[axis] - goal_heading[axis]));
        off[0].hypot(off[1])
    };
    (end(1.0) + end(-1.0)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: Laws = Laws { power: 1.0, steering: 1.0 };

    fn drive(mut car: Car, posts: &[Point], action: [f64; 2], steps: usize) -> Car {
        (0..steps).for_each(|_| car = LAWS.step(car, posts, action));
        car
    }

    #[test]
    fn full_throttle_leads_to_the_top_speed_and_a_rolling_car_comes_to_rest() {
        let start = Car { at: [4.0, 4.0], heading: 0.3, speed: 0.0 };
        // On a circle, so that it does not reach the walls.
        let fast = drive(start, &[], [1.0, 1.0], 100);
        assert!((fast.speed - LAWS.top_speed()).abs() < 1e-3, "{fast:?}");
        // v_n = v_0 (1 - 0.1)^n
        let slow = drive(fast, &[], [0.0, 1.0], 20);
        assert!((slow.speed / fast.speed - 0.9f64.powi(20)).abs() < 1e-12, "{slow:?}");
    }

    #[test]
    fn full_steering_drives_a_circle_of_the_stated_radius() {
        let start = Car { at: [4.0, 2.7], heading: 0.0, speed: 1.0 };
        let middle = [4.0, 2.7 + 1.0 / CURVATURE];
        let mut car = start;
        let mut turned = 0.0;
        for _ in 0..200 {
            let before = car.heading;
            car = LAWS.step(car, &[], [0.5, 1.0]);
            turned += wrapped(car.heading - before);
            let radius = (car.at[0] - middle[0]).hypot(car.at[1] - middle[1]);
            // Chords of 0.1 m instead of arcs: a radius a thousandth smaller.
            assert!((radius * CURVATURE - 1.0).abs() < 2e-3, "{radius}");
        }
        assert!(turned > TAU, "{turned}");
    }

    #[test]
    fn driving_back_with_the_same_steering_is_the_same_way() {
        let start = Car { at: [4.0, 4.0], heading: -2.0, speed: 0.0 };
        // Rest to rest, as far either way: the same arc, but for chords of other lengths.
        let there = drive(drive(start, &[], [1.0, 0.7], 12), &[], [0.0, 0.7], 200);
        let back = drive(drive(there, &[], [-1.0, 0.7], 12), &[], [0.0, 0.7], 200);
        assert!((back.at[0] - start.at[0]).hypot(back.at[1] - start.at[1]) < 1e-3, "{back:?}");
        assert!(wrapped(back.heading - start.heading).abs() < 1e-9, "{back:?}");
    }

    #[test]
    fn a_post_and_a_wall_stop_the_car_before_they_are_touched() {
        let start = Car { at: [2.0, 4.0], heading: 0.0, speed: 0.0 };
        for (posts, end) in [(&[[5.0, 4.2]][..], 5.0 - POST), (&[], SIDE)] {
            let mut car = start;
            let mut before = start;
            while car.speed > 0.0 || car == start {
                before = car;
                car = LAWS.step(car, posts, [1.0, 0.0]);
            }
            let nose = car.at[0] + BODY[0] / 2.0;
            assert_eq!(car, Car { speed: 0.0, ..before });
            assert!((end - 0.2..=end).contains(&nose), "{nose} of {end}");
            assert!(drive(car, posts, [-1.0, 0.0], 10).at[0] < car.at[0], "it can back out");
        }
    }

    /// Against the nearest of many points on the body's edge.
    #[test]
    fn the_clearance_is_the_distance_of_the_nearest_point_of_the_body() {
        let car = Car { at: [3.0, 5.0], heading: 0.8, speed: 0.0 };
        let [long, wide] = BODY;
        let edge: Vec<Point> = (0..4000)
            .map(|step| f64::from(step) / 1000.0)
            .map(|along| match along as u8 {
                0 => [long * (along - 0.5), wide / 2.0],
                1 => [long * (along - 1.5), -wide / 2.0],
                2 => [long / 2.0, wide * (along - 2.5)],
                _ => [-long / 2.0, wide * (along - 3.5)],
            })
            .map(|place| car.frame().place_of(place))
            .collect();
        for (place, inside) in [([5.0, 5.0], false), ([3.2, 6.9], false), ([3.0, 5.1], true), ([1.0, 2.0], false)] {
            let nearest =
                edge.iter().map(|at| (at[0] - place[0]).hypot(at[1] - place[1])).fold(f64::INFINITY, f64::min);
            let clearance = car.frame().clearance(place);
            assert!((clearance.abs() - nearest).abs() < 2e-3 && (clearance < 0.0) == inside, "{place:?}: {clearance}");
        }
    }

    #[test]
    fn the_distance_counts_place_and_heading() {
        let here = ([2.0, 3.0], [1.0, 0.0]);
        assert_eq!(apart(here.0, here.1, here.0, here.1), 0.0);
        assert_eq!(apart(here.0, here.1, [2.0, 5.0], here.1), 2.0);
        // Turned around, both ends are a length away.
        assert_eq!(apart(here.0, here.1, here.0, [-1.0, 0.0]), BODY[0]);
    }
}
