//! The shortest path of the ball's middle: straight where it can be, else around the corners of walls.
//!
//! A path around obstacles with corners is a chain of straight lines between corners (Lozano-Pérez and Wesley, 1979). Walls are
//! wider here by a margin, the radius of the ball, with square corners: round ones, as the ball has them, would shorten
//! a path by 0.43 margins for each corner of 90° at most.

use crate::dynamics::{Point, distance};
use crate::maze::Maze;

/// A rounding error: a line may touch a wall.
const EPSILON: f64 = 1e-9;

/// The walls of a maze and their corners.
#[derive(Clone, Debug)]
struct Plan {
    maze: Maze,
    margin: f64,
    /// The walls inside the outer one, wider by the margin: `[left, top, right, bottom]`. The inside of the outer wall is convex: no line
    /// between two places within it leaves it.
    walls: Vec<[f64; 4]>,
    corners: Vec<Point>,
}

impl Plan {
    fn new(maze: Maze, margin: f64) -> Self {
        let range = 0..maze.cells as i64;
        let cells = range.clone().flat_map(|row| range.clone().map(move |column| (column, row)));
        let wide = |(column, row)| {
            let [left, top] = [column as f64, row as f64];
            [left - margin, top - margin, left + 1.0 + margin, top + 1.0 + margin]
        };
        let walls = cells.filter(|&(column, row)| !maze.free(column, row)).map(wide).collect();
        let inner = 1..maze.cells as i64;
        let vertices = inner.clone().flat_map(|y| inner.clone().map(move |x| (x, y)));
        // A path turns only where one of the four cells around a vertex is a wall.
        let turn = |(x, y): (i64, i64)| {
            let around = [[-1, -1], [0, -1], [-1, 0], [0, 0]];
            let mut walls = around.into_iter().filter(|[right, down]| !maze.free(x + right, y + down));
            let [right, down] = walls.next()?;
            let away = |side: i64| if side < 0 { margin } else { -margin };
            walls.next().is_none().then(|| [x as f64 + away(right), y as f64 + away(down)])
        };
        Self { maze, margin, walls, corners: vertices.filter_map(turn).collect() }
    }

    /// The straight line between two places goes through no wall.
    fn clear(&self, a: Point, b: Point) -> bool {
        !self.walls.iter().any(|&[left, top, right, bottom]| {
            let (mut first, mut last) = (0.0f64, 1.0f64);
            for (from, to, low, high) in [(a[0], b[0], left, right), (a[1], b[1], top, bottom)] {
                let (low, high, way) = (low + EPSILON - from, high - EPSILON - from, to - from);
                if way == 0.0 {
                    if low >= 0.0 || high <= 0.0 {
                        return false;
                    }
                } else {
                    let (enters, leaves) = if way > 0.0 { (low / way, high / way) } else { (high / way, low / way) };
                    (first, last) = (first.max(enters), last.min(leaves));
                }
            }
            first < last
        })
    }

    /// The nearest place of the nearest free cell that is outside the walls; a place outside them stays where it is.
    fn project(&self, at: Point) -> Point {
        let cells = self.maze.cells as i64;
        let [column, row] = at.map(|at| (at.floor() as i64).clamp(0, cells - 1));
        if self.maze.free(column, row) {
            return self.within(column, row, at);
        }
        let free = (0..cells * cells).map(|cell| (cell % cells, cell / cells)).filter(|&(c, r)| self.maze.free(c, r));
        let candidates = free.map(|(column, row)| self.within(column, row, at));
        candidates.min_by(|&a, &b| distance(a, at).total_cmp(&distance(b, at))).unwrap_or(at)
    }

    /// The nearest place of a free cell that is outside the walls.
    fn within(&self, column: i64, row: i64, at: Point) -> Point {
        let keep = |at: f64, low: i64, before: bool, after: bool| {
            let least = low as f64 + if before { 0.0 } else { self.margin };
            let most = (low + 1) as f64 - if after { 0.0 } else { self.margin };
            at.clamp(least, most)
        };
        let free = |right: i64, down: i64| self.maze.free(column + right, row + down);
        let mut inside = [keep(at[0], column, free(-1, 0), free(1, 0)), keep(at[1], row, free(0, -1), free(0, 1))];
        for [right, down] in [[-1, -1], [1, -1], [-1, 1], [1, 1]] {
            if free(right, down) || !free(right, 0) || !free(0, down) {
                continue;
            }
            // The square corner of a wall that only touches this cell reaches into it.
            let corner = [column + i64::from(right > 0), row + i64::from(down > 0)].map(|at| at as f64);
            let depth = [0, 1].map(|axis| self.margin - (inside[axis] - corner[axis]).abs());
            if depth[0] > 0.0 && depth[1] > 0.0 {
                let axis = usize::from(depth[1] < depth[0]);
                inside[axis] = corner[axis] - self.margin * [right, down][axis] as f64;
            }
        }
        inside
    }
}

