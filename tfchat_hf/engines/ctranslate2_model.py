# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A TFChat model in CTranslate2 that is used like the one in torch."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from ..fast.reranking import RERANK_SETTINGS
from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import OWN_SETTINGS, TFChatGenerationMixin
from ..model.modeling_tfchat import TFChatPreTrainedModel
from ..text.errors import UserError
from .ctranslate2_settings import (
    check_early_stopping,
    check_settings,
    is_neutral,
    reply_length,
    translated,
)
from .ctranslate2_weights import model_folder
from .packages import engine_package


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
        self.path = model_folder(folder, int8)
        if not self.path.is_dir():
            self.path = model_folder(folder, False)  # becomes int8 on the way
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
            **kwargs: Single settings on top.

        Returns:
            `(batch * num_return_sequences, length)`, beginning with the start token and padded.

        Raises:
            UserError: for what CTranslate2 has not.
        """
        if preset is not None and generation_config is not None:
            raise UserError("Give `preset` or `generation_config`, not both.")
        if preset is not None:
            generation_config = self.preset(preset)
        asked = generation_config or self.generation_config
        early = kwargs.get("early_stopping", asked.early_stopping)
        names = (*OWN_SETTINGS, *RERANK_SETTINGS)
        own = {name: kwargs.pop(name) for name in names if name in kwargs}
        config, rest = self._prepare_generation_config(generation_config, **kwargs)
        for name, value in own.items():
            setattr(config, name, value)
        check_early_stopping(config, early)
        if config.max_new_tokens is None and kwargs.get("max_length", asked.max_length) is None:
            # transformers' default length does not count the start token; one that was set does.
            config.max_new_tokens = config.max_length
        self._check(config, rest)
        ids = inputs if input_ids is None else input_ids
        rows = _unpadded(ids, attention_mask)
        self._check_lengths(config, max(map(len, rows)))
        options = translated(config, self.tokens)
        follower = None
        if streamer is not None or stopping_criteria:
            follower = _Follower(self.config, streamer, stopping_criteria or ())
            follower.check(config, len(rows))
            if options["beam_size"] == 1:
                options["callback"] = follower
        made = self._translate(rows, options, bool(config.do_sample))
        if streamer is not None:
            streamer.end()
        return self._padded(made)

    def _check(self, config: GenerationConfig, rest: dict[str, Any]) -> None:
        """Refuse settings and arguments that CTranslate2 has not."""
        check_settings(config, self._suited_presets)
        for name, value in rest.items():
            if value is not None and name not in ("use_cache", "output_attentions"):
                raise UserError(f"CTranslate2 has no `{name}`. Use `--engine torch`.")

    def _suited_presets(self) -> list[str]:
        """List the presets that ask for nothing that CTranslate2 has not."""
        whole = {
            name: self._prepare_generation_config(self.preset(name))[0]
            for name in self.preset_names()
        }
        return [name for name, config in whole.items() if is_neutral(config)]

    def _check_lengths(self, config: GenerationConfig, source: int) -> None:
        """Refuse more positions than the table has."""
        if self.config.position_embedding_type == "rotary":
            return
        limit = self.config.max_position_embeddings
        lengths = {"input_ids": source, "max_new_tokens": reply_length(config)}
        for name, length in lengths.items():
            if length > limit:
                raise UserError(
                    f"`{name}` asks for {length} positions, but `config.max_position_embeddings` "
                    f"is {limit}. Use at most {limit}."
                )

    def _translate(
        self, rows: list[list[int]], options: dict[str, Any], draws: bool
    ) -> list[list[int]]:
        """Run the translator; returns the new tokens of each reply."""
        sources = [[self.tokens[number] for number in row] for row in rows]
        with self.lock:
            if draws:
                self._seed()
            results = self.translator.translate_batch(sources, **options)
        return [[self.ids[token] for token in reply] for row in results for reply in row.hypotheses]

    def log_probabilities(self, rows: list[list[int]], replies: list[list[int]]) -> torch.Tensor:
        """Give the log-probability of each token of given replies.

        Args:
            rows: Question ids.
            replies: Ids without the start token, all of one length.

        Returns:
            `(batch, target)`.
        """
        sides = (
            [[self.tokens[number] for number in row] for row in side] for side in (rows, replies)
        )
        results = self.translator.score_batch(*sides, max_input_length=0)
        # CTranslate2 scores the end token too, which it adds.
        return torch.tensor([one.log_probs[: len(replies[0])] for one in results])

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
        """Put the start token before each reply and padding behind."""
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
        self.replies: dict[int, list[int]] = {}

    def check(self, config: GenerationConfig, rows: int) -> None:
        """Refuse to stream what does not come token by token; begin the stream otherwise."""
        if self.streamer is None:
            return
        if rows > 1 or (config.num_return_sequences or 1) > 1 or (config.num_beams or 1) > 1:
            raise UserError(
                "CTranslate2 streams one reply to one question, without beams (got "
                f"{rows} questions, `num_return_sequences` {config.num_return_sequences or 1}, "
                f"`num_beams` {config.num_beams or 1}). Leave `streamer` out."
            )
        self.streamer.put(torch.tensor([[self.start]]))

    def __call__(self, result: Any) -> bool:
        """Take one token; returns whether the reply ends with it."""
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
        raise UserError(
            f"{path} cannot be loaded ({error}). Export the run again with `python -m "
            "tfchat_hf.engines.export RUN --engine ctranslate2 --overwrite`."
        ) from error


def _unpadded(ids: torch.LongTensor | None, attention_mask: torch.Tensor | None) -> list[list[int]]:
    """Turn `(batch, source)` into lists without padding."""
    if ids is None:
        raise UserError("`generate()` needs `input_ids` (got none).")
    if attention_mask is None:
        return ids.tolist()
    return [row[kept].tolist() for row, kept in zip(ids, attention_mask.bool(), strict=True)]
