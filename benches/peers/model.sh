#!/bin/sh
# The parts of an experiment's model, here and in PyTorch, on as many threads: model.sh FILE.toml [--set KEY=VALUE ...].
# PYTHON names a Python that has torch; RAYON_NUM_THREADS the threads of both.
set -eu
file=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

cargo run --quiet --release -p gedanken -- bench "$file" --device cpu --export "$folder" --json "$folder/ours.json" "$@" >/dev/null
"${PYTHON:-python3}" benches/peers/model_pytorch.py "$folder" >"$folder/theirs.json"
"${PYTHON:-python3}" benches/peers/table.py "$folder/ours.json" PyTorch="$folder/theirs.json"
