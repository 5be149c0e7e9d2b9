#!/bin/bash
# A sweep on a real Slurm: an array of three runs of which one is cancelled and one put back into the queue while they train; submitted again until all
# are finished. Every run must end with the weights of one that nobody disturbed.
#
#   benches/slurm.sh PROGRAM OUT          without a Slurm that answers it says so, and is content
set -euo pipefail
program=$(realpath "$1") out=$2
here=$(cd "$(dirname "$0")/.." && pwd)
if ! sinfo --noheader > /dev/null 2>&1; then
    echo "slurm.sh: no Slurm answers here: nothing was tried"
    exit 0
fi
mkdir -p "$out" && cd "$out"
cat > queue.toml << END
extends = "$here/experiments/quickstart.toml"
name = "queue"
train = { steps = 600, checkpoint_every = 50, eval_every = 600 }
eval = { tasks = 4, baselines = false, films = 0 }
[sweep]
seeds = [1, 2, 3]
[sweep.slurm]
time = 4
cpus-per-task = 1
END
submit() {
    local said
    said=$("$program" sweep queue.toml --out queue --slurm 2>&1)
    echo "$said" >&2
    sed -n 's/^job \([0-9]*\):.*/\1/p' <<< "$said"
}
submitted=0
while job=$(submit) && [ -n "$job" ]; do
    submitted=$((submitted + 1))
    if [ $submitted = 1 ]; then
        sleep 25
        echo "cancelled: ${job}_0; requeued: ${job}_1"
        scancel "${job}_0"
        scontrol requeue "${job}_1"
    fi
    while squeue --noheader --job "$job" 2> /dev/null | grep -q .; do sleep 2; done
done
grep -H . queue/slurm/[0-9]*.txt
for seed in 1 2 3; do
    undisturbed=$(RAYON_NUM_THREADS=1 "$program" train queue.toml --set seed=$seed 2> /dev/null | tail -1)
    cmp "queue/seed=$seed/checkpoints/step-000600/model.safetensors" "$undisturbed/checkpoints/step-000600/model.safetensors"
done
echo "slurm.sh: submitted $submitted times; three runs, their weights bit-equal to those of undisturbed ones"
