//! The cells of a maze, as a set of bits.

use gedanken_env::Rng;
use rand::RngExt;

/// Free cells and walls of a square grid inside an outer wall. The cell in column `c` and row `r` is bit `r * cells + c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Maze {
    /// Columns and rows.
    pub cells: usize,
    /// The free cells.
    pub free: u64,
}

impl Maze {
    /// The longest shortest path that a drawn maze may have, cells: below 8 in PLDM's mazes of 4 x 4, below 20 in HWM's of 8 x 8.
    pub fn longest_allowed(cells: usize) -> u32 {
        3 * cells as u32 - 5
    }

    /// PLDM's generator: every cell is free with probability 1/2; twice, free cells with more than six free ones among
    /// their eight neighbours become walls; and all over again until half to three quarters of the cells are free (in mazes
    /// larger than 4 x 4: four fifths, HWM's), all of those are connected, and no shortest path is longer than
    /// [`Maze::longest_allowed`].
    pub fn draw(cells: usize, rng: &mut Rng) -> Self {
        let (least, most) = (cells * cells / 2, if cells == 4 { 12 } else { cells * cells * 4 / 5 });
        loop {
            let maze = Self { cells, free: rng.random::<u64>() & all(cells) }.thinned().thinned();
            let count = maze.free.count_ones() as usize;
            if (least..=most).contains(&count) && maze.connected() && maze.longest() <= Self::longest_allowed(cells) {
                return maze;
            }
        }
    }

    /// Walls in the middle of open places.
    fn thinned(self) -> Self {
        let crowded = |&cell: &usize| {
            let set = 1 << cell;
            let row = set | self.beside(set);
            ((row | self.above_and_below(row)) & !set & self.free).count_ones() > 6
        };
        let walls = self.members(self.free).filter(crowded).fold(0, |walls, cell| walls | 1 << cell);
        Self { free: self.free & !walls, ..self }
    }

    /// The cells of a set.
    fn members(self, set: u64) -> impl Iterator<Item = usize> {
        (0..self.cells * self.cells).filter(move |cell| set >> cell & 1 == 1)
    }

    fn beside(self, set: u64) -> u64 {
        let first = (0..self.cells).fold(0, |column, row| column | 1 << (row * self.cells));
        let last = first << (self.cells - 1);
        (set & !last) << 1 | (set & !first) >> 1
    }

    fn above_and_below(self, set: u64) -> u64 {
        // A shift by 64 never happens: there are at most 8 columns.
        (set << self.cells | set >> self.cells) & all(self.cells)
    }

    /// The free cells next to a set, edge to edge.
    fn next_to(self, set: u64) -> u64 {
        (self.beside(set) | self.above_and_below(set)) & self.free
    }

    /// Sets of free cells, by their number of cells from one, along shortest paths.
    fn waves(self, from: usize) -> impl Iterator<Item = u64> {
        let mut seen = 0;
        let mut wave = 1u64 << from & self.free;
        std::iter::from_fn(move || {
            let now = wave;
            seen |= now;
            wave = self.next_to(now) & !seen;
            (now != 0).then_some(now)
        })
    }

    /// All free cells can be reached from each other, and there are at least two.
    pub fn connected(self) -> bool {
        let reached = self.waves(self.free.trailing_zeros() as usize % 64).fold(0, |reached, wave| reached | wave);
        self.free.count_ones() > 1 && reached == self.free
    }

    /// The longest of all shortest paths, cells.
    pub fn longest(self) -> u32 {
        self.members(self.free).map(|from| self.waves(from).count() as u32 - 1).max().unwrap_or(0)
    }

    /// All pairs of free cells `low` to `high` cells apart.
    pub fn pairs(self, low: u32, high: u32) -> Vec<[usize; 2]> {
        let apart = |from| (0..).zip(self.waves(from)).filter(move |(apart, _)| (low..=high).contains(apart));
        self.members(self.free)
            .flat_map(|from| apart(from).flat_map(move |(_, wave)| self.members(wave).map(move |to| [from, to])))
            .collect()
    }

    /// True of a free cell, by its column and row; those outside are walls.
    pub fn free(self, column: i64, row: i64) -> bool {
        let inside = 0..self.cells as i64;
        inside.contains(&column)
            && inside.contains(&row)
            && self.free >> (row as usize * self.cells + column as usize) & 1 == 1
    }

    /// A free cell, all as likely.
    pub fn any(self, rng: &mut Rng) -> usize {
        let nth = rng.random_range(0..self.free.count_ones() as usize);
        self.members(self.free).nth(nth).unwrap_or(0)
    }

    /// Column and row of a cell.
    pub fn place(self, cell: usize) -> [usize; 2] {
        [cell % self.cells, cell / self.cells]
    }
}

/// All cells.
pub fn all(cells: usize) -> u64 {
    u64::MAX >> (64 - cells * cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gedanken_env::rng;

    /// From its rows, `O` free and `#` wall.
    fn maze(rows: &str) -> Maze {
        let free = rows.split('/').flat_map(str::chars).zip(0..).filter(|(c, _)| *c == 'O');
        Maze { cells: 4, free: free.fold(0, |free, (_, cell)| free | 1 << cell) }
    }

    #[test]
    fn paths_are_counted_in_cells() {
        let corridor = maze("OOOO/###O/OOOO/O###");
        assert!(corridor.connected());
        assert_eq!(corridor.longest(), 9);
        assert_eq!(corridor.pairs(9, 64), [[0, 12], [12, 0]]);
        assert_eq!(corridor.pairs(1, 1).len(), 18);
        assert!(!maze("OOOO/####/OOOO/OOOO").connected());
        assert!(!maze("####/####/####/####").connected());
        // The last column and the first of the next row are no neighbours.
        assert!(!maze("###O/O###/####/####").connected());
    }

    #[test]
    fn an_open_place_gets_a_wall_in_its_middle() {
        assert_eq!(maze("OOO#/OOO#/OOO#/####").thinned(), maze("OOO#/O#O#/OOO#/####"));
        assert_eq!(maze("OOO#/OOO#/#O##/####").thinned(), maze("OOO#/OOO#/#O##/####"));
    }

    #[test]
    fn drawn_mazes_keep_the_published_rules_and_are_many() {
        for (cells, free, longest, different) in [(4, 8..=12, 7, 900), (8, 32..=51, 19, 40)] {
            let mut rng = rng(0, &[]);
            let mut seen = std::collections::HashSet::new();
            for _ in 0..if cells == 4 { 2000 } else { 40 } {
                let maze = Maze::draw(cells, &mut rng);
                assert!(free.contains(&maze.free.count_ones()) && maze.connected() && maze.longest() <= longest);
                seen.insert(maze.free);
            }
            assert!(seen.len() >= different, "{} of {cells} x {cells}", seen.len());
        }
    }
}
