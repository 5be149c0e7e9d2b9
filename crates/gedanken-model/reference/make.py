"""Makes parts.json: the parts of a world model and their gradients, computed by PyTorch in float64.

    pip install torch numpy && python make.py

Nothing is read: every input, every weight and every upstream gradient is `wave` of its flat row-major index in PyTorch's
layout (a Linear's weight is [out, in], a Conv2d's [out, in, height, width]), so that the tests make the same numbers
themselves. A tensor is described in the JSON by {"shape", "scale", "phase", "offset"}.

Where a part has parameters they are listed in order with their descriptions; the k-th has phase 0.1 * (k + 1), scale
1 / sqrt(fan_in) and offset 0, but for the weight of a normalisation: scale 0.2, offset 1 (and its bias: scale 0.2).
Gradients are of the loss sum(output * upstream), upstream a described tensor, or of sum(output) where none is given.
"""

import json
import pathlib

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(2)


def describe(shape, scale=1.0, phase=0.0, offset=0.0):
    return {"shape": list(shape), "scale": scale, "phase": phase, "offset": offset}


def wave(d):
    """offset + scale * sin(0.37 * (i*i mod 10007) + phase), i the flat row-major index."""
    i = torch.arange(torch.Size(d["shape"]).numel())
    x = d["offset"] + d["scale"] * torch.sin(0.37 * (i * i % 10007).double() + d["phase"])
    return x.reshape(d["shape"])


def fill(module, fan_in=None):
    """Sets every parameter by formula; returns the descriptions in the order of named_parameters()."""
    described = []
    norms = (nn.LayerNorm, nn.GroupNorm)
    for k, (name, p) in enumerate(module.named_parameters()):
        owner = module.get_submodule(name.rpartition(".")[0])
        phase = round(0.1 * (k + 1), 10)
        if isinstance(owner, norms):
            d = describe(p.shape, 0.2, phase, 1.0 if name.endswith("weight") else 0.0)
        else:
            fan = fan_in or owner.weight[0].numel()
            d = describe(p.shape, fan**-0.5, phase)
        with torch.no_grad():
            p.copy_(wave(d))
        described.append({"name": name, **d})
    return described


def count(module):
    return sum(p.numel() for p in module.parameters())


def flat(x):
    return [float(f"{v:.12g}") for v in x.detach().flatten().tolist()]


def parameter_gradients(module):
    return {name: flat(p.grad) for name, p in module.named_parameters()}


# One step of a GRU: gates stacked in the order reset, update, new; h' = (1 - z) * n + z * h,
# n = tanh(W_in x + b_in + r * (W_hn h + b_hn)).
def gru():
    cell = nn.GRUCell(2, 8)
    parameters = fill(cell, fan_in=8)
    dx, dh = describe((3, 2), 1.0, 0.5), describe((3, 8), 0.8, 0.9)
    x, h = wave(dx).requires_grad_(), wave(dh).requires_grad_()
    out = cell(x, h)
    out.sum().backward()
    return {
        "gates": "r, z, n", "parameters": parameters, "input": dx, "hidden": dh, "output": flat(out),
        "input_gradient": flat(x.grad), "hidden_gradient": flat(h.grad),
        "parameter_gradients": parameter_gradients(cell),
    }


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Stack(nn.Module):
    def __init__(self, inputs, channels):
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = nn.Sequential(Residual(channels), Residual(channels))

    def forward(self, x):
        return self.blocks(self.pool(self.conv(x)))


class Impala(nn.Module):
    def __init__(self):
        super().__init__()
        self.stacks = nn.Sequential(Stack(2, 16), Stack(16, 32), Stack(32, 32))
        self.linear = nn.Linear(32 * 9 * 9, 512)
        self.norm = nn.LayerNorm(512)

    def before_norm(self, x):
        return self.linear(torch.relu(self.stacks(x)).flatten(1))

    def forward(self, x):
        return self.norm(self.before_norm(x))


def impala():
    encoder = Impala()
    assert count(encoder) == 1_426_096
    parameters = fill(encoder)
    dx, du = describe((2, 2, 65, 65), 1.0, 0.5), describe((2, 512), 1.0, 0.7)
    x = wave(dx).requires_grad_()
    stages, y = [], x
    for stack in encoder.stacks:
        y = stack(y)
        stages.append({"shape": list(y.shape), "sum": y.sum().item(), "sum_of_squares": y.square().sum().item(),
                       "first_16": flat(y.flatten()[:16])})
    before = encoder.before_norm(x)
    out = encoder(x)
    (out * wave(du)).sum().backward()
    gradients = [
        {"name": name, "first_4": flat(p.grad.flatten()[:4]), "sum": p.grad.sum().item(), "norm": p.grad.norm().item()}
        for name, p in encoder.named_parameters()
    ]
    return {
        "count": count(encoder), "parameters": parameters, "input": dx, "upstream": du, "stages": stages,
        "before_norm_first_16": flat(before.flatten()[:16]),
        "first_16": flat(out.flatten()[:16]), "output": flat(out),
        "sum": out.sum().item(), "sum_of_squares": out.square().sum().item(),
        "input_gradient": {"first_16": flat(x.grad.flatten()[:16]), "sum": x.grad.sum().item(),
                           "norm": x.grad.norm().item()},
        "parameter_gradients": gradients,
    }


