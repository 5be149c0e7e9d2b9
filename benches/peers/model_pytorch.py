#!/usr/bin/env python3
"""A world model in PyTorch: the twin of what the Rust program exports into a folder, model_pytorch.py FOLDER.

It loads the exported weights, checks that the exported batch costs the same, term by term, and times the same work. It
prints one line of JSON. Needs torch; RAYON_NUM_THREADS names the threads of a CPU. For a GPU: --device cuda, with
--compile (torch.compile) and --bf16 (autocast; the losses are checked in single precision all the same).

On a CPU torch.compile gained nothing. For PyTorch's good, memory is channels last, the pixels are put so before the
clock starts, ReLUs work in place, freed memory is kept (the Rust side has an allocator that does so), and AdamW is the
fused one: on a CPU it took a fifth of the time of `foreach`.
"""

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn

FAR = 1e6


def as_maps(latents, rows, columns):
    """[batch, rows * columns, dim] -> [batch, dim, rows, columns], channels last in memory: a view."""
    return latents.reshape(len(latents), rows, columns, -1).permute(0, 3, 1, 2)


def as_latents(maps):
    """The way back, a view too."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def normed_convolutions(x, convolutions, norms):
    for convolution, norm in zip(convolutions, norms):
        x = F.relu_(norm(convolution(x)))
    return x


class Weights:
    """The tensors of a safetensors file. Layers are made of those that are taken out, so that a forgotten one shows."""

    def __init__(self, path):
        raw, self.tensors = path.read_bytes(), {}
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            if entry["dtype"] != "F32":
                sys.exit(f"{path}: {name} is {entry['dtype']}; the twin has F32 alone")
            begin, end = (start + offset for offset in entry["data_offsets"])
            values = torch.frombuffer(bytearray(raw[begin:end]), dtype=torch.float32)
            self.tensors[name] = values.reshape(entry["shape"])

    def take(self, name):
        return self.tensors.pop(name) if name in self.tensors else sys.exit(f"the export has no {name}")

    def has(self, part):
        return any(name.startswith(part + ".") for name in self.tensors)

    def several(self, part, layer):
        layers = []
        while self.has(f"{part}.{len(layers)}"):
            layers.append(layer(f"{part}.{len(layers)}"))
        return nn.ModuleList(layers)

    def linear(self, name):
        weight = self.take(f"{name}.weight").T
        biased = f"{name}.bias" in self.tensors
        return self.filled(nn.Linear(weight.shape[1], len(weight), biased), name, weight, "bias" if biased else None)

    def conv3x3(self, name):
        # [rows * columns * channels, output]
        weight = self.take(f"{name}.weight")
        weight = weight.reshape(3, 3, -1, weight.shape[1]).permute(3, 2, 0, 1)
        return self.filled(nn.Conv2d(weight.shape[1], len(weight), 3, padding=1), name, weight)

    def patches(self, name, side):
        # [channels * rows * columns, output]
        weight = self.take(f"{name}.weight").T
        weight = weight.reshape(len(weight), -1, side, side)
        return self.filled(nn.Conv2d(weight.shape[1], len(weight), side, stride=side), name, weight)

    def halving(self, name):
        # [rows * columns * channels, output]
        weight = self.take(f"{name}.weight")
        weight = weight.reshape(2, 2, -1, weight.shape[1]).permute(3, 2, 0, 1)
        return self.filled(nn.Conv2d(weight.shape[1], len(weight), 2, stride=2), name, weight)

    def norm(self, name, make):
        gamma = self.take(f"{name}.gamma")
        return self.filled(make(len(gamma)), name, gamma, "beta")

    def batch_norm(self, name):
        norm = self.norm(name, nn.BatchNorm1d)
        for running in ("running_mean", "running_var"):
            getattr(norm, running).copy_(self.take(f"{name}.{running}"))
        return norm

    def parameter(self, name):
        return nn.Parameter(self.take(name))

    def group_norms(self, name, groups):
        return self.several(name, lambda part: self.norm(part, lambda width: nn.GroupNorm(groups, width)))

    def mlp(self, name):
        pairs = [(linear, nn.ReLU(inplace=True)) for linear in self.several(f"{name}.layers", self.linear)]
        return nn.Sequential(*sum(pairs, ())[:-1])

    def projector(self, name):
        if not self.has(name):
            return nn.Identity()
        hidden, output = self.linear(f"{name}.hidden"), self.linear(f"{name}.output")
        return nn.Sequential(hidden, self.batch_norm(f"{name}.norm"), nn.GELU(), output)

    def feed_forward(self, name):
        return nn.Sequential(self.linear(f"{name}.hidden"), nn.GELU(), self.linear(f"{name}.output"))

    def filled(self, layer, name, weight, bias="bias"):
        with torch.no_grad():
            layer.weight.copy_(weight)
            if bias:
                layer.bias.copy_(self.take(f"{name}.{bias}"))
        return layer.to(memory_format=torch.channels_last)


class Patch(nn.Module):
    def __init__(self, weights, name, config):
        super().__init__()
        self.embed = weights.patches(f"{name}.embed", config["patch"])
        self.last = weights.conv3x3(f"{name}.last")
        self.convolutions = weights.several(f"{name}.convolutions", weights.conv3x3)
        self.norms = weights.group_norms(f"{name}.norms", config["groups"])
        self.output = weights.linear(f"{name}.output") if config["latent"] == "vector" else None

    def forward(self, pixels):
        x = as_latents(self.last(normed_convolutions(self.embed(pixels), self.convolutions, self.norms)))
        return x if self.output is None else self.output(x.flatten(1)).unsqueeze(1)


class Residual(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.conv1, self.conv2 = weights.conv3x3(f"{name}.conv1"), weights.conv3x3(f"{name}.conv2")

    def forward(self, x):
        return F.relu_(self.conv2(F.relu_(self.conv1(x))).add_(x))


class Impala(nn.Module):
    def __init__(self, weights, name, _):
        super().__init__()

        def stack(part):
            conv, pool = weights.conv3x3(f"{part}.conv"), nn.MaxPool2d(3, stride=2, padding=1)
            return nn.Sequential(conv, pool, *weights.several(f"{part}.blocks", lambda part: Residual(weights, part)))

        self.stacks = nn.Sequential(*weights.several(f"{name}.stacks", stack))
        self.output = weights.linear(f"{name}.output")

    def forward(self, pixels):
        # This linear layer alone has channels before places.
        return self.output(F.relu(self.stacks(pixels)).flatten(1)).unsqueeze(1)


class Stage(nn.Module):
    def __init__(self, weights, name, config, side):
        super().__init__()
        # Behind the first stage a layer of 2 x 2 places, whose numbers are in the order of rows, columns, channels.
        self.embed = weights.patches(f"{name}.embed", side) if side else weights.halving(f"{name}.embed")
        self.norms = weights.group_norms(f"{name}.norms", config["groups"])
        self.convolutions = weights.several(f"{name}.convolutions", weights.conv3x3)

    def forward(self, x):
        x = self.embed(x)
        for norm, convolution in zip(self.norms, self.convolutions):
            x = convolution(F.relu_(norm(x))).add_(x)
        return x


class ConvEncoder(nn.Module):
    def __init__(self, weights, name, config):
        super().__init__()
        sides = iter([config["patch"]])
        self.stages = weights.several(f"{name}.stages", lambda part: Stage(weights, part, config, next(sides, None)))
        self.norm = weights.norm(f"{name}.norm", lambda width: nn.GroupNorm(config["groups"], width))
        self.output, self.is_map = weights.linear(f"{name}.output"), config["latent"] == "map"
        self.projector = weights.projector(f"{name}.projector")

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        x = as_latents(F.relu_(self.norm(x)))
        x = self.output(x if self.is_map else x.flatten(1).unsqueeze(1))
        return self.projector(x.flatten(0, 1)).view_as(x)


class Attention(nn.Module):
    def __init__(self, weights, name, heads, causal):
        super().__init__()
        self.qkv, self.output = weights.linear(f"{name}.qkv"), weights.linear(f"{name}.output")
        self.heads, self.causal = heads, causal

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.output(heads.transpose(1, 2).flatten(2))


class VitBlock(nn.Module):
    def __init__(self, weights, name, heads):
        super().__init__()
        self.norm1, self.norm2 = (
            weights.norm(f"{name}.norm{i}", lambda width: nn.LayerNorm(width, eps=1e-12)) for i in (1, 2)
        )
        self.attention = Attention(weights, f"{name}.attention", heads, causal=False)
        self.mlp = weights.feed_forward(f"{name}.mlp")

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    def __init__(self, weights, name, config):
        super().__init__()
        self.embed = weights.patches(f"{name}.embed", config["patch"])
        self.class_token, self.positions = (weights.parameter(f"{name}.{part}") for part in ("class", "positions"))
        block = lambda part: VitBlock(weights, part, config["heads"])
        self.blocks = nn.Sequential(*weights.several(f"{name}.blocks", block))
        self.norm = weights.norm(f"{name}.norm", lambda width: nn.LayerNorm(width, eps=1e-12))
        self.projector = weights.projector(f"{name}.projector")

    def forward(self, pixels):
        x = as_latents(self.embed(pixels))
        x = torch.cat([self.class_token.expand(len(x), 1, -1), x], 1) + self.positions
        return self.projector(self.norm(self.blocks(x)[:, 0])).unsqueeze(1)


class TransformerBlock(nn.Module):
    def __init__(self, weights, name, heads):
        super().__init__()
        self.modulation = weights.linear(f"{name}.modulation")
        self.attention_norm = weights.norm(f"{name}.attention_norm", nn.LayerNorm)
        self.attention = Attention(weights, f"{name}.attention", heads, causal=True)
        self.mlp_norm, self.mlp = weights.norm(f"{name}.mlp_norm", nn.LayerNorm), weights.feed_forward(f"{name}.mlp")

    def forward(self, x, steering):
        parts = self.modulation(steering).chunk(6, 2)
        modulated = lambda shift, scale: F.layer_norm(x, x.shape[2:], eps=1e-6) * (1 + scale) + shift
        x = x + parts[2] * self.attention(self.attention_norm(modulated(*parts[:2])))
        return x + parts[5] * self.mlp(self.mlp_norm(modulated(*parts[3:5])))


class Transformer(nn.Module):
    """Frames [batch, frames, dim] of at most `history`, and the action in each."""

    def __init__(self, weights, name, config, _):
        super().__init__()
        if config["dropout"] > 0:
            sys.exit("the twin drops nothing: --set predictor.dropout=0.0")
        action = [weights.linear(f"{name}.action.{part}") for part in ("mix", "hidden", "output")]
        self.action = nn.Sequential(*action[:2], nn.SiLU(), action[2], nn.SiLU())
        self.positions = weights.parameter(f"{name}.positions")
        self.blocks = weights.several(f"{name}.blocks", lambda part: TransformerBlock(weights, part, config["heads"]))
        self.norm, self.projector = weights.norm(f"{name}.norm", nn.LayerNorm), weights.projector(f"{name}.projector")

    def forward(self, latents, actions):
        x, steering = latents + self.positions[:, : latents.shape[1]], self.action(actions)
        for block in self.blocks:
            x = block(x, steering)
        return self.projector(self.norm(x).flatten(0, 1)).view_as(x)


class Gru(nn.Module):
    def __init__(self, weights, name, *_):
        super().__init__()
        self.input, self.hidden = weights.linear(f"{name}.input"), weights.linear(f"{name}.hidden")

    def forward(self, latents, actions):
        # What nn.GRUCell calls.
        (wi, bi), (wh, bh) = ((layer.weight, layer.bias) for layer in (self.input, self.hidden))
        return torch.gru_cell(actions, latents.squeeze(1), wi, wh, bi, bh).unsqueeze(1)


class Mlp(nn.Module):
    def __init__(self, weights, name, *_):
        super().__init__()
        self.action, self.body = weights.mlp(f"{name}.action"), weights.mlp(f"{name}.body")

    def forward(self, latents, actions):
        state = latents.squeeze(1)
        return self.body(torch.cat([state, self.action(actions)], 1)).add_(state).unsqueeze(1)


class Conv(nn.Module):
    def __init__(self, weights, name, config, shape):
        super().__init__()
        self.action, self.shape = weights.mlp(f"{name}.action"), shape
        self.first, self.last = weights.conv3x3(f"{name}.first"), weights.conv3x3(f"{name}.last")
        self.norms = weights.group_norms(f"{name}.norms", config["groups"])
        self.middle = weights.several(f"{name}.middle", weights.conv3x3)

    def forward(self, latents, actions):
        x = self.first(as_maps(latents, *self.shape)).add_(self.action(actions)[:, :, None, None])
        x = normed_convolutions(F.relu_(self.norms[0](x)), self.middle, self.norms[1:])
        return as_latents(self.last(x)).add(latents)


class Inverse(nn.Module):
    def __init__(self, weights, shape):
        super().__init__()
        self.shape, part = shape, "terms.inverse_dynamics.Map"
        self.mlp = None if weights.has(part) else weights.mlp("terms.inverse_dynamics.Vector")
        if self.mlp is None:
            self.conv1, self.conv2 = weights.conv3x3(f"{part}.conv1"), weights.conv3x3(f"{part}.conv2")
            self.output = weights.linear(f"{part}.output")

    def forward(self, latents, following):
        if self.mlp is not None:
            return self.mlp(torch.cat([latents.flatten(1), following.flatten(1)], 1))
        x = as_maps(torch.cat([latents, following], 2), *self.shape)
        x = F.max_pool2d(F.relu_(self.conv1(x)), 2)
        return self.output(as_latents(F.relu_(self.conv2(x))).flatten(1))


class Readout(nn.Module):
    def __init__(self, weights, name, shape):
        super().__init__()
        self.convolutions = weights.several(f"{name}.convolutions", weights.conv3x3)
        self.mlp, self.shape = weights.mlp(f"{name}.mlp"), shape

    def forward(self, latents):
        x = as_maps(latents, *self.shape)
        for convolution in self.convolutions:
            x = F.relu_(convolution(x))
        return self.mlp(as_latents(x).flatten(1))


class Distance(nn.Module):
    def __init__(self, weights, shape, config):
        super().__init__()
        self.online, self.target = (
            Readout(weights, f"terms.distance.{part}", shape) for part in ("online", "target.copy")
        )
        self.target.requires_grad_(False)
        self.config = config

    def pairs(self, network, latents, batch):
        """Distances of the frames of windows to all frames of their layout, [layouts, episodes, time, frames]."""
        x = network(latents).mul(self.config["scale"]).unflatten(0, (batch.layouts, batch.episodes, -1))
        squares, windows = x.square().sum(3), x[:, :, : batch.time].flatten(1, 2)
        both = squares[:, :, : batch.time].flatten(1).unsqueeze(2) + squares.flatten(1).unsqueeze(1)
        squared = torch.baddbmm(both, windows, x.flatten(1, 2).mT, alpha=-2)
        return squared.clamp_min(0).add_(1e-4).sqrt_().unflatten(1, (batch.episodes, batch.time))

    @torch.no_grad()
    def targets(self, latents, batch):
        slow = self.pairs(self.target, latents, batch)
        steps, at = self.config["steps"], batch.at.view(batch.layouts, batch.episodes, -1)
        slow += steps * (batch.at[1] - batch.at[0]).abs()
        apart = (at[:, :, : batch.time, None, None] - at[:, None, None]).abs()
        same_episode = torch.eye(batch.episodes, dtype=torch.bool, device=latents.device)[:, None, :, None]
        target = torch.where(same_episode, apart, FAR).flatten(3)
        earlier, later = target[:, :, :-steps], target[:, :, steps:]
        torch.minimum(earlier, slow[:, :, steps:], out=earlier)
        torch.minimum(later, slow[:, :, :-steps], out=later)
        return target

    def loss(self, latents, batch):
        estimate = self.pairs(self.online, latents, batch)
        difference = self.targets(latents, batch) - estimate
        share = self.config["expectile"]
        weight = torch.where(difference.detach() > 0, share, 1 - share)
        return (weight * difference.square()).mean(), estimate.detach().mean()

    @torch.no_grad()
    def follow(self):
        for slow, quick in zip(self.target.parameters(), self.online.parameters()):
            slow.lerp_(quick, self.config["target_rate"])


def variance(centred, margin):
    # Several times as fast on a CPU as Tensor.var over the rows.
    var = centred.square().sum(0) / max(len(centred) - 1, 1)
    return F.relu(margin - (var + 1e-4).sqrt()).mean()


def covariance(centred):
    samples, features = centred.shape
    x = centred / max(samples - 1, 1) ** 0.5
    product = x @ x.T if samples < features else x.T @ x
    diagonal = x.square().sum(0).square().sum()
    return (product.square().sum() - diagonal) / max(features * (features - 1), 1)


def sigreg(sequences, directions):
    """Windows [windows, time, tokens, dim] along directions [dim, count], as in LeWorldModel's code; tokens are samples."""
    t = torch.linspace(0, 3, 17, device=sequences.device)
    window = (-t * t / 2).exp()
    weights = window * (3 / 16) * torch.tensor([1.0] + [2.0] * 15 + [1.0], device=t.device)
    angle = (sequences.permute(1, 0, 2, 3).flatten(1, 2) @ directions).unsqueeze(3) * t
    error = (angle.cos().mean(1) - window).square() + angle.sin().mean(1).square()
    return (error @ weights).mean() * angle.shape[1]


