# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Decoding: transformers' `generate()`, with named presets and what keeps a reply lively.

Nothing here decodes: the loops, greedy search, sampling and beams, are transformers' own. This file
adds settings, makes logits processors of them, and hands both over. A logits processor looks at the
reply so far, `input_ids` `(rows, length)` with the start token first, and changes the `scores`
`(rows, vocab_size)` of its next token; rows = batch * beams (or returned sequences). None keeps
anything from one step to the next, so beam search may reorder its rows as it likes.
"""

import copy
import difflib
import math
from typing import Any, NamedTuple

import torch
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    Pipeline,
    PreTrainedModel,
)
from transformers.utils import logging

logger = logging.get_logger(__name__)

# --------------------------------------------------------------------------------- settings


class OwnSetting(NamedTuple):
    """A generation setting that transformers does not have."""

    default: int | float
    low: float
    high: float
    about: str


OWN_SETTINGS: dict[str, OwnSetting] = {
    "max_phrase_repeats": OwnSetting(0, 0, 100, "most times a phrase may stand in a row; 0: any"),
    "max_character_run": OwnSetting(0, 0, 100, "most times a character may stand in a row; 0: any"),
    "dry_multiplier": OwnSetting(0.0, 0, 100, "cost of going on with what was said before; 0: off"),
    "dry_base": OwnSetting(1.75, 1, 10, "how fast that cost grows with the tokens repeated"),
    "dry_allowed_length": OwnSetting(2, 1, 15, "so many tokens may be repeated for nothing"),
    "copy_penalty": OwnSetting(0.0, 0, 100, "cost a token of going on copying the question; 0: no"),
    "copy_allowed_length": OwnSetting(2, 1, 15, "so many tokens may be copied for nothing"),
    "anti_lm_weight": OwnSetting(0.0, 0, 2, "how much to turn away from what fits any question"),
    "anti_lm_tokens": OwnSetting(5, 1, 64, "at the first so many tokens of the reply"),
    "anti_lm_cutoff": OwnSetting(0.1, 0, 1, "among tokens at least so likely as the likeliest"),
}
# What plain greedy search is, the ground of every preset: transformers fills what a configuration
# leaves open from the model's default one, so a preset says everything.
_NEUTRAL: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_k": 50,  # transformers' default; any other one warns where nothing is drawn
    "top_p": 1.0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "length_penalty": 1.0,
    "early_stopping": False,
    "renormalize_logits": False,
    **{name: setting.default for name, setting in OWN_SETTINGS.items()},
}
# No phrase more than twice in a row, a laugh of four at most, and what was said costs more again.
_NO_LOOPS = {"max_phrase_repeats": 2, "max_character_run": 4, "dry_multiplier": 0.8}
_LIVELY = {**_NO_LOOPS, "copy_penalty": 1.0}
# Min-p (Nguyen et al., 2024) needs no sorting: 32 rows of 8,000 tokens take 0.5 ms, top-p 14 ms.
_DRAW = {"do_sample": True, "top_k": 0, "min_p": 0.1, "temperature": 0.7}
PRESETS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "precise": _NO_LOOPS,
    # As CTranslate2 searches, so that both find the same.
    "beam": {
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "renormalize_logits": True,
    },
    "balanced": {**_LIVELY, "anti_lm_weight": 0.7, "anti_lm_cutoff": 0.05},
    "creative": {**_LIVELY, **_DRAW, "anti_lm_weight": 0.4},
}
DEFAULT_PRESET = "balanced"
ABOUT_PRESETS = {
    "greedy": "the likeliest token each time; nothing against loops",
    "precise": "greedy without loops: the same reply every time, close to the data",
    "beam": "beam search: likely replies, safe and alike",
    "balanced": "the same reply every time, but not the one that fits any question",
    "creative": "draws freely: every reply another one",
}
# Settings of models saved by version 0.1, and what stands in their place.
_MOVED = {
    "num_candidates": (1, "custom_generate=tfchat_hf.reranking.Reranking(...)"),
    "rerank_by": (None, "custom_generate=tfchat_hf.reranking.Reranking(...)"),
    "rerank_weight": (0.5, "custom_generate=tfchat_hf.reranking.Reranking(...)"),
    "reverse_model": (None, "custom_generate=tfchat_hf.reranking.Reranking(...)"),
    "weight_dtype": (None, 'custom_generate=tfchat_hf.fast.FastDecoder(weight_dtype="int8")'),
}


def preset_settings(name: str) -> dict[str, Any]:
    """Give every setting of a built-in preset, neutral ones included."""
    return {**_NEUTRAL, **PRESETS[name]}


def with_presets(config: GenerationConfig, default: str | None = None) -> GenerationConfig:
    """Return a copy of a generation configuration that carries the presets.

    The values of the preset `default`, if one is named, become those of the configuration itself.
    """
    config = keeping_own_settings(config)
    config.presets = {name: preset_settings(name) for name in PRESETS}
    if default is not None:
        config.update(**preset_settings(default), allow_custom_entries=True)
    return config


def keeping_own_settings(config: GenerationConfig) -> GenerationConfig:
    """Return a copy that is saved and loaded with all its entries.

    Of a configuration that transformers made from a model's it loads no entries but its own.
    """
    entries = config.to_dict().items()
    return GenerationConfig(**{name: value for name, value in entries if name[0] != "_"})


def check_own_settings(settings: dict[str, Any]) -> None:
    """Check this project's settings one by one.

    Raises:
        ValueError: names the setting, the rule and the value.
    """
    for name, (default, low, high, about) in OWN_SETTINGS.items():
        value, whole = settings[name], isinstance(default, int)
        is_number = isinstance(value, int if whole else int | float) and value is not True
        if not is_number or not low <= value <= high:  # also where it is nan
            raise ValueError(
                f"`{name}` must be a {'whole ' if whole else ''}number from {low} to {high} "
                f"(got {value!r}): {about}."
            )


def check_moved_settings(settings: dict[str, Any]) -> None:
    """Refuse settings that version 0.1 had, where they ask for something.

    Raises:
        ValueError: says what stands in their place.
    """
    for name, (default, now) in _MOVED.items():
        if settings.get(name, default) != default:
            raise ValueError(f"`{name}` is no setting of `generate()` any more. Use `{now}`.")


# --------------------------------------------------------------------------------- processors

# The byte tokens <0x80> to <0xFF> stand in this order; what follows what: Unicode 15, table 3-7.
_LOW = 0x80
_LEADS = {**dict.fromkeys(range(0xC2, 0xE0), 1), **dict.fromkeys(range(0xE0, 0xF0), 2)}
_LEADS |= dict.fromkeys(range(0xF0, 0xF5), 3)
_SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
# No loop that was seen has a longer period, and the work at a step stays the same at any length.
LONGEST_PHRASE = 32
# More tokens in a row make a penalty no larger: by then it is far beyond any logit.
LONGEST_MATCH = 16


class WholeCharactersLogitsProcessor(LogitsProcessor):
    """Allows byte tokens only where they can still become a character of UTF-8.

    A character without a token of its own is two to four byte tokens in a row; `first_byte` is the
    id of `<0x80>`. None is begun that has no room in `max_length` tokens, start token included.
    """

    def __init__(self, first_byte: int, max_length: int) -> None:
        """Tabulate which bytes may begin a character where 0, 1, 2, 3 and more tokens are left."""
        self.first_byte = first_byte
        self.max_length = max_length
        more = [_LEADS.get(byte, 9) for byte in range(_LOW, 256)]
        self.barred = torch.tensor([[m >= room for m in more] for room in range(5)])

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` with what would break a character forbidden."""
        inside = slice(self.first_byte, self.first_byte + 128)
        room = max(0, min(self.max_length - input_ids.shape[1], 4))
        begin = self.barred[room].to(scores.device)
        newest = input_ids[:, -1] - self.first_byte
        if not bool(((newest >= 0) & (newest < 128)).any()):
            scores = scores.clone()
            scores[:, inside].masked_fill_(begin, -torch.inf)
            return scores
        barred = torch.ones_like(scores, dtype=torch.bool)
        for row, ids in enumerate(input_ids[:, -3:].tolist()):
            allowed = self._allowed_next(ids)
            if allowed is None:
                barred[row] = False
                barred[row, inside] = begin
            else:
                low, high = (byte - _LOW + self.first_byte for byte in allowed)
                barred[row, low : high + 1] = False
        return scores.masked_fill(barred, -torch.inf)

    def _allowed_next(self, ids: list[int]) -> tuple[int, int] | None:
        """Return the range of bytes that must follow these three; None where nothing is open."""
        for back, token in enumerate(reversed(ids)):
            byte = token - self.first_byte + _LOW
            if not _LOW <= byte < 256:
                return None
            if byte in _LEADS:
                if _LEADS[byte] <= back:
                    return None
                return _SECOND.get(byte, (0x80, 0xBF)) if back == 0 else (0x80, 0xBF)
        return None


