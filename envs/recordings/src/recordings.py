# Recordings of other programs. Behind an answer come numbers as float32, or pictures as uint8 [frames, height, width, channels].

import glob
import os

import numpy


def picture_shape(shape):
    """[height, width, channels] of a row that is a picture, channels first or last; none of another."""
    if len(shape) == 2 and min(shape) >= 8:
        return [*shape, 1]
    if len(shape) == 3 and shape[2] in (1, 3):
        return list(shape)
    if len(shape) == 3 and shape[0] in (1, 3):
        return [shape[1], shape[2], shape[0]]
    return None


class Arrays:
    """Columns of one row a frame, and `ep_len`: arrays of numpy or of h5py."""

    def __init__(self, path, arrays):
        if "ep_len" not in arrays:
            raise ValueError(f"{path}: columns {', '.join(arrays)}; expected ep_len, the frames of each episode")
        lengths = numpy.asarray(arrays["ep_len"])
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
            raise ValueError(f"{path}: ep_len is {lengths.dtype} {list(lengths.shape)}; expected whole numbers [episodes]")
        self.lengths = [int(length) for length in lengths]
        given = arrays["ep_offset"][:] if "ep_offset" in arrays else numpy.cumsum([0, *self.lengths])[:-1]
        self.offsets = [int(offset) for offset in given]
        if len(self.offsets) != len(self.lengths):
            raise ValueError(f"{path}: ep_offset has {len(self.offsets)} rows; expected {len(self.lengths)}, as in ep_len")
        if any(length < 0 for length in self.lengths):
            raise ValueError(f"{path}: ep_len has {min(self.lengths)}; expected the frames of each episode")
        self.arrays, self.columns, self.left, rows = {}, {}, {}, sum(self.lengths)
        for name in arrays:
            if name in ("ep_len", "ep_offset"):
                continue
            try:
                array = arrays[name]
            except (KeyError, ValueError) as error:
                self.left[name] = str(error)
                continue
            if getattr(array, "shape", None) is None or array.dtype.kind not in "fiub":
                self.left[name] = "a group" if hasattr(array, "keys") else "no numbers"
            elif array.shape[:1] != (rows,):
                self.left[name] = f"{array.shape[0] if array.shape else 'no'} rows, {rows} frames by ep_len"
            else:
                self.arrays[name], self.columns[name] = array, (array.shape[1:], array.dtype == numpy.uint8)

    def read(self, name, episode, first, end):
        offset = self.offsets[episode]
        return self.arrays[name][offset + first : offset + end]


def npz(path):
    return Arrays(path, numpy.load(path))


def hdf5(path):
    import h5py

    try:
        import hdf5plugin  # noqa: F401: the codecs of stable-worldmodel's files
    except ModuleNotFoundError:
        pass
    return Arrays(path, h5py.File(path, "r"))


class LeRobot:
    """A dataset of LeRobot, by its own loader."""

    def __init__(self, path):
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        local = os.path.isdir(path)
        self.dataset = LeRobotDataset(os.path.basename(os.path.abspath(path)), root=path) if local else LeRobotDataset(path)
        self.cameras, self.columns, self.whole, self.left = set(self.dataset.meta.camera_keys), {}, {}, {}
        rows = self.dataset.hf_dataset.with_format(None)
        _, starts, self.lengths = numpy.unique(rows["episode_index"][:], return_index=True, return_counts=True)
        self.offsets, self.lengths = [int(start) for start in starts], [int(length) for length in self.lengths]
        for name, feature in self.dataset.meta.features.items():
            if name in self.cameras:
                self.columns[name] = (tuple(self.dataset[0][name].shape), True)
            elif feature["dtype"].startswith(("float", "int", "uint")):
                self.whole[name] = numpy.asarray(rows[name][:], dtype=numpy.float32)
                self.columns[name] = (self.whole[name].shape[1:], False)

    def read(self, name, episode, first, end):
        first, end = self.offsets[episode] + first, self.offsets[episode] + end
        if name not in self.cameras:
            return self.whole[name][first:end]
        seen = numpy.stack([self.dataset[index][name].numpy() for index in range(first, end)])
        return numpy.rint(255 * seen).astype(numpy.uint8)


class StableWorldmodel:
    """A dataset in any format that stable-worldmodel has, by its own loader."""

    def __init__(self, path):
        from stable_worldmodel.data.utils import load_dataset

        path = os.path.abspath(path) if os.path.exists(path) else path
        # Its reader of videos has to be told which columns are some.
        videos = sorted(os.path.basename(os.path.dirname(file)) for file in glob.glob(os.path.join(path, "*", "ep_0.mp4")))
        self.load = lambda **keys: load_dataset(path, **({"video_keys": videos} if videos else {}), **keys)
        self.dataset, self.columns, self.left, self.chosen = self.load(), {}, {}, None
        self.lengths = [int(length) for length in self.dataset.lengths]
        for name, value in self.slice(0, 0, 1).items():
            if hasattr(value, "numpy"):
                self.columns[name] = (tuple(value.shape[1:]), value.numpy().dtype == numpy.uint8)

    def slice(self, episode, first, end):
        return self.dataset.load_chunk([episode], [first], [end])[0]

    def read(self, name, episode, first, end):
        # A reader gives all of its columns: one that has this alone does not decode pictures for numbers.
        if self.chosen != name:
            try:
                self.dataset = self.load(keys_to_load=[name])
            except TypeError:
                self.dataset = self.load()
            self.chosen = name
        return self.slice(episode, first, end)[name].numpy()


FORMATS = {"npz": npz, "hdf5": hdf5, "lerobot": LeRobot, "stable-worldmodel": StableWorldmodel}


def detected(path):
    if path.endswith(".npz"):
        return "npz"
    if path.endswith((".h5", ".hdf5")):
        return "hdf5"
    if os.path.exists(os.path.join(path, "meta", "info.json")):
        return "lerobot"
    return "stable-worldmodel"


def answer(question):
    kind = question["ask"]
    if kind == "open":
        path = question["source"]
        name = question["format"] or detected(path)
        if name in ("npz", "hdf5") and not os.path.isfile(path):
            raise FileNotFoundError(f"no file {path}")
        answer.read = FORMATS[name](path)
        columns = []
        for column, (shape, whole) in answer.read.columns.items():
            picture = picture_shape(shape) if whole else None
            numbers = int(numpy.prod(shape)) if not picture else 0
            columns.append({"name": column, "picture": picture, "numbers": numbers})
        left = [f"{column} ({why})" for column, why in answer.read.left.items()]
        return {"format": name, "lengths": answer.read.lengths, "columns": columns, "left": left}, b""
    episode, first, end = question["episode"], question["first"], question["end"]
    if kind == "numbers":
        parts = [answer.read.read(name, episode, first, end) for name in question["columns"]]
        parts = [numpy.asarray(part, dtype="<f4").reshape(end - first, -1) for part in parts]
        return {}, numpy.concatenate(parts, axis=1).tobytes() if parts else b""
    seen = numpy.asarray(answer.read.read(question["column"], episode, first, end))
    if seen.ndim == 3:
        seen = seen[..., None]
    elif seen.shape[-1] not in (1, 3):
        seen = seen.transpose(0, 2, 3, 1)
    return {"shape": list(seen.shape)}, numpy.ascontiguousarray(seen).tobytes()
