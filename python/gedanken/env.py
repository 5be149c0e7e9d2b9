"""One environment, as Gymnasium has them."""

from collections.abc import Mapping
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from . import _native
from ._shared import SEEDS, Seen, Shared
from ._types import Floats32, Info, Pixels


class Env(gymnasium.Env[Pixels, Floats32]):
    """An environment of Gedanken's: ``two-rooms``, ``push-t``, ``maze``, ``car``, or any other of :func:`gedanken.environments`.

    An observation is a picture, uint8 ``[channels, height, width]``, as models take it; an action is float32 ``[action]`` in the
    environment's unit. The reward is the distance to the goal after the step, negative, in the task's unit; 0 without a task.
    ``terminated``: the distance is below the radius. ``truncated`` is left to Gymnasium's ``TimeLimit``, which
    ``gymnasium.make`` adds.

    ``info`` has ``state`` float64 ``[state]``, ``labels`` float32 ``[labels]``, ``distance`` and ``success``, the goal's picture ``goal``
    and labels ``goal_labels``, and ``elapsed``, control steps since the start. Every array is a new one every time.

    :param name: the environment.
    :param factors: factors of variation that are held at a value.
    :param radius: distance below which a task is done; the environment's own if not given.
    :param ends: whether success terminates the episode.
    :param render_mode: ``"rgb_array"``: ``render()`` gives the picture in colour, uint8 ``[height, width, 3]``.
    :param options: the environment's own options, by name.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        name: str = "two-rooms",
        *,
        factors: Mapping[str, float] | None = None,
        radius: float | None = None,
        ends: bool = True,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode={render_mode!r}; expected \"rgb_array\" or None")
        self.render_mode = render_mode
        self._shared = Shared(name, factors, options, 1)
        self.observation_space = self._shared.observation_space
        self.action_space = self._shared.action_space
        #: Spaces, units, labels, factors and policies.
        self.about: dict[str, Any] = self._shared.spec
        #: Columns of ``info["labels"]``, by the label's name.
        self.label_columns: dict[str, slice] = self._shared.label_columns
        self._radius, self._ends = self._shared.radius(radius), ends
        self._shape = (self._shared.actions,)
        self._goal: dict[str, Any] | None = None
        self._elapsed = 0
        self._pixels: Pixels | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Pixels, Info]:
        """Draws layout, start and goal, by the seed or by the next that follows from the one before. ``options`` may have ``state``, a full
        state or its first numbers, and ``goal``, a state whose picture is the goal."""
        super().reset(seed=seed)
        if self._goal is None and seed is None:
            seed = int(self.np_random.integers(1 << 62))
        self._shared.worlds.reset([0], [None if seed is None else seed % SEEDS])
        self._shared.apply(0, options)
        self._elapsed = 0
        if self._shared.task is None:
            self._goal = {}
        else:
            pixels, labels = self._shared.goals()
            self._goal = {"goal": pixels[0], "goal_labels": labels[0]}
        seen = self._shared.look()
        self._pixels = seen.pixels[0]
        return self._pixels, self._info(seen)

    def step(self, action: Floats32) -> tuple[Pixels, SupportsFloat, bool, bool, Info]:
        """One control step."""
        if self._goal is None:
            raise gymnasium.error.ResetNeeded("a step before the first reset; expected reset() first")
        shared = self._shared
        seen = shared.seen(shared.worlds.step(shared.numbers(action, self._shape), shared.none_fresh))
        self._elapsed += 1
        self._pixels = seen.pixels[0]
        info = self._info(seen)
        reward = 0.0 if shared.task is None else -info["distance"]
        return self._pixels, reward, self._ends and info["success"], False, info

    def render(self) -> Any:
        """The last observation in colour, uint8 ``[height, width, 3]``."""
        if self.render_mode is None or self._pixels is None:
            return None
        return colour(self._pixels)

    def _info(self, seen: Seen) -> Info:
        distance = float(seen.distance[0])
        info: Info = {
            "state": seen.state[0],
            "labels": seen.labels[0],
            "distance": distance,
            "success": distance < self._radius,
            "elapsed": self._elapsed,
        }
        for key, array in (self._goal or {}).items():
            info[key] = array.copy()
        return info


def colour(pixels: Pixels) -> Pixels:
    """A picture ``[channels, height, width]`` in colour, ``[height, width, 3]``, as films show it."""
    channels, height, width = pixels.shape
    return np.frombuffer(_native.colour(pixels.tobytes(), (channels, height, width)), np.uint8).reshape(height, width, 3)
