"""Runs in PyTorch, beside the program's own numbers. Without torch and safetensors nothing of it is tested."""

import functools
import importlib
import inspect
import json
import re
import shutil
import sys
import zlib
from pathlib import Path

import gedanken
import numpy as np
import pytest
from conftest import ROOT, printed, program

torch = pytest.importorskip("torch")
files = pytest.importorskip("safetensors.torch")
loading = pytest.importorskip("gedanken.torch")

SMALL = """
name = "{name}"
runs = "{runs}"
env = {{ name = "{env}"{options} }}
data = {{ episode_steps = 12, window = {{ time = 4, extra = 0, layouts = 2, episodes = 2{window} }} }}
prediction = {{ unroll = 3{prediction} }}
train = {{ steps = 1, eval_every = 1, stop_on_collapse = false }}
planner = {{ horizon = 4, replan_every = 1, iterations = 2, samples = 8, elites = 2, over = "last" }}
eval = {{ tasks = 1, budget = 2, films = 0, baselines = false, tasks_in_training = 0, objective = "latent" }}
[loss]
distance = {{ weight = 1.0, hidden = [16], dim = 8, steps = 1 }}
probe = {{ hidden = 16 }}
"""
PUSH_T = {"env": "push-t", "options": ", size = 32", "window": "", "prediction": ""}
ROOMS = {"env": "two-rooms", "options": "", "window": "", "prediction": ""}
TRANSFORMER = "history = 3\ndepth = 2\nheads = 2\nhead_dim = 4\nmlp = 12\n"
VIT = "patch = 16\ndim = 12\ndepth = 2\nheads = 3\nmlp = 10\n"

#: Every encoder, every predictor, every way of feeling, every latent variable.
RUNS: dict[str, tuple[dict[str, str], str, str]] = {
    "conv_mlp": (
        PUSH_T,
        '[encoder]\nkind = "conv"\nchannels = [8, 12]\ngroups = 4\ndim = 12\nprojector = 10\n'
        '[proprioception]\nlabels = ["agent"]\nhidden = 8\n',
        '[predictor]\nkind = "mlp"\nhidden = 16\naction_dim = 4\n',
    ),
    "conv_conv": (
        PUSH_T,
        '[encoder]\nkind = "conv"\nchannels = [4, 8]\ngroups = 2\ndepth = 2\ndim = 6\nlatent = "map"\n',
        '[predictor]\nkind = "conv"\nwidth = 8\ngroups = 2\n',
    ),
    "patch_conv": (
        ROOMS | {"prediction": ", shared_norm = true"},
        '[encoder]\nkind = "patch"\npatch = 13\nwidth = 8\ngroups = 2\ndim = 4\n[proprioception]\nlabels = ["agent"]\nraw = true\n',
        '[predictor]\nkind = "conv"\nwidth = 8\ngroups = 2\ndepth = 2\n',
    ),
    "patch_deep": (
        PUSH_T | {"window": ", frameskip = 2"},
        'actions = "z-score"\n[encoder]\nkind = "patch"\npatch = 8\nwidth = 8\ngroups = 2\ndim = 10\nlatent = "vector"\n',
        '[predictor]\nkind = "deep"\nhidden = 16\nlayers = 2\n[latent_variable]\nkind = "branches"\ncount = 3\nhidden = 8\n[loss.information]\n',
    ),
    "patch_residual": (
        PUSH_T,
        '[encoder]\nkind = "patch"\npatch = 8\nwidth = 8\ngroups = 2\ndim = 10\nlatent = "vector"\n',
        '[predictor]\nkind = "residual"\nhidden = 16\nblocks = 2\n',
    ),
    "impala_gru": (
        ROOMS | {"prediction": ", shared_norm = true"},
        'pixels = "eb-jepa"\n[encoder]\nkind = "impala"\nchannels = [4, 6]\ndim = 10\n',
        '[predictor]\nkind = "gru"\n[latent_variable]\nkind = "gaussian"\nsize = 2\nhidden = 8\n[loss.information]\n',
    ),
    "vit_transformer": (
        PUSH_T | {"prediction": ", teacher = true", "window": ", frameskip = 3"},
        f'actions = "z-score"\n[encoder]\nkind = "vit"\n{VIT}projector = 14\n[target]\nkind = "ema"\n',
        f'[predictor]\nkind = "transformer"\n{TRANSFORMER}action_hidden = 8\nprojector = 14\n',
    ),
    "dinov2_vit": (
        PUSH_T | {"prediction": ", teacher = true"},
        f'pixels = "imagenet"\n[encoder]\nkind = "dinov2"\n{VIT}[proprioception]\nlabels = ["agent"]\nappend = 5\n',
        f'[predictor]\nkind = "vit"\n{TRANSFORMER}action_dim = 3\n',
    ),
    "class_vit": (
        PUSH_T,
        f'[encoder]\nkind = "dinov2"\n{VIT}tokens = "class"\n',
        f'[predictor]\nkind = "vit"\n{TRANSFORMER}action_dim = 3\nresidual = true\n',
    ),
}