class PhraseRepeatLogitsProcessor(LogitsProcessor):
    """Forbids the token that would say a phrase more than `max_repeats` times in a row.

    A phrase is 1 to 32 tokens: a single character, a word, a sentence, a list of items.
    """

    def __init__(self, max_repeats: int) -> None:
        """Remember the limit: 1 forbids any immediate repetition, 2 allows "no, no"."""
        self.max_repeats = max_repeats

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` with the forbidden tokens at minus infinity."""
        reply = input_ids[:, 1:]
        length, times = reply.shape[1], self.max_repeats
        longest = min((length + 1) // (times + 1), LONGEST_PHRASE)
        if longest < 1:
            return scores
        device = reply.device
        period = torch.arange(1, longest + 1, device=device)[:, None]  # (longest, 1)
        back = torch.arange(1, times * longest, device=device)[None]  # (1, places)
        places, needed = length - back, back < times * period
        if places.shape[1]:
            same = reply[:, places] == reply[:, (places - period).clamp(min=0)]
            loops = (same | ~needed).all(-1)  # (rows, longest)
        else:  # max_repeats 1 and one token so far
            loops = reply.new_ones(reply.shape[0], longest, dtype=torch.bool)
        if not loops.any():
            return scores
        tokens = reply[:, length - period[:, 0]]
        barred = torch.zeros_like(scores, dtype=torch.int8)
        barred.scatter_reduce_(1, tokens, loops.to(torch.int8), "amax")
        return _unless_nothing_is_left(scores, scores.masked_fill(barred.bool(), -torch.inf))


class CharacterRunLogitsProcessor(LogitsProcessor):
    """Forbids tokens that would make one character stand more than `longest` times in a row.

    A vocabulary has "哈", "哈哈" and "哈哈哈" as tokens of their own: the last one twice is no
    phrase too many, but six of a kind. `runs` is `[id, character, times]` of each such token.
    """

    def __init__(self, runs: list, longest: int) -> None:
        """Tabulate characters and times by token."""
        self.longest = longest
        characters = sorted({character for _, character, _ in runs})
        self.ids = torch.tensor([run[0] for run in runs], dtype=torch.long)
        self.kinds = torch.tensor([characters.index(run[1]) for run in runs], dtype=torch.long)
        self.times = torch.tensor([run[2] for run in runs], dtype=torch.long)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` with the forbidden tokens at minus infinity."""
        if not len(self.ids):
            return scores
        ids, kinds, times = (x.to(scores.device) for x in (self.ids, self.kinds, self.times))
        newest = input_ids[:, -self.longest :]
        held = newest[..., None] == ids  # (rows, tokens, runs)
        row_kinds = torch.where(held.any(-1), kinds[held.int().argmax(-1)], -1)
        row_times = torch.where(held.any(-1), times[held.int().argmax(-1)], 0)
        unbroken = (row_kinds == row_kinds[:, -1:]).flip(1).cumprod(1).flip(1)
        so_far = (row_times * unbroken).sum(1, keepdim=True)  # (rows, 1), 0 after anything else
        again = kinds == row_kinds[:, -1:]  # (rows, runs)
        barred = torch.where(again, so_far + times, times) > self.longest
        if not barred.any():
            return scores
        without = scores.clone()
        without[:, ids] = scores[:, ids].masked_fill(barred, -torch.inf)
        return _unless_nothing_is_left(scores, without)


class DryLogitsProcessor(LogitsProcessor):
    """Makes it dear to go on with a sequence of tokens that the reply holds already.

    "Don't repeat yourself" of text-generation-webui and llama.cpp: where the last n tokens stand
    earlier in the reply too, the token that followed there costs `multiplier * base ** (n -
    allowed_length)` from n = `allowed_length` on. Unlike `repetition_penalty` it leaves single
    frequent tokens alone, half of any Chinese sentence; unlike `no_repeat_ngram_size` it may be
    paid.
    """

    def __init__(self, multiplier: float, base: float = 1.75, allowed_length: int = 2) -> None:
        """Tabulate the cost of each length."""
        self.allowed_length = allowed_length
        lengths = range(LONGEST_MATCH + 1)
        costs = [multiplier * base ** (n - allowed_length) for n in lengths]
        self.costs = [cost if n >= allowed_length else 0.0 for n, cost in enumerate(costs)]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` with the costs taken off."""
        reply = input_ids[:, 1:]
        if reply.shape[1] <= self.allowed_length:
            return scores
        matched = suffix_matches(reply[:, :-1], reply)  # (rows, length - 1)
        if int(matched.max()) < self.allowed_length:
            return scores
        costs = scores.new_tensor(self.costs)[matched]
        # The token after each earlier place, and the dearest of its costs.
        return scores - torch.zeros_like(scores).scatter_reduce_(1, reply[:, 1:], costs, "amax")


