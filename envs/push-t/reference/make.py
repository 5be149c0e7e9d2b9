"""Pictures and traces of gym-pusht, for the tests: python make.py

Packages: gym-pusht==0.1.5 pymunk==6.8.0 opencv-python-headless numpy pillow. Writes frames/*.png and traces.json beside
itself. A trace is a legacy reset (position, then angle), absolute actions, and what gym-pusht said after each of them.
"""

import json
import math
import os

import gymnasium
import gym_pusht  # noqa: F401  (registers the environment)
import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))

# Start [agent x, agent y, block x, block y, angle] and absolute targets. The pictures are of the last state.
TRACES = {
    "free": ([150, 256, 256, 256, 0.5], [[200, 256], [256, 256], [300, 300], [350, 256], [100, 100]]),
    "goal": ([100, 100, 256, 256, math.pi / 4], [[110, 100]]),
    "push": ([170, 315, 256, 300, 0.3], [[250, 315], [300, 320], [330, 330]]),
    "wall": ([300, 250, 430, 240, 1.2], [[420, 250], [480, 260], [510, 260]]),
    "corner": ([380, 380, 440, 440, -0.7], [[440, 440], [500, 500]]),
    "over": ([30, 30, 100, 60, 2.5], [[8, 8], [100, 80]]),
}


def main():
    traces = {}
    os.makedirs(os.path.join(HERE, "frames"), exist_ok=True)
    for name, (start, actions) in TRACES.items():
        env = gymnasium.make("gym_pusht/PushT-v0", obs_type="state", render_mode="rgb_array").unwrapped
        env.reset(seed=0, options={"reset_to_state": start})
        steps = []
        for action in actions:
            state, _, _, _, info = env.step(np.array(action, dtype=np.float64))
            steps.append({"state": list(map(float, state)), "coverage": float(info["coverage"])})
        traces[name] = {"start": list(map(float, start)), "actions": actions, "steps": steps}
        for size in (96, 224):
            env.observation_width = env.observation_height = size
            picture = env._render(visualize=False)
            Image.fromarray(picture).save(os.path.join(HERE, "frames", f"{name}_{size}.png"), optimize=True)
    with open(os.path.join(HERE, "traces.json"), "w") as file:
        json.dump(traces, file, indent=1)
        file.write("\n")


main()
