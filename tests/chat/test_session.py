# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""ChatSession: streaming, memory, lengths, settings, batches, and loading errors."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
from tfchat_hf.chat.planning import BatchLimits, plan_batches
from tfchat_hf.chat.question_file import answer_file
from tfchat_hf.chat.question_rows import read_rows, row_turns
from tfchat_hf.chat.session import ChatSession, clean_reply, load_session
from tfchat_hf.chat.settings import SETTINGS
from tfchat_hf.chat.streaming import ReplyTextStreamer
from tfchat_hf.engines.model_folder import choose_device
from tfchat_hf.fast import FastDecoder
from tfchat_hf.text.console import one_line, printable
from tfchat_hf.text.errors import UserError
from tfchat_hf.text.tokenizer_training import train_tokenizer

SENTENCES = [
    "你好", "你好，很高兴见到你", "你是谁", "我是一个聊天程序", "今天天气怎么样", "今天天气很好",
    "你喜欢什么", "我喜欢聊天", "再见", "明天见", "hello there", "how are you", "I am fine",
    "what is your name", "I am a program", "what is AI", "it is a field of study",
    "good morning", "see you tomorrow", "good night",
]  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(SENTENCES, scheme="char", vocab_size=500, model_max_length=32)


@pytest.fixture(scope="session")
def model(tokenizer):
    torch.manual_seed(3)
    config = TFChatConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=32,
        max_context_turns=3,
        init_std=0.3,
    )
    return TFChatForConditionalGeneration(config).eval()


@pytest.fixture
def notices():
    return []


@pytest.fixture
def session(model, tokenizer, notices):
    return ChatSession(model, tokenizer, "tiny", notices.append)


