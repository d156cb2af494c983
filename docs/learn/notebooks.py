# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Write the chapters as Jupyter notebooks, beside their pages and from the same text.

python docs/learn/notebooks.py                     # then: jupyter lab docs/learn
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
# So that the packages are found in this checkout.
sys.path.insert(0, str(HERE.parents[1]))

from data_builders.command_line import CommandParser, run_command, say  # noqa: E402
from data_builders.errors import UserError  # noqa: E402
from data_builders.writing import write_whole  # noqa: E402

# The programs of the pages begin in the folder of the project, a notebook in its own.
FIRST = """```python
import os
import sys

while not os.path.exists("train_hf.py"):
    os.chdir("..")
```

"""
# A cell has its output below it: what the page shows would stand there twice.
OUTPUT = re.compile(r"^```text\n.*?^```\n\n?", flags=re.M | re.S)


def notebooks(output: Path) -> Iterator[Path]:
    """Write each chapter of both languages and yield the files."""
    try:
        import jupytext
    except ImportError:
        raise UserError(
            "Notebooks need jupytext, which is not installed. "
            'Run `pip install "tfchat-hf[notebooks]"`.'
        ) from None
    for page in sorted(HERE.glob("??-*.md")):
        text = OUTPUT.sub("", page.read_text(encoding="utf-8"))
        # `!` runs a command; `python` may be another one than that of the notebook.
        text = re.sub(r"^```bash\n(.*?)^```$", _as_cell, text, flags=re.M | re.S)
        heading, rest = text.split("\n", 1)
        notebook = jupytext.reads(f"{heading}\n\n{FIRST}{rest}", fmt="md")
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        path = output / page.with_suffix(".ipynb").name
        write_whole(path, jupytext.writes(notebook, fmt="ipynb"))
        yield path


def _as_cell(block: re.Match[str]) -> str:
    lines = re.sub(r"^python ", "!{sys.executable} ", block[1], flags=re.M)
    return f"```python\n{lines}```"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--output", default=str(HERE), metavar="DIR", help="default: docs/learn")
    output = Path(parser.parse_args(argv).output)

    def write() -> None:
        for path in notebooks(output):
            say(str(path))

    return run_command(write)


if __name__ == "__main__":
    sys.exit(main())
