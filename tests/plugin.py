"""What pytest has to know of the operation runner: its marker, the time of a test, and the closing lines.

It imports nothing of the library, so that tests of other things run where it is not built.
"""

import os
from collections import Counter

import pytest

# Seconds of computing for all tests of operations together; with two workers about 180 s pass.
_SECONDS = float(os.environ.get("MELIX_TEST_SECONDS", "360"))
_MOST = 1.5  # of one test of weight 1, when few tests run

_weights = 0.0


def seconds(weight: float) -> float:
    """The share of one test."""
    return weight * min(_MOST, _SECONDS / max(_weights, 1.0))


def pytest_configure(config):
    config.addinivalue_line("markers", "operation: a check of an operation's record, by the runner")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    global _weights
    checks = [item.callspec.params["check"] for item in items if item.get_closest_marker("operation")]
    _weights = sum(check.weight for check in checks)


def pytest_terminal_summary(terminalreporter):
    count = of = tests = 0
    skipped = Counter()
    for category, reports in terminalreporter.stats.items():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == "operation_cases" and category in ("passed", "failed") and report.when == "call":
                    tests, count, of = tests + 1, count + value[0], of + value[1]
            if category == "skipped" and "test_operations[" in report.nodeid:
                skipped[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
    if not tests and not skipped:
        return
    seed = os.environ.get("MELIX_TEST_SEED", "0")
    terminalreporter.write_line(
        f"operations: {tests} tests ran {count} cases of {of} (MELIX_TEST_SEED={seed}),"
        f" {sum(skipped.values())} were skipped"
    )
    for reason, number in skipped.most_common():
        terminalreporter.write_line(f"  {number} skipped: {reason}")