@pytest.fixture(scope="session")
def model_dir(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sampled(session: ChatSession, seed: int = 1) -> ChatSession:
    session.settings.set("temperature", "1.5")
    session.settings.set("seed", str(seed))
    return session


def test_streamed_pieces_join_to_what_generate_makes(session):
    pieces = list(session.stream("你好"))
    ids = torch.tensor([session.encode(["你好"])[0]])
    whole = session.model.generate(ids, max_new_tokens=31)
    assert len(pieces) > 1, "the reply came in one piece: it was not streamed"
    assert "".join(pieces) == clean_reply(
        session.tokenizer.decode(whole[0], skip_special_tokens=True)
    )


def watch_fast_decoding(monkeypatch):
    """Note the weight type of each batch that a `FastDecoder` decodes."""
    calls, make = [], FastDecoder.make_stepper

    def watching(decoder, *args):
        calls.append(decoder.weight_dtype)
        return make(decoder, *args)

    monkeypatch.setattr(FastDecoder, "make_stepper", watching)
    return calls


def test_a_person_sees_the_network_itself_at_work_once_a_token(session, monkeypatch):
    session.settings.set("preset", "greedy")
    decoded, seen = watch_fast_decoding(monkeypatch), []
    hook = session.model.register_forward_hook(lambda model, given, output: seen.append(output))
    try:
        reply = session.reply("你好")
    finally:
        hook.remove()
    assert not decoded
    ids = session.tokenizer(reply)["input_ids"]
    assert len(seen) == len(ids) or len(seen) == session.settings.max_reply
    assert all(output.logits.shape == (1, 1, len(session.tokenizer)) for output in seen)
    session.reply_to_many([["你好"], ["再见"]])
    assert decoded == [None], "many questions at once are decoded the fast way"


@pytest.mark.parametrize("preset", ["greedy", "precise", "balanced", "creative", "beam"])
def test_fast_replies_are_the_plain_ones(model, tokenizer, session, monkeypatch, preset):
    fast = ChatSession(model, tokenizer)
    fast.fast = FastDecoder()
    for one in (fast, session):
        one.settings.set("preset", preset)
        one.settings.set("seed", "4")
    plain = [list(session.stream(message)) for message in SENTENCES[:3]]
    decoded = watch_fast_decoding(monkeypatch)
    assert [list(fast.stream(message)) for message in SENTENCES[:3]] == plain
    assert decoded == ([] if preset == "beam" else [None] * 3)
    assert fast.history == session.history


def test_a_stream_never_holds_half_a_character(session):
    made = ""
    for seed in range(8):  # a random model over bytes makes many broken sequences
        sampled(session, seed).reset()
        made += "".join(session.stream("你好"))
    assert made and "\ufffd" not in made


def test_the_bytes_of_a_character_are_held_back_until_it_is_whole(session):
    ids = session.tokenizer("好🦆吗", add_special_tokens=False)["input_ids"]
    assert len(ids) > 3, "the duck must be spelled in several tokens for this test"
    pieces: list[str] = []
    streamer = ReplyTextStreamer(session.tokenizer, pieces.append, trim=True)
    for token in [1, *ids, 2, 0]:
        streamer.put(torch.tensor([token]))
    assert pieces == ["好", "🦆吗"]


def test_clean_reply_only_ever_grows():
    text = "  好 a\n b "
    shown = [clean_reply(text[:end]) for end in range(len(text) + 1)]
    assert all(b.startswith(a) for a, b in zip(shown, shown[1:], strict=False))
    assert shown[-1] == "好 a\n b"


def test_memory_is_the_newest_turns_the_model_was_trained_for(session, notices):
    session.history[:] = ["一", "二", "你好", "再见"]
    seen = []
    generate = session._generate_in_thread
    session._generate_in_thread = lambda ids: seen.append(ids) or generate(ids)
    session.reply("明天")
    assert session.tokenizer.decode(seen[0]) == "你好<sep>再见<sep>明天</s>"
    assert notices == [], "turns beyond the trained number are dropped without a word"
    assert session.history[4] == "明天" and len(session.history) == 6


def test_turns_that_do_not_fit_are_dropped_and_told(session, notices):
    session.history[:] = ["你" * 20, "好" * 10]
    session.reply("再见")
    assert len(notices) == 1 and "1 oldest turn was left out" in notices[0]


def test_a_message_that_is_too_long_is_cut_and_told(session, notices):
    session.reply("好" * 100)
    assert len(notices) == 1 and "first 69 tokens were cut" in notices[0]
    assert len(session.encode(["好" * 100])[0]) == 32


def test_reset_forgets(session):
    session.reply("你好")
    assert len(session.history) == 2
    session.reset()
    assert session.history == []


@pytest.mark.parametrize("fast", [None, FastDecoder()], ids=["network", "fast"])
def test_closing_a_stream_stops_the_model_and_keeps_what_was_said(session, monkeypatch, fast):
    session.fast = fast
    steps = []
    put = ReplyTextStreamer.put

    def slowly(streamer, value):
        steps.append(1)
        time.sleep(0.02)
        put(streamer, value)

    monkeypatch.setattr(ReplyTextStreamer, "put", slowly)
    before = threading.active_count()
    with closing(session.stream("你好")) as pieces:
        first = next(pieces)
    assert threading.active_count() == before
    assert session.history == ["你好", first]
    assert 0 < len(steps) < 20, "the model went on to the end of its reply"


def test_an_error_while_generating_reaches_the_caller(session, monkeypatch):
    def fail(**kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(session.model, "generate", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        session.reply("你好")
    assert session.history == []


def test_beam_search_comes_whole(session):
    session.settings.set("num_beams", "3")
    assert len(list(session.stream("你好"))) <= 1


def test_a_seed_repeats_the_reply(session):
    sampled(session, 5)
    first = session.reply("你好")
    session.reset()
    assert session.reply("你好") == first
    session.reset()
    assert sampled(session, 6).reply("你好") != first


def test_batches_have_seeds_of_their_own(session):
    sampled(session)
    assert session.reply_to_many([["你好"]], 0) == session.reply_to_many([["你好"]], 0)
    assert session.reply_to_many([["你好"]], 0) != session.reply_to_many([["你好"]], 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "0"), ("temperature", "nan"), ("temperature", "hot"), ("top_p", "1.5"),
        ("top_k", "-1"), ("top_k", "2.5"), ("num_beams", "0"), ("do_sample", "perhaps"),
        ("max_new_tokens", "32"), ("seed", "-1"), ("repetition_penalty", "inf"),
        ("max_phrase_repeats", "1.5"), ("anti_lm_weight", "3"), ("num_candidates", "0"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_with_the_range(session, name, text):
    with pytest.raises(UserError, match=f"`{name}` must be .*got"):
        session.settings.set(name, text)
    assert session.settings.chosen == {}


def test_an_unknown_setting_names_the_known_ones(session):
    with pytest.raises(UserError, match="temperature.*seed"):
        session.settings.set("temprature", "1")


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_settings_turn_sampling_on(session, name):
    session.settings.set(name, "1")
    assert session.settings.generation_config().do_sample is True


def test_settings_go_back_to_the_models_own_and_never_change_it(session):
    before = session.model.generation_config.to_dict()
    session.settings.set("num_beams", "4")
    assert session.settings.generation_config().num_beams == 4
    session.settings.set("num_beams", "default")
    assert session.settings.generation_config().num_beams != 4
    assert session.model.generation_config.to_dict() == before


def test_a_preset_is_the_start_and_what_is_set_later_goes_on_top(session):
    session.settings.set("preset", "creative")
    preset = session.model.preset("creative")
    assert session.settings.generation_config().top_p == preset.top_p != 0.5
    session.settings.set("top_p", "0.5")
    config = session.settings.generation_config()
    assert (config.top_p, config.copy_penalty) == (0.5, preset.copy_penalty)
    session.settings.set("top_p", "default")
    assert session.settings.value("top_p") == preset.top_p


def test_choosing_a_preset_drops_what_was_set_before_but_not_length_and_seed(session):
    for name, value in (("top_k", "5"), ("seed", "3"), ("max_new_tokens", "7")):
        session.settings.set(name, value)
    session.settings.set("preset", "greedy")
    config = session.settings.generation_config()
    assert (config.do_sample, config.max_new_tokens, session.settings.seed) == (False, 7, 3)
    session.settings.set("preset", "default")
    assert session.settings.value("top_k") == session.model.generation_config.top_k
    assert session.settings.value("preset") is None


def test_an_unknown_preset_names_the_known_ones(session):
    with pytest.raises(UserError, match="got 'wild'.*greedy, precise.*creative"):
        session.settings.set("preset", "wild")
    assert session.settings.chosen == {}


@pytest.mark.parametrize("name", ["greedy", "precise", "creative", "balanced", "beam"])
def test_every_preset_answers_at_once_and_in_batches(session, name):
    session.settings.set("preset", name)
    session.settings.set("seed", "1")
    alone = session.reply("你好")
    assert session.reply_to_many([["你好"]]) == [alone]


def test_presets_are_listed_with_what_they_are_for(session):
    session.settings.set("preset", "creative")
    lines = session.settings.describe_presets()
    names = [*session.model.preset_names(), "candidates", "mutual"]
    assert [line[2:].split()[0] for line in lines] == names
    assert all(len(line.split()) > 4 and len(line) < 100 for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["creative"]


def test_presets_of_the_models_own_are_described_by_what_they_change(session):
    session.model.generation_config.presets = {"mine": {"do_sample": True, "top_p": 0.3}}
    try:
        line, _, mutual = session.settings.describe_presets()
        assert "mutual" in mutual and "--reverse-model" in mutual
        assert "do_sample true" in line and "top_p 0.3" in line
    finally:
        del session.model.generation_config.presets


def test_a_reply_chosen_among_candidates_comes_whole(session):
    session.settings.set("num_candidates", "4")
    config = session.settings.generation_config()
    assert (config.do_sample, config.rerank_by) == (True, "unconditional")
    assert len(list(session.stream("你好"))) <= 1
    session.settings.set("num_candidates", "1")
    session.settings.set("do_sample", "false")
    assert len(list(session.stream("你好"))) > 1


def test_the_preset_of_candidates_answers_whole_and_in_batches(session):
    for setting, value in (("preset", "candidates"), ("seed", "1")):
        session.settings.set(setting, value)
    assert session.settings.comes_whole and session.settings.rows_per_reply == 32
    pieces = list(session.stream("你好"))
    assert len(pieces) <= 1
    session.reset()
    assert session.reply_to_many([["你好"]]) == ["".join(pieces)]
    assert len(session.reply_to_many([["你好"], ["再见", "good night", "what is AI"]])) == 2


def test_a_preset_that_needs_a_reverse_model_says_so(session):
    session.settings.set("preset", "mutual")
    with pytest.raises(ValueError, match="--reverse-model FOLDER"):
        session.reply("你好")


def test_a_reverse_model_chooses_where_the_preset_asks_for_it(model, tokenizer, session):
    reverse = TFChatForConditionalGeneration(model.config.__class__.from_dict(
        {**model.config.to_dict(), "swap_sides": True}
    )).eval()  # fmt: skip
    with_reverse = ChatSession(model, tokenizer, reverse_model=reverse)
    assert with_reverse.reply("你好") == session.reply("你好")
    for one in (with_reverse, session):
        one.settings.set("preset", "mutual")
    assert "".join(with_reverse.stream("你好"))


def test_a_reverse_model_that_nobody_asks_is_refused(session):
    with pytest.raises(UserError, match="--preset mutual"):
        session.check_reverse_model()
    session.settings.set("preset", "mutual")
    session.check_reverse_model()


def test_every_setting_is_shown_with_its_range(session):
    lines = session.settings.describe()
    assert [line.split()[0] for line in lines] == list(SETTINGS)
    assert max(map(len, lines)) < 80
    assert any("max_new_tokens" in line and "1 to 31" in line for line in lines)
    assert SETTINGS["top_p"].about in session.settings.explain("top_p")


@pytest.mark.parametrize("field", ["max_new_tokens", "max_length"])
def test_the_models_own_length_is_kept_but_never_beyond_its_positions(session, field):
    for own, tokens in ((10, 10 if field == "max_new_tokens" else 9), (1000, 31)):
        setattr(session.settings.base, field, own)
        try:
            assert session.settings.value("max_new_tokens") == tokens
            session.reply("你好")
        finally:
            setattr(session.settings.base, field, None)


def test_a_batch_answers_as_one_by_one(session):
    contexts = [["你好"], ["今天天气怎么样", "good night", "再见"], ["what is AI"]]
    alone = [session.reply_to_many([context])[0] for context in contexts]
    assert session.reply_to_many(contexts) == alone
    assert session.reply_to_many([["你好"]]) == [session.reply("你好")]


def test_terminal_output_cannot_steer_the_terminal():
    assert printable("a\x1b[2Jb\x9b\tc\n") == "a[2Jb\tc\n"
    assert one_line("a\nb\r") == "a b"


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"question": " 你好 "}, ["你好"]),
        ({"dialogue": ["a", "b", "c"]}, ["a", "b", "c"]),
        ({"messages": [{"role": "user", "content": "hi"}]}, ["hi"]),
    ],
)
def test_the_three_shapes_of_a_row(row, turns):
    assert row_turns(row) == turns


@pytest.mark.parametrize(
    "row",
    [
        {}, {"question": ""}, {"question": 3}, {"question": "a", "dialogue": ["b"]},
        {"dialogue": []}, {"dialogue": "ab"}, {"dialogue": ["a", " "]}, {"question": "\ud800"},
        {"messages": [{"role": "assistant", "content": "x"}]}, {"messages": [3]},
        {"messages": {"role": "user"}}, {"question": "a", "reply": "kept?"},
    ],
)  # fmt: skip
def test_bad_rows_are_refused(row):
    with pytest.raises(ValueError):
        row_turns(row)


@pytest.fixture
def questions(tmp_path) -> Path:
    path = tmp_path / "in.jsonl"
    texts = [SENTENCES[n % len(SENTENCES)] * (1 + n % 3) for n in range(30)]
    rows = [json.dumps({"id": n, "question": text}) for n, text in enumerate(texts)]
    rows[4] = "{broken"
    rows[7] = json.dumps({"id": 7})
    path.write_text("\n".join(rows) + "\n\n", encoding="utf-8")
    return path


def test_a_batch_file_keeps_rows_order_and_names_bad_lines(session, questions, tmp_path):
    output = tmp_path / "deep" / "out.jsonl"
    report = answer_file(session, questions, output, BatchLimits(rows=2))
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert len(rows) == 30 and report.bad_lines == [5, 8]
    assert "lines 5, 8" in report.sentence(output)
    assert rows[4]["line"] == 5 and "not JSON" in rows[4]["error"]
    assert rows[7]["id"] == 7 and "question" in rows[7]["error"]
    good = [row for row in rows if "reply" in row]
    assert [row["id"] for row in good] == [n for n in range(30) if n not in (4, 7)]
    for row in good[:6]:
        assert row["reply"] == session.reply_to_many([[row["question"]]])[0]
    assert [path.name for path in output.parent.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("stop_after", [1, 3, 9])
def test_a_stopped_batch_goes_on_to_the_same_file(session, questions, tmp_path, stop_after):
    sampled(session)
    whole = tmp_path / "whole.jsonl"
    answer_file(session, questions, whole, BatchLimits(rows=2))
    output = tmp_path / "out.jsonl"
    answer = session.reply_to_many
    calls = []

    def stops(contexts, offset):
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(offset)
        return answer(contexts, offset)

    session.reply_to_many = stops
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output, BatchLimits(rows=2))
    assert not output.exists()
    with (tmp_path / "out.jsonl.partial").open("ab") as torn:
        torn.write(b'{"id": 9, "quest')
    session.reply_to_many = answer
    again = []
    session.reply_to_many = lambda rows, seed: again.append(seed) or answer(rows, seed)
    report = answer_file(session, questions, output, BatchLimits(rows=2))
    assert output.read_bytes() == whole.read_bytes()
    assert report.resumed == 2 * stop_after and len(again) == 14 - stop_after


def test_a_batch_is_filled_until_padded_questions_and_replies_reach_the_budget():
    lengths = {0: 5, 1: 90, 2: 5, 3: 40, 4: 5, 5: 6}
    limits = BatchLimits(rows=3, tokens=100)
    batches = list(plan_batches(lengths, limits, reply_room=10))
    assert batches == [[1], [3, 5], [0, 2, 4]]
    for batch in batches:
        assert len(batch) * (10 + max(lengths[row] for row in batch)) <= 100


def test_beams_and_candidates_count_in_a_batch():
    lengths = dict.fromkeys(range(6), 10)
    limits = BatchLimits(rows=9, tokens=120)
    assert [len(batch) for batch in plan_batches(lengths, limits, 10, copies=2)] == [3, 3]


def test_a_question_larger_than_the_budget_is_answered_alone():
    limits = BatchLimits(tokens=5)
    assert list(plan_batches({0: 9, 1: 8}, limits, 10)) == [[0], [1]]


@pytest.mark.parametrize("limits", [{"rows": 0}, {"tokens": 0}])
def test_limits_that_allow_no_batch_are_refused(limits):
    with pytest.raises(UserError, match="--batch-.* must be at least 1"):
        BatchLimits(**limits)


def test_replies_drawn_at_random_are_the_same_in_every_run(session, questions, tmp_path):
    session.settings.set("temperature", "1.5")
    outputs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for output in outputs:
        torch.seed()
        answer_file(session, questions, output)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_a_changed_input_does_not_go_on_with_the_old_replies(session, questions, tmp_path):
    output = tmp_path / "out.jsonl"
    answer = session.reply_to_many
    session.reply_to_many = lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output)
    questions.write_text(questions.read_text("utf-8").replace("what is AI", "what is it"), "utf-8")
    session.reply_to_many = answer
    with pytest.raises(UserError, match="another input"):
        answer_file(session, questions, output)


