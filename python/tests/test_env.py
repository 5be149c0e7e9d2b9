"""Environments as Gymnasium has them."""

import multiprocessing
import os
import warnings

import gedanken
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

IDS = ["gedanken/TwoRooms-v0", "gedanken/PushT-v0", "gedanken/Maze-v0", "gedanken/Car-v0"]


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_own_check_passes(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Actions are in the environment's own unit.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized")
        check_env(gymnasium.make(name, render_mode="rgb_array").unwrapped)


def test_the_catalogue_has_spaces_and_options():
    found = gedanken.environments()
    assert {"two-rooms", "push-t", "maze", "car"} <= set(found)
    rooms = found["two-rooms"]
    env = gedanken.Env("two-rooms", **rooms["options"])
    assert env.observation_space.shape == tuple(rooms["observation"][key] for key in ("channels", "height", "width"))
    assert env.observation_space.dtype == np.uint8


def test_a_seed_decides_everything():
    def episode(env):
        env.action_space.seed(3)
        first, info = env.reset(seed=7)
        rows = [first, *(env.step(env.action_space.sample())[0] for _ in range(20))]
        again, _ = env.reset()
        return np.stack([*rows, again]), info["state"]

    (one, state), (two, _) = episode(gedanken.Env("push-t")), episode(gedanken.Env("push-t"))
    assert np.array_equal(one, two)
    assert not np.array_equal(one[0], one[-1]), "the next episode is another"
    assert state.dtype == np.float64 and len(state) == len(gedanken.Env("push-t").about["state"])


def test_success_terminates_and_the_limit_truncates():
    env = gymnasium.make("gedanken/TwoRooms-v0", max_episode_steps=3)
    _, info = env.reset(seed=1)
    still = np.zeros(env.action_space.shape, np.float32)
    ends = [env.step(still)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    # At the goal: what the goal's state shows is where the agent is.
    env.reset(seed=1, options={"goal": info["state"]})
    _, reward, terminated, truncated, info = env.step(still)
    assert (terminated, truncated, info["success"], reward) == (True, False, True, -info["distance"])
    assert info["distance"] < env.unwrapped.about["task"]["radius"]
    endless = [gymnasium.make(IDS[0], max_episode_steps=-1), gymnasium.make_vec(IDS[0], max_episode_steps=None, ends=False)]
    for env, action in zip(endless, (still, still[None]), strict=True):
        env.reset(seed=1)
        assert not any(np.any(env.step(action)[3]) for _ in range(250))
    lasting = gedanken.Env("two-rooms", ends=False)
    lasting.reset(seed=1, options={"goal": lasting.reset(seed=1)[1]["state"]})
    assert lasting.step(still)[2] is False and lasting.step(still)[4]["success"]


def test_arrays_given_out_stay_what_they_were():
    env = gedanken.Env("push-t")
    first, info = env.reset(seed=0)
    kept, goal = first.copy(), info["goal"]
    for _ in range(5):
        observation, *_, info = env.step(np.array([0.5, -0.5], np.float32))
    assert np.array_equal(first, kept) and not np.array_equal(first, observation)
    assert np.array_equal(info["goal"], goal) and not np.shares_memory(info["goal"], goal)
    assert first.flags.writeable and first.flags.c_contiguous and first.flags.aligned


def test_a_state_is_taken_and_given():
    env = gedanken.Env("two-rooms")
    _, info = env.reset(seed=4)
    state = info["state"]
    for _ in range(9):
        env.step(env.action_space.sample())
    observation, again = env.reset(seed=9, options={"state": state})
    assert np.array_equal(again["state"], state)
    assert np.array_equal(observation, env.reset(seed=4)[0])


def test_labels_have_names_and_units():
    env = gedanken.Env("two-rooms")
    _, info = env.reset(seed=2)
    agent = info["labels"][env.label_columns["agent"]]
    np.testing.assert_allclose(agent, info["state"][:2], atol=1e-4)
    assert env.about["labels"][0]["unit"] == "px"


def test_options_and_factors_are_keyword_arguments_and_mistakes_are_sentences():
    small = gymnasium.make("gedanken/PushT-v0", size=32)
    assert small.observation_space.shape == (3, 32, 32)
    factor = gedanken.environments()["push-t"]["factors"][0]
    env = gedanken.Env("push-t", factors={factor["name"]: factor["high"]})
    assert not np.array_equal(env.reset(seed=0)[0], gedanken.Env("push-t").reset(seed=0)[0])
    for wrong, words in [
        ({"name": "three-rooms"}, "two-rooms"),
        ({"name": "push-t", "size": -1}, "size"),
        ({"name": "push-t", "sise": 32}, "sise"),
        ({"name": "push-t", "factors": {"colour": 1}}, "one of"),
    ]:
        with pytest.raises(gedanken.GedankenError, match=words):
            gedanken.Env(**wrong)
    with pytest.raises(ValueError, match=r"\(3,\); expected \(2,\)"):
        env.step(np.zeros(3))
    with pytest.raises(gedanken.GedankenError, match="state"):
        env.reset(options={"state": [float("nan")] * 3})
    with pytest.raises(gymnasium.error.ResetNeeded):
        gedanken.Env("push-t").step(np.zeros(2))


def test_actions_out_of_bounds_are_brought_back_into_them():
    one, two = gedanken.Env("push-t"), gedanken.Env("push-t")
    one.reset(seed=5), two.reset(seed=5)
    high = one.action_space.high
    assert np.array_equal(one.step(high * 100)[0], two.step(high)[0])


def test_it_renders_in_colour():
    for name in IDS:
        env = gymnasium.make(name, render_mode="rgb_array")
        observation, _ = env.reset(seed=0)
        picture = env.render()
        assert picture.dtype == np.uint8 and picture.shape == (*observation.shape[1:], 3)


@pytest.mark.parametrize("name", IDS)
def test_sixteen_together_are_sixteen_alone(name):
    count, steps = 16, 12
    envs = gymnasium.make_vec(name, num_envs=count, max_episode_steps=5)
    singles = [gymnasium.make(name, max_episode_steps=5) for _ in range(count)]
    seen, info = envs.reset(seed=3)
    alone = [env.reset(seed=3 + index) for index, env in enumerate(singles)]
    assert envs.observation_space.contains(seen)
    envs.action_space.seed(0)
    ended = np.zeros(count, bool)
    for _ in range(steps):
        for index, (observation, own) in enumerate(alone):
            assert np.array_equal(seen[index], observation)
            for key in ("state", "labels", "goal", "goal_labels", "distance", "success", "elapsed"):
                assert np.array_equal(info[key][index], own[key]), key
        actions = envs.action_space.sample()
        seen, rewards, terminated, truncated, info = envs.step(actions)
        for index, env in enumerate(singles):
            if ended[index]:
                alone[index] = env.reset()
                assert (rewards[index], terminated[index], truncated[index]) == (0, False, False)
                continue
            observation, reward, end, cut, own = env.step(actions[index])
            alone[index] = observation, own
            assert (rewards[index], terminated[index], truncated[index]) == (reward, end, cut)
        ended = terminated | truncated
    assert rewards.dtype == np.float64 and terminated.dtype == np.bool_


def test_the_three_ways_of_beginning_again():
    make = lambda mode: gedanken.VectorEnv("two-rooms", 3, max_episode_steps=2, autoreset_mode=mode)  # noqa: E731
    still = np.zeros((3, 2), np.float32)

    same = make(AutoresetMode.SAME_STEP)
    assert same.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    first, _ = same.reset(seed=0)
    same.step(still)
    seen, _, _, truncated, info = same.step(still)
    assert truncated.all() and info["_final_obs"].all() and (info["elapsed"] == 0).all()
    assert (info["final_info"]["elapsed"] == 2).all()
    assert np.array_equal(np.stack(list(info["final_obs"])), first), "nobody moved"
    assert not np.array_equal(seen, first), "and these are the next episodes"

    later = make(AutoresetMode.NEXT_STEP)
    later.reset(seed=0)
    later.step(still), later.step(still)
    begun, rewards, _, truncated, _ = later.step(still)
    assert np.array_equal(begun, seen) and not truncated.any() and not rewards.any()

    never = make(AutoresetMode.DISABLED)
    never.reset(seed=0)
    never.step(still), never.step(still)
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset_mask"):
        never.step(still)
    never.reset(options={"reset_mask": np.array([True, True, True])})
    assert np.array_equal(never.step(still)[0], later.step(still)[0])


def child(queue):
    try:
        gedanken.VectorEnv("two-rooms", 2)._shared.look()
    except gedanken.GedankenError as error:
        queue.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_is_told_that_its_threads_are_elsewhere_and_single_environments_work_there():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert "forked" in queue.get(timeout=60)
    process.join()
    envs = gymnasium.make_vec("gedanken/TwoRooms-v0", num_envs=2, vectorization_mode="async")
    assert envs.reset(seed=0)[0].shape[0] == 2
    envs.close()
