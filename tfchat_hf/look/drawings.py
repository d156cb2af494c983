# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The options of ``python -m tfchat_hf.look`` that draw a model.

python -m tfchat_hf.look runs/quickstart --structure
python -m tfchat_hf.look runs/quickstart --structure network.svg --layer layer.svg
python -m tfchat_hf.look runs/quickstart "你喜欢吃什么？" --animation reply.svg --language zh
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import say, tell
from data_builders.errors import UserError
from data_builders.output.terminal import fit
from data_builders.translation import _, spoken_language
from data_builders.writing import write_whole

_TABLE = "-"
_LONGEST_NAME = 48


def add_drawing_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command whose first word then is a model."""
    group = parser.add_argument_group(
        "drawings of a model", "The first word is a folder or a Hub id; files are SVG."
    )
    group.add_argument(
        "--structure",
        nargs="?",
        const=_TABLE,
        metavar="FILE",
        help="draw the whole network; without FILE print its parts and parameters",
    )
    group.add_argument("--layer", metavar="FILE", help="draw an encoder layer's operators")
    group.add_argument("--animation", metavar="FILE", help="draw the reply to a question, moving")


def wants_drawings(options: argparse.Namespace) -> bool:
    """Tell whether a drawing is asked for."""
    return any((options.structure, options.layer, options.animation))


def draw(words: Sequence[str], options: argparse.Namespace) -> None:
    """Draw what is asked for.

    Args:
        words: The model, and the question of an animation.
        options: The command line.
    """
    if options.animation and len(words) != 2:
        raise UserError(
            "The drawing of a reply needs a model and a question before its options (got "
            "{number} words). Give them first, such as runs/quickstart and a question in "
            "quotation marks.",
            number=len(words),
        )
    if not options.animation and len(words) != 1:
        raise UserError(
            "A drawing needs one model before its options (got {number} words). Give it "
            "first, such as runs/quickstart.",
            number=len(words),
        )
    for file in (options.structure, options.layer, options.animation):
        _check_file(file)
    name = words[0]
    tell(_("Loading {name} ...", name=name))
    # What draws imports torch, and `--help` need not.
    from transformers.utils.logging import disable_progress_bar

    from ..engines.model_folder import load_for_chat
    from .layer_picture import draw_layer
    from .network_picture import draw_network
    from .reply_picture import draw_reply, make_reply
    from .structure import Structure, write_table
    from .svg import texts

    disable_progress_bar()
    model, tokenizer = load_for_chat(name, "cpu")
    language = spoken_language()
    about = (_title(name), language)
    if options.structure == _TABLE:
        say(write_table(Structure(model), texts(language, "table")))
    elif options.structure:
        write_whole(options.structure, draw_network(Structure(model), *about))
    if options.layer:
        write_whole(options.layer, draw_layer(model, *about))
    if options.animation:
        reply = make_reply(model, tokenizer, words[1])
        write_whole(options.animation, draw_reply(reply, *about))


def _title(name: str) -> str:
    """Return what a drawing calls a model: the end of its path, for others will see it."""
    return fit("/".join(Path(name).parts[-2:]), _LONGEST_NAME)


def _check_file(file: str | None) -> None:
    """Refuse a name that is none of a drawing, before anything is loaded."""
    if file in (None, _TABLE):
        return
    path = Path(file or "")
    if path.suffix != ".svg" or not path.parent.is_dir():
        raise UserError(
            "A drawing's file must end in .svg, in a folder that is there (got {file}). Name "
            "one such as network.svg.",
            file=file,
        )
