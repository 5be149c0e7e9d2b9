#!/bin/sh
# One plan by CEM on the same GRU, here and in PyTorch, on as many threads. PYTHON names a Python that has torch;
# RAYON_NUM_THREADS the threads of both.
set -eu
cd "$(dirname "$0")/../.."

theirs=$("${PYTHON:-python3}" benches/peers/plan_pytorch.py | tail -n 1)
ours=$(cargo bench --quiet --profile release -p gedanken -p gedanken-eval --bench plan | tail -n 1)
echo "$theirs $ours" | awk '{
    difference = $1 - $3; if (difference < 0) difference = -difference
    if (difference > 1e-3 * $1) { printf "the energies of the same plan differ: %s and %s\n", $1, $3; exit 1 }
    printf "energy of the same plan: %s and %s\n", $1, $3
    printf "a plan: PyTorch %.1f ms, gedanken %.1f ms: %.2f times as fast\n", $2, $4, $2 / $4
}'
