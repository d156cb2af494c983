# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A TFChat model in CTranslate2 that is used like the one in torch."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from data_builders.errors import UserError
from data_builders.translation import _

from ..fast.reranking import RERANK_SETTINGS
from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import OWN_SETTINGS, TFChatGenerationMixin
from ..model.modeling_tfchat import TFChatPreTrainedModel
from .ctranslate2_weights import ctranslate2_folder
from .dependencies import cannot_load, engine_package

# Translated below.
_TRANSLATED = set(
    """
    bad_words_ids do_sample early_stopping eos_token_id length_penalty max_length max_new_tokens
    min_length min_new_tokens no_repeat_ngram_size num_beams num_return_sequences
    repetition_penalty suppress_tokens temperature top_k top_p
    """.split()
)
# They say nothing about which tokens come, or only together with a setting that is refused. With
# beams, what is forbidden is taken out before probabilities are made of the rest: that is
# `renormalize_logits` true of transformers, whatever it says here.
_WITHOUT_EFFECT = set(
    """
    anti_lm_cutoff anti_lm_tokens assistant_confidence_threshold assistant_lookbehind bos_token_id
    copy_allowed_length decoder_start_token_id disable_compile dry_allowed_length dry_base
    is_assistant low_memory max_matching_ngram_size num_assistant_tokens
    num_assistant_tokens_schedule pad_token_id preset presets remove_invalid_values
    renormalize_logits rerank_by rerank_weight target_lookbehind transformers_version use_cache
    weight_dtype
    """.split()
)
# Off at 1 instead of at nothing.
_OFF_AT_ONE = set(
    "encoder_repetition_penalty guidance_scale num_beam_groups num_candidates typical_p".split()
)


