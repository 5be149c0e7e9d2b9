# Environments of Gymnasium. Behind an answer come the numbers of a state, as doubles, or a picture.

import importlib
import math
import struct


class Unknown:
    """An observation that nobody can make again."""

    def __getitem__(self, _):
        raise LookupError("not known where the state is set by attributes; read env's own")

    __getattr__ = __getitem__


def layers(env):
    """An environment and those inside it, from the outside in."""
    seen = []
    while env is not None and all(env is not layer for layer in seen):
        seen.append(env)
        inside = (getattr(env, name, None) for name in ("env", "_env", "point_env"))
        env = next((layer for layer in inside if layer is not None), None)
    return seen


class MuJoCo:
    """The state of MuJoCo: positions, velocities and what else decides the next step, to the last bit."""

    def __init__(self, model, data):
        import mujoco

        self.mujoco, self.model, self.data = mujoco, model, data
        bits = mujoco.mjtState
        self.parts = int(bits.mjSTATE_FULLPHYSICS | bits.mjSTATE_WARMSTART | bits.mjSTATE_MOCAP_POS | bits.mjSTATE_MOCAP_QUAT)

    @classmethod
    def of(cls, env):
        """That of an environment of Gymnasium or dm_control; none where there is none."""
        for layer in layers(env):
            for found in (layer, getattr(layer, "physics", None)):
                model, data = (getattr(found, name, None) for name in ("model", "data"))
                if hasattr(data, "qpos"):
                    return cls(getattr(model, "ptr", model), getattr(data, "ptr", data))
        return None

    def get(self):
        import numpy

        state = numpy.zeros(self.mujoco.mj_stateSize(self.model, self.parts))
        self.mujoco.mj_getState(self.model, self.data, state, self.parts)
        return state

    def set(self, state):
        """Places of bodies follow; they are those of the state, where a step alone leaves those of a moment before."""
        self.mujoco.mj_setState(self.model, self.data, state, self.parts)
        self.mujoco.mj_forward(self.model, self.data)
        self.mujoco.mj_setState(self.model, self.data, state, self.parts)


