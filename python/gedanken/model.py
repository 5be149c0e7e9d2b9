"""A trained run as a model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np

from . import _native
from ._native import GedankenError
from ._shared import SEEDS
from ._types import Floats32, Ints, Pixels


@dataclass(frozen=True, eq=False)
class Plan:
    """The action sequences of the lowest energy that a search found."""

    #: float32 ``[batch, horizon, frameskip * action]``, in the environment's unit and within its bounds.
    actions: Floats32
    #: float32 ``[batch]``: what the protocol's objective says of them.
    energy: Floats32
    #: float32 ``[batch]``: 0 where they keep the guardrails.
    violation: Floats32
    #: ``[batch]``: imagined steps.
    evaluations: Ints


class Model:
    """The world model of a run.

    :param run: the run's folder (its last checkpoint) or one of its checkpoints.
    :param device: where it lives, as behind ``--device``: ``"cpu"``, ``"wgpu"``, ``"auto"``, ``"cuda"`` in a build that has it.
    :param set: values of the run's experiment that are different, ``{"planner.horizon": 8}``, as behind ``--set``.
    """

    def __init__(
        self, run: str | PathLike[str], *, device: str = "cpu", set: Mapping[str, Any] | None = None
    ) -> None:
        self._native = _native.Model(fspath(run), device, overrides(set))
        about = json.loads(self._native.about())
        #: The run's folder, the checkpoint in it, and the updates behind that.
        self.run: str = about["run"]
        self.checkpoint: str = about["checkpoint"]
        self.step: int = about["step"]
        self.device: str = about["device"]
        #: The run's experiment, every default in place; ``gedanken.Env(**model.experiment["env"])`` is its environment.
        self.experiment: dict[str, Any] = about["experiment"]
        #: Spaces, units, labels and policies of its environment.
        self.about: dict[str, Any] = about["spec"]
        #: Shape of one picture, ``(channels, height, width)``.
        self.pixels: tuple[int, int, int] = tuple(about["spaces"]["pixels"])
        #: Shape of one latent, ``(tokens, dim)``.
        self.latent: tuple[int, int] = tuple(about["latent"])
        #: Numbers of one of the model's actions: those of ``frameskip`` control steps.
        self.action: int = about["spaces"]["action"]
        self.frameskip: int = about["frameskip"]
        #: Columns of the labels that the model feels of itself.
        self.proprioception: list[int] = about["spaces"]["proprioception"]
        self._labels: int = about["spaces"]["labels"]
        self._budget: int = about["budget"]
        self._seed: int = about["seed"]

    def __repr__(self) -> str:
        return f"Model({self.run!r}, step {self.step}, on {self.device})"

    def encode(self, pixels: Any, labels: Any = None) -> Floats32:
        """Pictures uint8 ``[..., channels, height, width]`` -> latents float32 ``[..., tokens, dim]``. A model with proprioception takes labels
        float32 ``[..., labels]`` too, of which it feels its own alone; others need none."""
        pictures = _shaped("pixels", pixels, np.uint8, self.pixels)
        lead = pictures.shape[:-3]
        rows = int(np.prod(lead, dtype=np.int64))
        felt = None
        if self.proprioception and labels is not None:
            felt = _shaped("labels", labels, np.float32, (self._labels,), lead).tobytes()
        if not rows:
            return np.zeros((*lead, *self.latent), np.float32)
        found = self._native.encode(pictures.tobytes(), felt, rows)
        return np.frombuffer(found, np.float32).reshape(*lead, *self.latent)

    def rollout(self, latents: Any, actions: Any) -> Floats32:
        """The imagined future: latents float32 ``[batch, tokens, dim]`` and actions ``[batch, horizon, frameskip * action]`` in the
        environment's unit -> latents after every action, ``[batch, horizon, tokens, dim]``."""
        first = _shaped("latents", latents, np.float32, self.latent)
        if first.ndim != 3:
            raise ValueError(f"latents of shape {first.shape}; expected (batch, {self.latent[0]}, {self.latent[1]})")
        batch = first.shape[0]
        blocks = np.asarray(actions, np.float32)
        if blocks.ndim != 3 or blocks.shape[0] != batch or blocks.shape[2] != self.action or 0 in blocks.shape:
            raise ValueError(f"actions of shape {blocks.shape}; expected ({batch}, horizon, {self.action})")
        found = self._native.rollout(first.tobytes(), blocks.tobytes(), batch, blocks.shape[1])
        return np.frombuffer(found, np.float32).reshape(*blocks.shape[:2], *self.latent)

    def plan(self, latents: Any, goals: Any, *, seed: int = 0, steps: int | None = None) -> Plan:
        """A plan from latents float32 ``[batch, tokens, dim]`` to goals of the same shape, by the run's planner, objective and guardrails
        (``set`` changes them when the model is opened). ``steps``: actions that are left, where they are fewer than the horizon."""
        start, goal = (_shaped(what, array, np.float32, self.latent) for what, array in (("latents", latents), ("goals", goals)))
        if start.ndim != 3 or start.shape != goal.shape:
            shape = f"(batch, {self.latent[0]}, {self.latent[1]})"
            raise ValueError(f"latents of shape {start.shape}, goals of shape {goal.shape}; expected {shape} of both")
        if steps is not None and steps < 1:
            raise ValueError(f"steps={steps}; expected 1 or more, or None for the whole horizon")
        seeds = [(seed + row) % SEEDS for row in range(len(start))]
        left = steps or int(self.experiment["planner"]["horizon"])
        horizon, actions, energy, violation, evaluations = self._native.plan(start.tobytes(), goal.tobytes(), seeds, left)
        return Plan(
            np.frombuffer(actions, np.float32).reshape(len(start), horizon, self.action),
            np.frombuffer(energy, np.float32),
            np.frombuffer(violation, np.float32),
            np.frombuffer(evaluations, np.uint64).astype(np.int64),
        )

    def policy(self, *, budget: int | None = None, seed: int | None = None) -> "Policy":
        """A policy that acts by planning again and again, as ``gedanken eval`` lets it.

        :param budget: control steps of an episode; the run's protocol's if not given.
        :param seed: seed of its random numbers; the run's protocol's if not given.
        """
        return Policy(self, self._budget if budget is None else budget, self._seed if seed is None else seed % SEEDS)


