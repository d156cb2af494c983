# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The families of plain text are told apart on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_builders.formats.alternating import AlternatingCorpus
from data_builders.formats.alternating import BlockCorpus
from data_builders.formats.alternating import ConvCorpus
from data_builders.formats.cornell import CornellCorpus
from data_builders.formats.separated import DailyDialogCorpus
from data_builders.formats.separated import DoubanCorpus
from data_builders.formats.parallel import ParallelCorpus
from data_builders.formats.separated import SeparatedCorpus
from data_builders.reading import sample_of, source_files

FAMILIES = (
    AlternatingCorpus,
    BlockCorpus,
    ConvCorpus,
    CornellCorpus,
    DailyDialogCorpus,
    DoubanCorpus,
    ParallelCorpus,
    SeparatedCorpus,
)
# Two families that score alike would leave the choice to chance.
LEAST_LEAD = 0.09


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("en_dialogue/chitchat_dataset.json.gz", None),
        ("en_dialogue/cornell/movie_characters_metadata.txt.gz", "cornell"),
        ("en_dialogue/cornell/movie_conversations.txt.gz", "cornell"),
        ("en_dialogue/cornell/movie_lines.original-head.txt", "cornell"),
        ("en_dialogue/cornell/movie_lines.txt.gz", "cornell"),
        ("en_dialogue/cornell/movie_titles_metadata.txt", "cornell"),
        ("en_dialogue/dailydialog_validation.txt", "dailydialog"),
        ("en_instruction/alpaca_data.json.gz", None),
        ("vocab/char_common.json", None),
        ("zh_chitchat/barbarianj_qa_chat.txt", "separated"),
        ("zh_chitchat/cdial_gpt_toy/toy_data.json", None),
        ("zh_chitchat/cdial_gpt_toy/toy_train.txt", "separated"),
        ("zh_chitchat/cdial_gpt_toy/toy_valid.txt", "separated"),
        ("zh_chitchat/chicken_and_gossip.txt", "separated"),
        ("zh_chitchat/dgk_lost_conv/fanzxl.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/haosys.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/juemds.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/laoyj.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/lost.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/prisonb.conv.gz", "conv"),
        ("zh_chitchat/format_samples/LCCC.json", None),
        ("zh_chitchat/format_samples/douban.txt", "douban"),
        ("zh_chitchat/format_samples/qin_yun.csv", "separated"),
        ("zh_chitchat/format_samples/stc_weibo_train_post", "parallel"),
        ("zh_chitchat/format_samples/stc_weibo_train_response", "parallel"),
        ("zh_chitchat/format_samples/tieba.dialogues", "separated"),
        ("zh_chitchat/format_samples/xiaohuangjie.txt", "blocks"),
        ("zh_chitchat/kenhenry_zh/test.dec", "alternating"),
        ("zh_chitchat/kenhenry_zh/test.enc", "alternating"),
        ("zh_chitchat/kenhenry_zh/train.dec", "alternating"),
        ("zh_chitchat/kenhenry_zh/train.enc", "alternating"),
        ("zh_chitchat/ptt/Gossiping-QA-Dataset_10000.txt", "separated"),
        ("zh_chitchat/ptt/PTT_charactors/src-train.txt", "parallel"),
        ("zh_chitchat/ptt/PTT_charactors/tgt-train.txt", "parallel"),
        ("zh_community_qa/baike_webtext_readme_examples.jsonl", None),
        ("zh_community_qa/egret_wenda_conversations.txt", "cornell"),
        ("zh_community_qa/egret_wenda_lines.txt", "cornell"),
        ("zh_community_qa/toyhom_internal_medicine_sample.csv.gz", None),
        ("zh_community_qa/toyhom_rekeyed_desc_answer.jsonl.gz", None),
        ("zh_instruction/carbonz0/zh-data-part-00.json.gz", None),
        ("zh_instruction/open-chinese/alpaca-chinese-52k.json.gz", None),
        ("zh_multiturn/c3-d-train.json.gz", None),
        ("zh_multiturn/crosswoz_val.json.gz", None),
        ("zh_multiturn/smilechat_first2000.tar.gz", None),
        ("zh_multiturn/xdailydialog_zh_dev_human.txt", "dailydialog"),
    ],
)
def test_real_file(shared_data: Path, name: str, family: str | None):
    files = source_files([str(shared_data / name)])
    sample = sample_of(next(files))
    guesses = {corpus.FORMAT: corpus.resembles(sample) for corpus in FAMILIES}
    scores = {name: guess.score for name, guess in guesses.items() if guess is not None}
    ranked = sorted(scores, key=scores.get, reverse=True)
    assert (ranked[0] if ranked else None) == family
    assert len(ranked) < 2 or scores[ranked[0]] - scores[ranked[1]] > LEAST_LEAD
