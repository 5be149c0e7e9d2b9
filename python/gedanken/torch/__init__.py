"""Runs in PyTorch, without Gedanken's program: from the ``model.json`` and ``model.safetensors`` of a checkpoint.

    model = gedanken.torch.load("runs/quickstart/2026-11-22T13-05-12-seed1")
    latents = model.encode(pixels)
    future = model.rollout(latents, actions)

It needs ``torch`` and ``safetensors``, and nothing else of ``gedanken``: a copy of this folder works by itself.
"""

import inspect
import json
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from .encoders import ENCODERS
from .layers import Mlp, Readout
from .model import Imagination, Perception, Pixels, WorldModel
from .predictors import PREDICTORS
from .variables import VARIABLES
from .weights import Weights

__all__ = ["Imagination", "Perception", "WorldModel", "load"]

#: Versions whose models these are start with this.
COMPATIBLE = "0.2."

Part = TypeVar("Part", bound=nn.Module)


def load(run: str | PathLike[str], *, device: str | torch.device = "cpu") -> WorldModel:
    """The model of a run (its last checkpoint) or of one of its checkpoints, in evaluation.

    :raises ValueError: a checkpoint that is not one, or a part of a kind that is not known here.
    """
    folder = checkpoint(Path(run))
    place, file = folder / "model.json", folder / "model.safetensors"
    try:
        about = json.loads(place.read_text("utf-8"))
        weights = Weights(load_file(file), str(file))
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"{folder}: {error}; expected the checkpoint of a run") from None
    version = about.get("version") if isinstance(about, dict) else None
    if not str(version).startswith(COMPATIBLE):
        raise ValueError(f"{place}: a model of gedanken {version}; expected one of gedanken {COMPATIBLE}x")
    try:
        return built(about, weights, str(place)).eval().to(device)
    except KeyError as missing:
        raise ValueError(f"{place}: no {missing}; expected the description of a model") from None


def checkpoint(run: Path) -> Path:
    """The checkpoint itself, or the run's last one."""
    if (run / "model.json").is_file():
        return run
    steps = {folder.name.removeprefix("step-"): folder for folder in (run / "checkpoints").glob("step-*")}
    numbers = [number for number in steps if number.isdecimal()]
    if not numbers:
        raise ValueError(f"{run}: no model.json and no checkpoints/step-*; expected a run, or one of its checkpoints")
    return steps[max(numbers, key=int)]


def built(about: dict[str, Any], weights: Weights, place: str) -> WorldModel:
    """The model that ``model.json`` describes, with these weights."""
    config, spaces, statistics = about["model"], about["spaces"], about["statistics"]
    picture, action, columns = tuple(spaces["pixels"]), spaces["action"], spaces.get("proprioception", [])
    encoder = made(ENCODERS, "encoder", config["encoder"], place, picture)

    rows, wide, seen = encoder.latent
    # What is not there, earlier versions did not have.
    feels = config.get("proprioception", {})
    raw, count = feels.get("raw", False), len(columns)
    appended = (count if raw else feels.get("append", 0)) if columns else 0
    latent = (rows, wide, seen + appended)
    network = None
    if columns and not raw:
        network = Mlp([count, appended] if appended else [count, feels["hidden"], seen])
    norm: nn.Module = nn.LayerNorm(latent[2]) if config["prediction"]["shared_norm"] else nn.Identity()

    variable = None
    table = config.get("latent_variable", {"kind": "none"})
    if table["kind"] != "none":
        variable = made(VARIABLES, "latent_variable", table, place, rows * wide * latent[2] + action)
    inputs = action + (0 if variable is None else variable.size)
    predictor = made(PREDICTORS, "predictor", config["predictor"], place, latent, inputs)

    labels = statistics["label_mean"], statistics["label_std"]
    loss, probe, distance = config["loss"], None, None
    if weights.has("terms.probe"):
        keys = loss["probe"]
        probe = Readout((rows, wide), latent[2], keys["channels"], [keys["hidden"], len(labels[0])])
    if weights.has("terms.distance"):
        keys = loss["distance"]
        distance = Readout((rows, wide), latent[2], keys["channels"], [*keys["hidden"], keys["dim"]])

    parts = {"encoder": encoder, "proprioception": network, "predictor": predictor, "latent_variable": variable, "norm": norm}
    for name, part in {**parts, "terms.probe.readout": probe, "terms.distance.online": distance}.items():
        if part is not None:
            weights.fill(part, name)
    # What learns and is not needed to perceive and to imagine.
    weights.nothing_left("terms", "target", "latent_variable.posterior")

    own = [labels[0][column] for column in columns], [labels[1][column] for column in columns]
    # Statistics of one control step's action, or none where the model takes actions as they are.
    means, stds = statistics.get("action_mean") or [0.0], statistics.get("action_std") or [1.0]
    steps = action // len(means)
    pixels = Pixels(statistics["pixel_mean"], statistics["pixel_std"], statistics["stretch"])
    return WorldModel(
        Perception(pixels, encoder, network, norm, felt=own, appends=appended > 0),
        Imagination(predictor, variable, norm, action=(means * steps, stds * steps)),
        picture=picture,
        latent=(rows * wide, latent[2]),
        action=action,
        proprioception=columns,
        labels=labels,
        probe=probe,
        distance=distance,
        scale=1.0 if distance is None else loss["distance"]["scale"],
    )


def made(kinds: dict[str, type[Part]], what: str, table: dict[str, Any], place: str, *sizes: Any) -> Part:
    """A part by its ``kind``, with the table's other keys."""
    keys = dict(table)
    kind = keys.pop("kind")
    if kind not in kinds:
        raise ValueError(f'{place}: {what}.kind = "{kind}", which is not known here; expected one of {", ".join(kinds)}')
    try:
        inspect.signature(kinds[kind]).bind(*sizes, **keys)
    except TypeError as error:
        raise ValueError(f'{place}: {what} of kind "{kind}": {error}; expected the keys of gedanken {COMPATIBLE}x') from None
    return kinds[kind](*sizes, **keys)
