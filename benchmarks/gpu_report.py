# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The first and the last part of gpu.sh: what machine it is, and all figures in one place.

python benchmarks/gpu_report.py environment
python benchmarks/gpu_report.py collect benchmarks/results
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "datasets", "tokenizers", "accelerate", "jieba")


def environment() -> str:
    """Says in one line what all figures are to be read with; names a package that is missing."""
    import torch

    device = f"CPU, {os.cpu_count()} cores"
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = f"{properties.total_memory / 2**30:.0f} GiB"
        device = f"{properties.name}, {memory}, CUDA {torch.version.cuda}"
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return f"{device}; Python {platform.python_version()}, {packages}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "MISSING"


def collect(folder: Path) -> dict[str, Any]:
    """Reads what the parts left; one that failed is there with its exit code alone."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("part-*.code"), key=lambda path: path.stat().st_mtime):
        name = path.stem.removeprefix("part-")
        code, seconds = map(int, path.read_text().split())
        figures = path.with_suffix(".json")
        found[name] = {
            "code": code,
            "seconds": seconds,
            "printed": path.with_suffix(".txt").read_text(encoding="utf-8"),
            "figures": json.loads(figures.read_text()) if figures.is_file() else None,
        }
    return found


def report(found: dict[str, Any]) -> str:
    """Words the parts as one Markdown page."""
    lines = ["# What was measured on this machine", ""]
    for name, part in found.items():
        state = "done" if part["code"] == 0 else f"failed with exit code {part['code']}"
        lines += [f"## {name.replace('-', ' ')}: {state} in {part['seconds']} s", ""]
        kept = [line for line in part["printed"].splitlines() if not line.startswith("# ")]
        lines += [*kept, ""]
    return "\n".join(lines)


def main() -> int:
    """Does the part that is named."""
    if sys.argv[1:] == ["environment"]:
        line = environment()
        print(line)
        return 1 if "MISSING" in line else 0
    folder = Path(sys.argv[2])
    found = collect(folder)
    (folder / "gpu.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (folder / "gpu.md").write_text(report(found), encoding="utf-8")
    failed = [name for name, part in found.items() if part["code"]]
    print(f"== written: {folder / 'gpu.json'} and gpu.md; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
