"""Kernels given as source text (melix/ops/kernel.h): what is checked where there is no device to run them."""

import pytest

import melix.core as mx

SOURCE = "out[elem] = T(inp[elem] * factor[0]);"
CALL = {
    "grid": (6, 1, 1),
    "threadgroup": (32, 1, 1),
    "output_shapes": [(2, 3)],
    "output_dtypes": [mx.float32],
}
without_cuda = pytest.mark.skipif(mx.is_available(mx.gpu), reason="there is a CUDA device")


def make(**changes):
    given = {"name": "scale", "input_names": ["inp", "factor"], "output_names": ["out"], "source": SOURCE}
    return mx.fast.cuda_kernel(**{**given, **changes})


def launch(kernel, **changes):
    return kernel(**{"inputs": [mx.ones((2, 3)), mx.array([2.0])], **CALL, **changes})


def test_a_kernel_keeps_what_it_was_made_of():
    kernel = make(header="#define A 1\n", ensure_row_contiguous=False, shared_memory=512)
    assert (kernel.name, kernel.input_names, kernel.output_names) == ("scale", ["inp", "factor"], ["out"])
    assert (kernel.source, kernel.header) == (SOURCE, "#define A 1\n")
    assert (kernel.ensure_row_contiguous, kernel.shared_memory) == (False, 512)
    assert make().ensure_row_contiguous and make().shared_memory == 0 and make().header == ""


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"name": "two words"}, "two words"),
        ({"name": ""}, "no C\\+\\+ name"),
        ({"input_names": ["inp", "1st"]}, '"1st" in input_names'),
        ({"output_names": ["out", "inp"]}, "inp is there twice"),
        ({"output_names": []}, "at least one output"),
        ({"source": ""}, "source is empty"),
        ({"shared_memory": -1}, "-1"),
    ],
)
def test_a_kernel_that_cannot_be_is_refused_when_it_is_made(changes, text):
    with pytest.raises(ValueError, match=rf"^\[cuda_kernel\].*{text}"):
        make(**changes)


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"inputs": [mx.ones((2, 3))]}, "1 inputs for 2 input_names"),
        ({"output_shapes": [], "output_dtypes": []}, "0 output_shapes for 1 output_names"),
        ({"output_dtypes": []}, "1 output_shapes for 0 output_dtypes"),
        ({"output_shapes": [(2, -3)]}, "-3"),
        ({"grid": (6, 1)}, "grid must be three numbers, got 2"),
        ({"grid": (6, 0, 1)}, r"grid must be three positive numbers, got \(6, 0, 1\)"),
        ({"threadgroup": (64, 32, 1)}, r"\(64, 32, 1\) has more than 1024 threads"),
        ({"threadgroup": (2**40, 2**40, 1)}, "more than 1024 threads"),
        ({"template": [("T", mx.float32), ("T", 4)]}, "T is there twice"),
        ({"template": [("a b", 4)]}, "a b"),
        ({"stream": mx.cpu}, "runs on a GPU, and the stream is one of Device\\(cpu, 0\\)"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(changes, text):
    with pytest.raises(ValueError, match=rf"^\[cuda_kernel\].*{text}"):
        launch(make(), **changes)


def test_a_template_argument_is_a_type_or_a_number():
    with pytest.raises(TypeError, match="Dtype, an int or a bool, not str"):
        launch(make(), template=[("T", "float")])


@without_cuda
@pytest.mark.parametrize("template", [None, [("T", mx.float16), ("N", 4), ("flag", True)]])
def test_without_a_device_the_call_says_so(template):
    with pytest.raises(RuntimeError, match="scale cannot run: no CUDA device is available"):
        launch(make(), template=template, init_value=0.0)


@without_cuda
def test_verbose_prints_the_source(capsys):
    with pytest.raises(RuntimeError):
        launch(make(header="// header\n"), verbose=True)
    assert capsys.readouterr().out == "// header\n" + SOURCE + "\n"


COMPILED = {
    "name": "scale",
    "compiled_source": b".version 8.0\0",
    "inputs": [mx.ones((2, 3))],
    "scalars": [1, 2.5, True],
    **CALL,
}


@pytest.mark.parametrize(
    "changes, error, text",
    [
        ({"compiled_source": b""}, ValueError, "compiled source is empty"),
        ({"name": "a-b"}, ValueError, "a-b"),
        ({"grid": (0, 1, 1)}, ValueError, "grid"),
        ({"output_dtypes": [mx.float32] * 2}, ValueError, "1 output_shapes for 2 output_dtypes"),
        ({"scalars": ["x"]}, TypeError, "bool, an int or a float, not str"),
        ({"shared_memory": -4}, ValueError, "-4"),
    ],
)
def test_a_compiled_kernel_is_checked_too(changes, error, text):
    with pytest.raises(error, match=rf"^\[precompiled_cuda_kernel\].*{text}"):
        mx.fast.precompiled_cuda_kernel(**{**COMPILED, **changes})


@without_cuda
def test_a_compiled_kernel_needs_a_device():
    with pytest.raises(RuntimeError, match=r"^\[precompiled_cuda_kernel\] scale cannot run: no CUDA device"):
        mx.fast.precompiled_cuda_kernel(**COMPILED)


def test_metal_kernels_say_what_there_is_instead():
    with pytest.raises(RuntimeError, match=r"no Metal on this machine.*cuda_kernel"):
        mx.fast.metal_kernel(name="scale", input_names=["inp"], output_names=["out"], source=SOURCE)
    with pytest.raises(RuntimeError, match="no Metal"):
        mx.fast.metal_kernel("scale", ["inp"], ["out"], SOURCE)
