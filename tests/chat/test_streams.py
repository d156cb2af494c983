# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Streams that are full, closed or of another locale cost no reply, and only they are blamed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.commands import CAN_FORK, run_python

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="needs processes that are forked")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def talk(model_dir, *options, stdin="", **more):
    """Run the command in a process of its own."""
    typed = Path(model_dir, "typed.txt")
    typed.write_text(stdin, encoding="utf-8")
    words = ["chat_hf.py", str(model_dir), "--device", "cpu", *map(str, options)]
    return run_python(words, stdin=typed, **more)


@needs_full
@pytest.mark.parametrize("way", [["--once", "你好"], []])
def test_replies_that_cannot_be_printed_are_an_error_of_the_output(model_dir, tmp_path, way):
    done = talk(model_dir, *way, stdin="你好\n", output="/dev/full")
    assert done.returncode == 2 and "Loading" in done.stderr and done.stderr.count("\n") == 2
    assert "The results cannot be printed: No space left on device" in done.stderr


@needs_full
def test_notices_that_cannot_be_printed_cost_no_reply(model_dir, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("你好\n" * 3, encoding="utf-8")
    done = talk(model_dir, stdin="/nothing\n你好\n", errors="/dev/full")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    done = talk(model_dir, "--input", source, "--output", output, errors="/dev/full")
    assert done.returncode == 0 and len(output.read_bytes().splitlines()) == 3


def test_a_closed_output_is_said_and_no_file_takes_its_place(model_dir, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("你好\n", encoding="utf-8")
    for way in (["--once", "你好"], ["--input", str(source), "--output", str(output)]):
        done = talk(model_dir, *way, output=None)
        assert done.returncode == 0 and "standard output is closed" in done.stderr
    assert len(output.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_help_and_replies_come_through_in_any_locale(model_dir, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "20"}
    for way in (["--help"], ["--once", "你好"]):
        done = talk(model_dir, *way, environment=environment)
        assert done.returncode == 0 and done.stdout.strip()
        assert "你好" in done.stdout or way != ["--help"]