class Policy:
    """Acts for what :class:`gedanken.Env`, :class:`gedanken.VectorEnv` or :func:`gedanken.evaluate` show: ``actions = policy(observation,
    info)``. Where ``info["elapsed"]`` is 0 an episode begins, with ``info["goal"]`` as its goal.

    It is a policy of stable-worldmodel's too: ``world.set_policy(model.policy())`` for a model that sees by pixels alone, in a world whose
    pictures have its size and whose actions are in its unit."""

    def __init__(self, model: Model, budget: int, seed: int) -> None:
        if budget < 1:
            raise ValueError(f"budget={budget}; expected 1 control step or more")
        self.model, self.budget, self.seed = model, budget, seed
        self.env: Any = None
        self._agents: dict[int, _native.Agent] = {}
        self._size = len(model.about["action"]["low"])

    def reset(self) -> None:
        """Forgets all episodes."""
        self._agents.clear()

    def __call__(self, observation: Any, info: Mapping[str, Any]) -> Floats32:
        """The next action, float32 ``[action]`` for one picture ``[channels, height, width]`` and ``[envs, action]`` for several."""
        pixels = _shaped("observation", observation, np.uint8, self.model.pixels)
        if pixels.ndim == 3:
            return self._act(0, pixels, info, int(info["elapsed"]))
        rows = [self._act(row, picture, _row(info, row), int(info["elapsed"][row])) for row, picture in enumerate(pixels)]
        return np.stack(rows)

    def set_env(self, env: Any) -> None:
        """A World of stable-worldmodel's says where it acts."""
        self.env = env
        self.reset()

    def set_seed(self, seed: int) -> None:
        """Seed of its random numbers from the next episodes on."""
        self.seed = seed % SEEDS

    def get_action(self, info: Mapping[str, Any], **_: Any) -> Floats32:
        """What a World of stable-worldmodel asks: pictures ``pixels`` and ``goal``, uint8 ``[envs, 1, height, width, channels]``, and ``step_idx``
        ``[envs, 1]`` -> actions ``[envs, action]``; zeros in episodes that have ended."""
        missing = [key for key in ("pixels", "goal", "step_idx") if key not in info]
        if missing:
            raise GedankenError(f"a world without {', '.join(missing)}; expected pixels, goal and step_idx, as stable-worldmodel 0.1 gives them")
        if self.model.proprioception:
            raise GedankenError("this model feels labels beside its pictures, which a World does not give; expected one by pixels alone")
        pixels, goals = (np.moveaxis(np.asarray(info[key])[:, -1], -1, 1) for key in ("pixels", "goal"))
        elapsed = np.asarray(info["step_idx"]).reshape(len(pixels), -1)[:, -1]
        ended = [np.asarray(info.get(key, elapsed * 0)).reshape(len(pixels), -1)[:, -1] for key in ("terminated", "truncated")]
        actions = np.zeros((len(pixels), self._size), np.float32)
        for row in np.flatnonzero(~np.logical_or(*ended)).tolist():
            picture = _shaped("pixels", pixels[row], np.uint8, self.model.pixels)
            actions[row] = self._act(row, picture, {"goal": goals[row]}, int(elapsed[row]))
        return actions

    def _act(self, row: int, pixels: Pixels, info: Mapping[str, Any], elapsed: int) -> Floats32:
        feels = bool(self.model.proprioception)
        if elapsed == 0 or row not in self._agents:
            if "goal" not in info:
                raise GedankenError("info has no goal; expected the picture of one, as environments with a task give it")
            agent = self.model._native.agent(self.seed, row)
            goal = _shaped("info[\"goal\"]", info["goal"], np.uint8, self.model.pixels, ())
            agent.set_goal(goal.tobytes(), _felt(info["goal_labels"]) if feels else None)
            self._agents[row] = agent
        left = max(self.budget - elapsed, 1)
        felt = _felt(info["labels"]) if feels else None
        return np.frombuffer(self._agents[row].act(pixels.tobytes(), felt, left), np.float32)


def overrides(set: Mapping[str, Any] | None) -> list[str]:
    """Changed values as the command line takes them."""
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in (set or {}).items()]


def _row(info: Mapping[str, Any], row: int) -> dict[str, Any]:
    return {key: info[key][row] for key in ("goal", "goal_labels", "labels") if key in info}


def _felt(labels: Any) -> bytes:
    return np.asarray(labels, np.float32).tobytes()


def _shaped(
    what: str, array: Any, kind: Any, last: tuple[int, ...], lead: tuple[int, ...] | None = None
) -> np.ndarray[Any, Any]:
    """An array whose last axes are these, and the first ones too, if they are given."""
    found = np.asarray(array)
    shape = f"(..., {', '.join(map(str, last))})" if lead is None else str((*lead, *last))
    if found.shape[max(found.ndim - len(last), 0) :] != last or (lead is not None and found.shape != (*lead, *last)):
        raise ValueError(f"{what} of shape {found.shape}; expected {shape}")
    if kind is np.uint8 and found.dtype != np.uint8:
        raise TypeError(f"{what} of {found.dtype}; expected uint8, 0 to 255")
    return np.ascontiguousarray(found, kind)
