# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The network rests on what transformers and torch document, and on nothing that they hide."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tfchat_hf.fast
import tfchat_hf.model

MODEL = Path(tfchat_hf.model.__file__).parent
FAST = Path(tfchat_hf.fast.__file__).parent
FILES = sorted(MODEL.glob("*_tfchat.py"))
# How a model tells transformers about itself, and how a pipeline does; there is no other spelling.
DECLARED = {
    "_no_split_modules", "_skip_keys_device_placement", "_supports_sdpa", "_supports_flash_attn",
    "_supports_flex_attn", "_supports_attention_backend", "_can_compile_fullgraph",
    "_tied_weights_keys", "_can_record_outputs", "_sanitize_parameters", "_forward",
}  # fmt: skip
READ = {"_attn_implementation"}
# torch's, in the code that is no part of a model folder.
OF_TORCH = {
    "_modules", "_forward_hooks", "_forward_pre_hooks", "_has_any_global_hook",
    "_reorder_linear_weight", "_linear_pointwise", "_is_vnni_supported",
}  # fmt: skip


def hidden(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own_names(trees: list[ast.AST]) -> set[str]:
    """Return the hidden names that this project gives itself: what it defines, and what it sets."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    attributes = [
        n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "self"
    ]
    placed = {n.attr for n in attributes if isinstance(n.ctx, ast.Store)}
    return {name for name in defined | placed if hidden(name)}


def parsed(files: list[Path]) -> dict[str, ast.AST]:
    return {file.name: ast.parse(file.read_text(encoding="utf-8")) for file in files}


def test_the_folder_of_a_model_is_these_four_files() -> None:
    names = ["configuration", "generation", "layers", "modeling"]
    assert [file.name for file in FILES] == [f"{name}_tfchat.py" for name in names]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_hidden_is_imported(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom | ast.Import):
            parts = (getattr(node, "module", None) or "").split(".")
            parts += [part for alias in node.names for part in alias.name.split(".")]
            assert not [part for part in parts if hidden(part)], ast.unparse(node)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_imports_torch_transformers_and_the_other_three_alone(file: Path) -> None:
    allowed = {"torch", "transformers", "huggingface_hub", "__future__"}
    allowed |= {"copy", "difflib", "math", "os", "typing", "warnings", "collections"}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1 and f"{node.module}.py" in {f.name for f in FILES}
        elif isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] in allowed, node.module
        elif isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_hidden_method_of_a_library_is_overridden_or_read(file: Path) -> None:
    from transformers import GenerationMixin, Pipeline, PreTrainedConfig, PreTrainedModel

    tree = ast.parse(file.read_text(encoding="utf-8"))
    bases = (PreTrainedModel, GenerationMixin, PreTrainedConfig, Pipeline)
    theirs = {name for base in bases for name in dir(base) if hidden(name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                targets = getattr(part, "targets", None) or [getattr(part, "target", None)]
                names = {getattr(part, "name", None), *(getattr(t, "id", None) for t in targets)}
                overridden = {name for name in names if name in theirs}
                assert overridden <= DECLARED, (node.name, overridden)
    ours = own_names([*parsed(FILES).values()])
    found = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and hidden(n.attr)}
    assert found <= READ | DECLARED | ours, found - READ - DECLARED - ours
    assert not (ours & theirs) - DECLARED


def test_fast_decoding_reads_nothing_hidden_but_these_of_torch() -> None:
    trees = parsed(sorted(FAST.glob("*.py")))
    ours = own_names([*trees.values()])
    for name, tree in trees.items():
        found = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and hidden(n.attr)}
        assert found <= OF_TORCH | ours, (name, found - OF_TORCH - ours)


def test_the_network_imports_nothing_of_the_package_and_the_package_not_twice() -> None:
    for name, tree in parsed(FILES).items():
        text = ast.unparse(tree)
        assert "tfchat_hf" not in {
            node.module.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and not node.level
        }, name
        assert "sys.path" not in text and "importlib" not in text
