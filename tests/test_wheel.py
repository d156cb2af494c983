# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The wheel by itself: in an environment and a folder that know nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
TINY = "--max_steps 2 --d_model 16 --encoder_ffn_dim 16 --decoder_ffn_dim 16 --eval_max_samples 4"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    return next(folder.glob("*.whl"))


def environment(folder: Path) -> Path:
    """Make one with the libraries of this one, but not its editable project; return its `bin`."""
    venv.create(folder, with_pip=True)
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    place = subprocess.check_output(
        [bin_folder / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        text=True,
    )
    # Its own .pth files are not read there: an editable installation stays unknown.
    Path(place.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return bin_folder


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bin_folder = environment(tmp_path_factory.mktemp("environment"))
    install = [bin_folder / "python", "-m", "pip", "install", "-q", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    return bin_folder


def run(programs: Path, folder: Path, *words: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [programs / words[0], *words[1:]],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_but_the_two_packages_is_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"tfchat_hf", "data_builders"}
    for package in tops:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            assert path.is_dir() or "__pycache__" in name or name in names
    for path in (ROOT / "configs").rglob("*.*"):
        assert f"tfchat_hf/{path.relative_to(ROOT).as_posix()}" in names


def test_one_trains_talks_and_builds_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    where = run(programs, tmp_path, "python", "-c", "import tfchat_hf; print(tfchat_hf.__file__)")
    assert where.startswith(str(programs.parent))
    assert "python -m data_builders" in run(programs, tmp_path, "tfchat-data", "--help")
    assert "OpenAI" in run(programs, tmp_path, "tfchat-serve", "--help")
    told = run(programs, tmp_path, "tfchat-train", "--help").splitlines()[-1]
    assert Path(told.removeprefix("Every key, explained: ")).is_file()
    told = run(programs, tmp_path, "tfchat-train", "quickstart", *TINY.split())
    assert told.endswith("Talk to it: tfchat-chat runs/quickstart\n")
    assert (tmp_path / "runs/quickstart/metrics.json").is_file()
    assert run(programs, tmp_path, "tfchat-chat", "runs/quickstart", "--demo").count("model>") == 3
