"""Datasets that ``gedanken collect`` wrote, as arrays."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, overload

import numpy as np

from . import _native
from ._native import GedankenError
from ._shared import columns
from ._types import Bools, Floats32, Floats64, Ints, Pixels


@dataclass(frozen=True, eq=False)
class Episode:
    """A recorded trajectory of ``steps`` actions and ``steps + 1`` frames."""

    #: uint8 ``[steps + 1, channels, height, width]``; float16 ``[steps + 1, tokens, dim]`` in a folder of latents.
    pixels: np.ndarray[Any, Any]
    #: float32 ``[steps, action]``: action ``t`` leads from frame ``t`` to frame ``t + 1``.
    actions: Floats32
    #: float64 ``[steps + 1, state]``.
    states: Floats64
    #: float32 ``[steps + 1, labels]``.
    labels: Floats32
    #: ``[steps + 1]``: something other than free motion could happen (a wall within reach, a contact).
    eventful: Bools
    #: Number of its layout: what stays the same between episodes of one world.
    layout: int
    #: The policy that acted.
    policy: str


@dataclass(frozen=True, eq=False)
class Windows:
    """Slices of episodes: ``time`` frames each, ``frameskip`` control steps apart."""

    #: uint8 ``[windows, time, channels, height, width]``; float16 ``[windows, time, tokens, dim]`` in a folder of latents.
    pixels: np.ndarray[Any, Any]
    #: float32 ``[windows, time - 1, frameskip * action]``: block ``t`` leads from frame ``t`` to frame ``t + 1``.
    actions: Floats32
    #: float64 ``[windows, time, state]``.
    states: Floats64
    #: float32 ``[windows, time, labels]``.
    labels: Floats32
    #: The episode of each, ``[windows]``.
    episodes: Ints
    #: The frame of it that each begins with, ``[windows]``.
    starts: Ints


class Dataset(Sequence[Episode]):
    """A dataset folder, a sequence of :class:`Episode`. Files are mapped into memory: only what is asked for is read.

    :param path: the folder that ``gedanken collect`` or ``gedanken data import`` wrote.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._native = _native.Dataset(self.path)
        #: The content of ``dataset.toml``: environment, spaces, labels, policies, counts.
        self.manifest: dict[str, Any] = json.loads(self._native.manifest())
        entries = np.array(self._native.episodes(), np.int64).reshape(-1, 4)
        self._offsets, self._layouts, self._policies = entries[:, 0], entries[:, 2], entries[:, 3]
        #: Frames of every episode, ``[episodes]``: one more than its actions.
        self.lengths: Ints = entries[:, 1]
        #: Frames of all episodes.
        self.frames = int(self.lengths.sum())
        space = self.manifest["observation"]
        self._picture = (space["channels"], space["height"], space["width"])
        self._action = len(self.manifest["action"]["low"])
        self._state = len(self.manifest["state"])
        labels = self.manifest.get("labels", [])
        self._label = sum(label["size"] for label in labels)
        #: Columns of ``labels``, by the label's name.
        self.label_columns: dict[str, slice] = columns(labels)

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        return f"Dataset({self.path!r}: {self.manifest['env']['name']}, {len(self)} episodes, {self.frames} frames)"

    @overload
    def __getitem__(self, number: int) -> Episode: ...
    @overload
    def __getitem__(self, number: slice) -> list[Episode]: ...
    def __getitem__(self, number: int | slice) -> Episode | list[Episode]:
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        if not -len(self) <= number < len(self):
            raise IndexError(f"no episode {number}; there are {len(self)}")
        number %= len(self)
        first, length = int(self._offsets[number]), int(self.lengths[number])
        pixels, actions, states, labels, eventful = self._frames(np.arange(first, first + length))
        policy = self.manifest["policies"][int(self._policies[number])]["name"]
        return Episode(pixels, actions[:-1], states, labels, eventful, int(self._layouts[number]), policy)

    def split(self, name: str, validation: float = 0.1) -> Ints:
        """Numbers of the episodes of a training's split, ``"train"`` or ``"validation"``, with this share of the layouts (of the episodes, where
        there is one layout) kept for validation: those of an experiment with ``data.validation``."""
        return np.array(self._native.split(name, validation), np.int64)

    def windows(
        self,
        time: int,
        *,
        frameskip: int = 1,
        episodes: Sequence[int] | Ints | None = None,
        starts: Sequence[int] | Ints | None = None,
    ) -> Windows:
        """Windows of these episodes, beginning with these frames: by default one of every episode, from its first frame on."""
        span = self._span(time, frameskip)
        which = np.arange(len(self)) if episodes is None else np.asarray(episodes, np.int64)
        begin = np.zeros(len(which), np.int64) if starts is None else np.asarray(starts, np.int64)
        if which.shape != begin.shape or which.ndim != 1:
            raise ValueError(f"episodes of shape {which.shape}, starts of shape {begin.shape}; expected a row of each, as long")
        if which.size and not (0 <= which.min() and which.max() < len(self)):
            raise IndexError(f"episodes {which.min()} to {which.max()}; expected 0 to {len(self) - 1}")
        wrong = np.flatnonzero((begin < 0) | (begin + span > self.lengths[which]))
        if wrong.size:
            episode, start, length = which[wrong[0]], begin[wrong[0]], self.lengths[which[wrong[0]]]
            raise GedankenError(
                f"{self.path}: a window from frame {start} of episode {episode}, which has {length}; it spans {span} "
                f"(time={time}, frameskip={frameskip})"
            )
        firsts = self._offsets[which] + begin
        frames = firsts[:, None] + np.arange(span)
        # Pictures of the window's frames alone; actions of every control step between them.
        pixels, _, states, labels, _ = self._frames(frames[:, ::frameskip].ravel())
        actions = self._frames(frames[:, :-1].ravel(), pictures=False)[1]
        shape = (len(which), time)
        return Windows(
            pixels.reshape(*shape, *pixels.shape[1:]),
            actions.reshape(len(which), time - 1, frameskip * self._action),
            states.reshape(*shape, self._state),
            labels.reshape(*shape, self._label),
            which,
            begin,
        )

    def batches(
        self,
        time: int,
        count: int,
        *,
        frameskip: int = 1,
        split: str | None = None,
        validation: float = 0.1,
        seed: int = 0,
    ) -> Iterator[Windows]:
        """Batches of ``count`` windows without end, every window of every episode (of a split) as likely as another."""
        span = self._span(time, frameskip)
        which = np.arange(len(self)) if split is None else self.split(split, validation)
        starts = np.maximum(self.lengths[which] - span + 1, 0)
        if not starts.sum():
            raise GedankenError(f"{self.path}: no episode of {span} frames or more (time={time}, frameskip={frameskip})")
        ends, random = np.cumsum(starts), np.random.default_rng(seed)
        while True:
            drawn = random.integers(int(ends[-1]), size=count)
            rows = np.searchsorted(ends, drawn, side="right")
            yield self.windows(time, frameskip=frameskip, episodes=which[rows], starts=drawn - (ends - starts)[rows])

    def verify(self) -> None:
        """Reads every byte and compares the checksums.

        :raises GedankenError: names the first file whose content was changed.
        """
        self._native.verify()

    def _span(self, time: int, frameskip: int) -> int:
        if time < 2 or frameskip < 1:
            raise ValueError(f"time={time}, frameskip={frameskip}; expected a time of 2 or more and a frameskip of 1 or more")
        return (time - 1) * frameskip + 1

    def _frames(self, numbers: Ints, *, pictures: bool = True) -> tuple[Any, Floats32, Floats64, Floats32, Bools]:
        pixels, actions, states, labels, eventful = self._native.frames(numbers.tolist(), pictures)
        count = len(numbers)
        shown: Any = np.frombuffer(pixels, np.uint8)
        if "latents" in self.manifest:
            # Half-precision numbers, whose bytes are the last axis.
            shown = shown.view(np.float16).reshape(-1, *self._picture[:2])
        else:
            shown = shown.reshape(-1, *self._picture)
        return (
            shown,
            np.frombuffer(actions, np.float32).reshape(count, self._action),
            np.frombuffer(states, np.float64).reshape(count, self._state),
            np.frombuffer(labels, np.float32).reshape(count, self._label),
            np.frombuffer(eventful, np.bool_),
        )
