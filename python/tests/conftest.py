"""A small run and a small dataset, made by the program."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def printed(*arguments: str) -> str:
    """Runs the program ``gedanken``, and gives what it prints."""
    command = ["cargo", "run", "--release", "--quiet", "--"]
    if "GEDANKEN" in os.environ:
        command = [os.environ["GEDANKEN"]]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(*arguments: str) -> str:
    """Runs the program ``gedanken``, and gives what it prints last."""
    return printed(*arguments).strip().splitlines()[-1]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The quickstart after four updates."""
    runs = tmp_path_factory.mktemp("runs")
    small = ["train.steps=4", "train.eval_every=4", "train.stop_on_collapse=false", "eval.tasks=4", "eval.budget=12"]
    small += ["eval.tasks_in_training=0", "eval.films=0", "eval.baselines=false", "planner.horizon=4", "planner.replan_every=2"]
    sets = [word for key in [*small, f"runs={runs}"] for word in ("--set", key)]
    return program("train", "experiments/quickstart.toml", "--device", "cpu", *sets)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six episodes of thirty control steps in three layouts of Two-Rooms."""
    out = tmp_path_factory.mktemp("data") / "rooms"
    sizes = ["collect.layouts=3", "collect.episodes=2", "collect.episode_steps=30"]
    sets = [word for key in sizes for word in ("--set", key)]
    program("collect", "experiments/two_rooms_cpu.toml", "--out", str(out), *sets)
    return str(out)


@pytest.fixture(scope="session")
def push_t_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small model of push-T by pixels alone, after two updates."""
    file = tmp_path_factory.mktemp("push_t") / "tiny.toml"
    file.write_text(
        f"""
        name = "tiny"
        runs = "{file.parent}"
        env = {{ name = "push-t", size = 32 }}
        encoder = {{ kind = "patch", patch = 4 }}
        data = {{ episode_steps = 12, window = {{ time = 9, extra = 1, layouts = 4, episodes = 2 }} }}
        train = {{ steps = 2, eval_every = 2, stop_on_collapse = false }}
        planner = {{ horizon = 3, replan_every = 1 }}
        eval = {{ tasks = 2, budget = 4, films = 0, baselines = false, tasks_in_training = 0, objective = "latent" }}
        """
    )
    return program("train", str(file), "--device", "cpu")
