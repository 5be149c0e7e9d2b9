#!/bin/sh
# One window of 17 Two-Rooms frames, on one core: this project against NumPy. PYTHON names a Python that has NumPy.
set -eu
cd "$(dirname "$0")/../.."

numpy=$(OMP_NUM_THREADS=1 "${PYTHON:-python3}" benches/peers/two_rooms_numpy.py)
ours=$(cargo bench --quiet --profile release -p gedanken-two-rooms -- window | awk -F'│' '/window/ {
    split($3, median, " ")
    unit = median[2] == "ns" ? 1e-3 : median[2] == "ms" ? 1e3 : 1
    print median[1] * unit
}')
awk -v numpy="$numpy" -v ours="$ours" 'BEGIN {
    printf "NumPy %.1f µs, gedanken-two-rooms %.2f µs per window: %.0f times as fast\n", numpy, ours, numpy / ours
}'
