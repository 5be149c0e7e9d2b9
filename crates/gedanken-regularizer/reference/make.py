"""Makes terms.json: the regulariser's terms and their gradients, computed by PyTorch in float64.

    pip install torch numpy && python make.py

Nothing is read: every input is a formula of its index, so that the tests make the same numbers themselves.
Each term is written here with PyTorch's own statistics (torch.std, torch.cov), not as the crate computes it.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)


def wave(shape, scale=1.0, phase=0.0, offset=0.0):
    """offset + scale * sin(0.37 * (i*i mod 10007) + phase), i the flat row-major index."""
    i = torch.arange(int(torch.tensor(shape).prod()))
    return (offset + scale * torch.sin(0.37 * (i * i % 10007).double() + phase)).reshape(shape)


def variance(x, margin):
    return torch.relu(margin - torch.sqrt(torch.var(x, dim=0) + 1e-4)).mean()


def covariance(x):
    c = torch.cov(x.T)
    return c[~torch.eye(x.shape[1], dtype=torch.bool)].square().mean()


def time_similarity(z):
    return torch.nn.functional.mse_loss(z[:, 1:], z[:, :-1])


def with_gradient(f, x):
    x = x.clone().requires_grad_()
    value = f(x)
    value.backward()
    return value.item(), x.grad.flatten().tolist()


def statistics(name, samples, features, scale, phase, offset, margin):
    x = wave((samples, features), scale, phase, offset)
    v, dv = with_gradient(lambda x: variance(x, margin), x)
    c, dc = with_gradient(covariance, x)
    p = torch.linalg.eigvalsh(torch.cov(x.T)).clamp(min=0)
    p = p[p > 0] / p.sum()
    return {
        "name": name, "samples": samples, "features": features,
        "scale": scale, "phase": phase, "offset": offset, "margin": margin,
        "variance": v, "variance_gradient": dv, "covariance": c, "covariance_gradient": dc,
        "mean_std": torch.std(x, dim=0).mean().item(),
        "effective_rank": torch.exp(-(p * p.log()).sum()).item(),
    }


def similarity(shape, scale, phase):
    value, gradient = with_gradient(time_similarity, wave(shape, scale, phase))
    return {"shape": shape, "scale": scale, "phase": phase, "value": value, "gradient": gradient}


def total(shape, scale, phase):
    """The weighted sum with the crate's default coefficients: latents [batch, time, tokens, dim]."""
    b, t, k, d = shape
    pooled = lambda z: z.reshape(b * t, k * d)
    f = lambda z: 16 * variance(pooled(z), 1.0) + 8 * covariance(pooled(z)) + 12 * time_similarity(z)
    z = wave(shape, scale, phase)
    value, gradient = with_gradient(f, z)
    return {
        "shape": shape, "scale": scale, "phase": phase,
        "variance": variance(pooled(z), 1.0).item(), "covariance": covariance(pooled(z)).item(),
        "time_similarity": time_similarity(z).item(), "total": value, "gradient": gradient,
    }


def sigreg(z, directions):
    """As LeWorldModel computes it: knots on [0, 3], per frame index over the batch, mean over directions and frames."""
    t = torch.linspace(0, 3, 17)
    weights = torch.full((17,), 2 * 3 / 16)
    weights[[0, -1]] = 3 / 16
    window = torch.exp(-t.square() / 2)
    x = (z.transpose(0, 1).flatten(1, 2) @ directions).unsqueeze(-1) * t
    error = (x.cos().mean(1) - window).square() + x.sin().mean(1).square()
    return ((error @ (weights * window)) * z.shape[0] * z.shape[2]).mean()


def gaussianity(shape, count, scale, phase, offset):
    """Latents [batch, time, tokens, dim] along `count` directions, themselves waves of phase 0.2 brought to length 1."""
    directions = wave((shape[3], count), 1.0, 0.2)
    directions = directions / directions.norm(dim=0)
    value, gradient = with_gradient(lambda z: sigreg(z, directions), wave(shape, scale, phase, offset))
    return {"shape": shape, "count": count, "scale": scale, "phase": phase, "offset": offset,
            "value": value, "gradient": gradient}


result = {
    "formula": wave.__doc__,
    "torch": torch.__version__,
    "statistics": [
        statistics("more samples than features", 12, 5, 0.8, 0.3, 0.0, 1.0),
        statistics("more features than samples", 5, 12, 0.8, 0.3, 0.0, 1.0),
        statistics("square, far from the origin", 7, 7, 0.5, 1.1, 3.0, 1.0),
        statistics("collapsed but for a trace", 6, 4, 0.001, 0.7, 2.0, 1.0),
        statistics("spread beyond the margin", 9, 4, 5.0, 0.2, 0.0, 1.0),
        statistics("another margin", 8, 3, 0.5, 0.9, 0.0, 0.4),
        statistics("two samples", 2, 3, 0.6, 0.4, 0.0, 1.0),
    ],
    "time_similarity": [similarity([2, 4, 3, 2], 0.9, 0.5), similarity([3, 2, 1, 4], 2.0, 1.5)],
    "total": [total([3, 4, 1, 5], 0.7, 0.6), total([2, 3, 4, 3], 0.7, 0.6)],
    "sigreg": [
        gaussianity([6, 3, 1, 5], 7, 1.0, 0.5, 0.0),
        gaussianity([4, 2, 3, 4], 5, 0.3, 0.9, 1.5),
        gaussianity([5, 2, 1, 6], 4, 6.0, 0.1, 0.0),
    ],
}
path = pathlib.Path(__file__).with_name("terms.json")
path.write_text(json.dumps(result, indent=1) + "\n")
