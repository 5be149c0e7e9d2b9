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
"${PYTHON:-python3}" - "$folder" <<'PYTHON'
import json, sys

ours = json.load(open(sys.argv[1] + "/ours.json"))
theirs = json.load(open(sys.argv[1] + "/theirs.json"))
if abs(ours["rollout_mean"] - theirs["rollout_mean"]) > 1e-4:
    sys.exit(f"the futures differ: {ours['rollout_mean']} here, {theirs['rollout_mean']} in PyTorch")
print(f"{ours['experiment']}, {ours['threads']} threads; the same losses and futures in both")
print(f"{'':<14} {'PyTorch':>10} {'gedanken':>10}")
for cost in ours["costs"]:
    name, here = cost["name"], cost["milliseconds"]
    if name in theirs["milliseconds"]:
        there = theirs["milliseconds"][name]
        print(f"{name:<14} {there:>7.1f} ms {here:>7.1f} ms   {there / here:.2f} x")
PYTHON
