#!/usr/bin/env python3
"""A table of `gedanken bench --json` beside the twins' output: table.py OURS.json[,OURS.json...] NAME=THEIRS.json[,...] ...

Where there are several rounds of one, the fastest of each part counts: a machine that does something else now and then does so to both."""

import json
import sys


def texts(paths):
    for path in paths.split(","):
        with open(path) as file:
            yield file.read()


def main():
    rounds = [json.loads(text) for text in texts(sys.argv[1])]
    ours = rounds[0]
    for cost, *others in zip(*(one["costs"] for one in rounds)):
        cost["milliseconds"] = min(one["milliseconds"] for one in [cost, *others])
    peers = {}
    for name, paths in (argument.split("=", 1) for argument in sys.argv[2:]):
        found = [json.loads(text.splitlines()[-1]) for text in texts(paths) if text.strip()]
        if not found:
            print(f"{name}: nothing came of it")
            continue
        peers[name] = found[0]
        for part in found[0]["milliseconds"]:
            found[0]["milliseconds"][part] = min(one["milliseconds"][part] for one in found)
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
