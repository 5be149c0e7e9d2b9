#!/usr/bin/env python3
"""What an update and a plan cost against batch, samples, horizon and threads, and what memory a training holds against its
length and the size of its data: scaling.py GEDANKEN OUT.png

GEDANKEN is the program. Needs matplotlib, 35 GB of disk for the largest data set, and a machine that does nothing else.
Prints Markdown tables; a quarter of an hour.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RECIPE = "experiments/two_rooms_cpu.toml"
THREADS = os.cpu_count()


def cost(program, part, threads, **settings):
    """Milliseconds of a part."""
    command = [program, "bench", RECIPE, "--device", "cpu", "--parts", part, "--seconds", "3"]
    for name, value in settings.items():
        command += ["--set", f"{name.replace('__', '.')}={value}"]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        subprocess.run([*command, "--json", out.name], env=environment, check=True, capture_output=True)
        (found,) = json.load(open(out.name))["costs"]
    return found["milliseconds"]


def against(program, part, name, values):
    """{threads: [milliseconds of a part for every value of a setting]}"""
    series = {}
    for threads in sorted({1, THREADS}):
        series[threads] = [cost(program, part, threads, **{name: value}) for value in values]
    heads = "".join(f" {value} |" for value in values)
    print(f"\n| {part}, ms, by `{name.replace('__', '.')}` |{heads}\n|---|{'---|' * len(values)}")
    for threads, times in series.items():
        print(f"| {threads} thread{'s' * (threads > 1)} |" + "".join(f" {time:.0f} |" for time in times))
    return series


def memory(program, folder, name, steps, *settings):
    """[(update, MB that are the program's own)] of a training; pages of files, which the kernel may take back, do not count."""
    runs = folder / f"runs-{name}"
    command = [program, "train", "experiments/quickstart.toml", "--device", "cpu", "--set", f'runs="{runs}"']
    for setting in (f"train.steps={steps}", "train.log_every=10", "train.eval_every=1000000", "train.checkpoint_every=1000000",
                    "eval.tasks=1", "eval.budget=1", "eval.films=0", "eval.baselines=false", *settings):
        command += ["--set", setting]
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    held = []
    while training.poll() is None:
        time.sleep(2)
        logged = sorted(runs.glob("*/*/metrics.jsonl"))
        lines = logged[-1].read_text().splitlines() if logged else []
        try:
            status = Path(f"/proc/{training.pid}/status").read_text()
        except FileNotFoundError:
            break
        own = next((line for line in status.splitlines() if line.startswith("RssAnon")), None)
        if lines and own:
            held.append((json.loads(lines[-1])["step"], int(own.split()[1]) / 1e3))
    if training.wait():
        sys.exit(f"{' '.join(command)} failed")
    return held


def main():
    program, picture = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    os.chdir(Path(__file__).parent.parent)
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.6), layout="constrained")
    charts = [
        ("training_step", "data__window__layouts", [4, 8, 16, 32, 64], "layouts in a batch"),
        ("plan", "planner__samples", [32, 64, 128, 256, 512], "samples"),
        ("plan", "planner__horizon", [8, 16, 32, 64], "horizon"),
    ]
    for axis, (part, name, values, label) in zip(axes, charts):
        for threads, times in against(program, part, name, values).items():
            axis.plot(values, times, "o-", label=f"{threads} thread{'s' * (threads > 1)}")
        axis.set(xlabel=label, ylabel=f"{part.replace('_', ' ')}, ms", xlim=0, ylim=0)
        axis.legend()

    print("\n| data | on disk, GB | updates | memory after 10 % of them, MB | at the end |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        folder = Path(folder)

        def report(label, held, disk):
            early = next(own for step, own in held if step >= held[-1][0] / 10)
            print(f"| {label} | {disk:.1f} | {held[-1][0]:,} | {early:.0f} | {held[-1][1]:.0f} |", flush=True)
            axes[3].plot([step for step, _ in held], [own for _, own in held], label=label)

        report("stream", memory(program, folder, "stream", 2000), 0)
        for label, layouts in (("small", 20), ("larger than memory", 17500)):
            data = folder / "data"
            subprocess.run([program, "collect", "experiments/quickstart.toml", "--out", str(data), "--set", f"collect.layouts={layouts}",
                            "--set", "collect.episodes=12", "--set", "collect.episode_steps=18"], check=True, capture_output=True)
            size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file()) / 1e9
            settings = ('data.source="disk"', f'data.path="{data}"')
            report(label, memory(program, folder, label.split()[0], 2000, *settings), size)
            subprocess.run(["rm", "-r", str(data)], check=True)
    axes[3].set(xlabel="updates", ylabel="memory of its own, MB", xlim=0, ylim=0)
    axes[3].legend()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
