//! The order in which touching pairs are solved: Chipmunk's tree of bounding boxes.
//!
//! Ten sweeps over the contacts do not converge where a block is crushed, and then the order of the sweep decides where
//! it slips. Chipmunk's order is that in which its tree of bounding boxes finds the pairs. This is that tree, for one
//! agent, a few boxes and four walls: leaves have fat bounding boxes, a leaf that left its own is inserted anew where
//! that costs least area, and a leaf that stayed meets the pairs that it knows, newest first.

use crate::bounds::{Bounds, WALL_BOUNDS, WALLS};
use crate::shape::MOST_BOXES;
use crate::vector::Vector;

/// Leaves of the tree: the agent (0) and the boxes.
pub const MOST_LEAVES: usize = 1 + MOST_BOXES;
/// Leaves, and the nodes above them.
const NODES: usize = 2 * MOST_LEAVES - 1;
/// Touchers of a box: the agent and the walls.
pub const TOUCHERS: usize = 1 + WALLS;
/// Pairs of things that may touch: a box with the agent or a wall.
pub const MOST_PAIRS: usize = MOST_BOXES * TOUCHERS;
const NONE: u8 = u8::MAX;

/// The pairs that a leaf knows, oldest first: the agent's with every box, a box's with its touchers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Known {
    count: usize,
    pairs: [Pair; TOUCHERS],
}

/// A leaf's pair with the agent or a box (its leaf), or with a wall (behind the leaves).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pair {
    with: u8,
    /// This leaf's turn brings the pair up.
    mine: bool,
}

impl Known {
    fn push(&mut self, pair: Pair) {
        if self.count < TOUCHERS {
            self.pairs[self.count] = pair;
            self.count += 1;
        }
    }

    /// The pair with a leaf or a wall.
    fn with(&self, with: usize) -> Option<&Pair> {
        self.pairs[..self.count].iter().find(|pair| usize::from(pair.with) == with)
    }

    fn newest_first(&self) -> impl Iterator<Item = &Pair> {
        self.pairs[..self.count].iter().rev()
    }

    fn forget(&mut self, with: u8) {
        if let Some(at) = self.pairs[..self.count].iter().position(|pair| pair.with == with) {
            self.pairs.copy_within(at + 1..self.count, at);
            self.count -= 1;
        }
    }
}

/// The tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Broadphase {
    leaves: usize,
    root: u8,
    bounds: [Bounds; NODES],
    children: [[u8; 2]; NODES],
    parent: [u8; NODES],
    known: [Known; MOST_LEAVES],
    /// The candidates for as long as no leaf leaves its fat bounds.
    quiet: Candidates,
}

/// A pair that may touch: a box and the agent (0) or a wall (from 1).
pub type Candidate = (u8, u8);

/// Candidates in the order of solving.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidates {
    count: usize,
    all: [Candidate; MOST_PAIRS],
}

impl Candidates {
    fn push(&mut self, candidate: Candidate) {
        if self.count < MOST_PAIRS {
            self.all[self.count] = candidate;
            self.count += 1;
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Candidate] {
        &self.all[..self.count]
    }
}

impl Broadphase {
    /// A tree of things that stand at `bounds`, inserted one after the other: the agent and the boxes.
    pub fn new(bounds: &[Bounds]) -> Self {
        let leaves = bounds.len().min(MOST_LEAVES);
        let mut tree = Self {
            leaves: 0,
            root: NONE,
            bounds: [Bounds::default(); NODES],
            children: [[NONE; 2]; NODES],
            parent: [NONE; NODES],
            known: [Known::default(); MOST_LEAVES],
            quiet: Candidates::default(),
        };
        for (leaf, bounds) in bounds[..leaves].iter().enumerate() {
            tree.leaves += 1;
            tree.bounds[leaf] = bounds.fat([0.0; 2]);
            tree.insert(leaf as u8);
            let mut moved = [false; MOST_LEAVES];
            moved[leaf] = true;
            tree.meet(leaf as u8, &moved, &mut Candidates::default());
        }
        tree.settle();
        tree
    }

    /// Brings the tree to where things are now; the pairs that may touch.
    #[inline]
    pub fn update(&mut self, bounds: &[Bounds], velocities: [Vector; 2]) -> Candidates {
        if bounds.iter().zip(&self.bounds).all(|(bounds, fat)| fat.contains(bounds)) {
            self.quiet
        } else {
            self.rearrange(bounds, velocities)
        }
    }

    /// Inserts the leaves anew that left their bounds.
    #[cold]
    fn rearrange(&mut self, bounds: &[Bounds], velocities: [Vector; 2]) -> Candidates {
        let mut moved = [false; MOST_LEAVES];
        // The boxes before the agent: so lie their numbers in Chipmunk's hash table.
        for leaf in (1..self.leaves).chain([0]) {
            if !self.bounds[leaf].contains(&bounds[leaf]) {
                self.bounds[leaf] = bounds[leaf].fat(velocities[usize::from(leaf > 0)]);
                self.remove(leaf as u8);
                self.insert(leaf as u8);
                for pair in self.known[leaf].pairs {
                    if usize::from(pair.with) < self.leaves {
                        self.known[usize::from(pair.with)].forget(leaf as u8);
                    }
                }
                self.known[leaf] = Known::default();
                moved[leaf] = true;
            }
        }
        let found = self.meet_all(&moved);
        self.settle();
        found
    }

