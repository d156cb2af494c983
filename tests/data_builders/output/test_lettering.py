# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Pictures speak Chinese where it is asked for and can be drawn, and never draw boxes."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

from data_builders.output import lettering
from data_builders.output.pictures import drawn_label
from data_builders.translation import _, spoken_language, use_language

pytest.importorskip("matplotlib")
from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure


@pytest.fixture
def fonts(monkeypatch):
    """A machine with the fonts of some names, and files of others that matplotlib lists later."""

    def install(listed=(), files=()):
        manager = SimpleNamespace(ttflist=[SimpleNamespace(name=name) for name in listed])
        manager.addfont = lambda path: manager.ttflist.append(SimpleNamespace(name=files[path]))
        monkeypatch.setattr(font_manager, "fontManager", manager)
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(files))

    return install


@pytest.mark.parametrize(
    ("listed", "files", "font"),
    [
        (["DejaVu Sans", "SimHei", "Noto Sans CJK SC"], {}, "Noto Sans CJK SC"),
        (["DejaVu Sans"], {"/f/wqy-microhei.ttc": "WenQuanYi Micro Hei"}, "WenQuanYi Micro Hei"),
        (["DejaVu Sans"], {"C:\\Fonts\\msyh.ttc": "Microsoft YaHei"}, "Microsoft YaHei"),
        (["DejaVu Sans"], {"/cjk/Arial.ttf": "Arial"}, None),
    ],
)
def test_a_font_is_found_also_where_matplotlib_does_not_know_it_yet(fonts, listed, files, font):
    fonts(listed, files)
    use_language("zh")
    assert lettering.chinese_font() == font
    use_language("en")
    assert lettering.chinese_font() is None


def test_without_a_font_a_picture_is_in_english_and_only_the_picture(fonts):
    fonts(["DejaVu Sans"])
    use_language("zh")
    with lettering.lettering():
        assert (_("questions"), drawn_label("闲聊.txt", 2)) == ("questions", "source 2")
    assert _("questions") == "问题"


def test_with_a_font_names_are_drawn_as_they_are_and_all_is_as_before_after_a_failure(fonts):
    fonts(["SimHei"])
    use_language("zh")
    before = rcParams["font.family"]
    with pytest.raises(RuntimeError), lettering.lettering():
        assert rcParams["font.family"] == ["SimHei"]
        assert drawn_label("语料/闲聊.txt", 2) == "语料/闲聊.txt"
        assert drawn_label("한국어.txt", 2) == "来源 2"
        raise RuntimeError
    assert (rcParams["font.family"], spoken_language()) == (before, "zh")


def test_no_box_is_drawn_with_the_fonts_of_this_machine(tmp_path):
    use_language("zh")
    with warnings.catch_warnings(), lettering.lettering():
        warnings.simplefilter("error")
        figure = Figure()
        axes = figure.add_subplot(title=_("Turns per dialogue"))
        axes.plot([0, 1], [-1, 1], label=_("loss, nats a token"))
        axes.legend()
        figure.savefig(tmp_path / "picture.png")
