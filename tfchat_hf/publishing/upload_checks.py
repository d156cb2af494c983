# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether what goes to the Hub is whole and can be loaded, and tells nothing of this machine."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import get_token

from data_builders.errors import UserError
from data_builders.output.privacy import find_leaks, machine_names, machine_places
from data_builders.translation import _, joined, listed, marked

from ..engines.dependencies import VENDOR
from ..engines.folder_check import (
    CONFIG,
    GENERATION,
    TOKENIZER,
    TOKENIZER_CONFIG,
    check_model_files,
    check_tokenizer_files,
    read_json,
)
from ..settings.reading import read_yaml
from ..settings.run_folder import SETTINGS_FILE, weights_problem
from .upload_plan import CARD_FILE, PICKLES, WEIGHTS, Upload, UploadPlan, fits, read_text_file

# Without these nobody can use the model as the card says, or knows what it is.
_REQUIRED = (
    *(CARD_FILE, CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG),
    "chat_template.jinja",
)
_WHOLE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PNG_END = b"IEND\xaeB`\x82"
_MAX_LEAKS_SHOWN = 10


def check_whole(plan: UploadPlan, folder: Path) -> None:
    """Make sure that what is sent can be read and loaded.

    Raises:
        UserError: Names the file, the place in it, and what to do.
    """
    names = {upload.name for upload in plan.uploads}
    if not names & {*_WHOLE_WEIGHTS}:
        pickled = [name for name in plan.stays if fits(name, PICKLES)]
        raise UserError(
            "{folder} has no weights as safetensors{found}. Files in pickle format are never "
            "uploaded, because loading one can run code: load the model and save it with "
            "`save_pretrained`, then push.",
            folder=folder,
            found=_(" (found {names})", names=listed(pickled)) if pickled else "",
        )
    if missing := [name for name in _REQUIRED if name not in names]:
        raise _lacking(folder, listed(missing))
    check_model_files(folder)
    check_tokenizer_files(folder)
    for upload in plan.uploads:
        _check_content(upload.source)
    _check_code(folder, names)


def _lacking(folder: Path, names: str) -> UserError:
    return UserError(
        "{folder} lacks {names}, which a published model needs. Put it back, or train again with "
        "--overwrite.",
        folder=folder,
        names=names,
    )


def _check_code(folder: Path, names: set[str]) -> None:
    """Make sure that the classes which config.json asks for are there, with all they import."""
    asked = read_json(folder / CONFIG).get("auto_map")
    wanted = [str(name) for name in asked.values()] if isinstance(asked, dict) else []
    queue = [(name.partition(".")[0], {name.partition(".")[2]}) for name in wanted]
    while queue:
        module, needed = queue.pop()
        if f"{module}.py" not in names:
            raise _lacking(folder, f"{module}.py")
        tree = ast.parse(read_text_file(folder / f"{module}.py"))
        if lacking := needed - set(_defined(tree)):
            raise UserError(
                "{file} lacks `{name}`: it is cut off. Copy the file from a checkpoint of the run.",
                file=f"{folder / module}.py",
                name=min(lacking),
            )
        queue += [
            (str(node.module), {name.name for name in node.names})
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.level == 1
        ]


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module gives to others."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                part.id
                for target in targets
                for part in ast.walk(target)
                if isinstance(part, ast.Name)
            )
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _check_content(path: Path) -> None:
    """Refuse a file that is not what its name says: one cut off, for the most part."""
    if path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".safetensors":
        if problem := weights_problem(path):
            raise UserError(
                "{folder} cannot be published: {problem}. Write it again, or train anew with "
                "--overwrite.",
                folder=path.parent,
                problem=problem,
            )
    elif path.suffix == ".png":
        if not path.read_bytes().endswith(_PNG_END):
            raise UserError("{path} is no whole picture. Delete it, or train again.", path=path)
    elif path.suffix == ".jsonl":
        for number, line in enumerate(read_text_file(path).splitlines(), start=1):
            try:
                json.loads(line)
            except ValueError:
                raise UserError(
                    "{path}:{number}: this is no JSON. Mend or delete the line.",
                    path=path,
                    number=number,
                ) from None
    elif path.suffix == ".py":
        try:
            ast.parse(read_text_file(path))
        except (SyntaxError, ValueError) as error:
            place = getattr(error, "lineno", None) or 1
            raise UserError(
                "{path}:{number}: this is no Python. Copy the file from a checkpoint of the run.",
                path=path,
                number=place,
            ) from None
    elif path.suffix in (".md", ".jinja", ".yaml", ".txt", ""):
        read_text_file(path)


def check_privacy(plan: UploadPlan, folder: str | Path) -> None:
    """Refuse what holds an access token, a path or the name of this machine.

    Raises:
        UserError: Names file and line, not what was found there, and what to do about it.
    """
    path = Path(folder, SETTINGS_FILE)
    settings = (
        [setting.value for setting in read_yaml(str(path)).values()] if path.is_file() else []
    )
    # Where the data lay, for one.
    given = [value for value in settings if isinstance(value, str) and Path(value).is_absolute()]
    places, names = machine_places(folder, *given), machine_names()
    found: dict[str, Upload] = {}
    for upload in plan.uploads:
        if fits(upload.name, (WEIGHTS, "*.png", "*.whl", f"{VENDOR}/*")):
            continue
        for leak in find_leaks(upload.read_text(), places, [get_token() or ""], names):
            where = _(", line {number}", number=leak.line) if upload.is_text else ""
            kind = _("{place}: {problem}", place=upload.name + where, problem=_(leak.kind))
            found[f"  {kind}"] = upload
    if not found:
        return
    shown, more = [*found][:_MAX_LEAKS_SHOWN], len(found) - _MAX_LEAKS_SHOWN
    if more > 0:
        shown.append("  " + _("and {number} more", number=more))
    told = _("Some files of {folder} are not fit to be published:", folder=folder)
    raise UserError("\n".join([told, *shown, _way_out([*found.values()])]))


def _way_out(found: list[Upload]) -> str:
    """Say what a person can do about files that must not go as they are."""
    switches = sorted({upload.switch for upload in found if upload.switch})
    told = {"switches": _(" and ").join(switches)}
    if all(upload.is_text for upload in found):
        if not switches:
            return _("Take that out of the files, and push again.")
        return _("Take that out of the files, and push again, or push without {switches}.", **told)
    both = any(upload.is_text for upload in found)
    way = {
        (True, True): marked("Take that out of the texts, and push without {switches}:"),
        (True, False): marked("Take that out of the texts, and delete the others:"),
        (False, True): marked("Push without {switches}:"),
        (False, False): marked("Delete the others:"),
    }[both, bool(switches)]
    return joined(_(way, **told), _("files that are no text cannot be edited."))