    /// Keeps the candidates for as long as nothing leaves its bounds.
    fn settle(&mut self) {
        self.quiet = self.meet_all(&[false; MOST_LEAVES]);
    }

    /// All leaves' turns.
    fn meet_all(&mut self, moved: &[bool; MOST_LEAVES]) -> Candidates {
        let mut found = Candidates::default();
        let (order, count) = self.in_order(self.root);
        for &leaf in &order[..count] {
            self.meet(leaf, moved, &mut found);
        }
        found
    }

    /// One leaf's turn.
    fn meet(&mut self, leaf: u8, moved: &[bool; MOST_LEAVES], found: &mut Candidates) {
        let own = usize::from(leaf);
        if !moved[own] {
            let mine = self.known[own].newest_first().filter(|pair| pair.mine);
            mine.for_each(|pair| found.push(self.candidate(leaf, pair.with)));
            return;
        }
        if leaf > 0 {
            // Chipmunk's tree of walls, filled wall by wall, gives the last first.
            for (wall, bounds) in WALL_BOUNDS.iter().enumerate().rev() {
                if self.bounds[own].meets(bounds) {
                    let with = (self.leaves + wall) as u8;
                    self.known[own].push(Pair { with, mine: true });
                    found.push(self.candidate(leaf, with));
                }
            }
        }
        let mut node = leaf;
        while self.parent[usize::from(node)] != NONE {
            let parent = self.parent[usize::from(node)];
            let [a, b] = self.children[usize::from(parent)];
            let (others, count) = self.in_order(if node == a { b } else { a });
            for &other in &others[..count] {
                // Two boxes are of one body and never touch.
                let apart = leaf > 0 && other > 0 || !self.bounds[usize::from(other)].meets(&self.bounds[own]);
                if apart {
                    continue;
                }
                if node == a || !moved[usize::from(other)] {
                    self.known[own].push(Pair { with: other, mine: node != a });
                    self.known[usize::from(other)].push(Pair { with: leaf, mine: node == a });
                }
                if node != a {
                    found.push(self.candidate(leaf, other));
                }
            }
            node = parent;
        }
    }

    fn candidate(&self, leaf: u8, with: u8) -> Candidate {
        match with.checked_sub(self.leaves as u8) {
            Some(wall) => (leaf - 1, 1 + wall),
            None => (leaf.max(with) - 1, 0),
        }
    }

    /// The leaves below a node, from first to last.
    fn in_order(&self, node: u8) -> ([u8; MOST_LEAVES], usize) {
        let (mut order, mut count) = ([0; MOST_LEAVES], 0);
        let (mut stack, mut left) = ([node; NODES], usize::from(node != NONE));
        while left > 0 {
            left -= 1;
            let node = stack[left];
            if usize::from(node) < MOST_LEAVES {
                order[count] = node;
                count += 1;
            } else {
                let [a, b] = self.children[usize::from(node)];
                (stack[left], stack[left + 1]) = (b, a);
                left += 2;
            }
        }
        (order, count)
    }

    fn insert(&mut self, leaf: u8) {
        self.parent[usize::from(leaf)] = NONE;
        self.root = if self.root == NONE { leaf } else { self.inserted(self.root, leaf) };
        self.parent[usize::from(self.root)] = NONE;
    }

    /// The subtree at `node` with a leaf more.
    fn inserted(&mut self, node: u8, leaf: u8) -> u8 {
        let at = usize::from(node);
        let own = self.bounds[usize::from(leaf)];
        if at < MOST_LEAVES {
            let new = (MOST_LEAVES..NODES).find(|&inner| self.children[inner] == [NONE; 2]).unwrap_or(NODES - 1);
            self.adopt(new, [leaf, node]);
            return new as u8;
        }
        let [a, b] = self.children[at].map(|child| self.bounds[usize::from(child)]);
        let mut costs = [b.area() + a.merge(&own).area(), a.area() + b.merge(&own).area()];
        if costs[0] == costs[1] {
            costs = [a.apart(&own), b.apart(&own)];
        }
        let mut children = self.children[at];
        let cheaper = usize::from(costs[1] < costs[0]);
        children[cheaper] = self.inserted(children[cheaper], leaf);
        self.adopt(at, children);
        node
    }

    fn adopt(&mut self, node: usize, children: [u8; 2]) {
        self.children[node] = children;
        children.iter().for_each(|&child| self.parent[usize::from(child)] = node as u8);
        let [a, b] = children.map(|child| self.bounds[usize::from(child)]);
        self.bounds[node] = a.merge(&b);
    }

