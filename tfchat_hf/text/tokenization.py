# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The tokenizer's fixed parts: special tokens, decoder and chat template.

A text becomes ids in one step, then ``</s>`` follows. No normalizer changes it and no regular
expression cuts it first: the model has learned no piece that crosses a word, so its best path
through the whole text keeps to the words, and characters it does not know become their bytes.
Nothing is ever lost: decoding gives the text back exactly. What differs between the schemes (the
model) is made in ``tokenizer_training.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer, decoders, processors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD_TOKEN, BOS_TOKEN, EOS_TOKEN, UNK_TOKEN, SEP_TOKEN = "<pad>", "<s>", "</s>", "<unk>", "<sep>"
# The place in this tuple is the token's id; model configurations rely on it.
SPECIAL_TOKENS = (PAD_TOKEN, BOS_TOKEN, EOS_TOKEN, UNK_TOKEN, SEP_TOKEN)


# What `chat_template` fills in. All turns are gathered before any is written: which ones are the
# newest shows only at the end.
_CHAT_TEMPLATE = """\
{#- COMMENT -#}
{%- if tools -%}
  {{- raise_exception("`tools` must be left out: this model calls none.") -}}
{%- endif -%}
{%- set chat = namespace(turns=[], text="") -%}
{%- for message in messages -%}
  {%- set place = "messages[" ~ loop.index0 ~ "]" -%}
  {%- if message["role"] not in ["system", "developer", "user", "assistant"] -%}
    {{- raise_exception(place ~ ".role must be system, developer, user or assistant (got "
        ~ message["role"] ~ "). Leave this message out: the model calls no tools.") -}}
  {%- endif -%}
  {%- if message["content"] is undefined or message["content"] is none -%}
    {{- raise_exception(place ~ ".content must be a text or a list of text parts (got none). "
        ~ "Leave this message out.") -}}
  {%- elif message["content"] is string -%}
    {%- set chat.text = message["content"] -%}
  {%- elif message["content"] is not iterable or message["content"] is mapping -%}
    {{- raise_exception(place ~ ".content must be a text or a list of text parts.") -}}
  {%- else -%}
    {%- set chat.text = "" -%}
    {%- for part in message["content"] -%}
      {%- if part is not mapping or part["type"] != "text" or part["text"] is not string -%}
        {{- raise_exception(place ~ ".content has another part. Only text parts can be read.") -}}
      {%- endif -%}
      {%- set chat.text = chat.text + part["text"] -%}
    {%- endfor -%}
  {%- endif -%}
  {%- if message["role"] in READ_ROLES -%}
    {%- set chat.turns = chat.turns + [chat.textDEFUSE] -%}
  {%- endif -%}
{%- endfor -%}
{%- if not chat.turns -%}
  {{- raise_exception("`messages` must hold a message of the user (got none). Add one.") -}}
{%- endif -%}
{{- chat.turnsNEWEST | join(sep_token) -}}
END"""


def chat_template(
    max_context_turns: int | None = None,
    reads_system: bool = True,
    others: Sequence[str] = (),
    ends: bool = True,
) -> str:
    """Write the Jinja template: turns joined by ``<sep>``, then ``</s>``, as `encode_context`.

    A text that spells a special token gets a blank in it: what a template writes is one string,
    in which nothing else tells the user's ``</s>`` from the template's own. There is no
    generation prompt: the reply is written by the decoder.

    Args:
        max_context_turns: How many of the newest turns are written; None for all.
        reads_system: Write system messages as turns; else they are left out.
        others: Special tokens beside `SPECIAL_TOKENS`.
        ends: Write ``</s>`` behind the turns.
    """
    newest = "all turns" if max_context_turns is None else f"newest turns: {max_context_turns}"
    system = "read as turns" if reads_system else "left out, for training had none"
    roles = ["system", "developer"] * reads_system + ["user", "assistant"]
    defuse = "".join(
        f" | replace('{token}', '{token.replace('<', '< ', 1)}')"
        for token in dict.fromkeys((*SPECIAL_TOKENS, *others))
    )
    filled = {
        "COMMENT": f"What this model reads: {newest}; system messages are {system}.",
        "READ_ROLES": str(roles).replace("'", '"'),
        "DEFUSE": defuse,
        "NEWEST": "" if max_context_turns is None else f"[-{max_context_turns}:]",
        "END": "{{- eos_token -}}\n" if ends else "",
    }
    template = _CHAT_TEMPLATE
    for name, text in filled.items():
        template = template.replace(name, text)
    return template


