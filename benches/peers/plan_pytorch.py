#!/usr/bin/env python3
"""One plan by CEM on EB-JEPA's GRU, in PyTorch on the CPU: the twin of crates/gedanken-eval/benches/plan.rs.

Needs torch. Prints the energy of one fixed plan and the median milliseconds of a plan.
"""

import math
import os
import statistics
import time

import torch

DIM, ACTION, HORIZON, SAMPLES, ROUNDS, ELITES = 512, 2, 16, 200, 5, 20
torch.set_num_threads(int(os.environ.get("RAYON_NUM_THREADS", os.cpu_count())))
torch.set_grad_enabled(False)


def wave(shape, scale):
    count = math.prod(shape)
    return torch.tensor([scale * math.sin(1.7 * (i + 1)) for i in range(count)], dtype=torch.float32).reshape(shape)


cell = torch.nn.GRUCell(ACTION, DIM)
# burn's linear layers hold [input, output]; PyTorch's gates are reset, update, new as well.
cell.weight_ih.copy_(wave([ACTION, 3 * DIM], 0.05).T)
cell.bias_ih.copy_(wave([3 * DIM], 0.02))
cell.weight_hh.copy_(wave([DIM, 3 * DIM], 0.05).T)
cell.bias_hh.copy_(wave([3 * DIM], 0.01))
start, goal = wave([1, DIM], 1.0), wave([1, DIM], -0.5)


def energies(actions):
    """[rows, horizon, action] -> [rows]"""
    latent = start.expand(len(actions), DIM)
    total = torch.zeros(len(actions))
    for step in range(actions.shape[1]):
        latent = cell(actions[:, step], latent)
        total += ((latent - goal) ** 2).mean(1)
    return total


def plan():
    mean, std = torch.zeros(HORIZON, ACTION), torch.ones(HORIZON, ACTION)
    for _ in range(ROUNDS):
        actions = mean + std * torch.randn(SAMPLES, HORIZON, ACTION)
        norm = actions.norm(dim=-1, keepdim=True)
        actions = torch.where(norm > 2.45, actions * (2.45 / norm), actions)
        best = actions[energies(actions).topk(ELITES, largest=False).indices]
        mean, std = best.mean(0), best.std(0)
    energies(mean[None])
    return mean


energy = energies(wave([1, HORIZON, ACTION], 1.0)).item()
times = []
for _ in range(8):
    began = time.perf_counter()
    plan()
    times.append((time.perf_counter() - began) * 1e3)
print(f"{energy:.5f} {statistics.median(times[1:]):.2f}")