def drawn(run):
    """Draws all weights of the run's checkpoint anew: what begins at zero or one would hide what it is multiplied with. The checkpoint says so."""
    (file,) = Path(run).glob("checkpoints/*/model.safetensors")
    random = torch.Generator().manual_seed(1)
    new = {}
    for name, old in sorted(files.load_file(file).items()):
        normal = torch.randn(old.shape, generator=random)
        if name.endswith("running_var"):
            new[name] = torch.exp(0.3 * normal)
        elif name.endswith("gamma"):
            new[name] = 1 + 0.2 * normal
        else:
            new[name] = normal * (old.shape[0] ** -0.5 if old.dim() == 2 else 0.2)
    files.save_file(new, file)
    state = json.loads((file.parent / "state.json").read_text())
    state["crc32"][file.name] = zlib.crc32(file.read_bytes())
    (file.parent / "state.json").write_text(json.dumps(state))


class Pair:
    """The program's model and PyTorch's, and what a few environments show."""

    def __init__(self, run):
        self.run = run
        self.theirs, self.ours = gedanken.Model(run), gedanken.torch.load(run)
        env = gedanken.VectorEnv(num_envs=4, **self.theirs.experiment["env"])
        self.pixels, info = env.reset(seed=0)
        self.goals, self.labels, self.goal_labels = info["goal"], info["labels"], info["goal_labels"]
        low, high = (np.tile(self.theirs.about["action"][end], self.theirs.frameskip) for end in ("low", "high"))
        self.actions = np.random.default_rng(0).uniform(low, high, (4, 5, self.theirs.action)).astype(np.float32)

    def felt(self, labels):
        return torch.tensor(labels[:, self.ours.proprioception]) if self.ours.proprioception else None

    def encode(self, pixels, labels):
        with torch.no_grad():
            return self.ours.encode(torch.tensor(pixels), self.felt(labels))


@pytest.fixture(scope="module", params=RUNS)
def pair(request, tmp_path_factory):
    values, encoder, predictor = RUNS[request.param]
    file = tmp_path_factory.mktemp("torch") / "run.toml"
    tables = SMALL.format(name=request.param, runs=file.parent, **values)
    # Keys of the file itself stand before its first table.
    keys = [line for line in encoder.splitlines() if line.startswith(("pixels", "actions"))]
    encoder = "\n".join(line for line in encoder.splitlines() if line not in keys)
    file.write_text("\n".join([*keys, tables, encoder, predictor]))
    run = program("train", str(file), "--device", "cpu")
    drawn(run)
    return Pair(run)


def test_every_kind_and_key_of_the_program_is_known_here():
    schema = json.loads(printed("schema"))["properties"]
    lists = {"encoder": loading.ENCODERS, "predictor": loading.PREDICTORS, "latent_variable": loading.VARIABLES}
    for name, known in lists.items():
        theirs = {kind["properties"]["kind"]["const"]: set(kind["properties"]) - {"kind"} for kind in schema[name]["oneOf"]}
        assert set(theirs) - {"none"} == set(known)
        for kind, part in known.items():
            keys = {key.name for key in inspect.signature(part).parameters.values() if key.kind is key.KEYWORD_ONLY}
            assert keys == theirs[kind], f"{name}.{kind}"


