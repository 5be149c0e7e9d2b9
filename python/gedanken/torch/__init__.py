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
    if not str(about.get("version")).startswith(COMPATIBLE):
        raise ValueError(f"{place}: a model of gedanken {about.get('version')}; expected one of gedanken {COMPATIBLE}x")
    return built(about, weights, str(place)).eval().to(device)


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
    """The model that ``model.json`` describes."""
    config, spaces, statistics = about["model"], about["spaces"], about["statistics"]
    columns, action = spaces["proprioception"], spaces["action"]
    encoder = made(ENCODERS, "encoder", config["encoder"], place, tuple(spaces["pixels"]))

    felt, size = config["proprioception"], len(columns)
    appended = (size if felt["raw"] else felt["append"]) if columns else 0
    rows, columns_of_map, dim = encoder.latent
    latent = (rows, columns_of_map, dim + appended)
    network = None
    if columns and not felt["raw"]:
        network = Mlp([size, felt["append"]] if appended else [size, felt["hidden"], dim])

    norm: nn.Module = nn.LayerNorm(latent[2]) if config["prediction"]["shared_norm"] else nn.Identity()
    variable = None
    if config["latent_variable"]["kind"] != "none":
        past = latent[0] * latent[1] * latent[2] + action
        variable = made(VARIABLES, "latent_variable", config["latent_variable"], place, past)
    inputs = action + (variable.size if variable else 0)
    predictor = made(PREDICTORS, "predictor", config["predictor"], place, latent, inputs)
    heads = {name: readout(name, config["loss"], latent, len(statistics["label_mean"])) for name in ("probe", "distance")}
    heads = {name: head for name, head in heads.items() if weights.has(f"terms.{name}")}

    parts = {"encoder": encoder, "proprioception": network, "predictor": predictor, "latent_variable": variable, "norm": norm}
    parts |= {"terms.probe.readout": heads.get("probe"), "terms.distance.online": heads.get("distance")}
    for name, part in parts.items():
        if part is not None:
            weights.fill(part, name)
    weights.nothing_left("terms", "target", "latent_variable.posterior")

    labels = statistics["label_mean"], statistics["label_std"]
    own = [labels[0][column] for column in columns], [labels[1][column] for column in columns]
    pixels = Pixels(statistics["pixel_mean"], statistics["pixel_std"], statistics["stretch"])
    steps = action // max(len(statistics["action_mean"]), 1)
    block = (statistics["action_mean"] or [0.0]) * steps, (statistics["action_std"] or [1.0]) * steps
    return WorldModel(
        Perception(pixels, encoder, network, norm, felt=own, appends=appended > 0),
        Imagination(predictor, variable, norm, action=block),
        picture=tuple(spaces["pixels"]),
        latent=(latent[0] * latent[1], latent[2]),
        action=action,
        proprioception=columns,
        labels=labels,
        probe=heads.get("probe"),
        distance=heads.get("distance"),
        scale=config["loss"].get("distance", {}).get("scale", 1.0),
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


def readout(name: str, loss: dict[str, Any], latent: tuple[int, int, int], labels: int) -> Readout | None:
    """The network of the probe or of the learned distance, where the loss has it."""
    if name not in loss:
        return None
    keys = loss[name]
    widths = [keys["hidden"], labels] if name == "probe" else [*keys["hidden"], keys["dim"]]
    return Readout(latent[:2], latent[2], keys["channels"], widths)
