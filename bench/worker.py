"""The process of one library: `python -m bench.worker LIBRARY`. Takes commands, one JSON object a line, answers alike.

{"do": "prepare", "case": NAME, "tiny": false}  makes the operands, verifies the first result against the reference
    -> {"ok": true, "moved": bytes of a call or null}, {"absent": why}, {"wrong": how}, {"error": what}
{"do": "time", "seconds": S}                    runs the prepared case for S seconds, once at least
    -> {"best": s, "runs": n}
"""

import json
import os
import sys
import time

import numpy as np

from bench.case import SEED, Case, Typed, disagreement
from bench.cases import CASES
from bench.libraries import Library, load

MOST_RUNS = 2000


def plain(arrays: dict) -> dict:
    return {name: value.values if isinstance(value, Typed) else value for name, value in arrays.items()}


class Prepared:
    """A case with its operands, verified."""

    def __init__(self, library: Library, case: Case, tiny: bool):
        self.library, self.case = library, case
        sizes = case.tiny if tiny else case.full
        arrays = case.arrays(np.random.default_rng(SEED), *sizes)
        self.function = case.run[library.name](library.xp, **library.operands(arrays))
        self.moved = None
        part = case.part(sizes) if callable(case.part) else case.part
        first = self.call()
        if case.reference:
            results = [first] + [self.call() for _ in range(case.calls - 1)]
            values = [library.numpy(result)[part] for result in results]
            self.wrong = disagreement(
                np.asarray(values[0] if case.calls == 1 else values), case.reference(**plain(arrays))
            )
        else:
            self.wrong = None

    def call(self):
        before = self.library.moved()
        result = self.function()
        if not self.case.seconds:
            self.library.wait(result)
        if before is not None:
            self.moved = self.library.moved() - before
        return result

    def time(self, seconds: float) -> dict:
        function, wait, now = self.function, self.library.wait, time.perf_counter
        runs, best, end = 0, float("inf"), now() + seconds
        while runs == 0 or (now() < end and runs < MOST_RUNS):
            start = now()
            result = function()
            if self.case.seconds:
                passed = result
            else:
                wait(result)
                passed = now() - start
            best, runs = min(best, passed), runs + 1
        return {"best": best, "runs": runs}


def prepare(library: Library, case: Case, tiny: bool) -> tuple[Prepared | None, dict]:
    if library.name not in case.run:
        return None, {"absent": "not compared"}
    try:
        made = Prepared(library, case, tiny)
    except Exception as error:
        if isinstance(error, NotImplementedError) or "' has no attribute '" in str(error):
            return None, {"absent": str(error)}
        return None, {"error": f"{type(error).__name__}: {error}"}
    return (None, {"wrong": made.wrong}) if made.wrong else (made, {"ok": True, "moved": made.moved})


def main() -> None:
    # What a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    library = load(sys.argv[1])
    prepared = None
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "version":
            answer = {"version": library.version}
        elif command["do"] == "prepare":
            prepared = None  # the operands of the case before are freed first
            prepared, answer = prepare(library, CASES[command["case"]], command["tiny"])
        else:
            answer = prepared.time(command["seconds"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