ENCODERS = {"patch": Patch, "conv": ConvEncoder, "impala": Impala, "vit": Vit}
TERMS = {"prediction", "variance", "covariance", "time_similarity", "sigreg", "inverse_dynamics", "probe", "distance"}
PREDICTORS = {"conv": Conv, "gru": Gru, "mlp": Mlp, "transformer": Transformer}


class WorldModel(nn.Module):
    def __init__(self, weights, blueprint):
        super().__init__()
        config = self.config = blueprint["model"]
        encoder, predictor = config["encoder"], config["predictor"]
        # A weight of 0 leaves a term out.
        self.terms = {name: term for name, term in config["loss"].items() if term["weight"] != 0}
        foreign = {
            f"encoder of kind {encoder['kind']}": encoder["kind"] not in ENCODERS,
            f"predictor of kind {predictor['kind']}": predictor["kind"] not in PREDICTORS,
            f"target of kind {config['target']['kind']}": config["target"]["kind"] != "online",
        }
        foreign |= {f"term {name}": name not in TERMS for name in self.terms}
        foreign |= {f"schedule of {name}": isinstance(term["weight"], dict) for name, term in self.terms.items()}
        if any(foreign.values()):
            sys.exit(f"the twin has no {', no '.join(part for part, asked in foreign.items() if asked)}")
        # Places of a picture that are one of the map, along a side.
        stride = encoder.get("patch", 1) << (len(encoder["channels"]) - 1 if encoder["kind"] == "conv" else 0)
        is_map = encoder.get("latent") == "map"
        shape = tuple(side // stride for side in blueprint["spaces"]["pixels"][1:]) if is_map else (1, 1)
        self.history = predictor.get("history", 1)
        self.felt = blueprint["spaces"].get("proprioception", [])
        self.proprioception = weights.mlp("proprioception") if self.felt else None
        self.encoder = ENCODERS[encoder["kind"]](weights, "encoder", encoder)
        self.predictor = PREDICTORS[predictor["kind"]](weights, "predictor", predictor, shape)
        self.norm = weights.norm("norm", nn.LayerNorm) if config["prediction"]["shared_norm"] else nn.Identity()
        self.inverse_dynamics = Inverse(weights, shape) if "inverse_dynamics" in self.terms else None
        self.distance = Distance(weights, shape, self.terms["distance"]) if "distance" in self.terms else None
        self.probe = Readout(weights, "terms.probe.readout", shape) if "probe" in self.terms else None
        if left := sorted(weights.tensors):
            sys.exit(f"the twin has no use for the weights {', '.join(left)}")

    def encode(self, batch):
        latents = self.encoder(batch.pixels)
        if self.proprioception is not None:
            latents = latents + self.proprioception(batch.labels[:, self.felt]).unsqueeze(1)
        return self.norm(latents)

    def imagine(self, latents, actions):
        """First latents [batch, tokens, dim], actions [batch, steps, action]; yields the latents after every action."""
        seen = latents
        for step, action in enumerate(actions.unbind(1)):
            if self.history == 1:
                latents = self.norm(self.predictor(latents, action))
            else:
                window = actions[:, step + 1 - seen.shape[1] : step + 1]
                latents = self.norm(self.predictor(seen, window)[:, -1:])
                seen = torch.cat([seen, latents], 1)[:, -self.history :]
            yield latents

    def loss(self, batch):
        """The weighted sum, and every term unweighted."""
        prediction = self.config["prediction"]
        latents = self.encode(batch)
        sequences = latents.unflatten(0, (batch.windows, -1))[:, : batch.time]
        before, after, actions = (x.flatten(0, 1) for x in (sequences[:, :-1], sequences[:, 1:], batch.actions))
        samples = latents.flatten(1)
        centred, detached = samples - samples.mean(0), latents.detach()

        def predicted():
            if prediction["teacher"] and self.history == 1:
                return F.mse_loss(self.norm(self.predictor(before, actions)), after)
            if prediction["teacher"]:
                runs = before.view(-1, self.history, before.shape[2])
                following = self.norm(self.predictor(runs, actions.view(*runs.shape[:2], -1)))
                return F.mse_loss(following.view_as(after), after)
            steps = prediction["unroll"]
            future = torch.stack(list(self.imagine(sequences[:, 0], batch.actions[:, :steps])), 1)
            return F.mse_loss(future, sequences[:, 1 : 1 + steps])

        costs = {
            "prediction": predicted,
            "variance": lambda: variance(centred, self.terms["variance"]["margin"]),
            "covariance": lambda: covariance(centred),
            "time_similarity": lambda: F.mse_loss(after, before),
            "sigreg": lambda: sigreg(sequences, batch.directions),
            "inverse_dynamics": lambda: F.mse_loss(self.inverse_dynamics(before, after), actions),
            "probe": lambda: F.mse_loss(self.probe(detached), batch.labels),
        }
        terms = {name: term() for name, term in costs.items() if name in self.terms}
        if self.distance is not None:
            terms["distance"], mean = self.distance.loss(detached, batch)
        total = sum(self.terms[name]["weight"] * term for name, term in terms.items())
        if self.distance is not None:
            terms["distance_mean"] = mean
        return total, terms


def load_batch(folder, bench, device):
    tensors = Weights(folder / "batch.safetensors")
    batch = SimpleNamespace(**{name: tensors.take(name).to(device) for name in list(tensors.tensors)})
    batch.layouts, batch.episodes, batch.time = (bench[key] for key in ("layouts", "episodes", "time"))
    batch.windows = batch.layouts * batch.episodes
    batch.pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
    return batch


def check(found, expected):
    """Exits unless both sides have the same terms; the mean distance, which is no term, may be left out."""
    wrong = [f"{name} is on one side only" for name in sorted((set(found) ^ set(expected)) - {"distance_mean"})]
    for name in (name for name in found if name in expected):
        # Put so that a NaN is wrong.
        if not abs(found[name] - expected[name]) <= 1e-3 * abs(expected[name]) + 1e-5:
            wrong.append(f"{name} is {found[name]:.7g}, expected {expected[name]:.7g}")
    if wrong:
        sys.exit(f"the losses of the same batch differ: {'; '.join(wrong)}")


def milliseconds(work, finish):
    """The median of at least seven times, and of about a second's worth, behind two that do not count."""
    times = []
    while len(times) < 9 or sum(times) < 1.0:
        began = time.perf_counter()
        work()
        finish()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(int(os.environ.get("RAYON_NUM_THREADS") or 0) or os.cpu_count())
    if hasattr(ctypes.CDLL(None), "mallopt"):
        # glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD: else large tensors are new pages every time.
        for option in (-3, -1):
            ctypes.CDLL(None).mallopt(option, 2**30)
    folder = options.folder
    bench, blueprint = (json.loads((folder / name).read_text()) for name in ("bench.json", "model.json"))
    model = WorldModel(Weights(folder / "model.safetensors"), blueprint).to(device)
    batch = load_batch(folder, bench, device)

    # What is checked and what plans goes by the running statistics of batch norms.
    model.eval()
    with torch.no_grad():
        (total, terms), latents = model.loss(batch), model.encode(batch)
    loss = {name: value.item() for name, value in {"total": total, **terms}.items()}
    check(loss, bench["loss"])

    rows, steps = bench["rollout"]["rows"], bench["rollout"]["steps"]
    first, actions = latents[torch.arange(rows, device=device) % len(latents)], batch.actions.flatten(0, 1)
    actions = actions[torch.arange(rows * steps, device=device) % len(actions)].unflatten(0, (rows, steps))
    encoding = [*model.encoder.parameters(), *model.norm.parameters()]
    encoding += model.proprioception.parameters() if model.proprioception is not None else []
    # Every part of the model is clipped by a norm of its own.
    parts = [[weight for weight in part.parameters() if weight.requires_grad] for part in model.children()]
    rate, decay = bench["learning_rate"], bench["weight_decay"]
    optimizer = torch.optim.AdamW(sum(parts, []), lr=rate, eps=1e-8, weight_decay=decay, fused=True)

    def last_of(first, actions):
        for last in model.imagine(first, actions):
            pass
        return last

    swift = torch.compile if options.compile else (lambda function: function)
    model_encode, model_last, model_loss = swift(model.encode), swift(last_of), swift(lambda: model.loss(batch)[0])
    precision = (lambda: torch.autocast(device.type, torch.bfloat16)) if options.bf16 else contextlib.nullcontext

    @torch.inference_mode()
    def encode():
        model.eval()
        with precision():
            return model_encode(batch)

    def encoder_step():
        model.train()
        with precision():
            loss = (model_encode(batch) * latents).sum()
        torch.autograd.grad(loss, encoding)

    @torch.inference_mode()
    def roll_out():
        model.eval()
        with precision():
            return model_last(first, actions)

    def training_step():
        model.train()
        optimizer.zero_grad()
        if hasattr(batch, "directions"):
            # New ones for every batch.
            batch.directions = F.normalize(torch.randn_like(batch.directions), dim=0)
        with precision():
            loss = model_loss()
        loss.backward()
        for part in parts if bench["clip"] > 0 else []:
            nn.utils.clip_grad_norm_(part, bench["clip"])
        optimizer.step()
        if model.distance is not None:
            model.distance.follow()

    finish = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    with torch.inference_mode():
        rollout_mean = last_of(first, actions).mean().item()
    # The training step comes last: it changes the weights.
    work = {"encoder": encode, "encoder_step": encoder_step, "rollout": roll_out, "training_step": training_step}
    times = {name: milliseconds(task, finish) for name, task in work.items()}
    print(json.dumps({"loss": loss, "milliseconds": times, "rollout_mean": rollout_mean}))


if __name__ == "__main__":
    main()