class CopyPenaltyLogitsProcessor(LogitsProcessor):
    """Makes it dear to go on copying the question, `(batch, source)` ids with `</s>`.

    Where the last n tokens of the reply stand in the question, the token that follows there is
    the (n + 1)st of a copy, and costs `penalty` for each token beyond `allowed_length`: names, or
    "you" for "I", are free. The question's end counts as a token: a bare echo costs once more than
    its words. `ignored` ids, padding and separators, are no part of a text.
    """

    def __init__(
        self,
        question: torch.LongTensor,
        penalty: float,
        allowed_length: int = 2,
        ignored: tuple[int | None, ...] = (),
    ) -> None:
        """Mark what cannot be copied."""
        unreal = sum((question == token for token in ignored), torch.zeros_like(question))
        self.question = question.masked_fill(unreal.bool(), -1)
        self.penalty = penalty
        self.allowed_length = allowed_length

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` with the costs taken off."""
        reply = input_ids[:, 1:]
        if reply.shape[1] < self.allowed_length or self.question.shape[1] < 2:
            return scores
        question = self.question.repeat_interleave(len(scores) // len(self.question), dim=0)
        matched = suffix_matches(question[:, :-1], reply)  # (rows, source - 1)
        following = question[:, 1:]
        excess = (matched + 1 - self.allowed_length).clamp(min=0).masked_fill(following < 0, 0)
        if not excess.any():
            return scores
        costs = (excess * self.penalty).to(scores.dtype)
        places = following.clamp(min=0)
        return scores - torch.zeros_like(scores).scatter_reduce_(1, places, costs, "amax")


class AntiLanguageModelLogitsProcessor(LogitsProcessor):
    """Scores tokens by `log p(t | question) - weight * log p(t)`: MMI-antiLM (Li et al., 2016).

    p(t) is the chat model itself, its encoder reading an empty message (`</s>` alone). Only the
    first `tokens` of a reply are scored so (their g(k), 4.5.1): there the choice between dull and
    apt is made, and further on grammar would suffer. Only tokens that the question makes at least
    `cutoff` as likely as the likeliest compete (the plausibility constraint of contrastive
    decoding; Li et al., 2023, 3.3): else one that nobody ever says would win.
    """

    def __init__(
        self, model: PreTrainedModel, weight: float, tokens: int = 5, cutoff: float = 0.1
    ) -> None:
        """Encode the empty message, once for all steps."""
        self.model = model
        self.weight = weight
        self.tokens = tokens
        self.cutoff = cutoff
        self.nothing = empty_message_states(model)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return log scores in place of `scores`."""
        if input_ids.shape[1] > self.tokens:
            return scores
        # Rows that began alike share a prefix: at the first step there is one for the whole batch.
        prefixes, which = torch.unique(input_ids, dim=0, return_inverse=True)
        logits = self.model(
            encoder_outputs=(self.nothing.expand(len(prefixes), -1, -1),),
            decoder_input_ids=prefixes,
            logits_to_keep=1,
            use_cache=False,
        ).logits[:, -1]
        alone = logits.float().log_softmax(-1)[which]  # (rows, vocab_size)
        asked = scores.log_softmax(-1)
        changed = asked - self.weight * alone
        if self.cutoff > 0:
            floor = asked.amax(-1, keepdim=True) + math.log(self.cutoff)
            changed = changed.masked_fill(asked < floor, -torch.inf)
        # What another processor has forbidden stays so: infinity less infinity is no number.
        return changed.masked_fill(scores == -torch.inf, -torch.inf)


def empty_message_states(model: PreTrainedModel) -> torch.Tensor:
    """Return the encoder's states of the empty message, `(1, 1, d_model)`."""
    eos = model.config.eos_token_id
    ids = torch.tensor([[eos if isinstance(eos, int) else eos[0]]], device=model.device)
    return model.get_encoder()(input_ids=ids).last_hidden_state


def suffix_matches(text: torch.LongTensor, reply: torch.LongTensor) -> torch.LongTensor:
    """Count, at each place of `text` `(rows, places)`, how many tokens up to it end the `reply`.

    3 where the last three tokens of the reply, `(rows, length)`, end at that place of the text; at
    most `LONGEST_MATCH`.
    """
    deep = min(LONGEST_MATCH, reply.shape[1], text.shape[1])
    if deep == 0:
        return text.new_zeros(text.shape)
    padded = torch.nn.functional.pad(text, (deep - 1, 0), value=-1)
    windows = padded.unfold(1, deep, 1)  # (rows, places, deep): the tokens up to each place
    same = (windows == reply[:, None, -deep:]).flip(-1)
    return same.long().cumprod(-1).sum(-1)


def _unless_nothing_is_left(scores: torch.Tensor, without: torch.Tensor) -> torch.Tensor:
    """Keep the old scores of a row where another processor has barred all that is left."""
    nothing = (without == -torch.inf).all(-1, keepdim=True)
    return torch.where(nothing, scores, without)


# --------------------------------------------------------------------------------- generate()


class TFChatGenerationMixin(GenerationMixin):
    """transformers' `generate()` with presets and with settings that keep a reply lively."""

    def preset_names(self) -> list[str]:
        """List the presets saved with the model, or the built-in ones of a model without."""
        return [name for name in self._saved_presets() if name != "mutual"]

    def preset(self, name: str) -> GenerationConfig:
        """Return the model's generation configuration with the values of a preset on it.

        Raises:
            ValueError: if there is no preset of that name, or it has a setting that nobody knows.
        """
        presets = self._saved_presets()
        if name not in presets:
            known = ", ".join(self.preset_names())
            raise ValueError(f"There is no preset {name!r}. Presets: {known}.")
        check_moved_settings(presets[name])
        config = copy.deepcopy(self.generation_config)
        known = {*vars(GenerationConfig()), *OWN_SETTINGS, *_MOVED}
        for setting, value in presets[name].items():
            if setting not in known:
                near = difflib.get_close_matches(setting, known, 1)
                raise ValueError(
                    f"Preset {name!r} in generation_config.json sets `{setting}`, which is no "
                    f"generation setting. {f'Did you mean `{near[0]}`?' if near else 'Delete it.'}"
                )
            setattr(config, setting, value)
        return config

    def _saved_presets(self) -> dict[str, dict[str, Any]]:
        """Give the settings of each preset, the built-in ones first and in their order."""
        found = getattr(self.generation_config, "presets", None)
        found = found or {name: preset_settings(name) for name in PRESETS}
        return {name: found[name] for name in (*(n for n in PRESETS if n in found), *found)}

    @torch.no_grad()
    def generate(
        self,
        inputs: torch.Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        *args: Any,
        preset: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Answer `(batch, source)` question ids; `GenerationMixin.generate` with more settings.

        Args:
            inputs: `(batch, source)`, or `input_ids` by name.
            generation_config: Instead of the model's own.
            logits_processor: The caller's; they act before this project's.
            *args: As transformers takes them.
            preset: Instead of `generation_config`, by name: one of `preset_names()`.
            **kwargs: Single settings, transformers' or of `OWN_SETTINGS`, which go before those of
                the configuration, and what the model reads (`attention_mask`).

        Returns:
            `(batch * num_return_sequences, length)` token ids, or an output of transformers.

        Raises:
            ValueError: if settings contradict each other; the text names them and the way out.
        """
        if preset is not None and generation_config is not None:
            raise ValueError(
                "`preset` and `generation_config` both say how to decode. Give one of them; "
                "`model.preset(name)` is a configuration to change."
            )
        check_moved_settings(kwargs)
        config = self.preset(preset) if preset else generation_config or self.generation_config
        config = copy.deepcopy(config)
        if kwargs.get("custom_generate") is None:
            check_moved_settings(vars(config))
        elif kwargs.get("streamer") is not None:
            raise ValueError(
                "transformers keeps `streamer` from `custom_generate`. `FastDecoder` takes it as "
                "`token_streamer`; else leave one of them out."
            )
        own = {name: self._own_setting(name, config, kwargs) for name in OWN_SETTINGS}
        check_own_settings(own)
        if kwargs.get("max_length") is not None and kwargs.get("max_new_tokens") is None:
            config.max_new_tokens = None
        kwargs = config.update(**kwargs)  # what is left is for the model
        longest = self._longest_reply(config, kwargs.get("decoder_input_ids"))
        if config.guidance_scale not in (None, 1):
            raise ValueError(
                f"`guidance_scale={config.guidance_scale}` is made for decoders alone. "
                "`anti_lm_weight` turns a reply away from what fits any question."
            )
        question = inputs if inputs is not None else kwargs.get("input_ids")
        made = self._own_processors(own, question, longest)
        processors = LogitsProcessorList([*(logits_processor or ()), *made])
        return super().generate(inputs, config, processors, *args, **kwargs)

    def generate_batch(self, *args: Any, **kwargs: Any) -> None:
        """Refuse continuous batching, which transformers has for decoders alone."""
        raise NotImplementedError(
            "`generate_batch` is made for decoders alone. Give `generate()` a batch, "
            "`tokenizer(questions, padding=True)`."
        )

    def _own_setting(self, name: str, config: GenerationConfig, kwargs: dict[str, Any]) -> Any:
        """Look a setting up, and take it out of `kwargs`: argument, configuration, model."""
        places = (kwargs.pop(name, None), getattr(config, name, None))
        places += (getattr(self.generation_config, name, None), OWN_SETTINGS[name].default)
        return next(value for value in places if value is not None)

    def _longest_reply(self, config: GenerationConfig, prompt: torch.Tensor | None) -> int:
        """Return the most tokens of a reply, the start token included; settle who limits it.

        Raises:
            ValueError: if the decoder cannot number so many.
        """
        begun = 1
        if prompt is not None:
            begun = prompt.shape[1] + int(
                (prompt[:, 0] != self.config.decoder_start_token_id).all()
            )
        if config.max_new_tokens is None and config.max_length is not None:
            # The model's own `max_new_tokens` would go before a `max_length` of the caller.
            config.max_new_tokens, config.max_length = max(config.max_length - begun, 1), None
        new = config.max_new_tokens or self.generation_config.max_new_tokens or 20
        limit = self.config.max_position_embeddings
        # The last token made is never fed back, so it needs no position of its own.
        if begun + new - 1 > limit and self.config.position_embedding_type != "rotary":
            raise ValueError(
                f"`max_new_tokens` asks for {begun + new - 1} decoder positions, but "
                f"`config.max_position_embeddings` is {limit}. Use `max_new_tokens` of at most "
                f"{limit - begun + 1}."
            )
        return begun + new

    def _own_processors(
        self, own: dict[str, Any], question: torch.Tensor | None, longest: int
    ) -> list[LogitsProcessor]:
        """Make the processors that the settings ask for, in the order in which they act."""
        made: list[LogitsProcessor] = []
        first_byte, runs = self.config.first_byte_token_id, self.config.character_runs
        if first_byte is not None:
            made.append(WholeCharactersLogitsProcessor(first_byte, longest))
        if own["max_phrase_repeats"]:
            made.append(PhraseRepeatLogitsProcessor(own["max_phrase_repeats"]))
        if own["max_character_run"] and runs is None:
            logger.warning_once(
                "`max_character_run` is set, and config.json has no `character_runs` that say "
                "which tokens are one character several times: only phrases are looked at."
            )
        elif own["max_character_run"]:
            made.append(CharacterRunLogitsProcessor(runs, own["max_character_run"]))
        if own["dry_multiplier"]:
            settings = (own["dry_multiplier"], own["dry_base"], own["dry_allowed_length"])
            made.append(DryLogitsProcessor(*settings))
        if own["copy_penalty"]:
            ignored = (self.config.pad_token_id, self.config.sep_token_id)
            settings = (own["copy_penalty"], own["copy_allowed_length"], ignored)
            if question is not None and question.dim() == 2 and not question.is_floating_point():
                made.append(CopyPenaltyLogitsProcessor(question, *settings))
            else:
                logger.warning_once(
                    "`copy_penalty` needs the question's `input_ids`, and it came as states or "
                    "embeddings: nothing keeps this reply from copying it."
                )
        if own["anti_lm_weight"]:
            settings = (own["anti_lm_weight"], own["anti_lm_tokens"], own["anti_lm_cutoff"])
            made.append(AntiLanguageModelLogitsProcessor(self, *settings))
        return made


class TFChatPipeline(Pipeline):
    """`pipeline(model=FOLDER, trust_remote_code=True)("你好")`: a text or messages to a reply."""

    def _sanitize_parameters(self, **settings: Any) -> tuple[dict, dict, dict]:
        """Hand all settings to `generate()`; the method is how a pipeline says so."""
        return {}, settings, {}

    def preprocess(self, text: str | list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Encode a question, or a conversation as `[{"role": ..., "content": ...}]`."""
        options: dict[str, Any] = {"return_tensors": "pt", "truncation": True}
        options["max_length"] = self.model.config.max_position_embeddings
        if isinstance(text, str):
            return self.tokenizer(text, **options)
        messages = getattr(text, "messages", text)  # transformers 5.23 wraps them in an object
        return self.tokenizer.apply_chat_template(messages, return_dict=True, **options)

    def _forward(self, encoded: dict[str, torch.Tensor], **settings: Any) -> torch.LongTensor:
        """Generate replies, `(batch * num_return_sequences, length)`."""
        return self.model.generate(**encoded, **settings)

    def postprocess(self, replies: torch.LongTensor) -> list[dict[str, str]]:
        """Decode replies as transformers' own pipelines give them."""
        texts = self.tokenizer.batch_decode(replies, skip_special_tokens=True)
        return [{"generated_text": text} for text in texts]


__all__ = ["ABOUT_PRESETS", "DEFAULT_PRESET", "OWN_SETTINGS", "PRESETS", "TFChatGenerationMixin"]
