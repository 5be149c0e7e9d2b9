"""Makes lewm.json: the parts of LeWorldModel (arXiv:2603.19312) at small sizes, computed by PyTorch in float64.

    pip install torch numpy && python lewm.py

Tensors are described as in make.py, which says how. The parameters of a part are listed module by module, a batch norm's
running statistics behind its weights, as a visit of the Rust modules finds them.
"""

import json
import pathlib

import torch
from torch import nn
from torch.nn import functional

from make import describe, flat, wave


def fill(module):
    """Sets every parameter and running statistic by formula; returns their descriptions."""
    described = []
    norms = (nn.LayerNorm, nn.BatchNorm1d)

    def visit(owner, path):
        tensors = list(owner._parameters.items()) + [b for b in owner._buffers.items() if b[0].startswith("running")]
        for name, p in tensors:
            if p is None:
                continue
            phase = round(0.1 * (len(described) + 1), 10)
            shape = [p.shape[0], p[0].numel()] if p.dim() == 4 else p.shape
            if isinstance(owner, norms):
                d = describe(shape, 0.2, phase, 1.0 if name in ("weight", "running_var") else 0.0)
            elif p.dim() == 3:
                d = describe(shape, 0.5, phase)
            else:
                d = describe(shape, owner.weight[0].numel() ** -0.5, phase)
            with torch.no_grad():
                p.copy_(wave(d).reshape(p.shape))
            described.append({"name": f"{path}{name}", **d})
        for name, child in owner.named_children():
            visit(child, f"{path}{name}.")

    visit(module, "")
    return described


class Projector(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.hidden, self.norm, self.output = nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        return self.output(functional.gelu(self.norm(self.hidden(rows)))).reshape(x.shape)


class Attention(nn.Module):
    def __init__(self, dim, heads, head_dim, bias, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(dim, 3 * heads * head_dim, bias=bias)
        self.output = nn.Linear(heads * head_dim, dim)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (part.reshape(b, t, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.output(out.transpose(1, 2).reshape(b, t, -1))


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.hidden, self.output = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.output(functional.gelu(self.hidden(x)))


class VitBlock(nn.Module):
    def __init__(self, dim, heads, hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-12)
        self.attention = Attention(dim, heads, dim // heads, bias=True, causal=False)
        self.norm2 = nn.LayerNorm(dim, eps=1e-12)
        self.mlp = FeedForward(dim, hidden)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Tokens(nn.Module):
    """A parameter with a path of its own, so that `fill` finds it between its neighbours."""

    def __init__(self, *shape):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape))


class Vit(nn.Module):
    def __init__(self, channels, size, patch, dim, depth, heads, mlp, projector):
        super().__init__()
        self.embed = nn.Conv2d(channels, dim, patch, stride=patch)
        self.cls = Tokens(1, 1, dim)
        self.positions = Tokens(1, 1 + (size // patch) ** 2, dim)
        self.blocks = nn.Sequential(*[VitBlock(dim, heads, mlp) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.projector = Projector(dim, projector)

    def forward(self, pixels):
        patches = self.embed(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.value.expand(len(pixels), -1, -1), patches], dim=1) + self.positions.value
        return self.projector(self.norm(self.blocks(x))[:, 0])


class ActionEncoder(nn.Module):
    def __init__(self, action, hidden, dim):
        super().__init__()
        self.mix, self.hidden, self.output = nn.Linear(action, action), nn.Linear(action, hidden), nn.Linear(hidden, dim)

    def forward(self, a):
        return self.output(functional.silu(self.hidden(self.mix(a))))


class Block(nn.Module):
    def __init__(self, dim, heads, head_dim, hidden):
        super().__init__()
        self.modulation = nn.Linear(dim, 6 * dim)
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, head_dim, bias=False, causal=True)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = FeedForward(dim, hidden)

    def forward(self, x, steering):
        plain = lambda x: functional.layer_norm(x, x.shape[-1:], eps=1e-6)
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(functional.silu(steering)).chunk(6, dim=-1)
        x = x + gate1 * self.attention(self.attention_norm(plain(x) * (1 + scale1) + shift1))
        return x + gate2 * self.mlp(self.mlp_norm(plain(x) * (1 + scale2) + shift2))


class Predictor(nn.Module):
    def __init__(self, dim, action, history, depth, heads, head_dim, mlp, action_hidden, projector):
        super().__init__()
        self.action = ActionEncoder(action, action_hidden, dim)
        self.positions = Tokens(1, history, dim)
        self.blocks = nn.ModuleList([Block(dim, heads, head_dim, mlp) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.projector = Projector(dim, projector)

    def forward(self, latents, actions):
        steering = self.action(actions)
        x = latents + self.positions.value[:, : latents.shape[1]]
        for block in self.blocks:
            x = block(x, steering)
        return self.projector(self.norm(x))


def case(module, *described):
    """One training pass with gradients, then a pass with the running statistics that it left."""
    parameters = fill(module)
    inputs = [wave(d).requires_grad_() for d in described]
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm1d)]
    before = [norm.running_var.clone() for norm in norms]
    out = module.train()(*inputs)
    du = describe(out.shape, 1.0, 0.7)
    (out * wave(du)).sum().backward()
    rows = out.numel() // out.shape[-1]
    for norm, old in zip(norms, before):
        # burn lets the running variance follow the biased variance of the batch, PyTorch the unbiased one.
        norm.running_var = 0.9 * old + (norm.running_var - 0.9 * old) * (rows - 1) / rows
    # Gradients by number where the part is small, by norm else.
    gradients = [{"name": name, "norm": p.grad.norm().item(), "first_4": flat(p.grad.flatten()[:4])}
                 for name, p in ordered(module)]
    return {
        "parameters": parameters, "inputs": described, "upstream": du, "output": flat(out),
        "input_gradients": [flat(x.grad) for x in inputs], "parameter_gradients": gradients,
        "running": {name: flat(b) for name, b in module.named_buffers() if "running" in name},
        "output_afterwards": flat(module.eval()(*inputs)),
    }


def ordered(module, path=""):
    """named_parameters() in the order of `fill`."""
    for name, p in module._parameters.items():
        if p is not None:
            yield f"{path}{name}", p
    for name, child in module.named_children():
        yield from ordered(child, f"{path}{name}.")


def count(module):
    return sum(p.numel() for p in module.parameters())


def counts():
    numbers = {
        "vit": count(Vit(3, 224, 14, 192, 12, 3, 768, 2048)) - count(Projector(192, 2048)),
        "projector": count(Projector(192, 2048)),
        "predictor": count(Predictor(192, 10, 3, 6, 16, 64, 2048, 768, 2048)) - count(Projector(192, 2048)),
    }
    assert numbers["vit"] + 2 * numbers["projector"] + numbers["predictor"] == 18_034_478
    return numbers


if __name__ == "__main__":
    result = {
        "torch": torch.__version__,
        "counts": counts(),
        "projector": case(Projector(6, 10), describe((7, 6), 1.0, 0.5)),
        "vit": case(Vit(3, 8, 4, 12, 2, 3, 16, 10), describe((5, 3, 8, 8), 1.0, 0.5)),
        "predictor": case(Predictor(8, 4, 3, 2, 2, 6, 16, 12, 10),
                          describe((4, 3, 8), 1.0, 0.5), describe((4, 3, 4), 1.0, 0.9)),
    }
    path = pathlib.Path(__file__).with_name("lewm.json")
    path.write_text(json.dumps(result, indent=1) + "\n")
