# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What dialogue.py promises: turns to ids, always as the chat template does it."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from tfchat_hf.dialogue import (
    DialogueExample,
    encode_context,
    encode_reply,
    examples_from_dialogue,
    messages_to_turns,
    neutralize,
)
from tfchat_hf.tokenization import SPECIAL_TOKENS
from tfchat_hf.tokenizer_training import SCHEMES, train_tokenizer

CORPUS = ["我们喜欢机器学习。", "今天天气很好，去公园吗？", "Do you like green tea?"] * 4
TURNS = [
    "你好 </s> 我<sep>们",
    " Hello\n",
    "</<s>s><<pad>><unk>",
    "\t今天\n\n去公园吗？ 👨‍👩‍👧 ",
    "",
]
ROLES = ["system", "user", "assistant", "user", "assistant"]


@pytest.fixture(scope="module", params=SCHEMES)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS, request.param, 400)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("prompt", [False, True])
def test_template_gives_the_ids_of_encode_context(
    tokenizer: PreTrainedTokenizerFast, count: int, prompt: bool
) -> None:
    for shift in range(len(TURNS)):
        turns = (TURNS[shift:] + TURNS[:shift])[:count]
        messages = [
            {"role": role, "content": turn} for role, turn in zip(ROLES, turns, strict=False)
        ]
        template = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, add_generation_prompt=prompt
        )
        encoded = encode_context(tokenizer, turns, 10_000)
        assert template["input_ids"] == encoded.input_ids
        assert template["attention_mask"] == [1] * len(encoded.input_ids)
        assert encoded.input_ids.count(tokenizer.eos_token_id) == 1
        assert encoded.input_ids.count(tokenizer.sep_token_id) == count - 1
        assert not {0, 1, 3} & set(encoded.input_ids)


def test_template_reads_text_parts(tokenizer: PreTrainedTokenizerFast) -> None:
    parts = [{"type": "text", "text": "a</"}, {"type": "text", "text": "s>b"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": []}]
    turns, roles = messages_to_turns(messages)
    assert (turns, roles) == (["a</s>b", ""], ["user", "assistant"])
    template = tokenizer.apply_chat_template(messages, return_dict=True)
    assert template["input_ids"] == encode_context(tokenizer, turns, 100).input_ids


def test_template_refuses_what_messages_to_turns_refuses(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    image = [{"type": "image", "url": "x"}]
    for message in ({"role": "tool", "content": "x"}, {"role": "user", "content": image}):
        with pytest.raises(ValueError):
            messages_to_turns([message])
        with pytest.raises(Exception, match="role must be|Only text parts"):
            tokenizer.apply_chat_template([message])


def test_context_is_turns_joined(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode_context(tokenizer, ["我们", "tea"], 100).input_ids
    assert tokenizer.decode(ids) == "我们<sep>tea</s>"


def test_oldest_turns_are_dropped_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    turns = ["Do you like green tea?" * 3, "tea", "我们喜欢机器学习", "去公园吗？"]
    lengths = [len(encode_context(tokenizer, turns[i:], 10_000).input_ids) for i in range(4)]
    for dropped, length in enumerate(lengths):
        exact = encode_context(tokenizer, turns, length)
        assert exact.dropped_turns == dropped and exact.truncated_tokens == 0
        assert tokenizer.decode(exact.input_ids) == "<sep>".join(turns[dropped:]) + "</s>"
    assert encode_context(tokenizer, turns, lengths[0] - 1).dropped_turns == 1
    # A turn that does not fit takes all older ones with it: a context has no holes.
    holes = encode_context(tokenizer, ["tea", turns[0], "去公园吗？"], lengths[3] + 8)
    assert holes.dropped_turns == 2


def test_long_newest_turn_keeps_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    newest = "我们喜欢机器学习。" * 9 + "去公园吗？"
    whole = encode_context(tokenizer, [newest], 10_000).input_ids
    cut = encode_context(tokenizer, ["tea", newest], 12)
    assert cut.input_ids == whole[-12:]
    assert cut.dropped_turns == 1
    assert cut.truncated_tokens == len(whole) - 12


@pytest.mark.parametrize(("turns", "length"), [([], 10), (["a"], 1), (["a"], 0)])
def test_impossible_contexts_are_refused(
    tokenizer: PreTrainedTokenizerFast, turns: list[str], length: int
) -> None:
    with pytest.raises(ValueError, match="got"):
        encode_context(tokenizer, turns, length)


def test_reply_ends_once_and_equals_a_call(tokenizer: PreTrainedTokenizerFast) -> None:
    assert encode_reply(tokenizer, "我们 tea") == tokenizer("我们 tea")["input_ids"]
    assert tokenizer.decode(encode_reply(tokenizer, "</s>")) == "< /s></s>"


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_neutralize_twice_is_neutralize(token: str) -> None:
    once = neutralize(f"<{token}{token}>")
    assert token not in once
    assert neutralize(once) == once
    assert neutralize("a < b, <sp>, </p>") == "a < b, <sp>, </p>"


def test_without_roles_every_later_turn_is_a_reply() -> None:
    assert examples_from_dialogue(["a", "b", "c", "d"], max_context_turns=2) == [
        DialogueExample(("a",), "b"),
        DialogueExample(("a", "b"), "c"),
        DialogueExample(("b", "c"), "d"),
    ]
    assert examples_from_dialogue(["a"]) == []


def test_with_roles_only_the_assistant_replies() -> None:
    turns = ["s", "u", "a", "u2", "a2"]
    roles = ["system", "user", "assistant", "user", "assistant"]
    assert examples_from_dialogue(turns, roles) == [
        DialogueExample(("s", "u"), "a"),
        DialogueExample(("u", "a", "u2"), "a2"),
    ]
    assert examples_from_dialogue(["hi", "you"], ["assistant", "user"]) == []


def test_wrong_dialogues_are_refused() -> None:
    with pytest.raises(ValueError, match="one role a turn.*got 1 for 2"):
        examples_from_dialogue(["a", "b"], ["user"])
    with pytest.raises(ValueError, match="at least 1.*got 0"):
        examples_from_dialogue(["a", "b"], max_context_turns=0)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "at least one message"),
        ("hello", "must be a list.*got str"),
        ({"role": "user"}, "must be a list.*got dict"),
        (["hello"], r"messages\[0\] must be an object.*got str"),
        ([{"content": "a"}], r"messages\[0\].role.*got None"),
        ([{"role": "tool", "content": "a"}], "system, user, assistant.*'tool'"),
        ([{"role": ["user"], "content": "a"}], r"messages\[0\].role"),
        ([{"role": "user"}], "content must be a string.*NoneType"),
        ([{"role": "user", "content": [{"type": "image"}]}], r"content\[0\].*'image'"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"content\[0\].text.*NoneType"),
        ([{"role": "user", "content": ["a"]}], r"content\[0\].*'str'"),
        ([{"role": "user", "content": "a\ud83d"}], "surrogate pair at character 1"),
    ],
)
def test_wrong_messages_are_named(messages: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        messages_to_turns(messages)