class CTranslate2Model(TFChatPreTrainedModel, TFChatGenerationMixin):
    """`generate()`, presets and configuration of a chat model; the work is CTranslate2's.

    Args:
        config: The model's configuration.
        folder: The exported folder.
        generation_config: As the run saved it.
        int8: Calculate with weights in int8.
        threads: For one operation; None for a thread a core, at most four.
    """

    def __init__(
        self,
        config: TFChatConfig,
        folder: Path,
        generation_config: GenerationConfig,
        int8: bool = False,
        threads: int | None = None,
    ) -> None:
        """Load the model."""
        super().__init__(config)
        self.generation_config = generation_config
        self.int8, self.threads = int8, threads
        self.path = ctranslate2_folder(folder, int8)
        if not self.path.is_dir():
            self.path = ctranslate2_folder(folder, False)  # becomes int8 on the way
        self.translator = _open(self.path, int8, threads)
        self.drawn_until = torch.empty(0, dtype=torch.uint8)
        vocabulary = (self.path / "shared_vocabulary.json").read_text(encoding="utf-8")
        self.tokens: list[str] = json.loads(vocabulary)
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        # A new seed needs the translator for itself.
        self.lock = threading.Lock()
        self.eval()

    @property
    def device(self) -> torch.device:
        """The CPU; a model without weights could not say."""
        return torch.device("cpu")

    @torch.no_grad()
    def generate(
        self,
        inputs: torch.LongTensor | None = None,
        generation_config: GenerationConfig | None = None,
        stopping_criteria: Sequence[Callable] | None = None,
        streamer: Any = None,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        preset: str | None = None,
        on_token: Callable[[int, int], bool] | None = None,
        **kwargs: Any,
    ) -> torch.LongTensor:
        """Answer a batch of questions as `generate()` of the torch model does.

        Args:
            inputs: `(batch, source)` question ids, or `input_ids` by name.
            generation_config: Settings; by default the model's own.
            stopping_criteria: Asked after each token, about each row alone; with beams a reply is
                whole before anybody can ask.
            streamer: Given each token as it comes; one question at a time, no beams.
            input_ids: `(batch, source)`.
            attention_mask: `(batch, source)`, 0 for padding on either side.
            preset: Name of a preset, instead of `generation_config`.
            on_token: Given the number of a reply and its next token; says whether it ends there.
                Of any number of questions, without beams.
            **kwargs: Single settings on top.

        Returns:
            `(batch * num_return_sequences, length)`, beginning with the start token and padded.

        Raises:
            UserError: for what CTranslate2 has not.
        """
        config = self._complete_settings(preset, generation_config, kwargs)
        ids = inputs if input_ids is None else input_ids
        rows = _unpadded(ids, attention_mask)
        self._check_lengths(config, max(map(len, rows)))
        options = _translated(config, self.tokens)
        follower = None
        if streamer is not None or stopping_criteria:
            follower = _Follower(self.config, streamer, stopping_criteria or ())
            follower.check(config, len(rows))
            if options["beam_size"] == 1:
                options["callback"] = follower
        if on_token is not None:
            copies = options["num_hypotheses"]
            options["callback"] = lambda step: on_token(
                step.batch_id * copies + step.hypothesis_id, step.token_id
            )
        made = self._translate(rows, options, bool(config.do_sample))
        if streamer is not None:
            streamer.end()
        return self._padded(made)

    def _complete_settings(
        self,
        preset: str | None,
        generation_config: GenerationConfig | None,
        single: dict[str, Any],
    ) -> GenerationConfig:
        """Fill in defaults and single settings; refuse what CTranslate2 has not."""
        if preset is not None and generation_config is not None:
            raise UserError("Give `preset` or `generation_config`, not both.")
        if preset is not None:
            generation_config = self.preset(preset)
        asked = generation_config or self.generation_config
        early = single.get("early_stopping", asked.early_stopping)
        names = (*OWN_SETTINGS, *RERANK_SETTINGS)
        own = {name: single.pop(name) for name in names if name in single}
        config, rest = self._prepare_generation_config(generation_config, **single)
        for name, value in own.items():
            setattr(config, name, value)
        _check_early_stopping(config, early)
        if config.max_new_tokens is None and single.get("max_length", asked.max_length) is None:
            # transformers' default length does not count the start token; one that was set does.
            config.max_new_tokens = config.max_length
        _check_settings(config, self._suited_presets)
        for name, value in rest.items():
            if value is not None and name not in ("use_cache", "output_attentions"):
                raise UserError("CTranslate2 has no `{name}`. Use `--engine torch`.", name=name)
        return config

    def _suited_presets(self) -> list[str]:
        """List the presets that ask for nothing that CTranslate2 has not."""
        suited = []
        for name in self.preset_names():
            with contextlib.suppress(UserError):
                _check_settings(self._prepare_generation_config(self.preset(name))[0])
                suited.append(name)
        return suited

    def _check_lengths(self, config: GenerationConfig, source: int) -> None:
        """Refuse more positions than the table has."""
        if self.config.position_embedding_type == "rotary":
            return
        limit = self.config.max_position_embeddings
        lengths = {"input_ids": source, "max_new_tokens": _reply_length(config)}
        for name, length in lengths.items():
            if length > limit:
                raise UserError(
                    "`{name}` asks for {length} positions, but `config.max_position_embeddings` "
                    "is {limit}. Use at most {limit}.",
                    name=name,
                    length=length,
                    limit=limit,
                )

    def _translate(
        self, rows: list[list[int]], options: dict[str, Any], draws: bool
    ) -> list[list[int]]:
        """Run the translator; return the new tokens of each reply."""
        sources = [[self.tokens[number] for number in row] for row in rows]
        with self.lock:
            if draws:
                self._seed()
            results = self.translator.translate_batch(sources, **options)
        return [[self.ids[token] for token in reply] for row in results for reply in row.hypotheses]

    def log_probabilities(
        self, input_ids: torch.LongTensor, attention_mask: torch.Tensor, replies: torch.LongTensor
    ) -> torch.Tensor:
        """Return the log-probability of each token of given replies, `(batch, target)`.

        Args:
            input_ids: `(batch, source)`.
            attention_mask: `(batch, source)`.
            replies: `(batch, 1 + target)`, the start token first.
        """
        rows = _unpadded(input_ids, attention_mask), replies[:, 1:].tolist()
        sides = ([[self.tokens[number] for number in row] for row in side] for side in rows)
        results = self.translator.score_batch(*sides, max_input_length=0)
        # CTranslate2 scores the end token too, which it adds.
        return torch.tensor([one.log_probs[: replies.shape[1] - 1] for one in results])

    def _seed(self) -> None:
        """Make a drawing follow `torch.manual_seed`, as the torch model's does.

        CTranslate2 reads a seed only once, in a thread of a translator's own. So where torch's
        random numbers are no longer as the drawing before left them, a new translator is opened,
        which maps the file that the old one maps: 5 to 10 ms for 7 million weights.
        """
        if torch.equal(torch.get_rng_state(), self.drawn_until):
            return
        seed = int(torch.randint(2**31 - 1, (1,)))
        engine_package("ctranslate2").set_random_seed(seed)
        self.translator = _open(self.path, self.int8, self.threads)
        self.drawn_until = torch.get_rng_state()

    def _padded(self, made: list[list[int]]) -> torch.LongTensor:
        """Put the start token before each reply and padding behind, `(replies, length)`."""
        pad, start = self.config.pad_token_id or 0, self.config.decoder_start_token_id
        longest = max(map(len, made))
        return torch.tensor([[start, *row] + [pad] * (longest - len(row)) for row in made])


