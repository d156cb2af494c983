# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Settings for the whole suite: no network, and no more threads than a small machine has."""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import tests.one_dictionary  # noqa: F401  (for its effect)

os.environ["HF_HUB_OFFLINE"] = "1"
# What commands say is compared with English, whatever the machine speaks.
os.environ["LANGUAGE"] = "en"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The same examples each time, whoever runs the suite, and no deadline: a busy machine is no fault.
# For a search by hand: `python -m pytest --hypothesis-profile thorough tests/data_builders`.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("repeatable")

# The files that take longest, which begin first: so no process is left with one at the end.
_LONGEST = (
    *("test_learn.py", "test_onnx_model.py", "test_faults.py", "test_readme.py", "test_run.py"),
    *("test_faults_cli.py", "test_train_cli.py", "test_docs.py", "test_docs_training.py"),
    *("test_tokenization.py", "test_package.py", "test_compare.py", "test_pins.py"),
    *("test_exactness_cli.py", "test_chat_cli.py", "test_question_file.py"),
)

# What starts, stops or limits processes, each in another way on every system.
_OF_PROCESSES = {"multiprocessing", "pty", "resource", "signal", "subprocess"}
_IMPORT = re.compile(r"^ *(?:from ([.\w]+) )?import \(?([\w., ]*)", flags=re.M)


@pytest.fixture(autouse=True)
def speaks_english() -> Iterator[None]:
    """Speak English again after a test of another language."""
    yield
    translation = sys.modules.get("data_builders.translation")
    if translation is not None:
        translation.use_language("en")


@pytest.fixture(autouse=True, scope="module")
def only_what_is_new_is_searched_for_garbage() -> None:
    """Leave modules and tests out of the many collections of a training: each would take 0.3 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all processes of this session: take a lock before you write there."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--unit`, for systems on which the other tests make no sense."""
    parser.addoption(
        "--unit",
        action="store_true",
        help="only the files whose tests start no process and send no signal (macOS, Windows)",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file before it is imported: some of these modules are not on every system."""
    of_tests = collection_path.suffix == ".py" and config.getoption("--unit")
    return True if of_tests and needs_processes(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file and among the others, the order stays."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@functools.cache
def needs_processes(file: Path) -> bool:
    """Say whether a file of the tests, or one of them that it imports, deals with processes."""
    root = Path(__file__).parents[1]
    imported = set(_imports(file, ".".join(file.relative_to(root).parts[:-1])))
    paths = [root.joinpath(*name.split(".")).with_suffix(".py") for name in imported]
    of_tests = [path for path in paths if root / "tests" in path.parents and path.is_file()]
    return not _OF_PROCESSES.isdisjoint(imported) or any(map(needs_processes, of_tests))


def _imports(file: Path, package: str) -> Iterator[str]:
    """Yield the names of the modules that a file imports, and of what it takes out of them."""
    for module, names in _IMPORT.findall(file.read_text(encoding="utf-8")):
        taken = [name.strip() for name in names.split(",")]
        if not module:
            yield from taken
            continue
        yield (module := importlib.util.resolve_name(module, package))
        yield from (f"{module}.{name}" for name in taken)
