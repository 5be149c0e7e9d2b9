//! Changes of valid inputs, drawn from a seed, and what survives them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Inputs of every kind.
pub fn count() -> u64 {
    std::env::var("GEDANKEN_HOSTILE").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
}

/// A generator of numbers: SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Pieces that readers stumble over.
pub const PIECES: [&str; 28] = [
    "-1",
    "0",
    "1",
    "99999999999999999999",
    "18446744073709551615",
    "9223372036854775808",
    "4294967296",
    "1e308",
    "-1e-320",
    "nan",
    "inf",
    "-0.0",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "..",
    "../../",
    "/",
    "\0",
    "\u{feff}",
    "\n",
    "é",
];

/// Changes bytes in one to four places.
pub fn damaged(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let (at, length) = (dice.below(bytes.len() + 1), bytes.len());
        let end = (at + dice.below(12)).min(length);
        match dice.below(8) {
            0 if at < length => bytes[at] ^= 1 << dice.below(8),
            1 if at < length => bytes[at] = dice.next() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                // A number becomes another.
                let digits: Vec<usize> = (0..length).filter(|&i| bytes[i].is_ascii_digit()).collect();
                if let Some(&first) = digits.get(dice.below(digits.len())) {
                    let end = (first..length).find(|&i| !bytes[i].is_ascii_digit()).unwrap_or(length);
                    bytes.splice(first..end, dice.pick(&PIECES[..12]).bytes());
                }
            }
            _ => drop(bytes.splice(at..at, dice.pick(&PIECES).bytes())),
        }
    }
    bytes
}

/// Does something with an input on a thread of its own; a panic or more than a minute fails the test with the input's name.
#[track_caller]
pub fn survives(name: &str, what: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(catch_unwind(AssertUnwindSafe(what)).is_ok()));
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(true) => {}
        Ok(false) => panic!("{name}: it panicked"),
        Err(_) => panic!("{name}: it hangs"),
    }
}
