#!/bin/sh
# The parts of an experiment's model, here and in PyTorch, on as many threads: model.sh FILE.toml [--set KEY=VALUE ...].
# PYTHON names a Python that has torch; RAYON_NUM_THREADS the threads of both. ROUNDS (1): so many times in turns, the fastest of each counts.
set -eu
file=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

ours='' theirs=''
for round in $(seq "${ROUNDS:-1}"); do
    cargo run --quiet --release -p gedanken -- bench "$file" --device cpu --export "$folder" --json "$folder/ours$round.json" "$@" >/dev/null
    "${PYTHON:-python3}" benches/peers/model_pytorch.py "$folder" >"$folder/theirs$round.json"
    ours="${ours:+$ours,}$folder/ours$round.json" theirs="${theirs:+$theirs,}$folder/theirs$round.json"
done
"${PYTHON:-python3}" benches/peers/table.py "$ours" PyTorch="$theirs"