def test_a_partial_file_of_another_job_is_refused(session, questions, tmp_path):
    output = tmp_path / "out.jsonl"
    partial = tmp_path / "out.jsonl.partial"
    partial.write_text('{"question": "else", "reply": "x"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="another input"):
        answer_file(session, questions, output)
    assert partial.exists()
    answer_file(session, questions, output, overwrite=True)
    assert len(output.read_bytes().splitlines()) == 30


def test_a_partial_file_made_with_other_settings_is_refused(session, questions, tmp_path):
    output = tmp_path / "out.jsonl"
    original = session.reply_to_many
    session.reply_to_many = lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output)
    session.reply_to_many = original
    session.settings.set("num_beams", "2")
    with pytest.raises(UserError, match="settings"):
        answer_file(session, questions, output)


def test_text_files_and_bad_utf8_lines(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbfhello\r\n\n\xff\xfe\n{not json}\n")
    rows = read_rows(path)
    assert [(row.line, row.turns) for row in rows] == [(1, ["hello"]), (3, []), (4, ["{not json}"])]
    assert "UTF-8" in rows[1].error


def test_loading_brings_back_the_same_model(model_dir, session):
    loaded = load_session(str(model_dir), "cpu")
    assert loaded.reply("你好") == session.reply("你好")


def test_a_missing_folder_names_the_next_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/quickstart", "./nothing", str(tmp_path / "x"), "a/b/c"):
        with pytest.raises(UserError, match="make chat"):
            load_session(name, "cpu")


def test_an_unfinished_run_names_its_newest_checkpoint(tmp_path):
    for step in (20, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
    with pytest.raises(UserError, match="checkpoint-100"):
        load_session(str(tmp_path), "cpu")


def test_a_model_with_missing_weights_is_refused(model, tokenizer, tmp_path):
    state = {k: v for k, v in model.state_dict().items() if "decoder.layers.0.fc1" not in k}
    model.save_pretrained(tmp_path, state_dict=state)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="lacks weights"):
        load_session(str(tmp_path), "cpu")


def test_another_kind_of_model_is_refused(tokenizer, tmp_path):
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=50, d_model=8, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=8,
        decoder_ffn_dim=8, encoder_attention_heads=1, decoder_attention_heads=1,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="'bart'; chat needs a TFChat model"):
        load_session(str(tmp_path), "cpu")