def apart(ours, theirs):
    """The greatest difference, of the greatest number."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape and np.isfinite(theirs).all()
    assert theirs.std() > 1e-3, "there is something to compare"
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def test_latents_and_futures_are_the_programs(pair):
    theirs = pair.theirs.encode(pair.pixels, pair.labels)
    ours = pair.encode(pair.pixels, pair.labels)
    assert ours.shape[1:] == pair.ours.latent
    future = pair.theirs.rollout(theirs, pair.actions)
    with torch.no_grad():
        imagined = pair.ours.rollout(torch.tensor(theirs), torch.tensor(pair.actions))
    found = apart(ours, theirs), apart(imagined, future)
    print("latents, futures:", found)
    assert found[0] < 1e-5 and found[1] < 1e-4
    # Actions and latents both matter.
    assert apart(imagined[:1].expand(4, -1, -1, -1), future) > 1e-3
    assert apart(pair.ours.rollout(torch.tensor(theirs), torch.tensor(pair.actions[::-1].copy())).detach(), future) > 1e-3


def test_plans_have_the_energy_that_probe_and_distance_give_them(pair):
    start, goal = pair.theirs.encode(pair.pixels, pair.labels), pair.theirs.encode(pair.goals, pair.goal_labels)
    for objective in ("learned", "probe"):
        plan = gedanken.Model(pair.run, set={"eval.objective": objective}).plan(start, goal)
        with torch.no_grad():
            last, goals = pair.ours.rollout(torch.tensor(start), torch.tensor(plan.actions))[:, -1], torch.tensor(goal)
            if objective == "learned":
                energy = pair.ours.distance(last, goals)
            else:
                energy = ((pair.ours.probe(last) - pair.ours.probe(goals)) / pair.ours.label_std).square().mean(1)
        found = apart(energy, plan.energy)
        print(objective, found)
        assert found < 1e-4


def test_numbers_from_0_to_1_are_the_same_pictures(pair):
    bytes = torch.tensor(pair.pixels)
    with torch.no_grad():
        one, other = (pair.ours.encode(pixels, pair.felt(pair.labels)) for pixels in (bytes, bytes / 255))
    torch.testing.assert_close(one, other)


def section():
    """The docs' section on PyTorch."""
    text = (ROOT / "docs/python.md").read_text("utf-8")
    return text[text.index("## A run in PyTorch") :].split("\n## ")[0]


def run_of(runtime, file, *inputs):
    """What an exported module says."""
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, (tensor.numpy() for tensor in inputs), strict=True)))
    return found


# Every export takes seconds.
@pytest.mark.parametrize("pair", ["impala_gru", "vit_transformer"], indirect=True)
def test_the_docs_lines_encode_imagine_and_export_to_onnx(pair, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    (lines,) = re.findall(r"```python\n(.*?)```", section(), re.DOTALL)
    lines = re.sub(r'load\(".*?"\)', f"load({pair.run!r})", lines)
    pixels, actions = torch.tensor(pair.pixels), torch.tensor(pair.actions[:, :2])
    names = {"pixels": pixels, "actions": actions}
    exec(lines, names)
    latents, future = names["latents"], names["future"]
    # Fewer rows than it was exported with, too.
    for rows in (4, 3):
        seen = run_of(runtime, "perception.onnx", pixels[:rows])
        imagined = run_of(runtime, "imagination.onnx", latents[:rows], actions[:rows])
        found = apart(seen, latents[:rows]), apart(imagined, future[:rows])
        print("onnx: latents, futures:", found)
        assert max(found) < 1e-5


def test_weights_lie_as_the_docs_say(pair):
    rows = re.findall(r"^\| (`.*`) \| `(\w+)` \| `\[(.*)\]` \| `(.*)` \|$", section(), re.MULTILINE)
    told = {(layer, key): (axes, here) for layers, key, axes, here in rows for layer in re.findall(r"\w+", layers)}
    assert len(told) == 11
    (file,) = Path(pair.run).glob("checkpoints/*/model.safetensors")
    compared = 0
    for name, stored in files.load_file(file).items():
        path, _, key = name.rpartition(".")
        if path.startswith(("terms.", "target.", "latent_variable.posterior")):
            continue
        top = pair.ours.imagination if path.startswith(("predictor", "latent_variable")) else pair.ours.perception
        layer = top.get_submodule(path)
        axes, here = told.get((type(layer).__name__, key), ("", key))
        # The expression of the table, on the layer's own tensors.
        own = eval(here, dict(layer.named_parameters(recurse=False)) | dict(layer.named_buffers(recurse=False)))
        assert torch.equal(own, stored), name
        assert not axes or len(axes.split(", ")) == stored.dim(), name
        compared += 1
    assert compared > 10


def test_a_run_is_its_last_checkpoint_and_a_copy_of_the_folder_works_by_itself(pair, tmp_path, monkeypatch):
    (first,) = Path(pair.run).glob("checkpoints/*")
    latest = tmp_path / "run/checkpoints/step-1000000"
    shutil.copytree(first, latest)
    shutil.copytree(first, latest.with_name("step-000002"))
    (latest.with_name("step-000002") / "model.json").write_text("{}")
    shutil.copytree(Path(loading.__file__).parent, tmp_path / "alone")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "gedanken", None)
    alone = importlib.import_module("alone")
    pixels, felt = torch.tensor(pair.pixels), pair.felt(pair.labels)
    for place in (tmp_path / "run", latest):
        assert torch.equal(alone.load(place).encode(pixels, felt), pair.ours.encode(pixels, felt))
    for name in [name for name in sys.modules if name.startswith("alone")]:
        del sys.modules[name]