    fn remove(&mut self, leaf: u8) {
        let parent = self.parent[usize::from(leaf)];
        if parent == NONE {
            self.root = NONE;
            return;
        }
        let [a, b] = std::mem::replace(&mut self.children[usize::from(parent)], [NONE; 2]);
        let other = if a == leaf { b } else { a };
        let mut above = std::mem::replace(&mut self.parent[usize::from(parent)], NONE);
        self.parent[usize::from(other)] = above;
        if above == NONE {
            self.root = other;
            return;
        }
        let children = self.children[usize::from(above)].map(|child| if child == parent { other } else { child });
        self.children[usize::from(above)] = children;
        while above != NONE {
            self.adopt(usize::from(above), self.children[usize::from(above)]);
            above = self.parent[usize::from(above)];
        }
    }
}

/// Base of the number that holds a tree: leaves are 1 and up, a node above two others is [`INNER`].
const TREE_BASE: u32 = 6;
const INNER: u32 = 5;
/// Base of the number that holds the pairs of a leaf.
const PAIR_BASE: u32 = 32;

impl Broadphase {
    /// The whole tree as numbers: five for every leaf, and one for its shape.
    pub fn write(&self, put: &mut impl FnMut(&[f64])) {
        for leaf in 0..self.leaves {
            let Bounds { low, high } = self.bounds[leaf];
            put(&low);
            put(&high);
            let code = |pair: &Pair| 2 * (u32::from(pair.with) + 1) + u32::from(pair.mine);
            let all = self.known[leaf].pairs[..self.known[leaf].count]
                .iter()
                .fold(0, |all, pair| all * PAIR_BASE + code(pair));
            put(&[f64::from(all)]);
        }
        put(&[f64::from(self.shape(self.root))]);
    }

    /// Takes the numbers back; none where they are no tree of as many leaves.
    pub fn read(&mut self, next: &mut impl FnMut() -> f64) -> Option<()> {
        let whole = |number: f64| (number.fract() == 0.0 && (0.0..4e9).contains(&number)).then_some(number as u32);
        for leaf in 0..self.leaves {
            self.bounds[leaf] = Bounds { low: [next(), next()], high: [next(), next()] };
            let mut code = whole(next())?;
            let mut known = Known::default();
            while code > 0 {
                let (pair, with) = (code % PAIR_BASE, (code % PAIR_BASE / 2).checked_sub(1)?);
                let (with, mine) = (with as usize, pair % 2 == 1);
                let wall = with >= self.leaves;
                // A box knows the agent and walls, whose pairs are its own; the agent knows boxes.
                let possible =
                    with < self.leaves + WALLS && if leaf == 0 { with > 0 && !wall } else { with == 0 || wall && mine };
                if !possible || known.with(with).is_some() {
                    return None;
                }
                known.push(Pair { with: with as u8, mine });
                code /= PAIR_BASE;
            }
            known.pairs[..known.count].reverse();
            self.known[leaf] = known;
        }
        for number in 1..self.leaves {
            // The agent and a box know each other, and one of them brings the pair up.
            let mine = [self.known[0].with(number), self.known[number].with(0)].map(|pair| pair.map(|pair| pair.mine));
            if !matches!(mine, [None, None] | [Some(true), Some(false)] | [Some(false), Some(true)]) {
                return None;
            }
        }
        let mut code = whole(next())?;
        (self.children, self.parent) = ([[NONE; 2]; NODES], [NONE; NODES]);
        let mut seen = [false; MOST_LEAVES];
        self.root = self.grow(&mut code, &mut seen, 0)?;
        self.settle();
        (code == 0 && seen[..self.leaves].iter().all(|seen| *seen)).then_some(())
    }

    /// The subtree at a node in preorder, its first digit the lowest.
    fn shape(&self, node: u8) -> u32 {
        let (mut code, mut place) = (0, 1);
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            let leaf = usize::from(node) < MOST_LEAVES;
            code += place * if leaf { u32::from(node) + 1 } else { INNER };
            place *= TREE_BASE;
            if !leaf {
                let [a, b] = self.children[usize::from(node)];
                stack.extend([b, a]);
            }
        }
        code
    }

    fn grow(&mut self, code: &mut u32, seen: &mut [bool; MOST_LEAVES], depth: usize) -> Option<u8> {
        let digit = *code % TREE_BASE;
        *code /= TREE_BASE;
        if digit == INNER && depth < MOST_LEAVES {
            let a = self.grow(code, seen, depth + 1)?;
            let b = self.grow(code, seen, depth + 1)?;
            let node = (MOST_LEAVES..NODES).find(|&inner| self.children[inner] == [NONE; 2])?;
            self.adopt(node, [a, b]);
            return Some(node as u8);
        }
        let leaf = (digit as usize).checked_sub(1).filter(|&leaf| leaf < self.leaves && !seen[leaf])?;
        seen[leaf] = true;
        Some(leaf as u8)
    }
}
