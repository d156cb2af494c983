# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Commands that are struck at random moments leave nothing half under a final name.

Killed, told to end, left by their terminal or by the reader of their output: no word of it is
wrong, and the same command does its work afterwards. With `-s` a table says what each had come to.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cli_runs
from tests.commands import ROOT, Command, run_python
from tfchat_hf.engines.exported_folder import find_export

pytestmark = pytest.mark.slow

TIMES = 5
PIPE = "closed pipe"
FAULTS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP, PIPE: None}
# Written with the time that an evaluation took.
_TIMED = ("metrics.json",)


@dataclass(frozen=True)
class Work:
    """A command, and what may be found of it at any moment.

    Attributes:
        words: The command line; `run` is the run's folder.
        check: Looks at the folder in which the run lies, beside that of a command that was left
            alone; tells whether the work is done.
    """

    words: str
    check: Callable[[Path, Path], bool]


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files but those that wait to be put right, whose names begin with a dot."""
    return {
        name: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part[0] == "." for part in path.relative_to(folder).parts)
        and (name := path.relative_to(folder).as_posix())
    }


def whole_run(folder: Path, alone: Path) -> bool:
    found, wanted = contents(folder / "run"), contents(alone / "run")
    assert found.keys() <= wanted.keys()
    assert [name for name in found if name not in _TIMED and found[name] != wanted[name]] == []
    done = "metrics.json" in found
    assert not done or (found.keys() == wanted.keys() and json.loads(found["metrics.json"]))
    return done


def whole_export(folder: Path, alone: Path) -> bool:
    if not (folder / "run" / "ctranslate2").exists():
        return False
    find_export(folder / "run", "ctranslate2")
    return contents(folder / "run") == contents(alone / "run")


def whole_comparison(folder: Path, alone: Path) -> bool:
    for name, content in contents(folder / "run" / "compare").items():
        assert not name.endswith(".json") or json.loads(content)
        assert not name.endswith(".png") or content.endswith(b"IEND\xaeB`\x82")
    wanted = {path.name for path in (alone / "run" / "compare").iterdir()}
    place = folder / "run" / "compare"
    return place.is_dir() and wanted == {path.name for path in place.iterdir()}


def whole_answers(folder: Path, alone: Path) -> bool:
    output = folder / "replies.jsonl"
    if not output.exists():
        return False
    assert output.read_bytes() == (alone / "replies.jsonl").read_bytes()
    return True


def untouched(folder: Path, alone: Path) -> bool:
    assert contents(folder) == contents(alone)
    return True


WORKS = {
    "evaluate": Work("train_hf.py settings.yaml --output_dir run --resume", whole_run),
    "export": Work(
        "-m tfchat_hf.engines.export run --engine ctranslate2 --overwrite", whole_export
    ),
    "compare": Work("-m tfchat_hf.compare run --presets precise", whole_comparison),
    "--input": Work(
        "chat_hf.py run --input asked.jsonl --output replies.jsonl --overwrite",
        whole_answers,
    ),
    "publish": Work("-m tfchat_hf.publishing run --hub_model_id someone/tiny --dry_run", untouched),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, a file of questions, and the settings of both."""
    folder = tmp_path_factory.mktemp("made")
    cli_runs.write_settings(folder, eval_strategy="epoch", max_steps=12)
    done = run_python(words(WORKS["evaluate"])[:-1], folder)
    assert done.returncode == 0, done.stderr
    rows = [json.dumps({"question": f"问题 {i}"}, ensure_ascii=False) for i in range(40)]
    (folder / "asked.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def table() -> Iterator[dict[tuple[str, str], Counter]]:
    """Count what became of each command under each fault, and print it at the end."""
    counted: dict[tuple[str, str], Counter] = {}
    yield counted
    print()  # noqa: T201
    for (name, fault), counts in counted.items():
        told = ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))
        print(f"{name:10} {fault:12} {told}")  # noqa: T201


def copy_of(made: Path, folder: Path, name: str) -> Path:
    """Lay out what a command begins with."""
    shutil.copytree(made, folder)
    if name == "evaluate":
        # Trained, and stopped before anything of the finished model was written.
        kept = ("run_config.yaml", "data_report.json", "samples_during_training.jsonl")
        for path in (folder / "run").iterdir():
            if path.is_file() and path.name not in kept:
                path.unlink()
    return folder


def words(work: Work) -> list[str]:
    return [str(ROOT / word) if word.endswith("_hf.py") else word for word in work.words.split()]


def strike(
    command: list[str], folder: Path, fault: str, moment: float, pipe: Path
) -> tuple[int, str]:
    """Start a command and strike it after some seconds; return its code and what it said."""
    reader = None
    if fault == PIPE:
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    struck = Command(command, folder, output=pipe if reader is not None else "")
    time.sleep(moment)
    if reader is not None:
        # Opening a pipe waits for its reader: that is not what is tried here.
        with contextlib.suppress(FileNotFoundError):  # it has ended
            while os.readlink(f"/proc/{struck.pid}/fd/1") != str(pipe):
                time.sleep(0.01)
        os.close(reader)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(struck.pid, FAULTS[fault])
    code = struck.wait(300)
    said = Path(struck._said[1].name).read_text(encoding="utf-8")
    struck.close()
    pipe.unlink(missing_ok=True)
    return code, said


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_command_struck_at_any_moment_leaves_nothing_half(
    made: Path,
    tmp_path: Path,
    name: str,
    fault: str,
    table: dict[tuple[str, str], Counter],
) -> None:
    if name == "export":
        pytest.importorskip("ctranslate2")
    work, moments = WORKS[name], random.Random(f"{name} {fault}")
    alone = copy_of(made, tmp_path / "alone" / "made", name)
    began = time.monotonic()
    finished = run_python(words(work), alone)
    seconds = time.monotonic() - began
    assert finished.returncode == 0, finished.stderr
    counts = table.setdefault((name, fault), Counter())
    for time_ in range(TIMES):
        folder = copy_of(made, tmp_path / str(time_) / "made", name)
        moment = moments.uniform(0, seconds)
        code, said = strike(words(work), folder, fault, moment, tmp_path / "pipe")
        expected = (0,) if FAULTS[fault] is None else (0, -FAULTS[fault], 130)
        assert code in expected and "Traceback" not in said, (moment, code, said)
        done = work.check(folder, alone)
        assert done or code != 0, (moment, said)
        counts["done" if done else "nothing half"] += 1
        counts[f"code {code}"] += 1
        again = run_python(words(work), folder)
        assert again.returncode == 0, (moment, again.stderr)
        assert work.check(folder, alone), moment
        left = [path.name for path in folder.rglob(".*")]
        assert left == [], moment
        counts["done by the rerun"] += 1
        shutil.rmtree(folder.parent)
