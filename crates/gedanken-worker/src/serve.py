# A message is its length (4 bytes, little endian), then JSON. Behind an answer's JSON come as many bytes as its "bytes" says: numbers, which
# text would round, or pictures. An answer has the key "error" where something was raised. The process ends when its input does.

import json
import os
import struct
import sys
import traceback

# What others print must not reach the pipe that answers go through.
_answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)


def _numbers(value):
    raise TypeError(f"{type(value).__name__} is no number")


def serve(answer):
    """Answers questions until there are no more: answer(question) gives a dictionary, and the bytes behind it."""
    questions = sys.stdin.buffer
    while len(head := questions.read(4)) == 4:
        question = json.loads(questions.read(struct.unpack("<I", head)[0]))
        try:
            told, after = answer(question)
        except ModuleNotFoundError as error:
            name = (error.name or "").split(".")[0]
            told, after = {"error": f"{error}; {sys.executable} -m pip install {name}"}, b""
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}, line {place.lineno}"
            told, after = {"error": f"{type(error).__name__}: {error} ({where})"}, b""
        text = json.dumps({**told, "bytes": len(after)}, default=_numbers).encode()
        _answers.write(struct.pack("<I", len(text)) + text + after)
        _answers.flush()
