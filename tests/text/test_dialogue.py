# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What dialogue.py promises: turns to ids, always as the chat template does it."""

from __future__ import annotations

import copy

import pytest
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

from data_builders.errors import UserError
from tfchat_hf.text.dialogue import (
    DialogueExample,
    encode_context,
    encode_reply,
    examples_from_dialogue,
    messages_to_turns,
    reads_system,
)
from tfchat_hf.text.tokenization import SPECIAL_TOKENS, chat_template
from tfchat_hf.text.tokenizer_training import SCHEMES, train_tokenizer

CORPUS = ["我们喜欢机器学习。", "今天天气很好，去公园吗？", "Do you like green tea?"] * 4
TURNS = [
    "你好 < /s> 我< sep>们",
    " Hello\n",
    "</< s>s><< pad>>< unk>",
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
    parts = [{"type": "text", "text": "green "}, {"type": "text", "text": "tea"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": []}]
    turns, roles = messages_to_turns(messages)
    assert (turns, roles) == (["green tea", ""], ["user", "assistant"])
    template = tokenizer.apply_chat_template(messages, return_dict=True)
    assert template["input_ids"] == encode_context(tokenizer, turns, 100).input_ids


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_a_text_that_spells_a_special_token_stays_text(
    tokenizer: PreTrainedTokenizerFast, token: str
) -> None:
    text = f"<{token}{token}> 我们"
    exact = encode_context(tokenizer, [text], 1000).input_ids
    assert tokenizer.decode(exact) == text + "</s>" and not set(exact[:-1]) & set(range(5))
    # The template can only write one string: it spells the text with a blank in it.
    for content in (text, [{"type": "text", "text": letter} for letter in text]):
        messages = [{"role": "user", "content": content}]
        for options in ({}, {"sanitize_control_tokens": True}):
            ids = tokenizer.apply_chat_template(messages, **options)["input_ids"]
            blank = token.replace("<", "< ", 1)
            assert tokenizer.decode(ids) == f"<{blank}{blank}> 我们</s>"
            assert not set(ids[:-1]) & set(range(5))


def with_template(tokenizer: PreTrainedTokenizerFast, *settings: object) -> PreTrainedTokenizerFast:
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = chat_template(*settings)
    return changed


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
@pytest.mark.parametrize("system", [False, True])
def test_template_keeps_the_newest_turns_and_system_messages_of_a_model_that_saw_some(
    tokenizer: PreTrainedTokenizerFast, limit: int, system: bool
) -> None:
    limited = with_template(tokenizer, limit, system)
    for role in ("system", "developer"):
        messages = [{"role": role, "content": "Be kind. 要友好。"}]
        for who, text in zip(ROLES[1:] * 2, ["你好", "Hello", "tea?", "是的"], strict=False):
            messages.append({"role": who, "content": text})
            ids = limited.apply_chat_template(messages)["input_ids"]
            turns, roles = messages_to_turns(messages, system)
            assert ("system" in roles) is system and "developer" not in roles
            assert ids == encode_context(limited, turns[-limit:], 1000).input_ids


def test_a_conversation_is_cut_at_its_beginning(tokenizer: PreTrainedTokenizerFast) -> None:
    messages = [
        {"role": who, "content": f"{text} {i}"}
        for i in range(20)
        for who, text in (("user", "今天去公园吗？"), ("assistant", "Do you like green tea?"))
    ] + [{"role": "user", "content": "Hello"}]
    whole = tokenizer.apply_chat_template(messages)["input_ids"]
    cut = tokenizer.apply_chat_template(
        messages, truncation=True, max_length=30, return_tensors="pt"
    )["input_ids"]
    assert cut.tolist() == [whole[-30:]]
    assert tokenizer.decode(cut[0]).endswith("<sep>Hello</s>")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"role": "tool", "content": "x"}, r"messages\[0\].role must be .*got '?tool'?\)"),
        ({"role": "user", "content": None}, r"messages\[0\].content must be a .*got [nN]one"),
        ({"role": "assistant"}, r"messages\[0\].content must be a .*got [nN]one"),
        ({"role": "user", "content": 3}, r"messages\[0\].content"),
        ({"role": "user", "content": [{"type": "text"}]}, r"messages\[0\].content"),
        ({"role": "user", "content": ["a"]}, r"messages\[0\].content"),
        ({"role": "user", "content": [{"type": "image", "url": "x"}]}, r"messages\[0\].*text"),
        ({"role": "user", "content": {"type": "text", "text": "x"}}, r"messages\[0\].content"),
        ({"role": "system", "content": "Be kind."}, "must hold a message of the user"),
    ],
)
def test_template_refuses_what_messages_to_turns_refuses(
    tokenizer: PreTrainedTokenizerFast, message: dict, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        messages_to_turns([message], reads_system=False)
    with pytest.raises(TemplateError, match=says) as told:
        with_template(tokenizer, 1, False).apply_chat_template([message])
    assert len(str(told.value).splitlines()) == 1


def test_template_refuses_tools(tokenizer: PreTrainedTokenizerFast) -> None:
    tool = {"type": "function", "function": {"name": "clock", "parameters": {}}}
    with pytest.raises(TemplateError, match="`tools` must be left out"):
        tokenizer.apply_chat_template([{"role": "user", "content": "你好"}], tools=[tool])


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
    assert tokenizer.decode(encode_reply(tokenizer, "</s>")) == "</s></s>"


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


def test_a_system_message_is_read_where_a_context_holds_it() -> None:
    roles = ["system", "user", "assistant", "user", "assistant"]
    for turns in (1, 2, 5):
        held = any(
            "s" in example.context for example in examples_from_dialogue("suaua", roles, turns)
        )
        assert reads_system(roles, turns) is held is (turns > 1)
    assert not reads_system([], 3) and not reads_system(["system", "user"], 3)


def test_wrong_dialogues_are_refused() -> None:
    with pytest.raises(ValueError, match="one role a turn.*got 1 for 2"):
        examples_from_dialogue(["a", "b"], ["user"])
    with pytest.raises(ValueError, match="at least 1.*got 0"):
        examples_from_dialogue(["a", "b"], max_context_turns=0)


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        (["你好", "a\ud83d"], r"turns\[1\] must be Unicode text.*pair at character 1"),
        (["你好", None], r"turns\[1\] must be a text.*NoneType"),
        ("你好", "`turns` must be a list of texts"),
    ],
)
def test_turns_that_are_no_texts_are_named(turns: object, says: str) -> None:
    tokenizer = train_tokenizer(["你好"], scheme="char", vocab_size=300)
    with pytest.raises(UserError, match=says):
        encode_context(tokenizer, turns, 20)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "at least one message"),
        ("hello", "must be a list.*got str"),
        ({"role": "user"}, "must be a list.*got dict"),
        (["hello"], r"messages\[0\] must be an object.*got str"),
        ([{"content": "a"}], r"messages\[0\].role.*got None"),
        ([{"role": "tool", "content": "a"}], "system, developer, user, assistant.*'tool'"),
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