def install_pipeline(tokenizer: Tokenizer) -> Tokenizer:
    """Give a bare model the special tokens, and the decoder that all schemes share."""
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(special_added_tokens())
    return tokenizer


def special_added_tokens() -> list[AddedToken]:
    """Make the five special tokens, matched exactly and without eating blanks around them."""
    return [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]


def wrap_tokenizer(tokenizer: Tokenizer, model_max_length: int = 512) -> PreTrainedTokenizerFast:
    """Turn a trained backend tokenizer into the tokenizer that is saved and loaded.

    Args:
        tokenizer: A trained tokenizer whose ids 0 to 4 are `SPECIAL_TOKENS`.
        model_max_length: The length, in tokens, that ``truncation=True`` cuts to.

    Returns:
        A tokenizer that appends ``</s>`` when called and carries the chat template. Cutting takes
        the oldest tokens, as `encode_context` does, and never ``</s>``.
    """
    for expected, token in enumerate(SPECIAL_TOKENS):
        if (found := tokenizer.token_to_id(token)) != expected:
            raise ValueError(f"special token {token} must have id {expected} (got {found}).")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS_TOKEN}",
        pair=f"$A {SEP_TOKEN} $B {EOS_TOKEN}",
        special_tokens=[(token, SPECIAL_TOKENS.index(token)) for token in (EOS_TOKEN, SEP_TOKEN)],
    )
    from transformers import PreTrainedTokenizerFast  # takes seconds, and `--help` needs none of it

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        bos_token=BOS_TOKEN,
        eos_token=EOS_TOKEN,
        unk_token=UNK_TOKEN,
        sep_token=SEP_TOKEN,
        model_max_length=model_max_length,
        padding_side="right",
        truncation_side="left",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        chat_template=chat_template(),
    )


def first_byte_token_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the id of ``<0x80>`` if the tokens of the 128 high bytes are in order."""
    ids = tokenizer.convert_tokens_to_ids([f"<0x{byte:02X}>" for byte in range(0x80, 0x100)])
    first = ids[0]
    if first in (None, tokenizer.unk_token_id) or ids != list(range(first, first + 128)):
        return None
    return first


def character_runs(tokenizer: PreTrainedTokenizerBase) -> list[list]:
    """List the tokens that are one character several times, and those characters themselves.

    Returns:
        `[id, character, times]` each, by id: with "哈哈" in the vocabulary also that of "哈".
        Digits and blanks are left out: 100,000 and an indentation are no laughter.
    """
    ids = range(len(tokenizer))
    texts = {i: tokenizer.decode([i], skip_special_tokens=True) for i in ids}
    runs = {i: text for i, text in texts.items() if text and len(set(text)) == 1}
    several = {text[0] for text in runs.values() if len(text) > 1}
    several -= {sign for sign in several if sign.isdigit() or sign.isspace() or sign == "\ufffd"}
    return [[i, text[0], len(text)] for i, text in runs.items() if text[0] in several]


def describe_tokens(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tell a model that was saved before it knew so which of its tokens are bytes and runs."""
    if config.first_byte_token_id is None:
        config.first_byte_token_id = first_byte_token_id(tokenizer)
    if config.character_runs is None:
        config.character_runs = character_runs(tokenizer)


def question_end(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids behind a question: ``</s>``, or none where a call appends none.

    The original's encoder has never read an end token.
    """
    return [tokenizer.eos_token_id] if tokenizer.num_special_tokens_to_add() else []


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    """Make a tokenizer show its model what the model was trained to read, wherever it is loaded.

    Args:
        tokenizer: Its chat template and the side that truncation cuts are set.
        config: Tells how many turns the model reads, and whether system messages are among them.
    """
    reads_system = getattr(config, "reads_system_messages", False)
    tokenizer.chat_template = chat_template(
        config.max_context_turns,
        reads_system,
        tokenizer.all_special_tokens,
        ends=bool(question_end(tokenizer)),
    )
    tokenizer.truncation_side = "left"
