"""Many environments, stepped and drawn in Rust by one call."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector import VectorEnv as Base
from gymnasium.vector.utils import batch_space

from ._shared import SEEDS, Seen, Shared, limit
from ._types import Bools, Floats32, Floats64, Info, Ints, Pixels
from .env import colour


class VectorEnv(Base):  # type: ignore[type-arg, unused-ignore]
    """As many environments of :class:`gedanken.Env`'s kind as you like. They are stepped, drawn and read in one call, on all cores, without the
    interpreter's lock.

    Everything is as in :class:`gedanken.Env`, with the environments as first axis, also in ``info``. ``truncated`` where an episode has
    ``max_episode_steps``. Environment ``i`` with ``reset(seed=s)`` is what a single one with ``reset(seed=s + i)`` is, episode after
    episode.

    :param num_envs: how many.
    :param max_episode_steps: control steps of an episode; ``None`` for no limit.
    :param autoreset_mode: when an episode that has ended begins anew: at the next step (Gymnasium's default: that step's action is ignored and
        its reward is 0), at the same step (``info["final_obs"]`` and ``info["final_info"]`` have how it ended), or when ``reset`` is
        called with ``options={"reset_mask": mask}``.
    """

    def __init__(
        self,
        name: str = "two-rooms",
        num_envs: int = 1,
        *,
        factors: Mapping[str, float] | None = None,
        radius: float | None = None,
        ends: bool = True,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs}; expected 1 or more")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode={render_mode!r}; expected \"rgb_array\" or None")
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "autoreset_mode": self._mode}
        self.num_envs, self.render_mode = num_envs, render_mode
        self._shared = Shared(name, factors, options, num_envs)
        self.single_observation_space = self._shared.observation_space
        self.single_action_space = self._shared.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.about: dict[str, Any] = self._shared.spec
        self.label_columns: dict[str, slice] = self._shared.label_columns
        self._radius, self._ends, self._limit = self._shared.radius(radius), ends, limit(max_episode_steps)
        self._shape = (num_envs, self._shared.actions)
        self._elapsed: Ints = np.zeros(num_envs, np.int64)
        self._ended: Bools = np.zeros(num_envs, np.bool_)
        self._goal: tuple[Pixels, Floats32] | None = None
        self._pixels: Pixels | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Pixels, Info]:
        """Begins an episode everywhere, or where ``options["reset_mask"]`` is true. One seed is that of the first environment, the next one has
        one more, and so on. ``options["state"]`` and ``options["goal"]`` have a row for every environment."""
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        chosen = np.ones(self.num_envs, np.bool_) if mask is None else np.asarray(mask, np.bool_)
        if chosen.shape != (self.num_envs,):
            raise ValueError(f"reset_mask of shape {chosen.shape}; expected ({self.num_envs},)")
        which = np.flatnonzero(chosen).tolist()
        super().reset(seed=seed if isinstance(seed, int) else None)
        if self._goal is None and mask is not None:
            raise ResetNeeded("a reset of some environments before the first of all; expected reset() first")
        if self._goal is None and seed is None:
            seed = int(self.np_random.integers(1 << 62))
        seeds = self._seeds(seed)
        self._shared.worlds.reset(which, [seeds[index] for index in which])
        for index in which:
            self._shared.apply(index, {key: rows[index] for key, rows in options.items()})
        self._elapsed[which], self._ended[which] = 0, False
        self._set_goals()
        seen = self._shared.look()
        self._pixels = seen.pixels
        return seen.pixels, self._info(seen)

    def step(self, actions: Floats32) -> tuple[Pixels, Floats64, Bools, Bools, Info]:
        """One control step of each."""
        if self._goal is None:
            raise ResetNeeded("a step before the first reset; expected reset() first")
        shared, fresh = self._shared, self._ended.copy()
        if self._mode is AutoresetMode.DISABLED and fresh.any():
            ended = np.flatnonzero(fresh).tolist()
            raise ResetNeeded(f"environments {ended} have ended; expected reset(options={{\"reset_mask\": mask}}) first")
        seen = shared.seen(shared.worlds.step(shared.numbers(actions, self._shape), fresh.tobytes()))
        self._elapsed += 1
        if fresh.any():
            self._elapsed[fresh] = 0
            self._set_goals()
        terminated: Bools = (seen.distance < self._radius) & ~fresh if self._ends else np.zeros(self.num_envs, np.bool_)
        truncated: Bools = np.zeros(self.num_envs, np.bool_) if self._limit is None else self._elapsed >= self._limit
        rewards = np.zeros(self.num_envs) if shared.task is None else np.where(fresh, 0.0, -seen.distance)
        self._ended = terminated | truncated
        info = self._info(seen)
        pixels = seen.pixels
        if self._mode is AutoresetMode.SAME_STEP and self._ended.any():
            pixels, info = self._begin_again(pixels, info)
        self._pixels = pixels
        return pixels, rewards, terminated, truncated, info

    def render(self) -> tuple[Any, ...] | None:
        """The last observations in colour, uint8 ``[height, width, 3]`` each."""
        if self.render_mode is None or self._pixels is None:
            return None
        return tuple(colour(pixels) for pixels in self._pixels)

    def _begin_again(self, final: Pixels, final_info: Info) -> tuple[Pixels, Info]:
        """The first observations of new episodes where some have ended; how those ended goes into ``info``."""
        ended = self._ended.copy()
        which = np.flatnonzero(ended).tolist()
        self._shared.worlds.reset(which, [None] * len(which))
        self._elapsed[which], self._ended[which] = 0, False
        self._set_goals()
        seen = self._shared.look()
        info = self._info(seen)
        final_obs = np.full(self.num_envs, None, dtype=object)
        for index in which:
            final_obs[index] = final[index]
        info.update(final_obs=final_obs, _final_obs=ended, final_info=final_info, _final_info=ended)
        return seen.pixels, info

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [(int(seed) + index) % SEEDS for index in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds; expected one, or {self.num_envs}")
        return [None if own is None else own % SEEDS for own in seed]

    def _set_goals(self) -> None:
        self._goal = self._shared.goals()

    def _info(self, seen: Seen) -> Info:
        info: Info = {
            "state": seen.state,
            "labels": seen.labels,
            "distance": seen.distance,
            "success": seen.distance < self._radius,
            "elapsed": self._elapsed.copy(),
        }
        if self._goal is not None and self._shared.task is not None:
            info["goal"], info["goal_labels"] = (array.copy() for array in self._goal)
        return info
