"""Processes that measure: one for each library, with a time-out, and the program of the physical limits."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from bench.case import Work

ROOT = Path(__file__).resolve().parent.parent


class Worker:
    """bench/worker.py of one library. Started when asked first; killed when an answer takes too long.

    Between questions it is stopped, so that its threads, which may spin, take nothing from the others.
    """

    def __init__(self, name: str, timeout: float):
        self.name, self.timeout, self.process, self.rest = name, timeout, None, b""

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", self.name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def ask(self, **command) -> dict:
        if self.process is None:
            self.start()
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write((json.dumps(command) + "\n").encode())
        except BrokenPipeError:
            return self.lost("the process ended")
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], self.timeout)
            if not ready:
                return self.lost(f"> {self.timeout:.0f} s")
            read = os.read(self.process.stdout.fileno(), 1 << 16)
            if not read:
                return self.lost("the process ended")
            self.rest += read
        line, self.rest = self.rest.split(b"\n", 1)
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def lost(self, why: str) -> dict:
        self.close()
        return {"error": why}

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.process, self.rest = None, b""


class Limits:
    """Rates of bench/limits.cpp: the best seen in this run, of each loop over so many bytes."""

    def __init__(self):
        source, self.program = ROOT / "bench/limits.cpp", ROOT / "build/bench/limits"
        if not self.program.exists() or self.program.stat().st_mtime < source.stat().st_mtime:
            self.program.parent.mkdir(parents=True, exist_ok=True)
            compiler = os.environ.get("CXX", "g++")
            options = ["-O2", "-std=c++20", "-ffp-contract=fast", "-pthread"]
            subprocess.run([compiler, *options, str(source), "-o", str(self.program)], check=True)
        self.best: dict[tuple[str, float], float] = {}

    def measure(self, work: Work, seconds: float) -> None:
        if work.limit is None:
            return
        loop, amount = work.limit
        command = [str(self.program), loop, f"{amount:.0f}", f"{seconds}"]
        rate = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.best[work.limit] = max(rate, self.best.get(work.limit, 0))

    def seconds(self, work: Work) -> float | None:
        """The least time that the case can take; what moves bytes is not faster than its loop over as many."""
        rate = self.best.get(work.limit) if work.limit else None
        return work.amount / rate if rate else None
