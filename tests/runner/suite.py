"""The runner itself: every check of every record as a pytest test, within the time that the run has.

    test_operations = operation_tests(RECORDS, __file__)

A test runs as many cases as its share of the time allows, at least a few, and all of them with MELIX_TEST_FULL=1.
MELIX_TEST_CASE=ID runs one case.
"""

import faulthandler
import functools
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests import plugin
from tests.runner import dtypes, module
from tests.runner.cases import FULL, ONLY, SEED, Case, Prepared, describe
from tests.runner.checks import BY_NAME, CHECKS, Check
from tests.runner.compare import Failure, Pass
from tests.runner.record import Record

# A test that takes longer hangs: the process ends with a traceback of every thread.
_HANG_SECONDS = float(os.environ.get("MELIX_TEST_HANG", 7200 if FULL else 180))
_SANITIZED = ("value", "gradient", "vmap", "compiled", "fused", "threads")
_FAILURES = 4  # cases that a test reports before it stops


def operation_tests(records: list[Record], file: str, sanitize: bool = False) -> Callable:
    """The tests of the records that stand in the file, to be bound to the name test_operations.

    With `sanitize`, `./dev test full` runs some of them against the sanitized library too.
    """
    records = [replace(record, file=str(file), kept={}) for record in records]
    labels = [record.label for record in records]
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise ValueError(f"{file}: two records are called {sorted(twice)}")
    marks = pytest.mark.sanitize if sanitize else ()
    parameters = [
        pytest.param(
            record, check, id=f"{record.label}-{check.name}", marks=marks if check.name in _SANITIZED else ()
        )
        for record in records
        for check in CHECKS
        if check.applies(record) and (FULL or not check.full_only) and check.name in (record.only or BY_NAME)
    ]

    @pytest.mark.operation
    @pytest.mark.parametrize("record, check", parameters)
    def test_operations(record, check, record_property):
        reason = (
            record.skip.get(check.name) or record.missing() or module.missing(*check.needs) or check.usable()
        )
        # A function that melix lacks is a failure; so is a transform that it has lost, once all are there.
        if reason and not (record.missing() and module.IS_MELIX):
            pytest.skip(f"{check.name}: {reason}")
        assert not reason, reason
        faulthandler.dump_traceback_later(_HANG_SECONDS, exit=True)
        try:
            count, of, failures = run(record, check, plugin.seconds(check.weight))
        finally:
            faulthandler.cancel_dump_traceback_later()
        record_property("operation_cases", (count, of))
        if failures:
            pytest.fail(report(record, check, failures, count, of), pytrace=False)

    return test_operations


def run(record: Record, check: Check, seconds: float) -> tuple[int, int, list[tuple[Case, Exception]]]:
    """Runs cases for about so many seconds: how many, of how many, and those that failed."""
    space, count, failures = check.space(record), 0, []
    end = time.monotonic() + seconds
    for case in [Case.parse(ONLY)] if ONLY else space.cases():
        if not FULL and count >= check.minimum and time.monotonic() > end:
            break
        if (case.label, case.check) != (record.label, check.name):
            continue
        try:
            check.run(record, case)
            count += 1
        except Pass:
            continue
        except Exception as error:
            count += 1
            failures.append((case, error))
            if len(failures) >= _FAILURES:
                break
    record.kept.clear()
    return count, space.size(), failures


def report(record: Record, check: Check, failures: list, count: int, of: int) -> str:
    """What failed, and how to run it again."""
    lines = [f"{record.label}: {check.name}: {len(failures)} of {count} cases failed (of {of} there are)"]
    for case, error in failures:
        text = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        lines += [
            f"{case}",
            *(f"    {line}" for line in [_call(record, check, case), *text.split("\n")] if line),
        ]
    lines.append(
        f"again: MELIX_TEST_SEED={SEED} MELIX_TEST_CASE='{failures[0][0]}' ./dev test {_file(record)}"
    )
    return "\n".join(lines)


def _call(record: Record, check: Check, case: Case) -> str:
    try:
        return describe(Prepared(record, case, check.samples(record)))
    except Exception:
        return ""


def _file(record: Record) -> str:
    try:
        return str(Path(record.file).relative_to(Path.cwd()))
    except ValueError:
        return record.file


@functools.cache
def load(file: str) -> list[Record]:
    """The records of a file."""
    name = Path(file).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return [replace(record, file=str(file), kept={}) for record in getattr(sys.modules[name], "RECORDS", [])]


def results(file: str, text: str) -> list[tuple]:
    """The results of a case as (element type, values): what a worker is asked."""
    case = Case.parse(text)
    for other in load(file):
        if other.label == case.label:
            record = other
        else:
            other.kept.clear()
    made = Prepared(record, case, BY_NAME[case.check].samples(record)).results()
    return [(dtypes.name_of(array), dtypes.to_numpy(array)) for array in made]
