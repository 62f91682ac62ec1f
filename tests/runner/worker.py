"""Other processes that compute for a test: under another environment, or where a crash or a hang must not end the run.

A worker is kept and asked again and again. Question and answer are pickled; a worker that dies or is silent for too
long is an error of that one question, and the next one gets a new worker.
"""

import atexit
import os
import pickle
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


class WorkerError(Exception):
    """The worker raised, died or hung; the text says which."""


class Worker:
    """One other process. `Worker.of(NAME=value)` is the one with that environment, shared by all tests of a process."""

    _shared: dict[tuple, "Worker"] = {}

    def __init__(self, environment: dict[str, str]):
        self._environment, self._process = environment, None

    @classmethod
    def of(cls, **environment: str) -> "Worker":
        key = tuple(sorted(environment.items()))
        if key not in cls._shared:
            cls._shared[key] = cls(environment)
            atexit.register(cls._shared[key].stop)
        return cls._shared[key]

    def ask(self, question: str, *arguments, seconds: float = 60):
        """The worker's answer (see `serve`)."""
        if self._process is None:
            self._start()
        try:
            _write(self._process.stdin.fileno(), (question, arguments))
            ok, answer = _read(self._process.stdout.fileno(), time.monotonic() + seconds)
        except (EOFError, BrokenPipeError, TimeoutError) as error:
            status = self.stop()
            died = f"the process died with status {status}"
            raise WorkerError(
                f"no answer in {seconds:g} s" if isinstance(error, TimeoutError) else died
            ) from None
        if not ok:
            raise WorkerError(answer)
        return answer

    def stop(self) -> int | None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return None
        for stream in (process.stdin, process.stdout):
            stream.close()
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.runner", "serve"],
            cwd=_ROOT,
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def _write(fd: int, message) -> None:
    data = pickle.dumps(message)
    data = struct.pack("<q", len(data)) + data
    while data:
        data = data[os.write(fd, data) :]


def _read(fd: int, deadline: float):
    (length,) = struct.unpack("<q", _read_bytes(fd, 8, deadline))
    return pickle.loads(_read_bytes(fd, length, deadline))


def _read_bytes(fd: int, length: int, deadline: float) -> bytes:
    parts = []
    while length:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise TimeoutError
        parts.append(os.read(fd, min(length, 1 << 20)))
        if not parts[-1]:
            raise EOFError
        length -= len(parts[-1])
    return b"".join(parts)


def serve(answers: dict) -> None:
    """The worker's side: answers questions from stdin by the functions until stdin ends."""
    questions, replies = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what is printed goes elsewhere
    while True:
        try:
            question, arguments = _read(questions, time.monotonic() + 1e6)
        except EOFError:
            return
        try:
            reply = (True, answers[question](*arguments))
        except Exception as error:
            reply = (False, f"{type(error).__name__}: {error}")
        _write(replies, reply)
