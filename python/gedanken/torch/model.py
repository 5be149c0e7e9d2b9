"""The world model: perception, imagination, and what is read from latents."""

import torch
from torch import Tensor, nn

from .encoders import Encoder
from .layers import Mlp, Readout
from .predictors import Predictor
from .variables import Variable


def constant(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


class Pixels(nn.Module):
    """Pictures, uint8 or numbers from 0 to 1 -> normalised pixels. With ``stretch``, every channel of every picture reaches from 0 to 1 first."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: list[float], std: list[float], stretch: bool) -> None:
        super().__init__()
        self.register_buffer("mean", constant(mean)[:, None, None])
        self.register_buffer("std", constant(std)[:, None, None] + 1e-6)
        self.stretch = stretch

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels / 255.0 if pixels.dtype == torch.uint8 else pixels
        if self.stretch:
            low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
            x = (x - low) / (high - low + 1e-6)
        return (x - self.mean) / self.std


class Perception(nn.Module):
    """Pictures ``[frames, channels, height, width]`` and, of a model with proprioception, what it feels ``[frames, felt]`` in the labels' units
    -> latents ``[frames, tokens, dim]``."""

    felt_mean: Tensor
    felt_std: Tensor

    def __init__(
        self,
        pixels: Pixels,
        encoder: Encoder,
        proprioception: Mlp | None,
        norm: nn.Module,
        *,
        felt: tuple[list[float], list[float]],
        appends: bool,
    ) -> None:
        super().__init__()
        self.pixels, self.encoder, self.proprioception, self.norm = pixels, encoder, proprioception, norm
        self.register_buffer("felt_mean", constant(felt[0]))
        self.register_buffer("felt_std", constant(felt[1]))
        self.appends = appends

    def forward(self, pixels: Tensor, felt: Tensor | None = None) -> Tensor:
        latents: Tensor = self.encoder(self.pixels(pixels))
        if felt is not None:
            normal = (felt - self.felt_mean) / self.felt_std
            more = (normal if self.proprioception is None else self.proprioception(normal)).unsqueeze(1)
            latents = torch.cat([latents, more.expand(-1, latents.shape[1], -1)], 2) if self.appends else latents + more
        return self.norm(latents)


class Imagination(nn.Module):
    """Latents ``[rows, tokens, dim]`` and actions ``[rows, horizon, action]`` in the environment's units -> the latents after every action,
    ``[rows, horizon, tokens, dim]``: the likeliest ones where the predictor has a latent variable. Every step is predicted from the last
    ``history`` latents."""

    action_mean: Tensor
    action_std: Tensor

    def __init__(
        self, predictor: Predictor, variable: Variable | None, norm: nn.Module, *, action: tuple[list[float], list[float]]
    ) -> None:
        super().__init__()
        self.predictor, self.latent_variable, self.norm = predictor, variable, norm
        self.register_buffer("action_mean", constant(action[0]))
        self.register_buffer("action_std", constant(action[1]))

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        actions = (actions - self.action_mean) / self.action_std
        seen, taken, future = [latents.unsqueeze(1)], list[Tensor](), list[Tensor]()
        for step in range(actions.shape[1]):
            action = actions[:, step : step + 1]
            if self.latent_variable is not None:
                values = self.latent_variable(seen[-1].flatten(1), action.squeeze(1))
                action = torch.cat([action, values.unsqueeze(1)], 2)
            taken.append(action)
            after = self.predictor(torch.cat(seen, 1), torch.cat(taken, 1))
            next = self.norm(after[:, -1:])
            future.append(next)
            seen = [*seen, next][-self.predictor.history :]
            # An action in every frame but the newest.
            taken = taken[len(taken) + 1 - len(seen) :]
        return torch.cat(future, 1)


class WorldModel(nn.Module):
    """A Gedanken model. ``perception`` and ``imagination`` are modules of their own, each of which ``torch.onnx.export`` takes."""

    label_mean: Tensor
    label_std: Tensor

    def __init__(
        self,
        perception: Perception,
        imagination: Imagination,
        *,
        picture: tuple[int, int, int],
        latent: tuple[int, int],
        action: int,
        proprioception: list[int],
        labels: tuple[list[float], list[float]],
        probe: Readout | None,
        distance: Readout | None,
        scale: float,
    ) -> None:
        super().__init__()
        self.perception, self.imagination = perception, imagination
        self._probe, self._distance, self._scale = probe, distance, scale
        self.register_buffer("label_mean", constant(labels[0]))
        self.register_buffer("label_std", constant(labels[1]))
        #: Shape of one picture, ``(channels, height, width)``.
        self.picture = picture
        #: Shape of one latent, ``(tokens, dim)``.
        self.latent = latent
        #: Numbers of one action: those of ``frameskip`` control steps.
        self.action = action
        #: Columns of the labels that the model feels of itself.
        self.proprioception = proprioception

    def encode(self, pixels: Tensor, felt: Tensor | None = None) -> Tensor:
        """Pictures ``[frames, channels, height, width]``, uint8 or numbers from 0 to 1, -> latents ``[frames, tokens, dim]``. A model with
        proprioception takes what it feels, ``[frames, felt]``: the columns :attr:`proprioception` of the labels, in their units."""
        expect("pixels", pixels, ("frames", *self.picture))
        if self.proprioception and felt is None:
            raise ValueError(f"nothing felt; expected the columns {self.proprioception} of the labels, of every frame")
        if felt is not None:
            if not self.proprioception:
                raise ValueError("this model feels nothing; expected felt=None")
            expect("felt", felt, (pixels.shape[0], len(self.proprioception)))
        return self.perception(pixels, felt)

    def rollout(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The imagined future: latents ``[rows, tokens, dim]`` and actions ``[rows, horizon, action]`` in the environment's units -> the latents
        after every action, ``[rows, horizon, tokens, dim]``."""
        expect("latents", latents, ("rows", *self.latent))
        expect("actions", actions, (latents.shape[0], "horizon", self.action))
        return self.imagination(latents, actions)

    def forward(self, pixels: Tensor, actions: Tensor, felt: Tensor | None = None) -> Tensor:
        """:meth:`rollout` from pictures."""
        return self.rollout(self.encode(pixels, felt), actions)

    def probe(self, latents: Tensor) -> Tensor:
        """The labels that the probe reads from latents ``[rows, tokens, dim]``, in their units, ``[rows, labels]``."""
        if self._probe is None:
            raise ValueError("this model has no probe; expected one trained with loss.probe")
        expect("latents", latents, ("rows", *self.latent))
        return self._probe(latents) * self.label_std + self.label_mean

    def distance(self, latents: Tensor, goals: Tensor) -> Tensor:
        """The learned distance, in control steps, from latents to goals, both ``[rows, tokens, dim]`` -> ``[rows]``."""
        if self._distance is None:
            raise ValueError("this model has no learned distance; expected one trained with loss.distance")
        expect("latents", latents, ("rows", *self.latent))
        expect("goals", goals, ("rows", *self.latent))
        return torch.linalg.vector_norm(self._distance(latents) - self._distance(goals), dim=1) * self._scale


def expect(what: str, tensor: Tensor, shape: tuple[int | str, ...]) -> None:
    """Axes with a name may have any length but 0."""
    found = tuple(tensor.shape)
    fits = len(found) == len(shape) and all(
        size > 0 if isinstance(axis, str) else size == axis for size, axis in zip(found, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{what} of shape {found}; expected ({', '.join(map(str, shape))})")