@pytest.fixture
def copy(pair, tmp_path):
    """A checkpoint to spoil."""
    (folder,) = Path(pair.run).glob("checkpoints/*")
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("pair", ["conv_mlp"], indirect=True)
def test_what_is_not_known_or_not_there_is_named(pair, copy, tmp_path):
    about, weights = json.loads((copy / "model.json").read_text()), files.load_file(copy / "model.safetensors")

    def refused(words, *keys, value=None, tensors=weights):
        changed = json.loads(json.dumps(about))
        if keys:
            *path, last = keys
            functools.reduce(dict.__getitem__, path, changed)[last] = value
        (copy / "model.json").write_text(json.dumps(changed))
        files.save_file(tensors, copy / "model.safetensors")
        with pytest.raises(ValueError, match=words):
            gedanken.torch.load(copy)

    refused('encoder.kind = "mine", .* one of impala, patch, conv, vit, dinov2', "model", "encoder", "kind", value="mine")
    refused('predictor.kind = "mine", .* one of gru', "model", "predictor", "kind", value="mine")
    refused("unexpected keyword argument 'leaky'", "model", "encoder", "leaky", value=True)
    refused("a model of gedanken 0.3.0; expected", "version", value="0.3.0")
    refused("no 'pixels'", "spaces", value={})
    refused(r"encoder.output.weight is .* \[192, 12\]; expected .* \[192, 13\]", "model", "encoder", "dim", value=13)
    refused("no encoder.norm.beta", tensors={name: one for name, one in weights.items() if name != "encoder.norm.beta"})
    refused("a tensor encoder.more; expected only", tensors=weights | {"encoder.more": torch.zeros(1)})
    # Earlier versions wrote no latent variable, and appended nothing.
    del about["model"]["latent_variable"], about["model"]["proprioception"]["raw"], about["model"]["proprioception"]["append"]
    (copy / "model.json").write_text(json.dumps(about))
    files.save_file(weights, copy / "model.safetensors")
    assert gedanken.torch.load(copy).latent == pair.ours.latent
    (copy / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="expected the checkpoint of a run"):
        gedanken.torch.load(copy)
    with pytest.raises(ValueError, match="no model.json and no checkpoints"):
        gedanken.torch.load(tmp_path / "nothing")
    pixels, latents = torch.tensor(pair.pixels), torch.zeros(2, *pair.ours.latent)
    with pytest.raises(ValueError, match=r"nothing felt; expected the columns \[0, 1\]"):
        pair.ours.encode(pixels)
    with pytest.raises(ValueError, match=r"pixels of shape \(4, 3, 32\); expected \(frames, 3, 32, 32\)"):
        pair.ours.encode(pixels[..., 0], pair.felt(pair.labels))
    with pytest.raises(ValueError, match=r"actions of shape \(3, 5, 2\); expected \(2, horizon, 2\)"):
        pair.ours.rollout(latents, torch.zeros(3, 5, 2))