class World:
    """One environment. Its state is flat: whether it has ended, then what its kind of state holds."""

    def __init__(self, options):
        import gymnasium

        for module in options["imports"]:
            importlib.import_module(module)
        kwargs = {"render_mode": "rgb_array", **options["kwargs"]}
        if options["pixels"] == "observation":
            kwargs.pop("render_mode")
        env = gymnasium.make(options["id"], disable_env_checker=True, **kwargs)
        # A limit of time is the experiment's to set.
        while isinstance(env, gymnasium.wrappers.TimeLimit):
            env = env.env
        for name in options["wrappers"]:
            module, _, attribute = name.rpartition(".")
            env = getattr(importlib.import_module(module), attribute)(env)
        self.env, self.inner, self.options = env, env.unwrapped, options
        self.ended, self.info = False, {}
        space = env.action_space
        self.discrete = isinstance(space, gymnasium.spaces.Discrete)
        if not self.discrete and not isinstance(space, gymnasium.spaces.Box):
            raise TypeError(f"actions are {space}; expected a Box or a Discrete")
        self.size = int(space.n) if self.discrete else int(math.prod(space.shape))
        self.kind = self.kind_of_state()
        self.labels_of = [(name, text, compile(text, name, "eval")) for name, text in options["labels"]]
        self.reset(0)

    def kind_of_state(self):
        if self.options["state"]:
            return "attributes"
        return "mujoco" if MuJoCo.of(self.inner) else "replay"

    def reset(self, seed):
        self.observation, self.info = self.env.reset(seed=seed)
        self.ended, self.seed, self.taken = False, seed, []
        # dm_control begins anew by itself after a time.
        for layer in layers(self.inner):
            if hasattr(layer, "_step_limit"):
                layer._step_limit = math.inf
        # A reset may have compiled another model.
        if self.kind == "mujoco":
            self.physics = MuJoCo.of(self.inner)
            self.set_physics(self.physics.get())

    def step(self, action):
        if self.ended:
            return
        import numpy

        space = self.env.action_space
        if self.discrete:
            chosen = space.start + int(numpy.argmax(action))
        else:
            chosen = numpy.asarray(action, dtype=space.dtype).reshape(space.shape)
        self.observation, _, terminated, _, self.info = self.env.step(chosen)
        self.taken.append(list(action))
        if self.kind == "mujoco":
            self.set_physics(self.physics.get())
        full = self.kind == "replay" and len(self.taken) >= self.options["max_steps"]
        self.ended = bool(terminated) or full

    def state(self):
        import numpy

        if self.kind == "mujoco":
            own = [self.physics.get()]
        elif self.kind == "attributes":
            own = [getattr(self.inner, name) for name in self.options["state"]]
        else:
            free = self.size * (self.options["max_steps"] - len(self.taken))
            own = [self.seed, len(self.taken), *self.taken, numpy.zeros(free)]
        flat = [numpy.asarray(part, dtype=float).ravel() for part in own]
        return [float(self.ended), *numpy.concatenate(flat).tolist()]

    def set_state(self, state):
        import numpy

        ended, own = state[0] != 0.0, numpy.asarray(state[1:])
        if self.kind == "mujoco":
            self.set_physics(own)
            self.info = Unknown()
        elif self.kind == "attributes":
            for name in self.options["state"]:
                old = getattr(self.inner, name)
                like = numpy.asarray(old)
                part, own = own[: like.size], own[like.size :]
                new = part.reshape(like.shape).astype(like.dtype)
                setattr(self.inner, name, new if old is like else type(old)(new.tolist() if like.ndim else new.item()))
            self.info = Unknown()
            self.observation = self.observed()
        else:
            seed, count = int(own[0]), int(own[1])
            taken = own[2 : 2 + count * self.size].reshape(count, self.size).tolist()
            # A state that goes on from this one is reached by its last actions alone.
            if seed != self.seed or taken[: len(self.taken)] != self.taken or self.ended and count > len(self.taken):
                self.reset(seed)
            for action in taken[len(self.taken) :]:
                self.step(action)
        self.ended = ended

    def observed(self):
        """The observation of a state that was set."""
        try:
            return self.inner._get_obs()
        except (AttributeError, TypeError):
            return Unknown()

    def set_physics(self, state):
        self.physics.set(state)
        self.observation = self.observed()

    def labels(self):
        import numpy

        scope = {name: getattr(numpy, name) for name in ("sin", "cos", "arctan2", "sqrt", "concatenate", "array", "pi")}
        scope.update(env=self.inner, obs=self.observation, info=self.info)
        found = []
        for name, text, program in self.labels_of:
            try:
                found.append(numpy.asarray(eval(program, scope), dtype=float).ravel().tolist())
            except Exception as error:
                raise ValueError(f"labels.{name}: {text}: {type(error).__name__}: {error}") from None
        return found

    def picture(self):
        import numpy

        picture = self.observation if self.options["pixels"] == "observation" else self.rendered()
        picture = numpy.asarray(picture)
        if picture.ndim == 2:
            picture = picture[:, :, None]
        if picture.dtype != numpy.uint8 or picture.ndim != 3:
            raise TypeError(f"a picture of {picture.dtype} {picture.shape}; expected uint8 [height, width, channels]")
        return numpy.ascontiguousarray(picture)

    def rendered(self):
        try:
            return self.env.render()
        except Exception as error:
            if "OpenGL" in str(error):
                raise RuntimeError(f"{error}; where there is no screen, set MUJOCO_GL=egl or osmesa") from error
            raise

    def told(self):
        state = self.state()
        return {"labels": self.labels()}, struct.pack(f"<{len(state)}d", *state)


worlds = {}


def answer(question):
    kind = question["ask"]
    if kind == "open":
        answer.options = question["options"]
        world = World(answer.options)
        worlds[0] = world
        space, picture = world.env.action_space, world.picture()
        state = world.state()
        world.set_state(state)
        labels = world.labels()
        bounds = {} if world.discrete else {"low": space.low.ravel().tolist(), "high": space.high.ravel().tolist()}
        finite = all(math.isfinite(bound) for side in bounds.values() for bound in side)
        return {
            "discrete": world.discrete,
            "actions": world.size,
            "bounds": bounds if finite else {},
            "state": len(state),
            "kind": world.kind,
            "labels": [len(label) for label in labels],
            "picture": list(picture.shape),
        }, b""
    if kind == "new":
        worlds[question["world"]] = World(answer.options)
        return {}, b""
    world = worlds[question["world"]]
    if kind == "reset":
        world.reset(question["seed"])
    elif kind == "step":
        world.step(question["action"])
    elif kind == "set":
        world.set_state(question["state"])
    elif kind == "picture":
        picture = world.picture()
        return {"shape": list(picture.shape)}, picture.tobytes()
    return world.told()
