"""melix beside its peers, in one run: `./dev bench [--cases a,b] [--peers numpy,torch,mlx] [--min-time s] [--write]`.

Each library verifies the result of a case against a reference in float64 before it is timed. The libraries take turns,
several rounds a case, each in a process of its own; the shortest time counts. --write puts table and picture into
docs/performance.md.
"""

import argparse
import os
import sys
from dataclasses import dataclass, field

from bench.case import Case, Work
from bench.cases import CASES
from bench.libraries import installed
from bench.process import Limits, Worker
from bench.report import heading, line, summary, write

ROUNDS = 3
PEERS = ("numpy", "torch", "mlx")


@dataclass
class Row:
    """What was measured of a case: seconds of the libraries that could do it, and why others could not."""

    case: Case
    seconds: dict[str, float] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    limit: float | None = None  # seconds
    moved: float | None = None  # bytes that melix moved, over those of the case

    @property
    def melix(self) -> float | None:
        return self.seconds.get("melix")

    @property
    def best_peer(self) -> str | None:
        peers = [name for name in self.seconds if name != "melix"]
        return min(peers, key=self.seconds.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        return self.seconds[self.best_peer] / self.melix if self.melix and self.best_peer else None


def measure(case: Case, workers: list[Worker], limits: Limits, seconds: float) -> Row:
    row, able = Row(case), []
    work: Work = case.work(*case.full)
    for worker in workers:
        answer = worker.ask(do="prepare", case=case.name, tiny=False)
        if answer.get("ok"):
            able.append(worker)
            if answer["moved"] and work.bytes:
                row.moved = answer["moved"] / work.bytes
        else:
            row.why[worker.name] = ": ".join(f"{key}: {text}" for key, text in answer.items())
    for _ in range(ROUNDS):
        for worker in [w for w in able if w.name not in row.why]:
            answer = worker.ask(do="time", seconds=seconds / ROUNDS)
            if "best" in answer:
                row.seconds[worker.name] = min(answer["best"], row.seconds.get(worker.name, 1e9))
            else:
                row.why[worker.name] = answer["error"]
        limits.measure(work, seconds / ROUNDS)
    row.limit = limits.seconds(work)
    return row


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", default=",".join(CASES), help="names, separated by commas; default: all")
    parser.add_argument("--peers", default=",".join(PEERS), help="those that are not installed are left out")
    parser.add_argument(
        "--min-time", type=float, default=0.6, help="seconds of timing for a case and library"
    )
    parser.add_argument(
        "--timeout", type=float, default=20, help="seconds after which a library gives a case up"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    args = parser.parse_args()
    args.cases, args.peers = ([x for x in text.split(",") if x] for text in (args.cases, args.peers))
    if unknown := sorted({*args.cases} - {*CASES}) + sorted({*args.peers} - {*PEERS}):
        parser.error(f"unknown: {', '.join(unknown)} (cases: {', '.join(CASES)}; peers: {', '.join(PEERS)})")
    return args


def main() -> None:
    args = arguments()
    names = ["melix", *[name for name in args.peers if installed(name)]]
    workers = [Worker(name, args.timeout) for name in names]
    limits, rows = Limits(), []
    load = [os.getloadavg()[0]]
    versions = {worker.name: worker.ask(do="version").get("version", "") for worker in workers}
    print(heading(names))
    try:
        for name in args.cases:
            rows.append(measure(CASES[name], workers, limits, args.min_time))
            print(line(rows[-1], names), flush=True)
    finally:
        for worker in workers:
            worker.close()
    load.append(os.getloadavg()[0])
    print(summary(rows))
    if args.write:
        write(rows, versions, load, " ".join(["./dev bench", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
