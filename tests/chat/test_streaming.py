# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Streamers: the pieces join to what decoding gives, for any ids, and never break a character."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from tests.tiny import speaking_model
from tfchat_hf.chat.streaming import BatchTextStreamer, GrowingText, PieceTable
from tfchat_hf.engines.javascript_tokenizer import javascript_tokenizer
from tfchat_hf.text.dialogue import encode_reply
from tfchat_hf.text.tokenizer_training import SCHEMES, train_tokenizer

CORPUS = ["今天天气很好，我们去公园吗？", "The students like green tea, don't they?", "好的！"] * 9
TEXTS = [
    "今天我们去公园，好吗？", "  The students LIKE  tea ", "好🦆吗👨‍👩‍👧‍👦 👍🏽",
    "龘靐𠮷 ñandú ไทย 한국어",
    "a\n\tb\r\n", "", "<0xE4><0xBD>▁",
]  # fmt: skip


@functools.cache
def tokenizer_of(scheme: str) -> PreTrainedTokenizerFast:
    if scheme.startswith("javascript "):
        return javascript_tokenizer(tokenizer_of(scheme.removeprefix("javascript ")))
    return train_tokenizer(CORPUS, scheme, 400)


ALL = [*SCHEMES, "javascript subword-unigram"]


def streamed(tokenizer: PreTrainedTokenizerFast, ids: list[int], trim: bool = False) -> list[str]:
    """Return the pieces of a reply as `generate()` would hand its tokens over."""
    pieces: list[str] = []
    streamer = BatchTextStreamer(tokenizer, lambda row, piece: pieces.append(piece), trim=trim)
    streamer.put(torch.tensor([[1]]))
    for token in ids:
        streamer.put(torch.tensor([token]))
    streamer.end()
    return pieces


@pytest.mark.parametrize("scheme", ALL)
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_join_to_the_text(scheme, text):
    tokenizer = tokenizer_of(scheme)
    ids = encode_reply(tokenizer, text)
    pieces = streamed(tokenizer, ids)
    assert "".join(pieces) == tokenizer.decode(ids, skip_special_tokens=True) == text
    assert all(pieces) and all("\ufffd" not in piece for piece in pieces)


@pytest.mark.parametrize("scheme", ALL)
@given(data=st.data())
def test_any_tokens_stream_to_what_decoding_gives(scheme, data):
    tokenizer = tokenizer_of(scheme)
    # Bytes stand for half of what is drawn: broken runs of them are what is hard.
    token = st.integers(5, 260) | st.integers(0, len(tokenizer) + 3).filter(lambda n: n != 2)
    ids = data.draw(st.lists(token, max_size=20))
    whole = tokenizer.decode(ids, skip_special_tokens=True)
    assert "".join(streamed(tokenizer, ids)) == whole
    trimmed = "".join(streamed(tokenizer, ids, trim=True))
    assert trimmed == whole.replace("\ufffd", "").strip()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(text=st.text(max_size=15))
def test_any_text_streams_in_whole_characters(scheme, text):
    tokenizer = tokenizer_of(scheme)
    pieces = streamed(tokenizer, encode_reply(tokenizer, text.replace("<", "")))
    assert "".join(pieces) == text.replace("<", "")


def test_text_comes_with_its_token_and_bytes_when_their_run_ends():
    tokenizer = tokenizer_of("char")
    text = GrowingText(PieceTable(tokenizer))
    ids = encode_reply(tokenizer, "今🦆天")[:-1]
    assert [text.add(token) for token in ids] == ["今", "", "", "", "", "🦆天"]


def test_each_token_is_decoded_once(monkeypatch):
    tokenizer = tokenizer_of("char")
    table, decoded = PieceTable(tokenizer), []
    decode = table.decode
    monkeypatch.setattr(table, "decode", lambda ids: decoded.extend(ids) or decode(ids))
    text = GrowingText(table)
    ids = encode_reply(tokenizer, "今🦆天" * 200)[:-1]
    assert "".join([*map(text.add, ids), text.close()]) == "今🦆天" * 200
    assert len(decoded) <= 4 * 200 + 2, "the reply was decoded more than once"


def test_a_decoder_that_looks_at_neighbours_gives_the_reply_at_its_end():
    model = models.WordLevel({"<unk>": 0, "</s>": 1, "▁a": 2, "▁b": 3}, unk_token="<unk>")
    backend = Tokenizer(model)
    backend.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    assert tokenizer.decode([2, 3]) == "a b"
    assert streamed(tokenizer, [2, 3, 1]) == ["a b"]


def test_a_row_ends_at_its_end_token_and_the_others_go_on():
    tokenizer = tokenizer_of("char")
    said: list[tuple[int, str]] = []
    streamer = BatchTextStreamer(tokenizer, lambda *piece: said.append(piece))
    first, second = (encode_reply(tokenizer, text) for text in ("好🦆", "今天去吗"))
    first += [0] * (len(second) - len(first))
    second += [0] * (len(first) - len(second))
    streamer.put(torch.tensor([1, 1]))
    for tokens in zip(first, second, strict=True):
        streamer.put(torch.tensor(tokens))
    streamer.put(torch.tensor([10, 11]))
    streamer.end()
    assert [piece for row, piece in said if row == 0] == ["好", "🦆"]
    assert "".join(piece for row, piece in said if row == 1) == "今天去吗"


def test_a_batch_of_several_replies_each_streams_like_decoding():
    model, tokenizer = speaking_model(), tokenizer_of("char")
    ids = torch.randint(5, 90, (3, 6), generator=torch.Generator().manual_seed(0))
    rows: dict[int, str] = {}
    streamer = BatchTextStreamer(
        tokenizer, lambda row, piece: rows.update({row: rows.get(row, "") + piece})
    )
    torch.manual_seed(4)
    output = model.generate(
        ids, do_sample=True, num_return_sequences=2, max_new_tokens=12, streamer=streamer
    )
    cut = [row[1:] for row in output.tolist()]
    cut = [row[: row.index(2)] if 2 in row else row for row in cut]
    whole = [tokenizer.decode(row, skip_special_tokens=True) for row in cut]
    assert [rows.get(row, "") for row in range(6)] == whole and any(whole)


def test_a_streamer_serves_one_batch_after_the_other():
    tokenizer = tokenizer_of("char")
    pieces: list[str] = []
    streamer = BatchTextStreamer(tokenizer, lambda row, piece: pieces.append(piece))
    for _ in range(2):
        streamer.put(torch.tensor([[1]]))
        streamer.put(torch.tensor(encode_reply(tokenizer, "好")[:1]))
        streamer.end()
    assert pieces == ["好", "好"]
