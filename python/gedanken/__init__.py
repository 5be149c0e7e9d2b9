"""Gedanken from Python: its environments for Gymnasium, its datasets as arrays, its trained runs as models, its protocols for anybody's
policy.

    import gymnasium, gedanken
    env = gymnasium.make("gedanken/TwoRooms-v0")
    envs = gymnasium.make_vec("gedanken/PushT-v0", num_envs=16)
    data = gedanken.Dataset("data/two_rooms")
    model = gedanken.Model("runs/quickstart/2026-11-22T13-05-12-seed1")
    print(gedanken.evaluate(model.policy(), model.run, tasks=20))
"""

import json
from typing import Any

import gymnasium

from ._native import GedankenError, __version__, catalogue
from .data import Dataset, Episode, Windows
from .env import Env
from .evaluation import Report, Row, evaluate
from .model import Model, Plan, Policy
from .vector import VectorEnv

__all__ = [
    "Dataset",
    "Env",
    "Episode",
    "GedankenError",
    "Model",
    "Plan",
    "Policy",
    "Report",
    "Row",
    "VectorEnv",
    "Windows",
    "__version__",
    "environments",
    "evaluate",
]


def environments() -> dict[str, dict[str, Any]]:
    """All environments by name: spaces, units, labels, factors, policies, and ``options`` with their defaults, which are keyword arguments
    of :class:`Env`. One that needs what is not here has an ``error``."""
    return {described["name"]: described for described in json.loads(catalogue())}


#: The names under which Gymnasium knows the environments; those of other processes are Gymnasium's own.
IDS = {"gedanken/TwoRooms-v0": "two-rooms", "gedanken/PushT-v0": "push-t", "gedanken/Maze-v0": "maze", "gedanken/Car-v0": "car"}

for _id, _name in IDS.items():
    if _id not in gymnasium.registry:
        gymnasium.register(
            _id,
            entry_point="gedanken.env:Env",
            vector_entry_point="gedanken.vector:VectorEnv",
            max_episode_steps=200,
            kwargs={"name": _name},
        )
