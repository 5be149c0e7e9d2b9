//! The memory that a training needs at the least, and that there is.

use std::fs;

use gedanken_env::Env;

use crate::Experiment;

/// Why a training cannot fit into this machine's memory, if it is sure: one batch of pictures, as numbers, is more than is free. The key in the
/// phase's experiment, and the problem.
pub fn too_large(phase: &Experiment, env: &dyn Env) -> Option<(&'static str, String)> {
    let window = &phase.data.window;
    let (windows, frames) = (window.layouts.saturating_mul(window.episodes), window.frames());
    let numbers =
        phase.spaces(env).pixels.iter().fold(windows.saturating_mul(frames), |all, &side| all.saturating_mul(side));
    let (needed, free) = (numbers.saturating_mul(size_of::<f32>()), free()?);
    (needed > free).then(|| {
        let gigabytes = |bytes: usize| bytes as f64 / 1e9;
        let message = format!(
            "{}; a batch of {windows} windows of {frames} frames takes {:.1} GB, and {:.1} GB of memory are free; expected fewer or shorter \
             windows",
            window.layouts,
            gigabytes(needed),
            gigabytes(free)
        );
        ("data.window.layouts", message)
    })
}

/// Bytes of memory that this process may still take, where the system tells (Linux): what is free in the machine, and below the limit of the process's
/// addresses.
fn free() -> Option<usize> {
    let number = |line: &str| line.split_whitespace().find_map(|word| word.parse::<usize>().ok());
    let line = |file: &str, head: &str| {
        fs::read_to_string(file).ok()?.lines().find(|line| line.starts_with(head)).and_then(number)
    };
    let machine = line("/proc/meminfo", "MemAvailable:")?.saturating_mul(1024);
    Some(machine.min(line("/proc/self/limits", "Max address space").unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_has_some_memory_and_not_all_of_it() {
        let free = free().expect("Linux tells");
        assert!(free > 1_000_000 && free < 1 << 50, "{free}");
    }
}