def test_int8_is_a_setting_of_the_whole_session(model_dir, monkeypatch):
    session = load_session(str(model_dir), "cpu", int8=True)
    session.settings.set("preset", "greedy")
    decoded = watch_fast_decoding(monkeypatch)
    assert len(list(session.stream("你好"))) > 1
    session.reply_to_many([["你好"], ["再见"]])
    session.settings.set("num_candidates", "3")
    session.reply("你好")
    assert decoded == ["int8"] * 3


def test_beams_in_int8_are_refused_in_a_sentence(model_dir):
    session = load_session(str(model_dir), "cpu", int8=True)
    session.settings.set("preset", "beam")
    for answer in (lambda: session.reply("你好"), lambda: session.reply_to_many([["你好"]])):
        with pytest.raises(ValueError, match="`num_beams=4` asks for more.*`--int8`") as caught:
            answer()
        assert "\n" not in str(caught.value)
    assert session.history == []


def test_fast_decoding_is_for_the_torch_engine(model_dir):
    with pytest.raises(UserError, match="`--fast` is .*`--engine onnx`"):
        load_session(str(model_dir), "cpu", engine="onnx", fast=True)


def test_an_unknown_engine_names_the_known_ones(model_dir):
    with pytest.raises(UserError, match="torch, ctranslate2, onnx"):
        load_session(str(model_dir), "cpu", engine="steam")


def test_an_engine_for_the_cpu_refuses_a_gpu(model_dir):
    with pytest.raises(UserError, match="runs on the CPU.*cuda"):
        load_session(str(model_dir), "cuda", engine="onnx")


def test_a_device_that_is_not_there_is_a_sentence():
    for device in ("abacus", "cuda:99"):
        with pytest.raises(UserError, match="Use auto, cpu"):
            choose_device(device)