class _Follower:
    """Called by CTranslate2 with each token: passes it on, and may end the reply.

    Args:
        config: The model's configuration.
        streamer: Who is given the tokens, or None.
        criteria: Who may end a reply.
    """

    def __init__(self, config: TFChatConfig, streamer: Any, criteria: Sequence[Callable]) -> None:
        self.start = config.decoder_start_token_id
        self.streamer, self.criteria = streamer, criteria
        self.replies: dict[tuple[int, int], list[int]] = {}

    def check(self, config: GenerationConfig, rows: int) -> None:
        """Refuse to stream what does not come token by token; begin the stream otherwise."""
        if self.streamer is None:
            return
        if rows > 1 or (config.num_return_sequences or 1) > 1 or (config.num_beams or 1) > 1:
            raise UserError(
                "CTranslate2 streams one reply to one question, without beams (got {rows} "
                "questions, `num_return_sequences` {num_return_sequences}, `num_beams` "
                "{num_beams}). Leave `streamer` out.",
                rows=rows,
                num_return_sequences=config.num_return_sequences or 1,
                num_beams=config.num_beams or 1,
            )
        self.streamer.put(torch.tensor([[self.start]]))

    def __call__(self, result: Any) -> bool:
        """Take one token; tell whether the reply ends with it."""
        if self.streamer is not None:
            self.streamer.put(torch.tensor([result.token_id]))
        if not self.criteria:
            return False
        place = (result.batch_id, result.hypothesis_id)
        reply = self.replies.setdefault(place, [self.start])
        reply.append(result.token_id)
        ids = torch.tensor([reply])
        return any(bool(torch.as_tensor(one(ids, None)).all()) for one in self.criteria)


def _open(path: Path, int8: bool, threads: int | None) -> Any:
    """Load CTranslate2's files."""
    package = engine_package("ctranslate2")
    try:
        return package.Translator(
            str(path),
            device="cpu",
            compute_type="int8" if int8 else "float32",
            inter_threads=1,
            intra_threads=threads or 0,
        )
    except (RuntimeError, ValueError) as error:
        raise cannot_load(path, error, "ctranslate2") from error


def _unpadded(ids: torch.LongTensor | None, attention_mask: torch.Tensor | None) -> list[list[int]]:
    """Turn `(batch, source)` ids and their mask into lists without padding."""
    if ids is None:
        raise UserError("`generate()` needs `input_ids` (got none).")
    if attention_mask is None:
        return ids.tolist()
    return [row[mask].tolist() for row, mask in zip(ids, attention_mask.bool(), strict=True)]


