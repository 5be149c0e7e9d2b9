"""The layers that encoders, predictors and heads are made of.

Maps are ``[batch, channels, height, width]`` here, as PyTorch has them, and channels-last in Gedanken; its tokens are a map's places, row by
row. Names of fields are those of the file of weights.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Patches(nn.Conv2d):
    """Pictures ``[frames, channels, height, width]`` -> ``[frames, output, height / side, width / side]``: a linear layer of every square of
    pixels. Its weights lie in the file by channels, rows, columns; those of other convolutions by rows, columns, channels."""

    def __init__(self, channels: int, output: int, side: int) -> None:
        super().__init__(channels, output, kernel_size=side, stride=side)


def conv3x3(input: int, output: int) -> nn.Conv2d:
    """A convolution that keeps height and width, with zeros around the map."""
    return nn.Conv2d(input, output, kernel_size=3, padding=1)


def halve(input: int, output: int) -> nn.Conv2d:
    """A linear layer of every 2 x 2 places."""
    return nn.Conv2d(input, output, kernel_size=2, stride=2)


def tokens_of(maps: Tensor) -> Tensor:
    """Maps ``[batch, dim, rows, columns]`` -> tokens ``[batch, rows * columns, dim]``."""
    return maps.flatten(2).transpose(1, 2)


def maps_of(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """Tokens ``[batch, rows * columns, dim]`` -> maps ``[batch, dim, rows, columns]``."""
    return tokens.transpose(1, 2).unflatten(2, (rows, columns))


def flat(maps: Tensor) -> Tensor:
    """Maps ``[batch, channels, height, width]`` -> ``[batch, height * width * channels]``: channels vary fastest."""
    return tokens_of(maps).flatten(1)


class Mlp(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(input, output) for input, output in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        return last(x)


class NormLinear(nn.Module):
    """A linear layer, a layer norm, GELU."""

    def __init__(self, input: int, output: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(input, output), nn.LayerNorm(output)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.linear(x)))


def norm_linears(widths: Sequence[int]) -> nn.ModuleList:
    """Layers one after the other."""
    return nn.ModuleList(NormLinear(input, output) for input, output in pairwise(widths))


class Projector(nn.Module):
    """A linear layer, a batch norm, GELU, a linear layer back; all axes but the last are the batch."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden, self.norm, self.output = nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.norm(self.hidden(x.flatten(0, -2)))
        return self.output(F.gelu(rows)).reshape(x.shape)


def project(dim: int, hidden: int) -> nn.Module:
    """A projector of this width; for 0, none."""
    return Projector(dim, hidden) if hidden else nn.Identity()


class Attention(nn.Module):
    """Self-attention. With a ``frame``, a token sees the tokens of its own frame of so many, and of those before it."""

    def __init__(self, dim: int, heads: int, head_dim: int, *, bias: bool = True, frame: int | None = None) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * heads * head_dim, bias=bias)
        self.output = nn.Linear(heads * head_dim, dim)
        self.heads, self.frame = heads, frame

    def forward(self, x: Tensor) -> Tensor:
        # [batch, heads, tokens, head_dim] of each.
        queries, keys, values = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        mask = None
        if self.frame is not None:
            frame = torch.arange(x.shape[1], device=x.device) // self.frame
            mask = frame[:, None] >= frame[None, :]
        seen = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.output(seen.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """A linear layer, GELU, a linear layer back."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.gelu(self.hidden(x)))


class Block(nn.Module):
    """The block of a transformer, with its norms first."""

    def __init__(self, dim: int, attention: Attention, mlp: int, epsilon: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(dim, eps=epsilon), attention
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=epsilon), FeedForward(dim, mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Readout(nn.Module):
    """Tokens ``[batch, rows * columns, dim]`` -> a few numbers ``[batch, output]``: 3x3 convolutions, an MLP on all places. A vector has no
    convolutions."""

    def __init__(self, map: tuple[int, int], dim: int, channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        depths = [dim, *(channels if map != (1, 1) else [])]
        self.convolutions = nn.ModuleList(conv3x3(input, output) for input, output in pairwise(depths))
        self.mlp, self.map = Mlp([map[0] * map[1] * depths[-1], *widths]), map

    def forward(self, tokens: Tensor) -> Tensor:
        x = maps_of(tokens, *self.map)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.mlp(flat(x))
