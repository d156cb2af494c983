# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Decoding: transformers' `generate()`, with named presets and what keeps a reply lively.

The loops, greedy search, sampling and beams, are transformers' own. A logits processor looks at
the reply so far, `input_ids` `(rows, length)` with the start token first, and changes the `scores`
`(rows, vocab_size)` of its next token; rows = batch * beams (or returned sequences). None keeps
anything from one step to the next, so beam search may reorder its rows as it likes.
"""

import copy
import difflib
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
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
    "presence_penalty": OwnSetting(0.0, -2, 2, "cost of a token that the reply holds already"),
    "frequency_penalty": OwnSetting(0.0, -2, 2, "cost of a token for each time it was said"),
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
    "balanced": {**_LIVELY, "anti_lm_weight": 0.4, "anti_lm_cutoff": 0.05},
    "creative": {**_LIVELY, **_DRAW, "anti_lm_weight": 0.4},
}
DEFAULT_PRESET = "precise"
# Settings of version 0.1, and what asks for nothing.
_MOVED = {"num_candidates": 1, "rerank_weight": 0.5, "rerank_by": None, "reverse_model": None}
_MOVED["weight_dtype"] = None


def preset_settings(name: str) -> dict[str, Any]:
    """Give every setting of a built-in preset, neutral ones included."""
    return {**_NEUTRAL, **PRESETS[name]}


def with_presets(config: GenerationConfig, default: str | None = None) -> GenerationConfig:
    """Return a copy that carries the presets, and the values of the preset `default` itself."""
    config = keeping_own_settings(config)
    config.presets = {name: preset_settings(name) for name in PRESETS}
    if default is not None:
        config.update(**preset_settings(default), allow_custom_entries=True)
    return config


def keeping_own_settings(config: GenerationConfig) -> GenerationConfig:
    """Return a copy that keeps its entries when saved: one made from a model's loses them."""
    entries = config.to_dict().items()
    return GenerationConfig(**{name: value for name, value in entries if name[0] != "_"})


def check_own_settings(settings: dict[str, Any]) -> None:
    """Refuse a value of this project's settings that is out of its range, or no number."""
    for name, (default, low, high, about) in OWN_SETTINGS.items():
        value, whole = settings[name], isinstance(default, int)
        is_number = isinstance(value, int if whole else int | float) and value is not True
        if not is_number or not low <= value <= high:  # also where it is nan
            raise ValueError(
                f"`{name}` must be a {'whole ' if whole else ''}number from {low} to {high} "
                f"(got {value!r}): {about}."
            )


def check_moved_settings(settings: dict[str, Any]) -> None:
    """Refuse settings that version 0.1 had, where they ask for something."""
    for name, default in _MOVED.items():
        if settings.get(name, default) != default:
            raise ValueError(
                f"`{name}` is no setting of `generate()` any more: give it `custom_generate=`, a "
                f"`tfchat_hf.fast.{'FastDecoder' if 'dtype' in name else 'reranking.Reranking'}`."
            )


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
    """Allows byte tokens, from `first_byte` on, only where they can become a character of UTF-8.

    None is begun that has no room in `max_length` tokens, the start token included.
    """

    def __init__(self, first_byte: int, max_length: int) -> None:
        """Tabulate which bytes may begin a character where 0, 1, 2, 3 and more tokens are left."""
        self.first_byte = first_byte
        self.max_length = max_length
        more = [_LEADS.get(byte, 9) for byte in range(_LOW, 256)]
        self.barred = torch.tensor([[m >= room for m in more] for room in range(5)])

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return `scores` with what would break a character forbidden."""
        room = max(0, min(self.max_length - input_ids.shape[1], 4))
        end = self.first_byte + 128
        allowed = scores.clone()
        barred = self.barred[room].to(scores.device)
        allowed[:, self.first_byte : end].masked_fill_(barred, -torch.inf)
        spelled = (input_ids[:, -1] >= self.first_byte) & (input_ids[:, -1] < end)
        for row in spelled.nonzero()[:, 0].tolist():  # inside a character, or just behind one
            found = self._allowed_next(input_ids[row, -3:].tolist())
            if found is not None:
                low, high = (byte - _LOW + self.first_byte for byte in found)
                allowed[row] = -torch.inf
                allowed[row, low : high + 1] = scores[row, low : high + 1]
        return allowed

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


class SaidTokensLogitsProcessor(LogitsProcessor):
    """Makes tokens that were said costly, as OpenAI's API does.

    `presence` comes off where a token stands in the reply, and `frequency` for each time.
    """

    def __init__(self, presence: float, frequency: float) -> None:
        """Keep the costs; below 0 they are rewards."""
        self.presence, self.frequency = presence, frequency

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return `scores` with the costs taken off."""
        once = torch.ones_like(input_ids, dtype=scores.dtype)
        times = torch.zeros_like(scores).scatter_add_(1, input_ids, once)
        times.scatter_(1, input_ids[:, :1], 0.0)  # nobody says the start token
        return scores - self.presence * (times > 0) - self.frequency * times


