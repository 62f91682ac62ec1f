"""Operations in exported files: the same results, and no crash whatever is done to the file."""

import contextlib
import os
import signal
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np

from tests.runner.cases import Case, Prepared
from tests.runner.compare import Failure, same_bits
from tests.runner.module import mx, on
from tests.runner.record import Record

_HEAD = 32
_MUTATIONS = 60
_ERRORS = (ValueError, IndexError, TypeError, OSError, MemoryError, RuntimeError)
_NUMBERS = (
    0,
    1,
    2,
    3,
    5,
    7,
    63,
    64,
    255,
    2**16,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}


def exported(record: Record, case: Case) -> None:
    """A function that is exported and imported again gives the same bits."""
    prepared = Prepared(record, case, record.samples)
    with on(case.device), tempfile.TemporaryDirectory() as folder:
        path, arrays = str(Path(folder) / "function.mxfn"), prepared.arrays()
        mx.export_function(path, prepared.function, *arrays)
        results, eager = mx.import_function(path)(*arrays), prepared.function(*arrays)
        mx.eval(results, eager)
    for result, wanted in zip(results, eager, strict=True):
        same_bits(result, wanted, "imported")


def damaged(record: Record, case: Case) -> None:
    """A file with wrong numbers in it, and checksums that say otherwise, raises or computes: it never crashes."""
    prepared = Prepared(record, case, record.samples)
    with on(case.device), tempfile.TemporaryDirectory() as folder:
        path, arrays = Path(folder) / "function.mxfn", prepared.arrays()
        mx.export_function(path, prepared.function, *arrays)
        whole, tried = path.read_bytes(), Path(folder) / "tried"
        mx.eval(arrays)
        child = os.fork()
        if child == 0:
            _run_damaged(whole, path, tried, arrays, case.rng("damage"))
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in _CRASHES:
            killed = signal.Signals(os.WTERMSIG(status)).name
            raise Failure(f"{killed} after {tried.read_text()} of {len(whole)} bytes: {whole.hex()}")
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
            raise Failure(f"an exception that is no error of the library, after {tried.read_text()}")


def _run_damaged(whole: bytes, path: Path, tried: Path, arrays: list, rng: np.random.Generator) -> None:
    """In a process of its own, which ends here."""
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)  # an operation of so many elements that it takes for ever is no crash
        mx.set_memory_limit(mx.get_active_memory() + (1 << 28))
        for _ in range(_MUTATIONS):
            text, data = _damage(whole, rng)
            tried.write_text(text)
            path.write_bytes(data)
            with contextlib.suppress(*_ERRORS):
                mx.eval(mx.import_function(path)(*arrays))
        code = 0
    finally:
        os._exit(code)


def _damage(whole: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """One or two numbers of the section replaced, its checksum made right; and what was done."""
    data, done = bytearray(whole), []
    size = struct.unpack_from("<Q", data, 16)[0]
    for _ in range(int(rng.integers(1, 3))):
        width = int(rng.choice([1, 4, 8]))
        at = _HEAD + int(rng.integers(max(size - width, 0) + 1))
        now = int.from_bytes(data[at : at + width], "little")
        near = [now + 1, now - 1, now * 2, now ^ (1 << int(rng.integers(8 * width)))]
        value = int(rng.choice(np.array([*_NUMBERS, *near], dtype=object))) % 2 ** (8 * width)
        data[at : at + width] = value.to_bytes(width, "little")
        done.append(f"byte {at}: {now} -> {value} ({width})")
    struct.pack_into("<I", data, 12, zlib.crc32(data[_HEAD : _HEAD + size]))
    return ", ".join(done), bytes(data)
