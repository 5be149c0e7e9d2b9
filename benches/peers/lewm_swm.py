#!/usr/bin/env python3
"""A LeWorldModel of stable-worldmodel's own code with random weights, and what it makes of fixed inputs.

    pip install --no-deps stable-worldmodel==0.1.1 einops "transformers<5" safetensors   (and what transformers itself needs)
    python lewm_swm.py FOLDER [--small]

Writes FOLDER/config.json and FOLDER/weights.safetensors, as stable-worldmodel and the conversion in docs/coming-from.md do, and
FOLDER/reference/expected.safetensors: pictures, their latents, candidate sequences of actions, the latents they lead to, energies.
`--small` is the fixture of crates/gedanken/tests/lewm; without it the model is LeWorldModel's ViT-Tiny on 224 px.
"""

import argparse
import importlib.util
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import ViTConfig, ViTModel

# DINO-WM's Push-T data; ImageNet's pictures.
ACTIONS = torch.tensor([[-0.0087, 0.0068], [0.2019, 0.2002]])
PIXELS = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
BLOCK, HORIZON, CANDIDATES = 5, 5, 16


def module(name):
    """A file of the package, without its environments and their dependencies."""
    package = pathlib.Path(importlib.util.find_spec("stable_worldmodel").origin).parent
    spec = importlib.util.spec_from_file_location(f"swm_{name}", package / "wm" / "lewm" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def config(small):
    """As the released config.json, in which sizes beside `size` go to Hugging Face's ViTConfig."""
    dim, action = (12, 2 * BLOCK) if small else (192, 2 * BLOCK)
    encoder = {"size": "tiny", "patch_size": 14, "image_size": 224, "pretrained": False, "use_mask_token": False}
    predictor = {"num_frames": 3, "depth": 6, "heads": 16, "mlp_dim": 2048, "dim_head": 64}
    hidden = 2048
    if small:
        encoder |= {"patch_size": 7, "image_size": 28, "hidden_size": dim, "num_hidden_layers": 2,
                    "num_attention_heads": 3, "intermediate_size": 20}
        predictor |= {"depth": 2, "heads": 2, "mlp_dim": 18, "dim_head": 8}
        hidden = 14
    lewm = "stable_worldmodel.wm.lewm"
    projector = {"_target_": f"{lewm}.module.MLP", "input_dim": dim, "output_dim": dim, "hidden_dim": hidden,
                 "norm_fn": {"_target_": "torch.nn.BatchNorm1d", "_partial_": True}}
    return {
        "_target_": f"{lewm}.LeWM",
        "encoder": {"_target_": "stable_pretraining.backbone.utils.vit_hf"} | encoder,
        "predictor": {"_target_": f"{lewm}.module.Predictor", "input_dim": dim, "hidden_dim": dim, "output_dim": dim}
        | predictor | {"dropout": 0.1, "emb_dropout": 0.0},
        "action_encoder": {"_target_": f"{lewm}.module.Embedder", "input_dim": action, "emb_dim": dim},
        "projector": projector,
        "pred_proj": projector,
    }


def vit(size, patch_size, image_size, pretrained, use_mask_token, **sizes):
    """stable_pretraining.backbone.utils.vit_hf, of which the package needs all of Lightning."""
    assert size == "tiny" and not pretrained
    sizes = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768} | sizes
    settings = ViTConfig(image_size=image_size, patch_size=patch_size, **sizes)
    return ViTModel(settings, add_pooling_layer=False, use_mask_token=use_mask_token)


def build(config):
    parts = module("module")

    def made(table, of, **more):
        return of(**{key: value for key, value in table.items() if key not in ("_target_", "norm_fn")}, **more)

    return module("lewm").LeWM(
        made(config["encoder"], vit),
        made(config["predictor"], parts.Predictor),
        made(config["action_encoder"], parts.Embedder),
        made(config["projector"], parts.MLP, norm_fn=nn.BatchNorm1d),
        made(config["pred_proj"], parts.MLP, norm_fn=nn.BatchNorm1d),
    )


def scramble(model):
    """No weight is left at a zero or a one, behind which an error would hide."""
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape)
        if name.endswith("num_batches_tracked"):
            continue
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
        elif tensor.dim() == 1:
            tensor.copy_(tensor + 0.2 * noise)
        elif name.endswith(("cls_token", "position_embeddings", "pos_embedding")):
            tensor.copy_(0.5 * noise)
        else:
            tensor.copy_(noise / tensor[0].numel() ** 0.5)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--small", action="store_true")
    arguments = arguments.parse_args()
    torch.manual_seed(0)
    torch.set_grad_enabled(False)

    described = config(arguments.small)
    model = build(described).eval()
    scramble(model)
    state = model.state_dict()
    side = described["encoder"]["image_size"]

    # Two smooth pictures that differ, a start and a goal, and a third for the history.
    rows = torch.arange(side)[:, None] / side
    columns = torch.arange(side)[None, :] / side
    waves = [[(i + 1) * rows * 4 + (c + 1) * columns * 3 + i for c in range(3)] for i in range(3)]
    pixels = torch.stack([torch.stack([127.5 + 120 * torch.sin(w) for w in wave]) for wave in waves]).to(torch.uint8)
    normal = (pixels / 255 - PIXELS[0]) / PIXELS[1]
    units = (0.2 * torch.randn(CANDIDATES, HORIZON, BLOCK, 2)).clamp(-1, 1)
    actions = ((units - ACTIONS[0]) / ACTIONS[1]).flatten(2)

    latents = model.encode({"pixels": normal[None]})["emb"][0]
    # Three true frames at once, as in training.
    taught = model.predict(latents[None], model.action_encoder(actions[:1, :3]))[0]
    every = torch.ones(1, CANDIDATES, 1, 1, 1, 1)
    info = {
        "pixels": normal[None, None, None, 0] * every,
        "goal": normal[None, None, None, 1] * every,
        "action": actions[None, :, :1],
    }
    energies = model.get_cost(info, actions[None])[0]
    futures = info["predicted_emb"][0, :, 1:]

    (arguments.folder / "reference").mkdir(parents=True, exist_ok=True)
    (arguments.folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    save_file(state, arguments.folder / "weights.safetensors")
    expected = {
        "pixels": pixels, "latents": latents, "actions": units.flatten(2), "taught": taught, "futures": futures,
        "energies": energies,
    }
    save_file({name: tensor.contiguous() for name, tensor in expected.items()},
              arguments.folder / "reference" / "expected.safetensors")
    count = sum(tensor.numel() for tensor in state.values())
    print(f"torch {torch.__version__}, transformers {transformers.__version__}: {len(state)} tensors, {count:,} numbers; "
          f"latents within {latents.abs().max():.2f}, energies {energies.min():.3f} to {energies.max():.3f}, "
          f"best {int(energies.argmin())}", file=sys.stderr)


main()
