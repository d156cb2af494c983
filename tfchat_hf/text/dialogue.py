# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How turns become encoder input: the one place that knows, beside the chat template.

Training, evaluation and chat all go through these functions. The encoder reads
``turn <sep> turn <sep> newest turn </s>``; the decoder writes ``reply </s>``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from data_builders.errors import UserError

from .tokenization import question_end

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# "developer" is a newer name of "system".
ROLES = ("system", "developer", "user", "assistant")


class DialogueExample(NamedTuple):
    """One thing to learn: after this context, this reply."""

    context: tuple[str, ...]
    reply: str


class EncodedContext(NamedTuple):
    """Encoder input, and what had to be left out to make it fit."""

    input_ids: list[int]
    dropped_turns: int
    truncated_tokens: int


def examples_from_dialogue(
    turns: Sequence[str], roles: Sequence[str] = (), max_context_turns: int = 3
) -> list[DialogueExample]:
    """Cut a dialogue into (context, reply) examples.

    Args:
        turns: The turns, oldest first.
        roles: Empty, and every turn after the first is a reply; or one role a turn, and only
            the assistant's turns are replies.
        max_context_turns: How many of the newest turns before a reply are its context.

    Returns:
        The examples in the dialogue's order; a dialogue of one turn has none.
    """
    if max_context_turns < 1:
        raise UserError(
            "`max_context_turns` must be at least 1 (got {turns}). Use 1 to answer the last "
            "turn alone.",
            turns=max_context_turns,
        )
    if roles and len(roles) != len(turns):
        raise UserError(
            "`roles` must be empty or name one role a turn (got {roles} for {turns}).",
            roles=len(roles),
            turns=len(turns),
        )
    return [
        DialogueExample(tuple(turns[max(0, place - max_context_turns) : place]), turns[place])
        for place in range(1, len(turns))
        if not roles or roles[place] == "assistant"
    ]


def reads_system(roles: Sequence[str], max_context_turns: int) -> bool:
    """Tell whether a system message stands in a context that `examples_from_dialogue` cuts.

    Args:
        roles: One role a turn; empty where none are told.
        max_context_turns: How many of the newest turns before a reply are its context.
    """
    return any(
        "system" in roles[max(0, place - max_context_turns) : place]
        for place, role in enumerate(roles)
        if role == "assistant"
    )


def encode_context(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[str], max_source_length: int
) -> EncodedContext:
    """Encode turns for the encoder, dropping the oldest ones when they do not fit.

    The newest turn is never dropped. When it alone is too long its end is kept, because a
    question mostly stands at the end of a long message.

    Args:
        tokenizer: A tokenizer made by `train_tokenizer`.
        turns: The turns, oldest first; at least one.
        max_source_length: The most ids to return, ``</s>`` included.

    Returns:
        The ids, how many turns were dropped, and how many ids the newest turn lost.
    """
    if not turns:
        raise UserError("a context needs at least one turn (got none).")
    if max_source_length < 2:
        raise UserError(
            "`max_source_length` must be at least 2, one token and </s> (got {length}).",
            length=max_source_length,
        )
    check_turns(turns)
    *older, newest = _encode_texts(tokenizer, turns)
    end = question_end(tokenizer)
    room = max_source_length - len(end)
    if len(newest) > room:
        kept = newest[len(newest) - room :]
        return EncodedContext([*kept, *end], len(older), len(newest) - room)
    ids, dropped = newest, len(older)
    for turn in reversed(older):
        if len(turn) + 1 + len(ids) > room:
            break
        ids = [*turn, tokenizer.sep_token_id, *ids]
        dropped -= 1
    return EncodedContext([*ids, *end], dropped, 0)


def encode_reply(tokenizer: PreTrainedTokenizerBase, reply: str) -> list[int]:
    """Encode a reply as labels: its ids and ``</s>``, never shortened."""
    check_text(reply, "a reply")
    return [*_encode_texts(tokenizer, [reply])[0], tokenizer.eos_token_id]


def check_turns(turns: Sequence[str]) -> None:
    """Refuse turns that are no texts.

    Raises:
        UserError: Says which turn, and what is wrong with it.
    """
    if isinstance(turns, str):
        raise UserError("`turns` must be a list of texts (got a single text). Put it into a list.")
    for place, turn in enumerate(turns):
        check_text(turn, f"turns[{place}]")


def check_text(text: Any, where: str) -> None:
    """Refuse what is no text, or one that cannot be written as UTF-8; `where` names it."""
    if not isinstance(text, str):
        raise UserError(
            "{where} must be a text (got {kind}).", where=where, kind=type(text).__name__
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            "{where} must be Unicode text (got half of a surrogate pair at character {number}). "
            "Give the whole character, in UTF-8.",
            where=where,
            number=error.start,
        ) from None


def messages_to_turns(
    messages: Sequence[Mapping[str, Any]], reads_system: bool = True
) -> tuple[list[str], list[str]]:
    """Read OpenAI-style messages as turns and roles, as the chat template does.

    Args:
        messages: Each ``{"role": ..., "content": ...}``, the content a string or a list of
            ``{"type": "text", "text": ...}``, whose texts are joined with nothing between.
        reads_system: Keep system messages as turns. A model that saw none in training is
            spared them: many clients send one with whatever is asked.

    Returns:
        The turns and, for each, its role; "developer" has become "system".
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        kind = type(messages).__name__
        raise UserError("`messages` must be a list (got {kind}).", kind=kind)
    if not messages:
        raise UserError("`messages` must hold at least one message (got none).")
    turns, roles = [], []
    for place, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise UserError(
                "messages[{place}] must be an object with `role` and `content` (got {kind}).",
                place=place,
                kind=type(message).__name__,
            )
        if message.get("role") not in ROLES:
            raise UserError(
                "messages[{place}].role must be one of {roles} (got {role!r}).",
                place=place,
                roles=", ".join(ROLES),
                role=message.get("role"),
            )
        role = "system" if message["role"] == "developer" else message["role"]
        text = _content_text(message.get("content"), f"messages[{place}].content")
        if role != "system" or reads_system:
            turns.append(text)
            roles.append(role)
    if not turns:
        raise UserError("`messages` must hold a message of the user (got none). Add one.")
    return turns, roles


def _content_text(content: Any, where: str) -> str:
    """Read one message's content; `where` names it in errors."""
    if isinstance(content, list | tuple):
        texts = []
        for place, part in enumerate(content):
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            if kind != "text":
                raise UserError(
                    '{where} must be {{"type": "text", "text": ...}}: this model reads text '
                    "only (got {kind!r}).",
                    where=f"{where}[{place}]",
                    kind=kind,
                )
            texts.append(_plain_text(part.get("text"), f"{where}[{place}].text"))
        return "".join(texts)
    return _plain_text(content, where)


def _plain_text(content: Any, where: str) -> str:
    """Refuse what is no text, or text that cannot be written as UTF-8."""
    if not isinstance(content, str):
        raise UserError(
            "{where} must be a string; a content may also be a list of text parts (got {kind}).",
            where=where,
            kind=type(content).__name__,
        )
    check_text(content, where)
    return content


def _encode_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Encode texts without special tokens, all in one call; one that spells ``</s>`` stays text."""
    return tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
