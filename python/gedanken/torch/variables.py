"""Latent variables: what the past does not tell of the next latent. Their likeliest values stand behind the numbers of an action.

Latents ``[batch, tokens * dim]`` and actions ``[batch, action]`` -> values ``[batch, size]``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import norm_linears


class Variable(nn.Module):
    """What latent variables have in common."""

    size: int


class Branches(Variable):
    """One of a few branches, the one that the router finds likeliest."""

    def __init__(self, past: int, *, count: int, hidden: int) -> None:
        super().__init__()
        self.size = count
        self.router, self.output = norm_linears([past, hidden, hidden]), nn.Linear(hidden, count)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        x = torch.cat([latents, actions], 1)
        for layer in self.router:
            x = layer(x)
        return F.one_hot(self.output(x).argmax(1), self.size).to(x.dtype)


class Gaussian(Variable):
    """A few normal numbers: the means of the prior."""

    def __init__(self, past: int, *, size: int, hidden: int) -> None:
        super().__init__()
        self.size, self.prior = size, Normal(past, hidden, size)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        return self.prior(torch.cat([latents, actions], 1))


class Normal(nn.Module):
    """Means of normal numbers. Behind them the last layer makes logarithms of standard deviations, which the likeliest values need not."""

    def __init__(self, input: int, hidden: int, size: int) -> None:
        super().__init__()
        self.layers, self.output = norm_linears([input, hidden, hidden]), nn.Linear(hidden, 2 * size)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.output(x)[:, : self.size]


#: Latent variables by their ``kind``.
VARIABLES: dict[str, type[Variable]] = {"branches": Branches, "gaussian": Gaussian}