def counts():
    mlp = nn.Sequential(nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 2))
    numbers = {
        "impala": count(Impala()),
        "gru_predictor_with_norm": count(nn.GRUCell(2, 512)) + count(nn.LayerNorm(512)),
        "norm": count(nn.LayerNorm(512)),
        "inverse_dynamics": count(mlp),
    }
    assert numbers == {"impala": 1_426_096, "gru_predictor_with_norm": 793_600, "norm": 1_024,
                       "inverse_dynamics": 328_706}
    numbers["total_with_shared_norm"] = numbers["impala"] + numbers["gru_predictor_with_norm"] - numbers["norm"]
    assert numbers["total_with_shared_norm"] == 2_218_672
    return numbers


# Expectile regression that follows the short targets: mean |0.9 - 1(target > d)| (target - d)^2, so the weight is 0.1
# where the target is longer than the distance and 0.9 where it is shorter.
def expectile():
    dd, dt = describe((12,), 3.0, 0.4, 5.0), describe((12,), 4.0, 1.3, 5.0)
    d, target = wave(dd).requires_grad_(), wave(dt)
    assert 3 <= (target > d).sum() <= 9
    loss = ((0.9 - (target > d).double()).abs() * (target - d).square()).mean()
    loss.backward()
    return {"tau": 0.9, "distance": dd, "target": dt, "value": loss.item(), "distance_gradient": flat(d.grad)}


# Channels last: [batch, height, width, channels].
def norms():
    dx, du = describe((2, 5, 5, 8), 1.5, 0.2, 0.5), describe((2, 5, 5, 8), 1.0, 0.7)
    results = {}
    group = nn.GroupNorm(4, 8)
    channels_last = lambda x: torch.relu(group(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
    layer = nn.LayerNorm(8)
    for name, module, forward in [("layer_norm", layer, layer), ("group_norm_relu", group, channels_last)]:
        parameters = fill(module)
        x = wave(dx).requires_grad_()
        out = forward(x)
        (out * wave(du)).sum().backward()
        results[name] = {
            "epsilon": 1e-5, "parameters": parameters, "input": dx, "upstream": du, "output": flat(out),
            "input_gradient": flat(x.grad), "parameter_gradients": parameter_gradients(module),
        }
    results["group_norm_relu"]["groups"] = 4
    return results


# The k-th step's gradient (k from 0) is the described tensor with phase 0.3 + k.
def adamw():
    start, gradient = describe((6,), 1.0, 0.5), describe((6,), 2.0, 0.3)
    p = nn.Parameter(wave(start))
    options = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2}
    optimiser = torch.optim.AdamW([p], **options)
    trajectory = []
    for k in range(5):
        p.grad = wave({**gradient, "phase": gradient["phase"] + k})
        optimiser.step()
        trajectory.append(flat(p))
    return {**options, "start": start, "gradient": gradient, "trajectory": trajectory}


# PyTorch multiplies by min(1, max_norm / (norm + 1e-6)).
def clip(scale):
    described = [describe((3,), scale, 0.1), describe((2, 4), scale, 0.2), describe((5,), scale, 0.3)]
    tensors = [nn.Parameter(torch.zeros(d["shape"])) for d in described]
    for p, d in zip(tensors, described):
        p.grad = wave(d)
    norm = nn.utils.clip_grad_norm_(tensors, 2.0).item()
    return {"max_norm": 2.0, "gradients": described, "norm": norm, "clipped": [flat(p.grad) for p in tensors]}


if __name__ == "__main__":
    result = {
        "formula": wave.__doc__, "torch": torch.__version__, "counts": counts(), "gru": gru(), "impala": impala(),
        "expectile": expectile(), **norms(), "adamw": adamw(), "clip": {"above": clip(1.5), "below": clip(0.5)},
    }
    assert result["clip"]["above"]["norm"] > 2 > result["clip"]["below"]["norm"]
    path = pathlib.Path(__file__).with_name("parts.json")
    path.write_text(json.dumps(result, indent=1) + "\n")
