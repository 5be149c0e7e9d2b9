"""Predictors: latents ``[batch, frames, tokens, dim]`` of at most ``history`` frames and the actions in them ``[batch, frames, action]`` ->
the latents after every frame, each from that frame and those before it.

Keyword arguments are the keys of ``[predictor]``. Nothing is dropped: these are predictors as they plan, not as they learn.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .encoders import Shape
from .layers import Attention, Block, FeedForward, Mlp, conv3x3, maps_of, norm_linears, project, tokens_of


class Predictor(nn.Module):
    """A predictor."""

    #: Frames that a step is predicted from, at most.
    history = 1


class ResidualMlp(Predictor):
    """``z + mlp([z, embed(a)])``."""

    def __init__(self, latent: Shape, action: int, *, hidden: int, action_dim: int) -> None:
        super().__init__()
        dim = latent[2]
        self.action = Mlp([action, action_dim, action_dim])
        self.body = Mlp([dim + action_dim, hidden, hidden, dim])

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        action = self.action(actions).unsqueeze(2)
        return latents + self.body(torch.cat([latents, action], 3))


class Deep(Predictor):
    """``z + mlp([z, a])``, with normalised layers."""

    def __init__(self, latent: Shape, action: int, *, hidden: int, layers: int) -> None:
        super().__init__()
        dim = latent[2]
        self.layers = norm_linears([dim + action, *[hidden] * layers])
        self.output = nn.Linear(hidden, dim)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        x = torch.cat([latents, actions.unsqueeze(2)], 3)
        for layer in self.layers:
            x = layer(x)
        return latents + self.output(x)


class Step(nn.Module):
    """``x + feed(norm(x))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.feed = nn.LayerNorm(width), FeedForward(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.feed(self.norm(x))


class Residual(Predictor):
    """``z + mlp([z, a])``, with pre-normalised residual blocks."""

    def __init__(self, latent: Shape, action: int, *, hidden: int, blocks: int) -> None:
        super().__init__()
        dim = latent[2]
        self.input = nn.Linear(dim + action, hidden)
        self.blocks = nn.ModuleList(Step(hidden) for _ in range(blocks))
        self.norm, self.output = nn.LayerNorm(hidden), nn.Linear(hidden, dim)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        x = self.input(torch.cat([latents, actions.unsqueeze(2)], 3))
        for block in self.blocks:
            x = block(x)
        return latents + self.output(self.norm(x))


class Gru(Predictor):
    """A GRU whose hidden state is the latent; gates as in :class:`torch.nn.GRUCell`: reset, update, new."""

    def __init__(self, latent: Shape, action: int) -> None:
        super().__init__()
        dim = latent[2]
        self.input, self.hidden = nn.Linear(action, 3 * dim), nn.Linear(dim, 3 * dim)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        from_action, from_latent = self.input(actions.unsqueeze(2)).chunk(3, 3), self.hidden(latents).chunk(3, 3)
        reset, update = (torch.sigmoid(from_action[gate] + from_latent[gate]) for gate in (0, 1))
        new = torch.tanh(from_action[2] + reset * from_latent[2])
        return update * (latents - new) + new


class Conv(Predictor):
    """Residual convolutions over a map, the action added everywhere."""

    def __init__(self, latent: Shape, action: int, *, width: int, groups: int, depth: int) -> None:
        super().__init__()
        rows, columns, dim = latent
        self.map = (rows, columns)
        self.action = Mlp([action, width, width])
        self.first = conv3x3(dim, width)
        self.norms = nn.ModuleList(nn.GroupNorm(groups, width) for _ in range(depth + 1))
        self.middle = nn.ModuleList(conv3x3(width, width) for _ in range(depth))
        self.last = conv3x3(width, dim)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        action = self.action(actions).flatten(0, 1)[:, :, None, None]
        x = self.first(maps_of(latents.flatten(0, 1), *self.map)) + action
        first, *norms = self.norms
        x = F.relu(first(x))
        for convolution, norm in zip(self.middle, norms, strict=True):
            x = F.relu(norm(convolution(x)))
        return latents + tokens_of(self.last(x)).reshape(latents.shape)


class Transformer(Predictor):
    """LeWorldModel's: a causal transformer over frames, steered by the actions."""

    def __init__(
        self,
        latent: Shape,
        action: int,
        *,
        history: int,
        depth: int,
        heads: int,
        head_dim: int,
        mlp: int,
        action_hidden: int,
        dropout: float,
        projector: int,
    ) -> None:
        super().__init__()
        dim, self.history = latent[2], history
        self.action = ActionEncoder(action, action_hidden, dim)
        self.positions = nn.Parameter(torch.zeros(1, history, dim))
        self.blocks = nn.ModuleList(SteeredBlock(dim, heads, head_dim, mlp) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.projector = project(dim, projector)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        steering = F.silu(self.action(actions))
        x = latents.squeeze(2) + self.positions[:, : latents.shape[1]]
        for block in self.blocks:
            x = block(x, steering)
        return self.projector(self.norm(x)).unsqueeze(2)


class ActionEncoder(nn.Module):
    """The first layer keeps the action's width."""

    def __init__(self, action: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.mix, self.hidden, self.output = nn.Linear(action, action), nn.Linear(action, hidden), nn.Linear(hidden, dim)

    def forward(self, actions: Tensor) -> Tensor:
        return self.output(F.silu(self.hidden(self.mix(actions))))


class SteeredBlock(nn.Module):
    """A block with AdaLN-zero (Peebles and Xie, 2023): the action shifts and scales what goes into attention and MLP, and gates what comes out."""

    def __init__(self, dim: int, heads: int, head_dim: int, mlp: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(dim, 6 * dim)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, head_dim, bias=False, frame=1)
        self.mlp = FeedForward(dim, mlp)

    def forward(self, x: Tensor, steering: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(steering).chunk(6, 2)
        x = x + gate1 * self.attention(self.attention_norm(modulated(x, shift1, scale1)))
        return x + gate2 * self.mlp(self.mlp_norm(modulated(x, shift2, scale2)))


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Behind a layer norm that has no weights of its own."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (scale + 1) + shift


class Vit(Predictor):
    """DINO-WM's: a vision transformer over the tokens of the last frames; the action is appended to every token."""

    def __init__(
        self,
        latent: Shape,
        action: int,
        *,
        history: int,
        depth: int,
        heads: int,
        head_dim: int,
        mlp: int,
        action_dim: int,
        residual: bool = False,
        dropout: float,
    ) -> None:
        super().__init__()
        rows, columns, dim = latent
        tokens, width = rows * columns, dim + action_dim
        self.history, self.residual = history, residual
        self.action = nn.Linear(action, action_dim)
        self.positions = nn.Parameter(torch.zeros(1, history * tokens, width))
        self.blocks = nn.ModuleList(
            Block(width, Attention(width, heads, head_dim, bias=False, frame=tokens), mlp, 1e-5) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        _, frames, tokens, dim = latents.shape
        action = self.action(actions).unsqueeze(2).expand(-1, -1, tokens, -1)
        x = torch.cat([latents, action], 3).flatten(1, 2)
        x = x + self.positions[:, : frames * tokens]
        for block in self.blocks:
            x = block(x)
        made = self.norm(x)[:, :, :dim].unflatten(1, (frames, tokens))
        return latents + made if self.residual else made


#: Predictors by their ``kind``.
PREDICTORS: dict[str, type[Predictor]] = {
    "gru": Gru,
    "mlp": ResidualMlp,
    "deep": Deep,
    "residual": Residual,
    "conv": Conv,
    "transformer": Transformer,
    "vit": Vit,
}
