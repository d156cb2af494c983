# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A memory finds the pairs it was made of, alone and beside a model, in the right language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_builders.errors import UserError
from tests.memory.small_memory import TALKS, dialogues, small_memory
from tests.publishing.fake_hub import Repository, in_place_of_the_hub
from tfchat_hf.memory import Memory


def test_each_reply_of_a_dialogue_is_remembered_with_what_was_said_before() -> None:
    memory = small_memory()
    assert len(memory) == 8
    best = memory.look_up(["很大"])[0]
    assert (best.reply, best.history) == ("那你戴帽子了吗？", ("我昨天去爬山了", "山上风大吗？"))
    assert (best.source, best.similarity) == ("source 5", pytest.approx(1.0))


def test_only_the_language_of_the_question_is_looked_at() -> None:
    memory = Memory.from_dataset(dialogues(("你会唱 song 吗", "会。"), ("one song", "Here it is.")))
    assert [one.reply for one in memory.look_up(["a song"])] == ["Here it is."]
    assert [one.reply for one in memory.look_up(["会唱 song 吗"])] == ["会。"]


def test_a_sum_has_no_language_and_is_looked_up_in_all() -> None:
    memory = Memory.from_dataset(dialogues(("1+1", "等于二。"), ("1 + 1", "It is two.")))
    assert {one.reply for one in memory.look_up(["1+1"])} == {"等于二。", "It is two."}


def test_a_language_without_pairs_gives_nothing() -> None:
    assert Memory.from_dataset(dialogues(("你好", "好"))).look_up(["hello"]) == []


def test_what_says_nothing_or_says_it_twice_is_left_out() -> None:
    talks = [("你好", "好。"), ("你好！", "好。"), ("在吗", "……"), ("很长" * 150, "短。")]
    memory = Memory.from_dataset(dialogues(*talks))
    assert memory.pairs["reply"][:] == ["好。"]


def test_half_a_character_is_one_sentence_and_no_error_of_a_library() -> None:
    with pytest.raises(UserError, match="half of a surrogate pair at character 0"):
        small_memory().look_up(["\ud800"])


def test_a_corpus_without_replies_is_refused() -> None:
    with pytest.raises(UserError, match="no question with a reply to remember in 1 dialogue"):
        Memory.from_dataset(dialogues(("你好",)))


def test_what_was_saved_finds_the_same(tmp_path: Path) -> None:
    memory = small_memory()
    memory.config.threshold = 0.37
    assert memory.save_pretrained(tmp_path) == tmp_path / "memory"
    again = Memory.from_pretrained(tmp_path)
    assert again.config.threshold == 0.37
    for turns in TALKS:
        assert again.look_up(turns[:1]) == memory.look_up(turns[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]


def test_the_files_hold_no_pickle_and_name_no_place(tmp_path: Path) -> None:
    small_memory().save_pretrained(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".arrow", ".safetensors"}
    assert not [path for path in files if str(tmp_path).encode() in path.read_bytes()]


def test_a_memory_is_replaced_whole(tmp_path: Path) -> None:
    small_memory().save_pretrained(tmp_path)
    Memory.from_dataset(dialogues(("早", "早安。"))).save_pretrained(tmp_path)
    assert len(Memory.from_pretrained(tmp_path)) == 1
    assert not (tmp_path / "memory" / "en").exists()


def test_a_folder_without_a_memory_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="python -m tfchat_hf.memory build"):
        Memory.from_pretrained(tmp_path)


@pytest.mark.parametrize("damage", ["index", "config", "format"])
def test_a_damaged_memory_is_refused_in_a_sentence(tmp_path: Path, damage: str) -> None:
    folder = small_memory().save_pretrained(tmp_path)
    if damage == "index":
        (folder / "zh" / "index.safetensors").write_bytes(b"torn")
    elif damage == "config":
        (folder / "config.json").write_text("{")
    else:
        (folder / "config.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(UserError, match="Build it anew"):
        Memory.from_pretrained(tmp_path)


def test_of_a_model_on_the_hub_the_memory_alone_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_memory().save_pretrained(tmp_path)
    files = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*.*")}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with in_place_of_the_hub(monkeypatch) as hub:
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        hub.repositories["someone/tiny"] = Repository()
        hub.repositories["someone/tiny"].commit({**files, "model.safetensors": b"large"})
        assert len(Memory.from_pretrained("someone/tiny")) == 8
        assert not [line for line in hub.requests if "model.safetensors" in line]
        with pytest.raises(UserError, match="cannot be had from the Hub"):
            Memory.from_pretrained("someone/else")


def test_a_pair_is_kept_once_with_how_often_the_data_has_it(tmp_path: Path) -> None:
    talks = [("你好", "你好呀"), ("再见", "明天见"), ("你好！", "你好呀"), ("你好", "你好呀")]
    memory = Memory.from_dataset(dialogues(*talks))
    assert len(memory) == 2
    memory.save_pretrained(tmp_path)
    for one in (memory, Memory.from_pretrained(tmp_path)):
        assert [one.look_up([q])[0].times for q in ("你好", "再见")] == [3, 1]


def test_a_memory_that_does_not_say_how_often_is_read(tmp_path: Path) -> None:
    memory = small_memory()
    memory.pairs = memory.pairs.remove_columns("times")
    memory.save_pretrained(tmp_path)
    assert Memory.from_pretrained(tmp_path).look_up(["你好"])[0].times == 1
