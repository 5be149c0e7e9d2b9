"""Weights of a checkpoint, as PyTorch's layers have them."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .layers import Patches

Norm = nn.LayerNorm | nn.GroupNorm | nn.BatchNorm1d


class Weights:
    """The tensors of ``model.safetensors``, by name.

    :param place: the file, for messages.
    """

    def __init__(self, tensors: dict[str, Tensor], place: str) -> None:
        self.place, self._left = place, dict(tensors)

    def has(self, prefix: str) -> bool:
        """True where tensors of this part are left."""
        return any(name.startswith(f"{prefix}.") for name in self._left)

    def fill(self, part: nn.Module, prefix: str) -> None:
        """Gives a part of the model its weights; ``prefix`` is its name in the file."""
        for name, layer, key, own in own_tensors(part):
            name = ".".join(word for word in (prefix, name, stored_key(layer, key)) if word)
            expected = stored_shape(layer, key, own)
            found = self._left.pop(name, None)
            if found is None or found.dtype != torch.float32 or tuple(found.shape) != expected:
                what = f"no {name}" if found is None else f"{name} is {found.dtype} {list(found.shape)}"
                raise ValueError(f"{self.place}: {what}; expected {name} torch.float32 {list(expected)}, as model.json has it")
            with torch.no_grad():
                own.copy_(as_here(layer, key, found).reshape(own.shape))

    def nothing_left(self, *but: str) -> None:
        """All tensors have been asked for, apart from those of these parts."""
        left = [name for name in sorted(self._left) if not name.startswith(tuple(f"{prefix}." for prefix in but))]
        if left:
            raise ValueError(f"{self.place}: a tensor {left[0]}; expected only the tensors of model.json")


def own_tensors(part: nn.Module) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    """Every parameter and running statistic: its layer's name in ``part``, the layer, and its name in the layer."""
    for name, layer in part.named_modules():
        for key, tensor in [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]:
            if key != "num_batches_tracked":
                yield name, layer, key, tensor


def stored_key(layer: nn.Module, key: str) -> str:
    """The name in the file."""
    names = {"weight": "gamma", "bias": "beta"} if isinstance(layer, Norm) else {"class_token": "class"}
    return names.get(key, key)


def stored_shape(layer: nn.Module, key: str, own: Tensor) -> tuple[int, ...]:
    """The shape in the file: matrices are ``[input, output]``."""
    matrix = key == "weight" and isinstance(layer, nn.Linear | nn.Conv2d)
    return (own.numel() // own.shape[0], own.shape[0]) if matrix else tuple(own.shape)


def as_here(layer: nn.Module, key: str, stored: Tensor) -> Tensor:
    """A tensor of the file in the order of PyTorch's. A convolution's input is by rows, columns, channels in the file; that of patches, as in
    PyTorch, by channels, rows, columns."""
    if key == "weight" and isinstance(layer, nn.Conv2d) and not isinstance(layer, Patches):
        return stored.unflatten(0, (*layer.kernel_size, -1)).permute(3, 2, 0, 1)
    return stored.T if key == "weight" and isinstance(layer, nn.Linear | Patches) else stored
