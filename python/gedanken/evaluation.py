"""Anybody's policy under a protocol of Gedanken's."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np

from . import _native
from ._types import Info, Pixels
from .model import overrides

#: ``actions = policy(observation, info)`` for all tasks at once, ``[tasks, ...]`` each.
Acts = Callable[[Pixels, Info], Any]


@dataclass(frozen=True)
class Row:
    """One policy's results."""

    name: str
    #: What it is: the policy, a floor, a ceiling.
    about: str
    #: Success rate by the protocol's rule, and its Wilson 95 % interval.
    success: float
    interval: tuple[float, float]
    #: Success rates at the end of the episode and at any moment.
    success_final: float
    success_ever: float
    #: Mean distance at the end.
    mean_final_distance: float
    #: Seconds for all episodes.
    seconds: float
    #: Every episode: distances at start and end, the least one, steps until success.
    episodes: list[dict[str, Any]]


@dataclass(frozen=True)
class Report:
    """A policy, floors and ceilings under one protocol. ``print(report)`` shows a table."""

    env: str
    #: Distance below which a task is done, in ``unit``.
    radius: float
    unit: str
    #: The ``[eval]`` table, with the tasks that were run.
    protocol: dict[str, Any]
    #: Warnings to the reader, each a sentence.
    remarks: list[str]
    #: The policy first.
    rows: list[Row]

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no row {name!r}; there are {', '.join(row.name for row in self.rows)}")

    def __str__(self) -> str:
        protocol = self.protocol
        rule = "at the end" if protocol["rule"] == "final" else "at any moment"
        lines = [
            f"{self.env}: {protocol['tasks']} tasks of seed {protocol['seed']}, {protocol['budget']} control steps, "
            f"done below {self.radius:g} {self.unit} {rule}"
        ]
        for row in self.rows:
            low, high = (100 * bound for bound in row.interval)
            rate = f"{100 * row.success:5.1f} % ({low:.0f}-{high:.0f} %)"
            lines.append(f"  {row.name:<12} {rate:<20} mean final distance {row.mean_final_distance:8.2f}   {row.about}")
        return "\n".join([*lines, *self.remarks])


def evaluate(
    policy: Acts | str,
    protocol: str | PathLike[str],
    *,
    tasks: int | None = None,
    baselines: bool = True,
    name: str | None = None,
    set: Mapping[str, Any] | None = None,
) -> Report:
    """Lets a policy act in the tasks of a protocol and says how often it succeeds, beside floors that learned nothing and ceilings that know all.

    :param policy: a function of ``(observation, info)`` as :class:`gedanken.VectorEnv` gives them, for all tasks at once, to their actions
        ``[tasks, action]``; or the name of a scripted policy of the environment. Actions out of bounds are brought back into them. A policy
        with ``reset()`` is reset first.
    :param protocol: an experiment's TOML file, or a run: its ``[eval]`` table is the protocol.
    :param tasks: how many of the protocol's tasks; all if not given.
    :param baselines: whether floors and the scripted expert act too.
    :param name: the policy's name in the report.
    :param set: values of the experiment that are different, as behind ``--set``.
    """
    if tasks is not None and tasks < 1:
        raise ValueError(f"tasks={tasks}; expected 1 or more")
    if isinstance(policy, str):
        who: tuple[str, Callable[..., bytes] | None] = (policy, None)
    elif callable(policy):
        reset = getattr(policy, "reset", None)
        if callable(reset):
            reset()
        who = (name or getattr(policy, "__name__", None) or type(policy).__name__, _bytes(policy, protocol, set))
    else:
        raise TypeError(f"a policy of type {type(policy).__name__}; expected a function of (observation, info), or a name")
    found = json.loads(_native.evaluate(fspath(protocol), overrides(set), tasks, who, baselines))
    kept = Row.__dataclass_fields__
    rows = [Row(**{key: row[key] for key in kept} | {"interval": tuple(row["interval"])}) for row in found["rows"]]
    return Report(**{key: found[key] for key in ("env", "radius", "unit", "protocol", "remarks")}, rows=rows)


def _bytes(policy: Acts, protocol: Any, set: Mapping[str, Any] | None) -> Callable[..., bytes]:
    """The policy as Rust calls it."""
    about = json.loads(_native.protocol(fspath(protocol), overrides(set)))
    space, actions, radius = about["spec"]["observation"], len(about["spec"]["action"]["low"]), about["radius"]
    picture = (space["channels"], space["height"], space["width"])

    def act(
        step: int, pixels: bytearray, states: bytearray, labels: bytearray, goals: bytearray, goal_labels: bytearray,
        distances: bytearray,
    ) -> bytes:  # fmt: skip
        distance = np.frombuffer(distances, np.float64)
        count = len(distance)
        info: Info = {
            "state": np.frombuffer(states, np.float64).reshape(count, -1),
            "labels": np.frombuffer(labels, np.float32).reshape(count, -1),
            "distance": distance,
            "success": distance < radius,
            "elapsed": np.full(count, step, np.int64),
            "goal": np.frombuffer(goals, np.uint8).reshape(count, *picture),
            "goal_labels": np.frombuffer(goal_labels, np.float32).reshape(count, -1),
        }
        chosen = np.asarray(policy(np.frombuffer(pixels, np.uint8).reshape(count, *picture), info), np.float32)
        if chosen.shape != (count, actions):
            raise ValueError(f"actions of shape {chosen.shape}; expected ({count}, {actions})")
        return chosen.tobytes()

    return act


__all__ = ["Report", "Row", "evaluate"]
