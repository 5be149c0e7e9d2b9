#!/usr/bin/env bash
# Kills collecting, training, resuming and evaluating GEDANKEN_KILLS times (100) at random moments, now and then on a full disk: a small one in
# memory, where it may be mounted (root on Linux); without one, on whatever disk temporary files lie, which is never filled.
set -euo pipefail
cd "$(dirname "$0")/.."
export GEDANKEN_KILLS=${GEDANKEN_KILLS:-100}
cargo test --release -p gedanken --test kills --no-run

disk=$(mktemp -d)
clear_away() {
    if mountpoint -q "$disk"; then umount "$disk"; fi
    rmdir "$disk"
}
trap clear_away EXIT
if mount -t tmpfs -o size=64m gedanken-kills "$disk" 2>/dev/null; then
    export TMPDIR=$disk GEDANKEN_SMALL_DISK=1
else
    echo "no disk can be mounted here: kills alone, no full disk"
fi
cargo test --release -p gedanken --test kills -- --nocapture
