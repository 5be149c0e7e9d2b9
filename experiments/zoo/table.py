"""Prints the table of the zoo: every run of experiments/zoo under a folder of runs, the last of each name, as Markdown.

    python3 experiments/zoo/table.py runs
"""

import json
import pathlib
import sys


def row(run):
    report = json.loads(max(run.glob("eval/*/report.json")).read_text())
    measured = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        measured.update(json.loads(line))
    model, checks = report["rows"][0], report["checks"]
    low, high = model["interval"]
    probes = " / ".join(f"{probe['rmse']:.2f}" for probe in checks["probes"])
    return model["success"], (
        f"| `{run.parent.name.removeprefix('zoo-')}` | {100 * model['success']:.1f} % ({100 * low:.0f}-{100 * high:.0f}) "
        f"| {probes} | {measured['latent/effective_rank']:.1f} | {measured['latent/dead_dimensions']:.0f} "
        f"| {checks['learned_rank_correlation']:.3f} | {checks['latent_rank_correlation']:.3f} |"
    )


names = sorted(pathlib.Path(sys.argv[1]).glob("zoo-*"))
runs = [max(run for run in name.iterdir() if list(run.glob("eval/*/report.json"))) for name in names if list(name.glob("*/eval/*/report.json"))]
print("| | success | probe agent / wall / door, px | effective rank | dead | rank correlation, learned | latent |")
print("|---|---|---|---|---|---|---|")
for _, line in sorted((row(run) for run in runs), reverse=True):
    print(line)
