"""The training examples as programs: they learn, and killed at any moment they go on to the same bits."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import melix.core as mx

ROOT = Path(__file__).resolve().parent.parent


def start(example, out, *options):
    command = [sys.executable, ROOT / "examples" / example, "--out", out, *options]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    )


def finish(process) -> str:
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize(
    "example, options",
    [
        ("classifier.py", ("--epochs", "4", "--every", "9")),
        ("images.py", ("--epochs", "1", "--every", "2", "--pictures", "400")),
        ("text.py", ("--epochs", "1", "--every", "2", "--text", ROOT / "docs/numerics.md")),
    ],
)
def test_a_run_that_is_killed_goes_on_to_the_same_bits(example, options, tmp_path, rng):
    whole = finish(start(example, tmp_path / "whole", *options))
    assert "epoch 1: loss" in whole
    assert (tmp_path / "whole/loss.svg").read_text().startswith("<svg")

    kills, deadline = 0, time.monotonic() + 120
    while time.monotonic() < deadline:
        process = start(example, tmp_path / "parts", *options)
        try:
            text, _ = process.communicate(timeout=rng.uniform(0.3, 1.5) if kills < 4 else 300)
            assert process.returncode == 0, text
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
    expected, notes = mx.load(tmp_path / "whole/checkpoint.safetensors", return_metadata=True)
    parts, same_notes = mx.load(tmp_path / "parts/checkpoint.safetensors", return_metadata=True)
    assert notes == same_notes
    assert expected.keys() == parts.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.array(parts[name]), np.array(value), err_msg=name)
    assert {p.name for p in (tmp_path / "parts").iterdir()} == {"checkpoint.safetensors", "loss.svg"}


def test_the_classifier_learns(tmp_path):
    text = finish(start("classifier.py", tmp_path, "--epochs", "8"))
    assert float(text.split("right on new points: ")[-1].split(" %")[0]) > 95


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    finish(start("classifier.py", tmp_path, "--epochs", "1"))
    process = start("images.py", tmp_path)
    text, _ = process.communicate(timeout=100)
    assert process.returncode != 0 and "[load_weights]" in text and "head.weight is missing" in text
