"""What single and vectorised environments share: spaces, keyword arguments, and arrays of what is seen."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box

from ._native import GedankenError, Worlds
from ._types import Floats32, Floats64, Pixels

SEEDS = 1 << 64


class Seen(NamedTuple):
    """What is seen of some environments at once; the first axis is theirs."""

    pixels: Pixels
    state: Floats64
    labels: Floats32
    distance: Floats64


def columns(labels: list[dict[str, Any]]) -> dict[str, slice]:
    """The columns of every label, by name."""
    found: dict[str, slice] = {}
    first = 0
    for label in labels:
        found[label["name"]] = slice(first, first + label["size"])
        first += label["size"]
    return found


class Shared:
    """Environments in Rust, and what is constant of them."""

    def __init__(self, name: str, factors: Mapping[str, float] | None, options: dict[str, Any], count: int) -> None:
        try:
            written = json.dumps(options)
        except TypeError as error:
            raise TypeError(f"{name}: options are numbers, texts, lists and dicts: {error}") from None
        self.worlds = Worlds(name, written, {key: float(value) for key, value in (factors or {}).items()}, count)
        self.spec: dict[str, Any] = json.loads(self.worlds.spec())
        space, action = self.spec["observation"], self.spec["action"]
        self.shape = (count, space["channels"], space["height"], space["width"])
        self.observation_space = Box(0, 255, self.shape[1:], np.uint8)
        self.action_space = Box(np.array(action["low"], np.float32), np.array(action["high"], np.float32), dtype=np.float32)
        self.actions = len(action["low"])
        self.label_columns = columns(self.spec["labels"])
        self.task: dict[str, Any] | None = self.spec["task"]
        self.count = count
        self.none_fresh = bytes(count)

    def seen(self, found: tuple[bytearray, bytearray, bytearray, bytearray]) -> Seen:
        """Arrays of what Rust gave; no byte is copied."""
        pixels, state, labels, distance = found
        return Seen(
            np.frombuffer(pixels, np.uint8).reshape(self.shape),
            np.frombuffer(state, np.float64).reshape(self.count, -1),
            np.frombuffer(labels, np.float32).reshape(self.count, -1),
            np.frombuffer(distance, np.float64),
        )

    def look(self) -> Seen:
        """What is seen now."""
        return self.seen(self.worlds.look())

    def goals(self) -> tuple[Pixels, Floats32]:
        """Pictures at the goals ``[count, channels, height, width]`` and labels there ``[count, labels]``."""
        pixels, labels = self.worlds.goals()
        return np.frombuffer(pixels, np.uint8).reshape(self.shape), np.frombuffer(labels, np.float32).reshape(self.count, -1)

    def numbers(self, action: Any, shape: tuple[int, ...]) -> bytes:
        """Actions of this shape as Rust takes them; what lies out of bounds is brought back into them there."""
        array = np.asarray(action, np.float32)
        if array.shape != shape:
            raise ValueError(f"actions of shape {array.shape}; expected {shape}")
        return array.tobytes()

    def radius(self, asked: float | None) -> float:
        """The distance below which a task is done; without a task, none is."""
        if asked is not None and self.task is None:
            raise GedankenError(f"{self.spec['name']} has no task, so no radius either; expected radius=None")
        if asked is not None and not asked >= 0.0:
            raise ValueError(f"radius={asked}; expected a distance of 0 or more, in {self.task and self.task['unit']}")
        return 0.0 if self.task is None else float(self.task["radius"] if asked is None else asked)

    def apply(self, index: int, options: Mapping[str, Any] | None) -> None:
        """``options`` of a reset: ``state`` and ``goal``, the state that the goal shows."""
        unknown = set(options or ()) - {"state", "goal"}
        if unknown:
            raise ValueError(f"options of reset {sorted(unknown)}; expected state, goal or none")
        for key, take in (("goal", self.worlds.set_goal), ("state", self.worlds.set_state)):
            if options and options.get(key) is not None:
                take(index, np.asarray(options[key], np.float64).ravel().tolist())


def limit(steps: int | None) -> int | None:
    """A limit of control steps that is possible."""
    if steps is not None and steps < 1:
        raise ValueError(f"max_episode_steps={steps}; expected 1 or more, or None for no limit")
    return steps