class PhraseRepeatLogitsProcessor(LogitsProcessor):
    """Forbids the token that would say a phrase, 1 to 32 tokens, too many times in a row.

    With `doubled`, the tokens that people double (bye bye, 慢慢), any other one stands alone: the
    stutter of a small model is nearly all of single tokens (the the, 从从).
    """

    def __init__(self, max_repeats: int, doubled: Iterable[int] | None = None) -> None:
        """Keep the limit: 1 forbids any immediate repetition, 2 allows "no, no"."""
        self.max_repeats = max_repeats
        self.doubled = None if doubled is None else torch.tensor(sorted(doubled), dtype=torch.long)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return `scores` with the forbidden tokens at minus infinity."""
        scores = self._bar_doubling(input_ids, scores)
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

    def _bar_doubling(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self.doubled is None or input_ids.shape[1] < 2:
            return scores
        last = input_ids[:, -1:]
        lone = ~torch.isin(last, self.doubled.to(last.device))
        barred = torch.where(lone, -torch.inf, scores.gather(1, last))
        return _unless_nothing_is_left(scores, scores.scatter(1, last, barred))


class CharacterRunLogitsProcessor(LogitsProcessor):
    """Forbids tokens that would make one character stand more than `longest` times in a row.

    "哈哈哈" can be one token: `runs` is `[id, character, times]` of each such.
    """

    def __init__(self, runs: list, longest: int) -> None:
        """Tabulate characters and times by token."""
        self.longest = longest
        ids, kinds, times = zip(*runs, strict=True)
        characters = sorted(set(kinds))
        self.runs = torch.tensor([ids, [characters.index(kind) for kind in kinds], times])

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return `scores` with the forbidden tokens at minus infinity."""
        ids, kinds, times = self.runs.to(scores.device)  # (runs,) each
        held = input_ids[:, -self.longest :, None] == ids  # (rows, tokens, runs)
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
    """Makes it costly to go on with what the reply holds already: "don't repeat yourself".

    As in text-generation-webui and llama.cpp: where the last n tokens stand earlier in the reply
    too, the token that followed there costs `multiplier * base ** (n - allowed_length)` from n =
    `allowed_length` on. Single frequent tokens, half of any Chinese sentence, cost nothing.
    """

    def __init__(self, multiplier: float, base: float = 1.75, allowed_length: int = 2) -> None:
        """Tabulate the cost of each length."""
        self.allowed_length = allowed_length
        lengths = range(LONGEST_MATCH + 1)
        costs = [multiplier * base ** (n - allowed_length) for n in lengths]
        self.costs = [cost if n >= allowed_length else 0.0 for n, cost in enumerate(costs)]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
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
    """Makes it costly to go on copying the question, `(batch, source)` ids with `</s>`.

    Where the last n tokens of the reply stand in the question, the token that follows there is the
    (n + 1)st of a copy, and costs `penalty` for each token beyond `allowed_length`. The question's
    end counts too, `ignored` ids (padding, separators) do not.
    """

    def __init__(
        self,
        question: Tensor,
        penalty: float,
        allowed_length: int = 2,
        ignored: tuple[int | None, ...] = (),
    ) -> None:
        """Mark what cannot be copied."""
        unreal = sum((question == token for token in ignored), torch.zeros_like(question))
        self.question = question.masked_fill(unreal.bool(), -1)
        self.penalty = penalty
        self.allowed_length = allowed_length
        self.ignored = ignored

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
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
    apt is made. Only tokens at least `cutoff` as likely as the likeliest compete (Li et al., 2023,
    3.3): else one that nobody ever says would win.
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

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
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
        # Said once, a token of the question earns nothing more: it would win at each step again.
        alone = alone.scatter(1, input_ids, 0.0)
        changed = asked - self.weight * alone
        if self.cutoff > 0:
            floor = asked.amax(-1, keepdim=True) + math.log(self.cutoff)
            changed = changed.masked_fill(asked < floor, -torch.inf)
        # What another processor has forbidden stays so: infinity less infinity is no number.
        return changed.masked_fill(scores == -torch.inf, -torch.inf)


