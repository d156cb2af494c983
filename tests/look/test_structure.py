# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tables and drawings of a network say what its modules are, and nothing of their own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch

from data_builders.output.terminal import display_width
from tests.tiny import ARCHITECTURES, tiny_model
from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
from tfchat_hf.look.network_picture import WIDTH, draw_network
from tfchat_hf.look.structure import SIDES, Structure, write_table
from tfchat_hf.look.svg import text_width, texts

LANGUAGES = ("en", "zh")
LARGE = {"d_model": 1024, "vocab_size": 128000, "encoder_layers": 12, "decoder_layers": 12}


def large_model(**changes):
    """A model of which only the shapes are there."""
    with torch.device("meta"):
        return TFChatForConditionalGeneration(TFChatConfig(**changes))


def said(svg: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}text") and e.text]


@pytest.mark.parametrize("changes", ARCHITECTURES, ids=str)
def test_the_parts_add_up_to_the_model(changes) -> None:
    model = tiny_model(**changes)
    structure = Structure(model)
    assert sum(part.parameters for part in structure.parts.values()) == model.num_parameters()
    drawn = {
        part.module for side in SIDES for each in structure.sublayers(side) for part in each.parts
    }
    drawn |= {each.norm.module for side in SIDES for each in structure.sublayers(side) if each.norm}
    drawn |= {norm.module for side in SIDES if (norm := structure.closing_norm(side))}
    assert drawn | {"model.shared", "lm_head"} == set(structure.parts)
    assert (
        sum(map(structure.of_side, SIDES))
        + sum(structure.parts[name].parameters for name in ("model.shared", "lm_head"))
        == structure.total
    )


def test_layers_heads_and_shared_weights_are_the_models() -> None:
    structure = Structure(tiny_model())
    assert [structure.layers(side) for side in SIDES] == [2, 3]
    assert [structure.heads[side] for side in SIDES] == [(4, 8), (2, 16)]
    assert not structure.shares_output
    tied = Structure(tiny_model(tie_word_embeddings=True))
    assert tied.shares_output and tied.parts["lm_head"].parameters == 97
    attention = structure.parts["model.decoder.layers.*.encoder_attn"]
    assert str(attention) == "4 × (32 × 32 + 32)" and attention.parameters == 3 * 4 * 33 * 32


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_fits_80_columns_and_ends_in_the_sum(language) -> None:
    model = large_model()
    lines = write_table(Structure(model), texts(language, "table")).splitlines()
    assert max(map(display_width, lines)) <= 80
    (total,) = [line for line in lines if line.endswith("100.0")]
    assert f" {model.num_parameters():,} " in total


def test_both_languages_have_the_same_texts() -> None:
    for drawing in ("table", "network", "layer", "reply"):
        english, chinese = (texts(language, drawing) for language in LANGUAGES)
        assert english.keys() == chinese.keys()
        for key in english:
            fields = [sorted(re.findall(r"{\w+}", each[key])) for each in (english, chinese)]
            assert fields[0] == fields[1], key


@pytest.mark.parametrize("changes", ARCHITECTURES, ids=str)
def test_every_number_of_the_drawing_is_the_models(changes) -> None:
    structure = Structure(tiny_model(**changes))
    svg = draw_network(structure, "mine", "en")
    numbers = {structure.total, *(structure.layers(side) for side in SIDES), 2, 4, 0}
    numbers |= {size for heads in structure.heads.values() for size in heads}
    numbers |= {
        axis for part in structure.parts.values() for s in part.shapes.values() for axis in s
    }
    numbers |= {part.each for part in structure.parts.values()} | {64, *(structure.positions or ())}
    numbers |= {each.each for side in SIDES for each in structure.sublayers(side)}
    numbers |= {structure.of_side(side) for side in SIDES}
    written = re.sub(r"fc\d", "", " ".join(element.text for element in said(svg)))
    shares = re.findall(r"\d+\.\d(?= %)", written)
    assert abs(sum(map(float, shares)) - 100) < 0.3
    found = {
        int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", re.sub(r"\d+\.\d", "", written))
    }
    assert found <= numbers
    for side in SIDES:
        for each in structure.sublayers(side):
            assert f"{each.each:,}" in written


def test_the_drawing_tells_pre_norm_from_post_norm_and_stacks_its_layers() -> None:
    before, after = (
        [e.text for e in said(draw_network(Structure(tiny_model(normalize_before=n)), "m", "en"))]
        for n in (True, False)
    )
    assert before.index("self_attn_layer_norm") < before.index("self_attn")
    assert after.index("self_attn_layer_norm") > after.index("self_attn")
    assert "× 2" in after and "× 3" in after
    one = draw_network(Structure(tiny_model(encoder_layers=1, decoder_layers=1)), "m", "en")
    more = draw_network(Structure(tiny_model()), "m", "en")
    assert more.count('rx="12"') - one.count('rx="12"') == 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "changes", [{}, LARGE, {**LARGE, "gated_activation": True, "normalize_before": True}], ids=str
)
def test_no_text_leaves_the_drawing(changes, language) -> None:
    svg = draw_network(Structure(large_model(**changes)), "somebody/some-model", language)
    assert "prefers-color-scheme: dark" in svg
    for element in said(svg):
        if "transform" in element.attrib:
            continue
        at, code = float(element.get("x")), "code" in (element.get("class") or "")
        long = text_width(element.text, float(element.get("font-size")), code)
        left = at - long * {"end": 1, "middle": 0.5}.get(element.get("text-anchor"), 0)
        assert 0 < left and left + long < WIDTH, element.text
