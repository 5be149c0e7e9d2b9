"""Push-T in pymunk, the engine of gym-pusht, DINO-WM and stable-worldmodel, beside this project's.

Packages: numpy pymunk==6.8.0 gym-pusht==0.1.5 opencv-python-headless.

    python push_t_pymunk.py time                prints microseconds of a control step in pymunk and of a 224 px picture in gym-pusht
    python push_t_pymunk.py chains GEDANKEN     200 chains of 60 random pushes, each here and in `GEDANKEN rollout push-t`
    python push_t_pymunk.py record FILE.csv     two of them, step by step: the seven numbers of every state and its action
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pymunk

CHAINS, PUSHES = 200, 60
BAR = [(-60, 0), (60, 0), (60, 30), (-60, 30)]
STEM = [(-15, 30), (-15, 120), (15, 120), (15, 30)]


class World:
    """A kinematic disc under a PD controller, a T, four walls."""

    def __init__(self, agent, block, angle, velocity=(0.0, 0.0)):
        self.space = pymunk.Space()
        self.space.damping = 0
        for a, b in [((5, 506), (5, 5)), ((5, 5), (506, 5)), ((506, 5), (506, 506)), ((5, 506), (506, 506))]:
            self.space.add(pymunk.Segment(self.space.static_body, a, b, 2))
        self.agent = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self.space.add(self.agent, pymunk.Circle(self.agent, 15))
        self.block = pymunk.Body(1, 3000)
        bar, stem = pymunk.Poly(self.block, BAR), pymunk.Poly(self.block, STEM)
        self.block.center_of_gravity = (bar.center_of_gravity + stem.center_of_gravity) / 2
        self.space.add(self.block, bar, stem)
        self.touches = self.presses = 0
        self.space.add_collision_handler(0, 0).post_solve = self.collided
        self.agent.position, self.agent.velocity = tuple(agent), tuple(velocity)
        self.block.angle = angle
        self.block.position = tuple(block)
        self.space.step(0.01)

    def collided(self, arbiter, space, data):
        kinematic = any(shape.body.body_type == pymunk.Body.KINEMATIC for shape in arbiter.shapes)
        self.touches += kinematic
        self.presses += not kinematic

    def step(self, action):
        target = self.agent.position + pymunk.Vec2d(*map(float, action)) * 100
        for _ in range(10):
            pull = 100 * (target - self.agent.position) + 20 * (pymunk.Vec2d(0, 0) - self.agent.velocity)
            self.agent.velocity += pull * 0.01
            self.space.step(0.01)

    def pose(self):
        return [*self.block.position, self.block.angle]

    def state(self):
        """The field's seven numbers, the angle within a turn as gym-pusht gives it."""
        x, y, angle = self.pose()
        return [*self.agent.position, x, y, angle % (2 * math.pi), *self.agent.velocity]


def chain(seed):
    """Start, actions, and where pymunk ends: pushes of random strength, more often than not towards the block."""
    rng = np.random.default_rng(seed)
    agent, block = rng.uniform(50, 450, 2), rng.uniform(100, 400, 2)
    start = [*agent, *block, rng.uniform(-math.pi, math.pi), 0.0, 0.0]
    world, actions = World(start[:2], start[2:4], start[4]), []
    for _ in range(PUSHES):
        to_block = np.array(world.block.local_to_world(world.block.center_of_gravity)) - np.array(world.agent.position)
        action = np.clip(0.004 * to_block + 0.35 * rng.standard_normal(2), -1, 1).astype(np.float32)
        world.step(action)
        actions.append(action)
    return start, actions, world


def chains(gedanken):
    near, touched, rows = 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        actions_file, states_file = Path(folder) / "actions.csv", Path(folder) / "states.csv"
        for seed in range(CHAINS):
            start, actions, world = chain(seed)
            np.savetxt(actions_file, np.array(actions), delimiter=",", fmt="%.9g")
            command = [gedanken, "rollout", "push-t", "--state", json.dumps(list(map(float, start)))]
            command += ["--actions", str(actions_file), "--out", str(states_file)]
            subprocess.run(command, check=True, capture_output=True)
            ours = list(map(float, states_file.read_text().splitlines()[-1].split(",")))[2:5]
            here = world.pose()
            position = math.dist(ours[:2], here[:2])
            angle = abs((ours[2] - here[2] + math.pi) % (2 * math.pi) - math.pi)
            near += position <= 0.5 and angle <= 0.01
            touched += world.touches > 0
            rows.append((seed, position, angle, world.touches, world.presses))
    print(f"{near} of {CHAINS} chains end within 0.5 px and 0.01 rad of pymunk {pymunk.version}; {touched} touch the block")
    print("the farthest: chain, px, rad, contacts of the agent / of walls with a box of the block, over all substeps")
    for row in sorted(rows, key=lambda row: -row[1])[:8]:
        print("  %3d  %.2e  %.2e  %4d / %4d" % row)


def record(path):
    rows = ["episode,agent_x,agent_y,block_x,block_y,angle,agent_vx,agent_vy,action_x,action_y"]
    for seed in (0, 1):
        start, actions, _ = chain(seed)
        world = World(start[:2], start[2:4], start[4])
        for action in [*actions, np.zeros(2)]:
            rows.append(",".join([str(seed), *(f"{x:.7g}" for x in world.state()), *(f"{a:.9g}" for a in action)]))
            world.step(action)
    Path(path).write_text("\n".join(rows) + "\n")


def timed():
    # The same pushes as the benchmark `control_steps` of gedanken-push-t.
    pushes = [(0.3 * math.sin(1.3 * t), 0.3 * math.cos(0.7 * t)) for t in range(100)]

    def steps():
        world = World([200, 300], [256, 300], 0.7)
        start = time.perf_counter()
        for push in pushes:
            world.step(push)
        return (time.perf_counter() - start) / len(pushes)

    import gym_pusht  # noqa: F401  (registers the environment)
    import gymnasium

    env = gymnasium.make("gym_pusht/PushT-v0", render_mode="rgb_array").unwrapped
    env.observation_width = env.observation_height = 224
    env.reset(seed=0)

    def picture():
        start = time.perf_counter()
        env._render(visualize=False)
        return time.perf_counter() - start

    steps(), picture()
    medians = [1e6 * float(np.median([measure() for _ in range(count)])) for measure, count in [(steps, 30), (picture, 200)]]
    print("%.2f %.2f" % tuple(medians))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"chains": chains, "record": record, "time": timed}[command](*arguments)
