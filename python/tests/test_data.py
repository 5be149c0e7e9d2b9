"""Datasets as arrays."""

import gedanken
import numpy as np
import pytest


def test_an_episode_is_what_its_environment_shows(folder):
    data = gedanken.Dataset(folder)
    assert len(data) == 6 and data.frames == 6 * 31 and list(data.lengths) == [31] * 6
    made = data.manifest["env"]
    env = gedanken.Env(made["name"], factors=made["factors"], **options(made))
    for episode in data:
        assert episode.actions.shape == (30, 2) and episode.eventful.shape == (31,)
        observation, info = env.reset(seed=0, options={"state": episode.states[0]})
        for step, action in enumerate(episode.actions):
            assert np.array_equal(observation, episode.pixels[step])
            np.testing.assert_array_equal(info["labels"], episode.labels[step])
            observation, *_, info = env.step(action)
        np.testing.assert_array_equal(info["state"], episode.states[-1])
    assert {episode.layout for episode in data} == {0, 1, 2}
    assert len(data[1:3]) == 2 and np.array_equal(data[-1].states, data[5].states)


def options(made):
    import json

    found = made["options"]
    return json.loads(found) if isinstance(found, str) else found


def test_windows_are_slices_of_episodes(folder):
    data = gedanken.Dataset(folder)
    found = data.windows(4, frameskip=3, episodes=[5, 0], starts=[2, 21])
    assert found.pixels.shape[:2] == (2, 4) and found.actions.shape == (2, 3, 6)
    for row, (number, start) in enumerate([(5, 2), (0, 21)]):
        episode, at = data[number], start + 3 * np.arange(4)
        assert np.array_equal(found.pixels[row], episode.pixels[at])
        assert np.array_equal(found.states[row], episode.states[at])
        assert np.array_equal(found.labels[row], episode.labels[at])
        assert np.array_equal(found.actions[row], episode.actions[start : start + 9].reshape(3, 6))
    with pytest.raises(gedanken.GedankenError, match="a window from frame 22 of episode 0, which has 31; it spans 10"):
        data.windows(4, frameskip=3, episodes=[0], starts=[22])


def test_batches_are_drawn_from_a_split_by_a_seed(folder):
    data = gedanken.Dataset(folder)
    train, held = data.split("train", 0.34), data.split("validation", 0.34)
    assert sorted([*train, *held]) == list(range(6)) and len(held) == 2
    draw = lambda seed: next(data.batches(5, 40, split="train", validation=0.34, seed=seed))  # noqa: E731
    one, two, other = draw(0), draw(0), draw(1)
    assert np.array_equal(one.pixels, two.pixels) and not np.array_equal(one.starts, other.starts)
    assert set(one.episodes) == set(train) and one.starts.max() <= 26
    with pytest.raises(gedanken.GedankenError, match="no episode of 32 frames"):
        next(data.batches(32, 4))


def test_what_is_no_dataset_is_said_to_be_none(tmp_path, folder):
    with pytest.raises(gedanken.GedankenError, match="dataset.toml"):
        gedanken.Dataset(tmp_path)
    data = gedanken.Dataset(folder)
    data.verify()
    with pytest.raises(IndexError, match="no episode 6; there are 6"):
        data[6]
    with pytest.raises(gedanken.GedankenError, match='"train" or "validation"'):
        data.split("test")
