# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The script of Chinese: guessed a dialogue, counted a source, said where sources differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_builders import build_dialogues
from data_builders.report import BuildReport
from data_builders.script import _SIMPLIFIED, _TRADITIONAL, guess_script, script_of


@pytest.mark.parametrize(
    ("turns", "script"),
    [
        (("你吃飯了嗎", "還沒，等會兒"), "traditional"),
        (("你吃饭了吗", "还没，等会儿"), "simplified"),
        (("皇后在里面", "好的"), "neither"),
        (("你看過", "没看"), "neither"),
        (("這個字寫作“这”",), "traditional"),
        (("Hello",), "neither"),
    ],
)
def test_the_script_of_a_dialogue(turns: tuple[str, ...], script: str) -> None:
    assert guess_script(turns) == script


def test_opencc_knows_the_characters_that_tell() -> None:
    opencc = pytest.importorskip("opencc")
    traditional, simplified = _TRADITIONAL.pattern[1:-1], _SIMPLIFIED.pattern[1:-1]
    turned = set(opencc.OpenCC("t2s").convert(traditional))
    assert set(simplified) <= turned
    # These two stand in traditional text too, and tell nothing.
    assert turned - set(simplified) == {"干", "后"}


@pytest.mark.parametrize(
    ("counts", "script"),
    [
        ({"traditional": 9, "simplified": 1}, "traditional"),
        ({"traditional": 8, "simplified": 2}, "mixed"),
        ({"traditional": 1, "simplified": 9, "neither": 90}, "simplified"),
        ({"neither": 5}, ""),
    ],
)
def test_the_script_of_a_source(counts: dict[str, int], script: str) -> None:
    assert script_of(counts) == script


@pytest.fixture()
def sources(tmp_path: Path) -> list[Path]:
    texts = {
        "north.tsv": "你吃饭了吗\t还没呢\n你几岁\t十八\n好\t行\nHi\tHello\n",
        "south.tsv": "你開心嗎\t很開心\n要買什麼\t買書\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return [tmp_path / name for name in texts]


def mixed(sources: list[Path], **settings: object) -> BuildReport:
    folder = sources[0].parent
    lines = "".join(f"  - {{files: {path.name}, format: separated}}\n" for path in sources)
    (folder / "mix.yaml").write_text(f"sources:\n{lines}", encoding="utf-8")
    cache = str(folder / "cache")
    return build_dialogues(folder / "mix.yaml", cache_dir=cache, **settings).report


def test_a_build_counts_the_script_of_each_source_and_warns_where_they_differ(
    sources: list[Path],
) -> None:
    report = mixed(sources)
    assert [origin.scripts for origin in report.origins] == [
        {"simplified": 2, "neither": 1},
        {"traditional": 2},
    ]
    lines = list(report.lines())
    assert "script of the Chinese dialogues: traditional 40%, simplified 40%, neither 20%" in lines
    warning = next(line for line in lines if line.startswith("the script differs"))
    assert "simplified in north.tsv; traditional in south.tsv" in warning
    assert "`to_simplified`" in warning


def test_no_warning_where_one_script_is_left(sources: list[Path]) -> None:
    pytest.importorskip("opencc")
    for report in (mixed(sources[1:]), mixed(sources, cleaning={"to_simplified": True})):
        assert not any("differs" in line for line in report.lines())
    assert {**report.origins[1].scripts} == {"simplified": 2}
