"""Episodes of stable-worldmodel's noisy expert in its two rooms, as LeWorldModel's data are made: states and actions for `gedanken collect --from`.

    pip install stable-worldmodel==0.1.1 imageio opencv-python-headless safetensors
    python benches/peers/two_rooms_expert.py OUT.safetensors EPISODES
"""

import sys

import gymnasium
import numpy as np
import stable_worldmodel.envs  # registers swm/TwoRoom-v1
import torch
from safetensors.numpy import save_file
from stable_worldmodel.envs.two_room.expert_policy import ExpertPolicy

STEPS = 100  # of an episode, at most
out, episodes = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
env = gymnasium.make("swm/TwoRoom-v1", disable_env_checker=True)
expert = ExpertPolicy(action_noise=2.0, seed=0)
expert.action_repeat_prob = 0.05  # which their constructor forgets
expert.set_env(env)
states, actions, lengths = [], [], []
for episode in range(episodes):
    _, info = env.reset(seed=episode)
    expert._last_action = None
    frames, ended = [info["state"]], False
    while not ended and len(frames) <= STEPS:
        expert._last_action = expert.get_action(info)
        actions.append(expert._last_action)
        _, _, ended, _, info = env.step(expert._last_action)
        frames.append(info["state"])
    actions.append(np.zeros(2, np.float32))
    # The world ends where its own target is: a target outside it, so that plans for other goals may pass there.
    states.extend([0.0, *place, -1000.0, -1000.0] for place in frames)
    lengths.append(len(frames))
save_file({"state": np.array(states, np.float64), "action": np.array(actions, np.float32), "ep_len": np.array(lengths)}, out)
print(f"{episodes} episodes, {len(states)} frames, {np.mean(lengths):.1f} on average")
