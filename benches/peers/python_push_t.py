"""Push-T from Python beside gym-pusht: steps with pictures a second, one environment and sixteen, both in one run.

    pip install ./python gym-pusht
    python benches/peers/python_push_t.py [SIZE] [ROUNDS]

Both simulate ten substeps of 10 ms a control step and draw a picture of SIZE x SIZE (default 96, gym-pusht's own), which is read as a NumPy
array. Sixteen of gym-pusht step one after the other (SyncVectorEnv) and in sixteen processes (AsyncVectorEnv). The two sides take turns,
ROUNDS times (default 5); the median counts. Episodes have no end that matters: actions are small random steps around the middle, and
success does not end ours.
"""

import statistics
import sys
import time

import gedanken  # noqa: F401  (registers the environment)
import gym_pusht  # noqa: F401
import gymnasium
import numpy as np

SIZE = int(sys.argv[1]) if len(sys.argv) > 1 else 96
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
MANY = 16
OURS, THEIRS = "gedanken/PushT-v0", "gym_pusht/PushT-v0"
OPTIONS = {OURS: {"size": SIZE, "ends": False}, THEIRS: {"obs_type": "pixels", "observation_width": SIZE, "observation_height": SIZE}}


def one(name):
    return gymnasium.make(name, max_episode_steps=10**9, disable_env_checker=True, **OPTIONS[name])


def many(name, mode):
    return gymnasium.make_vec(name, num_envs=MANY, vectorization_mode=mode, max_episode_steps=10**9, **OPTIONS[name])


def rate(env, seconds=1.0):
    """Environment steps a second, resets where an episode has ended included."""
    shape = env.action_space.shape
    low, high = env.action_space.low, env.action_space.high
    random = np.random.default_rng(0)
    middle, width = (low + high) / 2, (high - low) / 2
    actions = [(middle + 0.3 * width * random.uniform(-1, 1, shape)).astype(np.float32) for _ in range(64)]
    single = len(shape) == 1
    env.reset(seed=0)
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for action in actions[:16]:
            observation, _, terminated, truncated, _ = env.step(action)
            steps += 1 if single else MANY
            if single and (terminated or truncated):
                env.reset()
    elapsed = time.perf_counter() - begin
    assert observation.dtype == np.uint8 and observation.size == (1 if single else MANY) * 3 * SIZE * SIZE
    return steps / elapsed


def main():
    sides = {
        "one": (one(OURS), [("gym-pusht", one(THEIRS))]),
        "sixteen": (
            many(OURS, "vector_entry_point"),
            [("gym-pusht, sync", many(THEIRS, "sync")), ("gym-pusht, async", many(THEIRS, "async"))],
        ),
    }
    print(f"steps a second with pictures of {SIZE} x {SIZE}, the median of {ROUNDS} turns of 1 s")
    for count, (ours, theirs) in sides.items():
        found = {name: [] for name in ["gedanken", *(name for name, _ in theirs)]}
        for _ in range(ROUNDS):
            found["gedanken"].append(rate(ours))
            for name, env in theirs:
                found[name].append(rate(env))
        medians = {name: statistics.median(rates) for name, rates in found.items()}
        best = max(medians[name] for name, _ in theirs)
        row = ", ".join(f"{name} {value:,.0f}" for name, value in medians.items())
        print(f"{count:<8} {row}: {medians['gedanken'] / best:.0f} times the faster of theirs")
        for env in (ours, *(env for _, env in theirs)):
            env.close()


if __name__ == "__main__":
    main()
