# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Streams that are full, closed or of another locale cost no reply, and only they are blamed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def talk(model_dir, *options, stdin=b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=None):
    """Run the command in a process of its own."""
    words = [sys.executable, "chat_hf.py", str(model_dir), "--device", "cpu", *map(str, options)]
    done = subprocess.run(
        words, input=stdin, stdout=stdout, stderr=stderr, env=env, cwd=ROOT, check=False
    )
    done.stdout, done.stderr = ((said or b"").decode() for said in (done.stdout, done.stderr))
    return done


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("way", [["--once", "你好"], []])
def test_replies_that_cannot_be_printed_are_an_error_of_the_output(model_dir, tmp_path, way):
    with open("/dev/full", "w") as full:
        done = talk(model_dir, *way, stdin="你好\n".encode(), stdout=full)
    assert done.returncode == 2 and "Loading" in done.stderr and done.stderr.count("\n") == 2
    assert "The results cannot be printed: No space left on device" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_notices_that_cannot_be_printed_cost_no_reply(model_dir, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("你好\n" * 3, encoding="utf-8")
    with open("/dev/full", "w") as full:
        done = talk(model_dir, stdin="/nothing\n你好\n".encode(), stderr=full)
        assert (done.returncode, done.stdout.count("\n")) == (0, 1)
        done = talk(model_dir, "--input", source, "--output", output, stderr=full)
    assert done.returncode == 0 and len(output.read_bytes().splitlines()) == 3


@pytest.mark.skipif(os.name == "nt", reason="closes streams with a shell")
def test_a_closed_output_is_said_and_no_file_takes_its_place(model_dir, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("你好\n", encoding="utf-8")
    words = [sys.executable, "chat_hf.py", str(model_dir), "--device", "cpu"]
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    for way in (["--once", "你好"], ["--input", str(source), "--output", str(output)]):
        done = subprocess.run([*shell, *way], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0 and "standard output is closed" in done.stderr
    assert len(output.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_help_and_replies_come_through_in_any_locale(model_dir, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "20"}
    assert "你好" in talk(model_dir, "--help", env=environment).stdout
    if encoding == "ascii":
        reply = talk(model_dir, "--once", "你好", env=environment)
        assert reply.returncode == 0 and reply.stdout.strip()
