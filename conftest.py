"""What all Python tests share, wherever they stand in the tree: the seed of a run.

Everything random comes from MELIX_TEST_SEED (default: a new one each run). It is printed when a test fails, and
`MELIX_TEST_SEED=N ./dev test FILE` repeats that run. MELIX_TEST_FULL=1 asks for the whole cross product.
"""

import os
import random
import zlib

import hypothesis
import numpy as np
import pytest

# Set before pytest-xdist starts its workers, which inherit it: all of them test with the same seed.
SEED = int(os.environ.setdefault("MELIX_TEST_SEED", str(random.SystemRandom().randrange(2**30))))
FULL = os.environ.get("MELIX_TEST_FULL") == "1"

hypothesis.settings.register_profile("melix", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("melix")


pytest.register_assert_rewrite("tests")
pytest_plugins = ["tests.plugin"]  # time and closing lines of the operation runner


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: `./dev test full` also runs it under ASan and TSan")
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SEED)


def pytest_terminal_summary(terminalreporter, exitstatus):
    if exitstatus:
        terminalreporter.write_line(f"MELIX_TEST_SEED={SEED}")


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the whole cross product is asked for."""
    return FULL


@pytest.fixture
def seed(request) -> int:
    """A seed of this test's own, so that its values do not depend on which tests run with it."""
    return SEED + zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def rng(seed) -> np.random.Generator:
    """A NumPy generator of this test's own."""
    return np.random.default_rng(seed)