def _check_settings(config: GenerationConfig, preset_names: Callable[[], list[str]] = list) -> None:
    """Refuse what CTranslate2 cannot do, or does otherwise.

    Args:
        config: Complete settings.
        preset_names: Lists the presets to name as the way out; asked only then.

    Raises:
        UserError: names the setting.
    """
    for name, value in vars(config).items():
        if name.startswith("_") or name in _TRANSLATED or name in _WITHOUT_EFFECT or not value:
            continue
        if name in _OFF_AT_ONE and value == 1:
            continue
        presets = [repr(one) for one in preset_names()]
        ways = [_("preset {name}", name=one) for one in presets]
        ways += ["`--engine onnx`", "`--engine torch`"]
        raise UserError(
            "CTranslate2 has no `{name}` (got {value!r}). Switch it off, or use {ways}.",
            name=name,
            value=value,
            ways=_(" or ").join(ways),
        )
    _check_together(config)


def _check_together(config: GenerationConfig) -> None:
    """Refuse settings that CTranslate2 has one by one only."""
    beams = config.num_beams or 1
    if beams > 1 and config.do_sample:
        raise UserError(
            "CTranslate2 cannot draw with beams (got `do_sample` true, `num_beams` "
            "{beams}). Use one of them, or `--engine torch`.",
            beams=beams,
        )
    if beams > 1 and (config.repetition_penalty or 1) != 1:
        raise UserError(
            "With beams CTranslate2 takes `repetition_penalty` for another number than "
            "transformers (got {repetition_penalty}, `num_beams` {beams}). Set it to 1, "
            "or use `--engine torch`.",
            repetition_penalty=config.repetition_penalty,
            beams=beams,
        )


def _check_early_stopping(config: GenerationConfig, asked: bool | str | None) -> None:
    """Refuse a rule for the end of beam search that is not CTranslate2's own.

    It ends when there are as many finished replies as beams: `early_stopping` true. That is also
    what is done where nobody asked; transformers searches on then.

    Args:
        config: Complete settings.
        asked: `early_stopping` as it was before defaults were filled in.
    """
    if (config.num_beams or 1) > 1 and asked not in (None, True):
        raise UserError(
            "With beams CTranslate2 has `early_stopping` true only (got {asked!r}). Set "
            "it to true or leave it out, or use `--engine torch`.",
            asked=asked,
        )


def _reply_length(config: GenerationConfig) -> int:
    """Return the most new tokens of a reply."""
    return config.max_new_tokens or config.max_length - 1


def _translated(config: GenerationConfig, tokens: list[str]) -> dict[str, Any]:
    """Return the arguments of `Translator.translate_batch`.

    Args:
        config: Settings that have passed `_check_settings`.
        tokens: The vocabulary.
    """
    least = config.min_new_tokens or max(0, (config.min_length or 0) - 1)
    ends = _end_tokens(config)
    options = {
        "beam_size": config.num_beams or 1,
        "num_hypotheses": config.num_return_sequences or 1,
        "length_penalty": 1.0 if config.length_penalty is None else config.length_penalty,
        "repetition_penalty": config.repetition_penalty or 1.0,
        "no_repeat_ngram_size": config.no_repeat_ngram_size or 0,
        "max_decoding_length": _reply_length(config),
        "min_decoding_length": least,
        "suppress_sequences": _banned(config, ends, tokens) or None,
        # Without an end token a reply goes on to its longest.
        "end_token": ends or [len(tokens)],
        "return_end_token": True,
        "max_input_length": 0,
        "max_batch_size": 0,
    }
    if config.do_sample:
        options |= {
            "sampling_topk": min(config.top_k or 0, len(tokens)),
            "sampling_topp": 1.0 if config.top_p is None else config.top_p,
            "sampling_temperature": config.temperature or 1.0,
        }
    return options


def _end_tokens(config: GenerationConfig) -> list[int]:
    ends = config.eos_token_id
    if ends is None:
        return []
    return [ends] if isinstance(ends, int) else list(ends)


def _banned(config: GenerationConfig, ends: list[int], tokens: list[str]) -> list[list[str]]:
    """List the sequences that must not be said; as in transformers, never the end token alone."""
    rows = [[number] for number in config.suppress_tokens or ()]
    rows += [row for row in config.bad_words_ids or () if row not in [[end] for end in ends]]
    return [[tokens[number] for number in row] for row in rows]
