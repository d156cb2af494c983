# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The packages as they are imported: nothing heavy, and known to transformers all the same."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tfchat_hf.__main__ import COMMANDS
from tfchat_hf.pretrained import SMALL_TALK

ORDERS = [
    "import tfchat_hf\nfrom transformers import AutoModelForSeq2SeqLM",
    "from transformers import AutoModelForSeq2SeqLM\nimport tfchat_hf",
    "import transformers\nimport tfchat_hf\nfrom transformers import AutoModelForSeq2SeqLM",
    # What of the package comes first imports transformers itself, in the middle of its work.
    "import tfchat_hf.model.modeling_tfchat\nfrom transformers import AutoModelForSeq2SeqLM",
    "import tfchat_hf.settings.run_folder\nfrom transformers import AutoModelForSeq2SeqLM",
    "import tfchat_hf\ntfchat_hf.TFChatConfig\nfrom transformers import AutoModelForSeq2SeqLM",
    # These import the Auto classes before they are whole themselves.
    "import tfchat_hf\nimport transformers.modeling_layers\n"
    "from transformers import AutoModelForSeq2SeqLM",
]
LOAD = f"""
model = AutoModelForSeq2SeqLM.from_pretrained({str(SMALL_TALK)!r})
known = type(model) is tfchat_hf.TFChatForConditionalGeneration
print("known" if known else f"{{type(model)}} after {{sys.argv[1]!r}}", flush=True)
"""
# Neither package is loaded in a process before its program: only what both stand on, and once.
FORKS = """
import os, sys, traceback
import jinja2, scipy.optimize, sympy, torch._dynamo
while len(sys.argv) > 1:
    if not (child := os.fork()):
        assert not {"transformers", "tfchat_hf"} & set(sys.modules)
        try:
            exec(sys.argv[1], {"sys": sys})
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)
    del sys.argv[1]
"""


def python(program: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_both_packages_loads_nothing_heavy() -> None:
    said = python(
        "import sys, tfchat_hf, data_builders\n"
        "print(*({'torch', 'transformers', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    assert said.strip() == ""


def test_the_auto_classes_know_the_model_whatever_is_imported_first() -> None:
    said = python(FORKS, *(imports + LOAD for imports in ORDERS))
    assert said.splitlines() == ["known"] * len(ORDERS)


def test_a_name_that_is_not_there_is_refused_as_python_does() -> None:
    import data_builders
    import tfchat_hf

    for package in (tfchat_hf, data_builders):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            package.nothing  # noqa: B018


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_named_is_there(name: str) -> None:
    spec = find_spec(name)
    assert spec and (not spec.submodule_search_locations or find_spec(f"{name}.__main__"))
