#!/usr/bin/env python3
"""Hugging Face's Dinov2Model beside encoder.kind = "dinov2": dinov2_pytorch.py FOLDER [WEIGHTS.safetensors].

Without weights a tiny model with random ones is made and kept in FOLDER/weights.safetensors: crates/gedanken-model/reference/dinov2 is such
a folder, and `cargo test -p gedanken-model --test dinov2` compares. With those of DINOv2-small (dinov2_weights.py, or facebook/dinov2-small's
model.safetensors) the same test compares them where GEDANKEN_DINOV2 names FOLDER and GEDANKEN_DINOV2_WEIGHTS the file.

FOLDER/pictures.safetensors has pictures of two sizes and what the model makes of them, the class token first: one size whose positions are
its own, where the model is tiny, and one that is no square. Needs torch, transformers and safetensors; made with transformers 5.24.
"""

import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model

TINY = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, patch_size=4, image_size=20)
SMALL = dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, mlp_ratio=4, patch_size=14, image_size=518)
SIZES = {"tiny": [(20, 20), (12, 28)], "small": [(98, 98), (112, 70)]}


def tiny(folder):
    """A model whose every parameter is random, the scales and biases too."""
    model = Dinov2Model(Dinov2Config(**TINY, use_mask_token=False))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder / "made")
    (folder / "made" / "model.safetensors").rename(folder / "weights.safetensors")
    (folder / "made" / "config.json").unlink()
    (folder / "made").rmdir()
    return model


def small(weights):
    """The published one, by the loader that users have."""
    config = Dinov2Config(**SMALL, use_mask_token=False)
    return Dinov2Model.from_pretrained(None, config=config, state_dict=load_file(weights))


def main():
    torch.manual_seed(7)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    name = "small" if len(sys.argv) > 2 else "tiny"
    model = (small(sys.argv[2]) if name == "small" else tiny(folder)).eval()
    kept = {}
    with torch.no_grad():
        for index, (height, width) in enumerate(SIZES[name]):
            pixels = torch.randn(2, 3, height, width)
            kept[f"pixels.{index}"] = pixels
            kept[f"tokens.{index}"] = model(pixels).last_hidden_state.contiguous()
        if name == "small":
            pixels = torch.randn(16, 3, 98, 98)
            start = time.perf_counter()
            model(pixels)
            print(f"{16 / (time.perf_counter() - start):.1f} frames of 98 x 98 a second on {torch.get_num_threads()} threads")
    save_file(kept, folder / "pictures.safetensors")


main()
