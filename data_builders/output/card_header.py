# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The YAML header of a dataset card: what the Hub sorts and loads the dataset by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import DatasetCardData

from data_builders.output.markdown import one_line

if TYPE_CHECKING:
    from data_builders.output.statistics import DatasetStatistics
    from data_builders.report import BuildReport

# The identifiers of the Hub that dialogue corpora use; any other licence becomes "other".
HUB_LICENSES = frozenset(
    "apache-2.0 mit bsd bsd-2-clause bsd-3-clause cc cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 "
    "cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 "
    "cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 gpl gpl-2.0 "
    "gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0 odc-by odbl pddl artistic-2.0 unlicense wtfpl "
    "cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 c-uda openrail".split()
)
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
# A language of fewer of the dialogues is a few stray lines, and nothing to claim.
_LEAST_SHARE = 0.05
_LANGUAGES = {"zh": ("zh",), "en": ("en",), "mixed": ("en", "zh")}


def card_header(
    folder: Path,
    name: str,
    report: BuildReport,
    statistics: DatasetStatistics,
    settings: Mapping[str, Any],
) -> str:
    """Write the YAML header that the Hub reads; `license` in the settings stands for all of it."""
    counts = statistics.counts("languages")
    size = next((size for limit, size in _SIZES if statistics.dialogues < limit), "n>1T")
    data = DatasetCardData(
        language=_claimed(counts) or None,
        task_categories=["text-generation"],
        tags=["tfchat", "dialogue"],
        size_categories=[size],
        pretty_name=name,
        **_license(report, settings),
        **_configs(folder, statistics),
    )
    return f"---\n{data.to_yaml()}\n---"


def _claimed(counts: Mapping[str, int]) -> list[str]:
    least = _LEAST_SHARE * sum(counts.values())
    shares: Counter[str] = Counter()
    for lang, count in counts.items():
        shares.update(dict.fromkeys(_LANGUAGES.get(lang, ()), count))
    return sorted(code for code, count in shares.items() if count >= least)


def _license(report: BuildReport, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Name one licence only if it is that of everything in the dataset."""
    stated = [origin.license for origin in report.origins]
    chosen = settings.get("license") or (stated[0] if len(set(stated)) == 1 else None)
    if not chosen:
        return {}
    found = hub_license(str(chosen))
    return {"license": found} | (
        {"license_name": one_line(str(chosen), 60)} if found == "other" else {}
    )


def _configs(folder: Path, statistics: DatasetStatistics) -> dict[str, Any]:
    """Say where the Arrow files are: the JSON files beside them would be taken for the data."""
    files = [
        {"split": split, "path": f"{split}/*.arrow"}
        for split, counts in statistics.splits.items()
        # `load_dataset` refuses a split without rows.
        if counts.dialogues and any((folder / split).glob("*.arrow"))
    ]
    return {"configs": [{"config_name": "default", "data_files": files}]} if files else {}


def hub_license(text: str) -> str:
    """Find the Hub's identifier of a licence, of "CC BY-NC 4.0" too; "other" if it has none."""
    found = re.sub(r"[\s_]+", "-", text.strip().lower()).replace("license", "").strip("-")
    return found if found in HUB_LICENSES else "other"
