"""Records of the short-time Fourier transform and its inverse (melix/ops/stft.h)."""

import numpy as np

from tests.runner import Record, Tolerance, bad, call, mx, operation_tests, uniform

MODES = ["reflect", "edge", "constant"]


# ---- references ----


def window_of(n_fft, win_length, window):
    window = np.ones(n_fft if win_length is None else win_length) if window is None else window
    before = (n_fft - len(window)) // 2
    return np.pad(window, (before, n_fft - len(window) - before))


def stft(
    x,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    norm="backward",
    onesided=None,
):
    hop = hop_length or n_fft // 4
    x = x if x.dtype.kind == "c" else x.astype(float)
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n_fft // 2, n_fft // 2)], pad_mode)
    frames = np.lib.stride_tricks.sliding_window_view(x, n_fft, -1)[..., ::hop, :]
    frames = frames * window_of(n_fft, win_length, window)
    onesided = x.dtype.kind != "c" if onesided is None else onesided
    spectra = np.fft.rfft(frames.real, norm=norm) if onesided else np.fft.fft(frames, norm=norm)
    return np.swapaxes(spectra, -1, -2)


def istft(
    matrix,
    n_fft=None,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    norm="backward",
    onesided=True,
    length=None,
):
    matrix = np.swapaxes(matrix, -1, -2)
    n_fft = n_fft or (2 * (matrix.shape[-1] - 1) if onesided else matrix.shape[-1])
    hop = hop_length or n_fft // 4
    window = window_of(n_fft, win_length, window)
    matrix = matrix.astype(complex)
    frames = (
        np.fft.irfft(matrix, n_fft, norm=norm) if onesided else np.fft.ifft(matrix, n_fft, norm=norm).real
    )
    count = frames.shape[-2]
    signal = np.zeros((*frames.shape[:-2], n_fft + hop * (count - 1)))
    envelope = np.zeros(signal.shape[-1])
    for i in range(count):
        signal[..., i * hop : i * hop + n_fft] += frames[..., i, :] * window
        envelope[i * hop : i * hop + n_fft] += window**2
    signal = signal / np.maximum(envelope, 1e-8)
    if center:
        signal = signal[..., n_fft // 2 : max(signal.shape[-1] - n_fft // 2, n_fft // 2)]
    if length is not None:
        signal = signal[..., :length]
        signal = np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, length - signal.shape[-1])])
    return signal


# ---- samples ----


def signals(of):
    yield call(of(16), 8)
    yield call(of(2, 40), 16, hop_length=of.pick([1, 3, 20]), center=False)
    yield call(of(3, 33), 12, win_length=of.pick([4, 5, 12]), norm=of.pick(["ortho", "forward"]))
    yield call(of(30), 9, window=of(of.pick([7, 8, 9]), dtype="float32"), pad_mode=of.pick(MODES))
    yield call(of(2, 1, 25), 8, onesided=False)
    yield call(of(2, 25), 8, onesided=True)
    yield call(of(5), 8, pad_mode=of.pick(MODES))


def spectra(of):
    yield call(of(5, 9))
    yield call(of(2, 5, 4), n_fft=9, hop_length=of.pick([2, 5]))
    yield call(of(3, 9, 7), onesided=False, norm=of.pick(["ortho", "forward"]))
    yield call(of(7, 6), win_length=of.pick([8, 11]), length=of.pick([0, 3, 60]))
    yield call(of(2, 2, 6, 5), center=False, hop_length=of.pick([3, 10]))
    yield call(
        of(9, 5), window=of(16, dtype="float32", domain=uniform(0.5, 1)), center=of.pick([True, False])
    )


def sums(reference):
    """Sums of as many terms as a frame has, in the largest of which errors are counted."""

    def run(x, *args, **kwargs):
        kind = complex if x.dtype.kind == "c" else float
        result = reference(np.abs(x.astype(kind)).astype(kind), *args, **kwargs)
        return np.full(result.shape, 4 * np.abs(result).max(initial=0) + np.abs(x).max(initial=0))

    return run


FEW = ("float16", "float32", "int8", "bool", "complex64")
ONLY = ("value", "type", "errors", "vmap", "compiled", "threads")
RECORDS = [
    Record(
        "fft.stft",
        signals,
        stft,
        result="complex64",
        dtypes=FEW,
        only=ONLY,
        nonfinite=False,
        domain=uniform(-2, 2),
        tolerance=Tolerance(ulp=16, scale=sums(stft), why="a transform of a few terms"),
        bad=(
            bad(lambda of: call(of(16), 0), "n_fft is 0"),
            bad(lambda of: call(of(16), 3), "hop_length is 0"),
            bad(lambda of: call(of(16), 8, win_length=9), "9 points"),
            bad(lambda of: call(of(16), 8, window=of(2, 2)), "(2, 2)"),
            bad(lambda of: call(of(), 8), "scalar"),
            bad(lambda of: call(of(3), 8, center=False), "too short", "(3,)"),
        ),
    ),
    Record(
        "fft.istft",
        spectra,
        istft,
        result="float32",
        dtypes=FEW,
        only=ONLY,
        nonfinite=False,
        domain=uniform(-2, 2),
        tolerance=Tolerance(ulp=32, scale=sums(istft), why="a transform, a sum and a quotient"),
        bad=(
            bad(lambda of: call(of(5)), "(5,)"),
            bad(lambda of: call(of(5, 0)), "no frames"),
            bad(lambda of: call(of(1, 3)), "n_fft is 0"),
            bad(lambda of: call(of(5, 3), hop_length=0), "hop_length is 0"),
        ),
    ),
    *(
        Record(
            f"fft.{name}",
            samples,
            None,
            variant="derivatives",
            dtypes=("complex64",),
            only=("gradient", "jvp"),
        )
        for name, samples in (("stft", signals), ("istft", spectra))
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def test_inverse_gives_the_signal_back():
    x = np.random.default_rng(0).standard_normal((3, 500)).astype(np.float32)
    for n_fft, hop in ((64, None), (50, 20), (33, 8)):
        window = mx.hanning(n_fft + 2)[1:-1]
        spectra = mx.fft.stft(mx.array(x), n_fft, hop, window=window)
        back = mx.fft.istft(spectra, n_fft, hop, window=window, length=500)
        assert np.allclose(np.array(back)[:, :480], x[:, :480], atol=1e-5)
