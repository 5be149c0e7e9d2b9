#!/bin/sh
# A GPU's numbers in one command, within nine minutes once the program is built: gpu.sh [FOLDER]. Every part of three recipes beside PyTorch's (eager and
# compiled, single precision and bf16; one has LeWorldModel's sizes), LeWorldModel's plan, what the kernels of an update cost, and as much of
# EB-JEPA's training as the time left allows. What was found goes into FOLDER (gpu) as well.
# DEVICE is ours (wgpu), HALF the half precision in which it is timed as well (f16), PEER PyTorch's device (cuda), PYTHON has torch, GEDANKEN is
# the program (else it is built), SECONDS_LEFT the time (540). Kernels are tuned on the first run, so a second one is faster.
set -eu
out=$(mkdir -p "${1:-gpu}" && realpath "${1:-gpu}")
cd "$(dirname "$0")/.."
device=${DEVICE:-wgpu}
peer=${PEER:-cuda}
python=${PYTHON:-python3}
if [ -z "${GEDANKEN:-}" ]; then
    cargo build --release --locked --bin gedanken
    GEDANKEN=${CARGO_TARGET_DIR:-target}/release/gedanken
fi
gedanken=$(realpath "$GEDANKEN")
deadline=$(($(date +%s) + ${SECONDS_LEFT:-540}))

exec 3>&1

# within SECONDS COMMAND...: no longer than that, nor than what is left; says so where it was cut off, wherever its output goes.
within() {
    most=$1
    shift
    left=$((deadline - $(date +%s)))
    [ "$left" -lt "$most" ] && most=$left
    [ "$most" -gt 5 ] || { echo "no time is left for: $*" >&3; return 0; }
    timeout -s INT -k 10 "$most" "$@" || echo "(status $? within $most s: $*)" >&3
}

# suite NAME FILE TWINS [--set ...]: the parts of an experiment, and of its twins where there are any.
suite() {
    name=$1 file=$2 twins=$3
    shift 3
    folder=$out/$name
    rm -rf "$folder"
    mkdir -p "$folder"
    printf '\n== %s\n' "$name"
    within 120 "$gedanken" bench "$file" --device "$device" --export "$folder" --json "$folder/ours.json" "$@" >/dev/null 2>"$folder/ours.log"
    [ -s "$folder/ours.json" ] || { tail -n 3 "$folder/ours.log"; return 0; }
    set -- "$folder/ours.json"
    for twin in $twins; do
        options=$(echo "$twin" | sed 's/eager//; s/compile/--compile/; s/+bf16/ --bf16/')
        # shellcheck disable=SC2086
        within 60 "$python" benches/peers/model_pytorch.py "$folder" --device "$peer" $options >"$folder/$twin.json" 2>"$folder/$twin.log"
        set -- "$@" "$twin=$folder/$twin.json"
    done
    "$python" benches/peers/table.py "$@"
}

"$gedanken" --version
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
twins="eager compile eager+bf16 compile+bf16"
"$python" -c 'import torch' 2>/dev/null || { twins=; echo "$python has no torch: no peers"; }

# EB-JEPA: IMPALA and GRU; its plan is 20 rounds of 200 futures of 90 steps.
suite two_rooms_eb_jepa experiments/two_rooms_eb_jepa.toml "$twins"
half="--set precision=${HALF:-f16} --parts encoder,encoder_step,rollout,plan,training_step"
# shellcheck disable=SC2086
suite two_rooms_eb_jepa_half experiments/two_rooms_eb_jepa.toml "" $half
suite two_rooms_cpu experiments/two_rooms_cpu.toml "$twins"
# LeWorldModel: ViT-Tiny and a transformer at 224 px; its plan is 30 rounds of 300 futures of 5 blocks. 20 episodes, for their shape.
rm -rf "$out/data"
within 60 "$gedanken" collect experiments/push_t_lewm.toml --out "$out/data" --set collect.layouts=20 >/dev/null 2>&1
# The twin drops nothing.
suite push_t_lewm experiments/push_t_lewm.toml "${twins:+eager eager+bf16}" --set "data.path=\"$out/data\"" --set predictor.dropout=0.0
# shellcheck disable=SC2086
suite push_t_lewm_half experiments/push_t_lewm.toml "" --set "data.path=\"$out/data\"" --set predictor.dropout=0.0 $half

printf '\n== kernels of two_rooms_eb_jepa, longest first\n'
rm -f "$out/kernels.log"
printf '[profiling]\nlogger = { level = "basic", file = "%s" }\n' "$out/kernels.log" >"$out/cubecl.toml"
(cd "$out" && within 60 "$gedanken" bench "$OLDPWD/experiments/two_rooms_eb_jepa.toml" --device "$device" --seconds 0 --parts training_step >/dev/null 2>&1)
"$python" - "$out/kernels.log" <<'PYTHON'
import collections, os, re, sys

times, calls = collections.Counter(), collections.Counter()
milliseconds = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}
for line in open(sys.argv[1], errors="replace") if os.path.exists(sys.argv[1]) else ():
    if found := re.match(r"\| ([\d.]+)(ns|µs|ms|s) +\| (.*)_[0-9a-f]{8}$", line.rstrip(" |\n")):
        name = " ".join(part.strip() for part in found[3].split("|"))[:100]
        times[name] += float(found[1]) * milliseconds[found[2]]
        calls[name] += 1
for name, time in times.most_common(30):
    print(f"{time:10.1f} ms {100 * time / times.total():5.1f} % {calls[name]:7} x  {name}")
PYTHON

printf '\n== training two_rooms_eb_jepa\n'
within 600 "$gedanken" train experiments/two_rooms_eb_jepa.toml --device "$device" --set "runs=\"$out/runs\"" 2>"$out/train.log"
tail -n 3 "$out/train.log"
"$python" - "$out" <<'PYTHON'
import glob, json, sys

for path in sorted(glob.glob(sys.argv[1] + "/runs/*/*/metrics.jsonl"))[-1:]:
    for line in map(json.loads, open(path)):
        keep = {name: value for name, value in line.items() if name == "step" or "success" in name or "frames_per" in name}
        if any("success" in name for name in keep):
            print(keep)
PYTHON
