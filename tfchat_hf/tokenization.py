# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The tokenizer's fixed parts: special tokens, pipeline and chat template.

A text becomes ids in three steps, each of them kept in the plain ``tokenizer.json``::

    text -> pieces (PIECE_PATTERN) -> their UTF-8 bytes as 256 symbols -> ids, then </s>

There is no normalizer and every byte has an id, so nothing is ever lost: decoding gives the text
back exactly. What differs between the schemes (the model that turns symbols into ids) is made in
``tokenizer_training.py``.
"""

from __future__ import annotations

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PAD_TOKEN, BOS_TOKEN, EOS_TOKEN, UNK_TOKEN, SEP_TOKEN = "<pad>", "<s>", "</s>", "<unk>", "<sep>"
# The place in this tuple is the token's id; model configurations rely on it.
SPECIAL_TOKENS = (PAD_TOKEN, BOS_TOKEN, EOS_TOKEN, UNK_TOKEN, SEP_TOKEN)

# Han characters as the inside of a character class. Written out, and not as \p{Han}, because
# Python's `re` (at training) and the tokenizer's own engine (at run time) must agree on it.
HAN_CHARACTERS = (
    "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323af"
)

# Han never shares a piece with anything else, so no learned token mixes the two.
PIECE_PATTERN = "|".join(
    (
        f"[{HAN_CHARACTERS}]+",
        r"['’](?i:ll|ve|re|[sdmt])(?![\p{L}\p{M}])",  # don't -> don + 't
        rf" ?[[\p{{L}}\p{{M}}]&&[^{HAN_CHARACTERS}]]+",
        rf" ?[\p{{N}}&&[^{HAN_CHARACTERS}]]{{1,3}}",
        r"\s+(?!\S)",  # leaves the last blank to the word after it
        r"\s+",
        r"[^\s\p{L}\p{M}\p{N}]",  # punctuation marks and symbols, one by one
    )
)


def _chat_template() -> str:
    """Write the Jinja template: turns joined by ``<sep>``, then ``</s>``, as `encode_context`.

    Special-token spellings inside a message get a space, as `dialogue.neutralize` gives them.
    There is no generation prompt: the reply is written by the decoder.
    """
    defuse = "".join(
        f" | replace('{token}', '{neutral_spelling(token)}')" for token in SPECIAL_TOKENS
    )
    return (
        "{%- for message in messages -%}"
        "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
        "{{- raise_exception('A message role must be system, user or assistant.') -}}"
        "{%- endif -%}"
        "{%- if message['content'] is string -%}"
        "{%- set text = message['content'] -%}"
        "{%- else -%}"
        "{%- set parts = namespace(text='') -%}"
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] != 'text' -%}"
        "{{- raise_exception('Only text parts can be read.') -}}"
        "{%- endif -%}"
        "{%- set parts.text = parts.text + part['text'] -%}"
        "{%- endfor -%}"
        "{%- set text = parts.text -%}"
        "{%- endif -%}"
        "{%- if not loop.first -%}{{- sep_token -}}{%- endif -%}"
        f"{{{{- text{defuse} -}}}}"
        "{%- endfor -%}"
        "{{- eos_token -}}"
    )


def neutral_spelling(token: str) -> str:
    """Give the harmless spelling of a special token: ``</s>`` becomes ``< /s>``."""
    return token.replace("<", "< ", 1)


def byte_symbols() -> list[str]:
    """List the 256 characters that stand for the 256 bytes, in a fixed order."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def spell(text: str) -> str:
    """Spell a text in byte symbols, the way the vocabulary holds it."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(piece for piece, _ in level.pre_tokenize_str(text))


def piece_splitter() -> pre_tokenizers.Split:
    """Build the step that cuts a text into Han runs, words, digits, marks and blanks."""
    return pre_tokenizers.Split(Regex(PIECE_PATTERN), "isolated")


def install_pipeline(tokenizer: Tokenizer) -> Tokenizer:
    """Give a bare model the pre-tokenizer and decoder that both schemes share."""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [piece_splitter(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
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
        A tokenizer that appends ``</s>`` when called and carries the chat template.
    """
    for expected, token in enumerate(SPECIAL_TOKENS):
        if (found := tokenizer.token_to_id(token)) != expected:
            raise ValueError(f"special token {token} must have id {expected} (got {found}).")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS_TOKEN}",
        pair=f"$A {SEP_TOKEN} $B {EOS_TOKEN}",
        special_tokens=[(token, SPECIAL_TOKENS.index(token)) for token in (EOS_TOKEN, SEP_TOKEN)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        bos_token=BOS_TOKEN,
        eos_token=EOS_TOKEN,
        unk_token=UNK_TOKEN,
        sep_token=SEP_TOKEN,
        model_max_length=model_max_length,
        padding_side="right",
        truncation_side="right",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        chat_template=_chat_template(),
    )
