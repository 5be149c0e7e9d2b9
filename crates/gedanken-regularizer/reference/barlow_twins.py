"""Makes barlow_twins.json: the Barlow Twins term and its gradients, computed by PyTorch in float64.

    pip install torch && python barlow_twins.py

Written as the paper's Algorithm 1: batch norm without weights, cross-correlation, on and off the diagonal.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)


def wave(shape, phase):
    """sin(0.37 * (i*i mod 10007) + phase), i the flat row-major index."""
    i = torch.arange(shape[0] * shape[1])
    return torch.sin(0.37 * (i * i % 10007).double() + phase).reshape(shape)


def barlow(a, b, redundancy):
    norm = torch.nn.BatchNorm1d(a.shape[1], affine=False)
    c = norm(a).T @ norm(b) / len(a)
    on = torch.diagonal(c).add(-1).pow(2).sum()
    off = c[~torch.eye(len(c), dtype=torch.bool)].pow(2).sum()
    return (on + redundancy * off) / len(c)


cases = []
for samples, features, redundancy in [(16, 4, 0.0051), (6, 9, 0.5)]:
    a, b = (wave((samples, features), phase).requires_grad_() for phase in (0.1, 0.9))
    value = barlow(a, b, redundancy)
    value.backward()
    cases.append({
        "samples": samples, "features": features, "redundancy": redundancy, "value": value.item(),
        "gradient_a": a.grad.flatten().tolist(), "gradient_b": b.grad.flatten().tolist(),
    })
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases))
