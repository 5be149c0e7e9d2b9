"""Two-Rooms as it is usually written: one environment at a time, step by step, each frame drawn with NumPy.

The same work as the benchmark `window` of gedanken-two-rooms: a new layout, a start, 17 frames of a heading walk under
rule `stop`, simulated and drawn. Prints microseconds per window on one core; needs NumPy only.
"""

import time

import numpy as np

SIZE, FRAMES, LOW, HIGH, HALF_DOOR, STD = 65, 17, 4.0, 60.0, 4.0, 1.3
ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


def draw(position, wall_x, door_y):
    dot = np.exp(-((COLUMNS - position[0]) ** 2 + (ROWS - position[1]) ** 2) / (2 * STD**2)) * 255
    walls = np.zeros((SIZE, SIZE), np.uint8)
    walls[:, wall_x - 1 : wall_x + 2] = 255
    walls[door_y - 4 : door_y + 5, wall_x - 1 : wall_x + 2] = 0
    walls[:, [4, 60]] = 255
    walls[[4, 60], :] = 255
    return np.stack([dot.astype(np.uint8), walls])


def free(position, wall_x, door_y):
    if np.any(position <= LOW) or np.any(position >= HIGH):
        return False
    return abs(position[0] - wall_x) > 1 or abs(position[1] - door_y) <= HALF_DOOR


def step(position, action, wall_x, door_y):
    target = position + action
    if not free(target, wall_x, door_y):
        return position
    for face in (wall_x - 1, wall_x + 1):
        if (position[0] < face) != (target[0] < face):
            y = position[1] + (target[1] - position[1]) * (face - position[0]) / (target[0] - position[0])
            if abs(y - door_y) > HALF_DOOR:
                return position
    return target


def window(rng):
    wall_x, door_y = rng.integers(20, 45), rng.integers(10, 55)
    position = rng.uniform(LOW, HIGH, 2)
    if not free(position, wall_x, door_y):
        position[0] = rng.uniform(LOW, wall_x - 1) if rng.random() < 0.5 else rng.uniform(wall_x + 1, HIGH)
    heading = rng.uniform(0, 2 * np.pi)
    frames = np.empty((FRAMES, 2, SIZE, SIZE), np.uint8)
    for t in range(FRAMES):
        frames[t] = draw(position, wall_x, door_y)
        length = rng.normal(1.0, 0.4)
        while not 0.2 <= length <= 1.8:
            length = rng.normal(1.0, 0.4)
        position = step(position, length * np.array([np.cos(heading), np.sin(heading)]), wall_x, door_y)
        heading += rng.vonmises(0, 5.0)
    return frames


def main():
    rng = np.random.default_rng(0)
    for _ in range(50):
        window(rng)
    times = []
    for _ in range(1000):
        start = time.perf_counter()
        window(rng)
        times.append(time.perf_counter() - start)
    print(f"{1e6 * np.median(times):.1f}")


if __name__ == "__main__":
    main()
