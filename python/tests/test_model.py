"""Runs as models, and policies under a protocol."""

import json
from pathlib import Path

import gedanken
import numpy as np
import pytest
from conftest import program


@pytest.fixture(scope="module")
def model(run):
    return gedanken.Model(run)


def pictures(model, count):
    env = gedanken.VectorEnv(num_envs=count, **model.experiment["env"])
    return env.reset(seed=0)


def test_latents_and_futures_have_their_shapes_and_rows_are_independent(model):
    pixels, info = pictures(model, 3)
    latents = model.encode(pixels)
    assert latents.shape == (3, *model.latent) and latents.dtype == np.float32 and np.isfinite(latents).all()
    np.testing.assert_allclose(model.encode(pixels[1]), latents[1], atol=1e-5)
    np.testing.assert_allclose(model.encode(pixels[None])[0], latents, atol=1e-5)
    many = model.encode(np.repeat(pixels[:1], 300, axis=0))
    np.testing.assert_allclose(many, np.repeat(latents[:1], 300, axis=0), atol=1e-5)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 5, model.action)).astype(np.float32)
    future = model.rollout(latents, actions)
    assert future.shape == (3, 5, *model.latent)
    # One action at a time is the same for a model that predicts from the last latent alone.
    if model.experiment["predictor"]["kind"] != "transformer":
        first = model.rollout(latents, actions[:, :1])
        np.testing.assert_allclose(first[:, 0], future[:, 0], atol=1e-5)
    assert model.encode(pixels[:0]).shape == (0, *model.latent)
    assert info["goal"].shape == pixels.shape


def test_a_plan_keeps_the_bounds_and_follows_from_its_seed(model):
    pixels, info = pictures(model, 2)
    start, goal = model.encode(pixels), model.encode(info["goal"])
    one, two, other = (model.plan(start, goal, seed=seed) for seed in (1, 1, 2))
    horizon = model.experiment["planner"]["horizon"]
    assert one.actions.shape == (2, horizon, model.action) and one.energy.shape == (2,)
    assert np.array_equal(one.actions, two.actions) and not np.array_equal(one.actions, other.actions)
    action = model.about["action"]
    assert (one.actions >= np.tile(action["low"], model.frameskip) - 1e-6).all()
    assert (one.evaluations > 0).all() and (one.violation <= 0).all()
    assert model.plan(start, goal, steps=1).actions.shape[1] == 1


def test_wrong_shapes_and_wrong_runs_are_sentences(model, run, tmp_path):
    with pytest.raises(ValueError, match=r"pixels of shape \(3, 3\); expected \(\.\.\., "):
        model.encode(np.zeros((3, 3), np.uint8))
    with pytest.raises(TypeError, match="float64; expected uint8"):
        model.encode(np.zeros((1, *model.pixels)))
    latents = np.zeros((2, *model.latent), np.float32)
    with pytest.raises(ValueError, match=rf"expected \(2, horizon, {model.action}\)"):
        model.rollout(latents, np.zeros((2, 4, model.action + 1)))
    with pytest.raises(ValueError, match="expected .* of both"):
        model.plan(latents, latents[:1])
    with pytest.raises(gedanken.GedankenError, match="nothing"):
        gedanken.Model(tmp_path / "nothing")
    with pytest.raises(gedanken.GedankenError, match="no device `gpu`"):
        gedanken.Model(run, device="gpu")
    with pytest.raises(gedanken.GedankenError, match="horizont"):
        gedanken.Model(run, set={"planner.horizont": 3})
    assert gedanken.Model(run, set={"planner.horizon": 3}).experiment["planner"]["horizon"] == 3


def test_a_runs_policy_scores_what_the_program_says_of_it(model, run, tmp_path):
    program("eval", run, "--device", "cpu", "--json", str(tmp_path / "report.json"), "--out", str(tmp_path / "eval"))
    told = json.loads(Path(tmp_path / "report.json").read_text())
    theirs = told.get("found", told)["rows"][0]
    ours = gedanken.evaluate(model.policy(), run, baselines=False)
    assert [row.name for row in ours.rows] == ["Policy"]
    assert ours.rows[0].success == theirs["success"] and list(ours.rows[0].interval) == theirs["interval"]
    for one, other in zip(ours.rows[0].episodes, theirs["episodes"], strict=True):
        assert one["start"] == other["start"] and abs(one["end"] - other["end"]) < 0.05