/// The shortest paths of a maze to one goal.
#[derive(Clone, Debug)]
pub struct Paths {
    plan: Plan,
    asked: Point,
    goal: Point,
    /// Length from every corner to the goal, cells; infinite where there is no way.
    lengths: Vec<f64>,
}

impl Paths {
    /// The paths of a ball's middle that stays `margin` away from walls.
    pub fn new(maze: Maze, margin: f64, goal: Point) -> Self {
        let plan = Plan::new(maze, margin);
        Self { goal: [f64::NAN; 2], asked: [f64::NAN; 2], lengths: Vec::new(), plan }.to(goal)
    }

    /// The paths of the same maze to another goal.
    fn to(mut self, asked: Point) -> Self {
        let goal = self.plan.project(asked);
        let corners = &self.plan.corners;
        let straight = |&corner: &Point| {
            if self.plan.clear(corner, goal) { distance(corner, goal) } else { f64::INFINITY }
        };
        let mut lengths: Vec<f64> = corners.iter().map(straight).collect();
        // Dijkstra's algorithm: the nearest corner that is left has its final length.
        let mut left: Vec<usize> = (0..corners.len()).collect();
        while let Some(next) = (0..left.len()).min_by(|&a, &b| lengths[left[a]].total_cmp(&lengths[left[b]])) {
            let from = left.swap_remove(next);
            for &corner in &left {
                let length = lengths[from] + distance(corners[from], corners[corner]);
                if length < lengths[corner] && self.plan.clear(corners[from], corners[corner]) {
                    lengths[corner] = length;
                }
            }
        }
        (self.asked, self.goal, self.lengths) = (asked, goal, lengths);
        self
    }

    /// The same paths where they are asked for again, else new ones.
    pub fn again(self, maze: Maze, margin: f64, goal: Point) -> Self {
        if self.plan.maze != maze || self.plan.margin != margin {
            Self::new(maze, margin, goal)
        } else if self.asked != goal {
            self.to(goal)
        } else {
            self
        }
    }

    /// The length of the shortest path from a place, cells; infinite where there is none.
    pub fn length(&self, from: Point) -> f64 {
        self.first(self.plan.project(from)).0
    }

    /// The next place on the shortest path from a place where the path turns, or its end; and how long the path is from there on, cells.
    pub fn next(&self, from: Point) -> (Point, f64) {
        let from = self.plan.project(from);
        let (length, next) = self.first(from);
        (next, length - distance(from, next))
    }

    fn first(&self, from: Point) -> (f64, Point) {
        if self.plan.clear(from, self.goal) {
            return (distance(from, self.goal), self.goal);
        }
        let mut best = (f64::INFINITY, self.goal);
        for (&corner, &rest) in self.plan.corners.iter().zip(&self.lengths) {
            let length = distance(from, corner) + rest;
            let turned = distance(from, corner) <= EPSILON;
            if length < best.0 && !turned && self.plan.clear(from, corner) {
                best = (length, corner);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wall in column 1, rows 0 to 2; a hole in the middle of nothing else.
    const WALL: Maze = Maze { cells: 4, free: 0xffff & !(1 << 1 | 1 << 5 | 1 << 9) };

    #[test]
    fn a_path_turns_at_the_corners_of_walls() {
        let paths = Paths::new(WALL, 0.1, [2.5, 0.5]);
        let leg = (0.4f64.hypot(2.6), 1.2);
        assert!((paths.length([0.5, 0.5]) - (2.0 * leg.0 + leg.1)).abs() < 1e-9);
        assert_eq!(paths.next([0.5, 0.5]).0, [0.9, 3.1]);
        assert_eq!(paths.next([0.9, 3.1]).0, [2.1, 3.1]);
        assert_eq!(paths.next([2.1, 3.1]), ([2.5, 0.5], 0.0));
        assert_eq!(paths.length([2.5, 3.5]), 3.0);
    }

    #[test]
    fn there_is_no_way_between_walls_that_touch_at_a_corner() {
        let maze = Maze { cells: 4, free: 0b1111_1111_1101_1110 };
        // The cell in column 0 and row 0 is a wall now, so is its diagonal neighbour: the cells between them meet only around that.
        let paths = Paths::new(maze, 0.1, [1.5, 0.5]);
        assert!((paths.length([0.5, 1.5]) - 2.4 - 2.0 * 0.4f64.hypot(0.6)).abs() < 1e-9);
        let closed = Maze { cells: 4, free: 0b0000_0000_0100_0011 };
        assert_eq!(Paths::new(closed, 0.1, [2.5, 1.5]).length([0.5, 0.5]), f64::INFINITY);
    }

    #[test]
    fn places_in_walls_count_as_the_nearest_free_ones() {
        let paths = Paths::new(WALL, 0.1, [2.5, 0.5]);
        for (at, free) in [([1.6, 0.5], [2.1, 0.5]), ([-3.0, 9.0], [0.1, 3.9]), ([0.95, 3.08], [0.95, 3.1])] {
            assert_eq!(paths.plan.project(at), free);
        }
        assert_eq!(paths.plan.project([3.3, 0.4]), [3.3, 0.4]);
    }
}
