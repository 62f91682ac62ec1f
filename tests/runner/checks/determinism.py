"""The same bits for every number of threads and every instruction set."""

from tests.runner import dtypes, module
from tests.runner.cases import Case, Prepared
from tests.runner.compare import Failure, Pass, same_bits
from tests.runner.record import Record
from tests.runner.worker import Worker, WorkerError

_THREADS = (1, 2, 3, 7)


def threads(record: Record, case: Case) -> None:
    """1, 2, 3 and 7 threads give the same bits."""
    if case.device != "cpu":
        raise Pass
    set_number, results = module.find("debug.set_num_threads"), {}
    prepared = Prepared(record, case, record.large or record.samples)
    try:
        for number in _THREADS:
            set_number(number)
            results[number] = prepared.results()
    finally:
        set_number(0)  # the default
    for number in _THREADS[1:]:
        for result, wanted in zip(results[number], results[1], strict=True):
            same_bits(result, wanted, f"{number} threads against 1")


def unusable() -> str | None:
    """Why instruction sets cannot be compared here, or None."""
    if not module.IS_MELIX:
        return f"{module.NAME} does not choose its instruction set by MELIX_CPU"
    if len(module.instruction_sets()) < 2:
        return "this machine has one instruction set alone"
    return None


def instruction_sets(record: Record, case: Case) -> None:
    """sse4, avx2 and avx512 give the same bits: other processes compute the case under MELIX_CPU."""
    if case.device != "cpu":
        raise Pass
    results = {}
    for name in module.instruction_sets():
        try:
            results[name] = Worker.of(MELIX_CPU=name).ask("results", record.file, str(case))
        except WorkerError as error:
            raise Failure(f"MELIX_CPU={name}: {error}") from None
    first, *others = results
    for name in others:
        for ours, theirs in zip(results[name], results[first], strict=True):
            same_bits(
                *(dtypes.to_module(values, dtype) for dtype, values in (ours, theirs)),
                f"{name} against {first}",
            )