def empty_message_states(model: PreTrainedModel) -> Tensor:
    """Return the encoder's states of the empty message, `(1, 1, d_model)`."""
    eos = model.config.eos_token_id
    ids = torch.tensor([[eos if isinstance(eos, int) else eos[0]]], device=model.device)
    return model.get_encoder()(input_ids=ids).last_hidden_state


def suffix_matches(text: Tensor, reply: Tensor) -> Tensor:
    """Count, at each place of `text` `(rows, places)`, how many tokens up to it end the `reply`."""
    deep = min(LONGEST_MATCH, reply.shape[1], text.shape[1])
    if deep == 0:
        return text.new_zeros(text.shape)
    padded = torch.nn.functional.pad(text, (deep - 1, 0), value=-1)
    windows = padded.unfold(1, deep, 1)  # (rows, places, deep): the tokens up to each place
    same = (windows == reply[:, None, -deep:]).flip(-1)
    return same.long().cumprod(-1).sum(-1)


def _unless_nothing_is_left(scores: Tensor, without: Tensor) -> Tensor:
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
        """Return the model's generation configuration with the values of a preset on it."""
        presets = self._saved_presets()
        if name not in presets:
            names = ", ".join(self.preset_names())
            raise ValueError(f"There is no preset {name!r}. Presets: {names}.")
        check_moved_settings(presets[name])
        config = copy.deepcopy(self.generation_config)
        known = {*vars(GenerationConfig()), *OWN_SETTINGS, *_MOVED}
        for setting, value in presets[name].items():
            if setting not in known:
                near = difflib.get_close_matches(setting, known, 1) or ["nothing like it"]
                raise ValueError(f"Preset {name!r} sets `{setting}`; generate() knows {near[0]}.")
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
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        *args: Any,
        preset: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Answer `(batch, source)` question ids, `inputs` or `input_ids`.

        As transformers' own, which see, with `preset`, one of `preset_names()`, in the place of a
        `generation_config`, and with `OWN_SETTINGS` among the settings. Single settings go before
        those of a configuration; processors of the caller act before this project's. Returns
        `(batch * num_return_sequences, length)` token ids, or an output of transformers.
        """
        if preset is not None and generation_config is not None:
            raise ValueError("Give one of `preset` and `generation_config` (got both).")
        check_moved_settings(kwargs)
        given = self.preset(preset) if preset else generation_config
        config = copy.deepcopy(given or self.generation_config)
        if kwargs.get("custom_generate") is None:
            check_moved_settings(vars(config))
        elif kwargs.get("streamer") or kwargs.get("stop_strings") or config.stop_strings:
            raise ValueError(
                "`custom_generate` gets no `stop_strings` and no `streamer` (but `token_streamer`)."
            )
        own = {name: self._own_setting(name, config, kwargs) for name in OWN_SETTINGS}
        check_own_settings(own)
        if kwargs.get("max_length") is not None and kwargs.get("max_new_tokens") is None:
            config.max_new_tokens = None
        kwargs = config.update(**kwargs)  # what is left is for the model
        longest = self._longest_reply(config, kwargs.get("decoder_input_ids"))
        if config.guidance_scale not in (None, 1):
            guided = f"`guidance_scale={config.guidance_scale}`"
            raise ValueError(f"{guided} is for decoders alone. Take `anti_lm_weight`.")
        question = inputs if inputs is not None else kwargs.get("input_ids")
        masked = kwargs.get("attention_mask") is not None or "encoder_outputs" in kwargs
        if question is not None and not masked:
            # transformers leaves it out for encoder-decoders: padding would be read as text.
            kwargs["attention_mask"] = (question != self.config.pad_token_id).long()
        made = self._own_processors(own, question, longest)
        processors = LogitsProcessorList([*(logits_processor or ()), *made])
        return super().generate(inputs, config, processors, *args, **kwargs)

    def generate_batch(self, *args: Any, **kwargs: Any) -> None:
        """Refuse continuous batching, which transformers has for decoders alone."""
        raise NotImplementedError("`generate_batch` is for decoders alone: `generate()` a batch.")

    def _own_setting(self, name: str, config: GenerationConfig, kwargs: dict[str, Any]) -> Any:
        """Look a setting up, and take it out of `kwargs`: argument, configuration, model."""
        given, own = kwargs.pop(name, None), getattr(self.generation_config, name, None)
        places = (given, getattr(config, name, None), own, OWN_SETTINGS[name].default)
        return next(value for value in places if value is not None)

    def _longest_reply(self, config: GenerationConfig, prompt: Tensor | None) -> int:
        """Return the most tokens of a reply, the start token included; settle who limits it."""
        begun = 1
        if prompt is not None:  # transformers puts the start token before a prompt without one
            start = self.config.decoder_start_token_id
            begun = prompt.shape[1] + int((prompt[:, 0] != start).all())
        if config.max_new_tokens is None and config.max_length is not None:
            # The model's own `max_new_tokens` would go before a `max_length` of the caller.
            config.max_new_tokens, config.max_length = max(config.max_length - begun, 1), None
        new = config.max_new_tokens or self.generation_config.max_new_tokens or 20
        limit = self.config.max_position_embeddings
        # The last token made is never fed back, so it needs no position of its own.
        if begun + new - 1 > limit and self.config.position_embedding_type != "rotary":
            raise ValueError(
                f"A reply asks for {begun + new - 1} positions; `max_position_embeddings` is "
                f"{limit}. Use `max_new_tokens` of at most {limit - begun + 1}."
            )
        return begun + new

    def _own_processors(
        self, own: dict[str, Any], question: Tensor | None, longest: int
    ) -> list[LogitsProcessor]:
        """Make the processors that the settings ask for, in the order in which they act."""
        made: list[LogitsProcessor] = []
        if self.config.first_byte_token_id is not None:
            made.append(WholeCharactersLogitsProcessor(self.config.first_byte_token_id, longest))
        if own["presence_penalty"] or own["frequency_penalty"]:
            costs = (own["presence_penalty"], own["frequency_penalty"])
            made.append(SaidTokensLogitsProcessor(*costs))
        if own["max_phrase_repeats"]:
            doubled, first = self.config.doubled_tokens, self.config.first_byte_token_id
            if doubled is not None and first is not None:  # a character may hold one byte twice
                doubled = [*doubled, *range(first, first + 128)]
            made.append(PhraseRepeatLogitsProcessor(own["max_phrase_repeats"], doubled))
        runs = self.config.character_runs
        if own["max_character_run"] and runs is None:
            logger.warning_once(
                "`max_character_run` needs `character_runs` in config.json: it does nothing."
            )
        elif own["max_character_run"] and runs:
            made.append(CharacterRunLogitsProcessor(runs, own["max_character_run"]))
        if own["dry_multiplier"]:
            settings = (own["dry_multiplier"], own["dry_base"], own["dry_allowed_length"])
            made.append(DryLogitsProcessor(*settings))
        if own["copy_penalty"] and question is not None and question.dim() == 2:
            ignored = (self.config.pad_token_id, self.config.sep_token_id)
            settings = (own["copy_penalty"], own["copy_allowed_length"], ignored)
            made.append(CopyPenaltyLogitsProcessor(question, *settings))
        elif own["copy_penalty"]:
            logger.warning_once("`copy_penalty` needs the question's `input_ids`: it does nothing.")
        if own["anti_lm_weight"]:
            settings = (own["anti_lm_weight"], own["anti_lm_tokens"], own["anti_lm_cutoff"])
            made.append(AntiLanguageModelLogitsProcessor(self, *settings))
        return made


class TFChatPipeline(Pipeline):
    """`pipeline(model=FOLDER, trust_remote_code=True)("你好")`: a text or messages to a reply."""

    def _sanitize_parameters(self, **settings: Any) -> tuple[dict, dict, dict]:
        """Hand all settings to `generate()`; a reply never holds the question."""
        settings.pop("return_full_text", None)
        return {}, settings, {}

    def preprocess(self, text: Any) -> dict[str, Tensor]:
        """Encode a question, or a conversation as `[{"role": ..., "content": ...}]`."""
        # Trained with contexts as long as the tokenizer cuts them to.
        longest = min(self.model.config.max_position_embeddings, self.tokenizer.model_max_length)
        options: dict[str, Any] = {
            "return_tensors": "pt",
            "truncation": True,
            "max_length": longest,
        }
        if isinstance(text, str):  # "</s>" in it is text
            return self.tokenizer(text, split_special_tokens=True, **options)
        text = getattr(text, "messages", text)  # transformers wraps a conversation
        return self.tokenizer.apply_chat_template(text, return_dict=True, **options)

    def _forward(self, encoded: dict[str, Tensor], **settings: Any) -> Tensor:
        """Generate replies, `(batch, num_return_sequences, length)`: batches are taken apart."""
        replies = self.model.generate(**encoded, **settings)
        return replies.unflatten(0, (len(encoded["input_ids"]), -1))

    def postprocess(self, replies: Tensor) -> list[dict[str, str]]:
        """Decode replies."""
        texts = self.tokenizer.batch_decode(replies.flatten(0, 1), skip_special_tokens=True)
        return [{"generated_text": text} for text in texts]


__all__ = ["DEFAULT_PRESET", "OWN_SETTINGS", "PRESETS", "TFChatGenerationMixin"]
