"""Makes family.json: the terms of the family and their gradients, computed by PyTorch in float64.

    pip install torch && python family.py

Each is written down apart from the library, from its paper or its authors' description.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
F = torch.nn.functional


def wave(shape, phase):
    """sin(0.37 * (i*i mod 10007) + phase), i the flat row-major index."""
    i = torch.arange(torch.Size(shape).numel())
    return torch.sin(0.37 * (i * i % 10007).double() + phase).reshape(shape)


def straightening(z):
    v = (z[:, 1:] - z[:, :-1]).flatten(2)
    return 1 - F.cosine_similarity(v[:, 1:], v[:, :-1], dim=-1).mean()


def coding_rate(z, distortion):
    n, d = z.shape
    w = F.normalize(z, dim=1).T  # features x samples, as in the paper
    return torch.logdet(torch.eye(d) + d / (n * distortion) * w @ w.T) / 2 / d


def code_length(errors, distortion):
    covariance = torch.einsum("bstd,bste->sde", errors, errors) / (errors.shape[0] * errors.shape[2])
    return torch.logdet(torch.eye(errors.shape[3]) + covariance / distortion).mean() / 2 / errors.shape[3]


def visreg(z, directions):
    mean, std = z.mean(0), (z.var(0, unbiased=False) + 1e-6).sqrt()
    along, _ = (((z - mean) / std.detach()) @ directions).sort(0)
    i = torch.arange(1, len(z) + 1)
    quantiles = 2**0.5 * torch.special.erfinv(2 * i / (len(z) + 1) - 1)
    return mean.pow(2).mean() + (std - 1).pow(2).mean() + (along - quantiles[:, None]).pow(2).mean()


def info_nce(a, b, temperature):
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).mT / temperature
    own = torch.arange(a.shape[1]).repeat(a.shape[0])
    return F.cross_entropy(logits.flatten(0, 1), own)


def case(term, *shapes, **keys):
    inputs = [wave(shape, 0.1 + 0.8 * i).requires_grad_() for i, shape in enumerate(shapes)]
    value = term(*inputs, **{k: torch.tensor(v) if isinstance(v, list) else v for k, v in keys.items()})
    value.backward()
    return {"shapes": shapes, "keys": keys, "value": value.item(), "gradients": [x.grad.flatten().tolist() for x in inputs]}


directions = F.normalize(wave((4, 6), 0.4), dim=0).tolist()
cases = {
    "straightening": case(straightening, [3, 5, 2, 3]),
    "coding_rate": case(coding_rate, [9, 4], distortion=0.2),
    "coding_rate_wide": case(coding_rate, [4, 9], distortion=0.5),
    "code_length": case(code_length, [5, 3, 2, 4], distortion=0.01),
    "visreg": case(visreg, [11, 4], directions=directions),
    "info_nce": case(info_nce, [2, 5, 4], [2, 5, 4], temperature=0.1),
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases))
