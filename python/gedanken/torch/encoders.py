"""Encoders: normalised pixels ``[frames, channels, height, width]`` -> latents ``[frames, tokens, dim]``.

Keyword arguments are the keys of ``[encoder]``; :attr:`Encoder.latent` is the shape of a latent, rows, columns and numbers of a token.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Attention, Block, Patches, conv3x3, flat, halve, project, tokens_of

Shape = tuple[int, int, int]


class Encoder(nn.Module):
    """An encoder."""

    latent: Shape


class Impala(Encoder):
    """Stacks of convolution, max-pool and two residual blocks (Espeholt et al., 2018), as EB-JEPA has them."""

    def __init__(self, pixels: Shape, *, channels: list[int], dim: int) -> None:
        super().__init__()
        self.latent = (1, 1, dim)
        depth, height, width = pixels
        self.stacks = nn.ModuleList(ImpalaStack(input, output) for input, output in pairwise([depth, *channels]))
        for _ in channels:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.output = nn.Linear(channels[-1] * height * width, dim)

    def forward(self, x: Tensor) -> Tensor:
        for stack in self.stacks:
            x = stack(x)
        # This one alone is flattened in PyTorch's order.
        return self.output(F.relu(x).flatten(1)).unsqueeze(1)


class ImpalaStack(nn.Module):
    def __init__(self, input: int, output: int) -> None:
        super().__init__()
        self.conv = conv3x3(input, output)
        self.blocks = nn.ModuleList(ImpalaResidual(output) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv(x), kernel_size=3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x)
        return x


class ImpalaResidual(nn.Module):
    """The ReLU comes after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv3x3(channels, channels), conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))) + x)


class Patch(Encoder):
    """Patches, then small convolutions; a map, or a vector made of it."""

    def __init__(self, pixels: Shape, *, patch: int, width: int, groups: int, depth: int, dim: int, latent: str) -> None:
        super().__init__()
        rows, columns = pixels[1] // patch, pixels[2] // patch
        vector = latent == "vector"
        inner = max(width // 4, 1) if vector else dim
        self.latent = (1, 1, dim) if vector else (rows, columns, dim)
        self.embed = Patches(pixels[0], width, patch)
        self.convolutions = nn.ModuleList(conv3x3(width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.GroupNorm(groups, width) for _ in range(depth))
        self.last = conv3x3(width, inner)
        self.output = nn.Linear(rows * columns * inner, dim) if vector else None

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.embed(pixels)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        x = self.last(x)
        return tokens_of(x) if self.output is None else self.output(flat(x)).unsqueeze(1)


class Conv(Encoder):
    """Residual convolutions that halve the map stage by stage; a vector, or the last map."""

    def __init__(
        self,
        pixels: Shape,
        *,
        patch: int,
        channels: list[int],
        groups: int,
        depth: int,
        dim: int,
        latent: str,
        projector: int,
    ) -> None:
        super().__init__()
        stride = patch << (len(channels) - 1)
        rows, columns = pixels[1] // stride, pixels[2] // stride
        self.vector = latent == "vector"
        self.latent = (1, 1, dim) if self.vector else (rows, columns, dim)
        embeds = [Patches(pixels[0], channels[0], patch), *(halve(input, output) for input, output in pairwise(channels))]
        self.stages = nn.ModuleList(ConvStage(embed, groups, depth) for embed in embeds)
        self.norm = nn.GroupNorm(groups, channels[-1])
        self.output = nn.Linear(channels[-1] * (rows * columns if self.vector else 1), dim)
        self.projector = project(dim, projector)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        x = F.relu(self.norm(x))
        return self.projector(self.output(flat(x).unsqueeze(1) if self.vector else tokens_of(x)))


class ConvStage(nn.Module):
    def __init__(self, embed: nn.Conv2d, groups: int, depth: int) -> None:
        super().__init__()
        channels = embed.out_channels
        self.embed = embed
        self.norms = nn.ModuleList(nn.GroupNorm(groups, channels) for _ in range(depth))
        self.convolutions = nn.ModuleList(conv3x3(channels, channels) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + convolution(F.relu(norm(x)))
        return x


class Vit(Encoder):
    """A vision transformer (Dosovitskiy et al., 2021); its latent is the class token."""

    epsilon = 1e-12

    def __init__(
        self,
        pixels: Shape,
        *,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        mlp: int,
        projector: int,
    ) -> None:
        super().__init__()
        rows, columns = pixels[1] // patch, pixels[2] // patch
        self.latent, self.patches = (1, 1, dim), False
        self.embed = Patches(pixels[0], dim, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.zeros(1, 1 + rows * columns, dim))
        self.blocks = nn.ModuleList(
            Block(dim, Attention(dim, heads, dim // heads), mlp, self.epsilon) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=self.epsilon)
        self.projector = project(dim, projector)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = tokens_of(self.embed(pixels))
        x = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.projector(self.norm(x[:, 1:] if self.patches else x[:, :1]))


class Dinov2(Vit):
    """DINOv2 (Oquab et al., 2023): its scales of residuals (LayerScale) are factors of the matrices before them."""

    epsilon = 1e-6

    def __init__(
        self,
        pixels: Shape,
        *,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        mlp: int,
        tokens: str,
        weights: str | None = None,
        frozen: bool | None = None,
    ) -> None:
        super().__init__(pixels, patch=patch, dim=dim, depth=depth, heads=heads, mlp=mlp, projector=0)
        if tokens == "patches":
            self.latent, self.patches = (pixels[1] // patch, pixels[2] // patch, dim), True


#: Encoders by their ``kind``.
ENCODERS: dict[str, type[Encoder]] = {"impala": Impala, "patch": Patch, "conv": Conv, "vit": Vit, "dinov2": Dinov2}
