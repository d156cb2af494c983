# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The packages as they are imported: nothing heavy, and known to transformers all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.commands import ROOT
from tests.strangers import run_elsewhere
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
print("known" if known else type(model))
"""


def test_importing_both_packages_loads_nothing_heavy() -> None:
    program = (
        "import sys, tfchat_hf, data_builders\n"
        "print(*({'torch', 'transformers', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", program]).strip() == b""


# Each takes two seconds.
@pytest.mark.parametrize(
    "imports",
    [*ORDERS[:2], *(pytest.param(imports, marks=pytest.mark.slow) for imports in ORDERS[2:])],
)
def test_the_auto_classes_know_the_model_whatever_is_imported_first(imports: str) -> None:
    done = run_elsewhere(imports + LOAD, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout == "known\n", f"{done.stdout}\n{done.stderr}"


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
