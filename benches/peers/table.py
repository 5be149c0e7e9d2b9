#!/usr/bin/env python3
"""A table of `gedanken bench --json` beside the twins' output: table.py OURS.json NAME=THEIRS.json ..."""

import json
import sys


def main():
    with open(sys.argv[1]) as file:
        ours = json.load(file)
    peers = {}
    for name, path in (argument.split("=", 1) for argument in sys.argv[2:]):
        with open(path) as file:
            text = file.read()
        if not text.strip():
            print(f"{name}: nothing came of it")
            continue
        peers[name] = json.loads(text.splitlines()[-1])
        if abs(ours["rollout_mean"] - peers[name]["rollout_mean"]) > 1e-4:
            sys.exit(f"the futures differ: {ours['rollout_mean']} here, {peers[name]['rollout_mean']} in {name}")
    agreed = "; the same losses and futures in all" if peers else ""
    print(f"{ours['experiment']} on {ours['device']}, {ours['threads']} threads{agreed}")
    print(f"{'':<14} {'gedanken':>12}" + "".join(f"   {name:>22}" for name in peers))
    for cost in ours["costs"]:
        part, here = cost["name"], cost["milliseconds"]
        row = f"{part:<14} {here:>9.3f} ms"
        for peer in peers.values():
            there = peer["milliseconds"].get(part)
            row += f"   {there:>9.3f} ms, {there / here:>5.2f} x" if there else " " * 25
        print(row.rstrip())


if __name__ == "__main__":
    main()