def test_a_policy_acts_in_environments_of_gymnasium(model):
    env = gedanken.Env(**model.experiment["env"])
    policy = model.policy(budget=6)
    observation, info = env.reset(seed=0)
    acted = []
    for _ in range(6):
        acted.append(policy(observation, info))
        observation, *_, info = env.step(acted[-1])
    assert acted[0].shape == env.action_space.shape
    envs = gedanken.VectorEnv(num_envs=2, **model.experiment["env"])
    policy.reset()
    observation, info = envs.reset(seed=0)
    np.testing.assert_allclose(policy(observation, info)[0], acted[0], atol=1e-4)


def test_anybodys_policy_stands_beside_floors_and_ceilings(run):
    def towards(observation, info):
        rooms = gedanken.environments()["two-rooms"]
        assert observation.shape[1:] == tuple(rooms["observation"][key] for key in ("channels", "height", "width"))
        return np.clip(info["goal_labels"][:, :2] - info["labels"][:, :2], -1, 1)

    report = gedanken.evaluate(towards, run, tasks=30, set={"eval.budget": 100})
    assert report.protocol["tasks"] == 30
    assert {"towards", "uniform", "straight", "expert"} <= {row.name for row in report.rows}
    low, high = report["towards"].interval
    assert 0 <= low <= report["towards"].success <= high <= 1
    assert report["expert"].success > report["uniform"].success
    assert "expert" in str(report) and "%" in str(report)
    named = gedanken.evaluate("expert", run, tasks=30, baselines=False, set={"eval.budget": 100})
    assert named["expert"].success == report["expert"].success


def test_a_policys_own_exception_comes_through(run):
    def broken(observation, info):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        gedanken.evaluate(broken, run, tasks=2)
    with pytest.raises(ValueError, match=r"actions of shape \(2,\); expected \(2, 2\)"):
        gedanken.evaluate(lambda observation, info: np.zeros(2), run, tasks=2)
    with pytest.raises(gedanken.GedankenError, match="one of"):
        gedanken.evaluate("nobody", run, tasks=2)
    with pytest.raises(gedanken.GedankenError):
        gedanken.evaluate("expert", "experiments/nothing.toml")


def test_a_policy_answers_as_a_world_of_stable_worldmodel_asks(push_t_run, model):
    own = gedanken.Model(push_t_run)
    envs = gedanken.VectorEnv(num_envs=3, **own.experiment["env"])
    pixels, seen = envs.reset(seed=0)
    picture = lambda array: np.moveaxis(array, 1, -1)[:, None]  # noqa: E731
    info = {"pixels": picture(pixels), "goal": picture(seen["goal"]), "step_idx": np.zeros((3, 1), np.int64)}
    info["terminated"] = np.array([[False], [True], [False]])
    policy = own.policy()
    policy.set_env(envs)
    asked, straight = policy.get_action(info), own.policy()(pixels, seen)
    assert np.array_equal(asked[[0, 2]], straight[[0, 2]]) and not asked[1].any()
    with pytest.raises(gedanken.GedankenError, match="a world without goal"):
        policy.get_action({key: info[key] for key in ("pixels", "step_idx")})


def test_a_policy_acts_in_a_world_of_stable_worldmodel(push_t_run):
    worlds = pytest.importorskip("stable_worldmodel")
    own = gedanken.Model(push_t_run)
    world = worlds.World("swm/PushT-v1", num_envs=2, image_shape=(32, 32), max_episode_steps=6)
    policy = own.policy(budget=6)
    acted = []
    ask = policy.get_action
    policy.get_action = lambda info: acted.append(ask(info)) or acted[-1]
    world.set_policy(policy)
    found = world.evaluate(episodes=2, seed=0)
    assert len(found["episode_successes"]) == 2
    assert len(acted) >= 6 and all(action.shape == (2, 2) and np.isfinite(action).all() for action in acted)
    assert any(action.any() for action in acted)
