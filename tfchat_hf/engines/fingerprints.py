# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Digests of weights and of the network's code: whether two folders still hold the same model."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

PACKAGE = __name__.split(".")[0]
# What the network computes stands in these.
NETWORK_FILES = ("layers_tfchat.py", "modeling_tfchat.py")
_WINGS = Path(__file__).parents[1]
_NETWORK = _WINGS / "model"
# What a question goes through on the way to its reply.
_ANSWERING = ("model", "text", "fast", "engines", "memory", "chat")
_LIBRARIES = ("torch", "transformers", "tokenizers")


def differing_code(folder: Path) -> list[str]:
    """Name the files of the network that a folder carries in another form than this package.

    Where the package is installed, its own network answers, whatever the folder carries. A folder
    of version 0.1, whose files were others, has nothing to compare.
    """
    if not (folder / NETWORK_FILES[0]).is_file():
        return []
    carried = [name for name in NETWORK_FILES if (folder / name).is_file()]
    return [name for name in carried if code_digest(folder / name) != code_digest(_NETWORK / name)]


def code_digest(path: Path) -> str:
    """Digest what a file does: comments, layout and docstrings may change."""
    return _digest_of_code(path.read_bytes())


@functools.lru_cache(maxsize=256)
def _digest_of_code(content: bytes) -> str:
    """Digest a file's content, each once: to parse all that answers takes a noticeable moment."""
    try:
        tree = ast.parse(content.decode("utf-8"))
    except (SyntaxError, ValueError):
        return hashlib.sha256(content).hexdigest()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def answering_code() -> dict[str, str]:
    """Digest all code that decides what is replied, and name the versions of the libraries."""
    digest = hashlib.sha256()
    for path in sorted(path for wing in _ANSWERING for path in (_WINGS / wing).rglob("*.py")):
        digest.update(code_digest(path).encode())
    return {PACKAGE: digest.hexdigest(), **{name: version(name) for name in _LIBRARIES}}


def model_digest(model: Any) -> str:
    """Digest the configuration and the weights of a model, or of an engine's, as it is loaded."""
    import torch

    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    exported = getattr(model, "folder", None) or getattr(model, "path", None)
    for path in sorted(exported.rglob("*")) if exported is not None else ():
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def tokenizer_digest(tokenizer: Any) -> str:
    """Digest what a tokenizer makes of a text; how it pads and cuts is asked anew each time."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content |= {"truncation": tokenizer.model_max_length, "padding": None}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def weight_digests(run: Path) -> dict[str, str]:
    """Return the SHA-256 of the weights and of what goes with them in a run, by file name."""
    names = ("config.json", "generation_config.json", "tokenizer.json")
    paths = [path for name in names if (path := run / name).is_file()]
    return {
        path.name: file_digest(path) for path in (*paths, *sorted(run.glob("model*.safetensors")))
    }


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def network_modules(model: nn.Module) -> list[str]:
    """Name the modules of this package that define what the network is made of."""
    names = {type(part).__module__ for part in model.modules()}
    return sorted(name for name in names if name.split(".")[0] == PACKAGE)


def code_digests(modules: Iterable[str], run: Path) -> dict[str, str]:
    """Return a digest of the network's code, in this package and where the run has its own copy.

    Args:
        modules: As `network_modules` names them.
        run: The run's folder.

    Returns:
        Digests by module, and by file name for the run's; empty ones for modules that are gone.
    """
    digests = {}
    for name in modules:
        source = _source_of(name)
        digests[name] = code_digest(source) if source is not None else ""
        copy = run / f"{name.rpartition('.')[2]}.py"
        if copy.is_file():
            digests[copy.name] = code_digest(copy)
    return digests


def _source_of(module: str) -> Path | None:
    """Find a module's file; None if there is no such module any more."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found is not None and found.origin else None
