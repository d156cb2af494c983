# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Decoding: transformers' `generate()`, with presets, what keeps replies lively, and speed."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)
from transformers.generation import BaseStreamer, GenerationMode
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from .anti_lm_tfchat import AntiLanguageModelLogitsProcessor
from .characters_tfchat import WholeCharactersLogitsProcessor
from .cuda_graph_tfchat import GraphStepper
from .decoding_tfchat import DecoderStepper, fast_decode
from .fast_path_tfchat import Packed, is_unchanged, packed_network, suits_fast_loop
from .generation_checks_tfchat import (
    check_preset,
    check_rerank,
    check_settings,
    check_unused_rerank,
    check_weight_dtype,
)
from .presets_tfchat import OWN_CHOICES, OWN_SETTINGS, all_presets
from .repetition_tfchat import (
    CharacterRunLogitsProcessor,
    CopyPenaltyLogitsProcessor,
    DryLogitsProcessor,
    PhraseRepeatLogitsProcessor,
)
from .reranking_tfchat import TFChatRerankedOutput, rerank
from .stepping_tfchat import Stepper

logger = logging.get_logger(__name__)


class TFChatGenerationMixin(GenerationMixin):
    """`generate()` of transformers, unchanged in signature and results, and more settings for it.

    The settings (`presets_tfchat.OWN_SETTINGS`) are arguments of `generate()` and attributes of a
    `GenerationConfig` alike; all are off unless the configuration says otherwise:

    - `preset`: the name of one of the configurations saved with the model;
    - `max_phrase_repeats`, `dry_multiplier`, ...: against loops in the reply;
    - `copy_penalty`, ...: against copying the question;
    - `anti_lm_weight`, ...: against replies that fit any question (Li et al., 2016);
    - `num_candidates`, `rerank_by`, `rerank_weight`, `reverse_model`: several replies, of which
      the best is taken (MMI; the same paper);
    - `weight_dtype="int8"`: products of encoder and decoder in 8 bits, on a CPU.

    Greedy search and sampling take a faster loop of the same tokens where that is possible.
    """

    def preset_names(self) -> list[str]:
        """List the presets saved with the model, or the built-in ones of an older model."""
        return list(self._presets())

    def preset(self, name: str) -> GenerationConfig:
        """Return a preset as a whole generation configuration.

        Args:
            name: One of `preset_names()`.

        Returns:
            A copy of `self.generation_config` with the values of the preset on it.

        Raises:
            ValueError: if there is no preset of that name.
        """
        presets = self._presets()
        if name not in presets:
            raise ValueError(f"There is no preset {name!r}. Presets: {', '.join(presets)}.")
        check_preset(name, presets[name])
        config = copy.deepcopy(self.generation_config)
        # `update` passes over what a configuration does not have: let it have every setting.
        for own in (*OWN_SETTINGS, *OWN_CHOICES):
            if not hasattr(config, own):
                setattr(config, own, OWN_SETTINGS[own].default if own in OWN_SETTINGS else None)
        config.update(**presets[name], allow_custom_entries=True)
        return config

    def _presets(self) -> dict[str, dict[str, Any]]:
        """Give the settings of each preset, the built-in ones first and in their order."""
        found = getattr(self.generation_config, "presets", None) or all_presets()
        order = [*(name for name in all_presets() if name in found), *found]
        return {name: found[name] for name in order}

    @torch.no_grad()
    def generate(
        self,
        inputs: torch.Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: LogitsProcessorList | None = None,
        stopping_criteria: StoppingCriteriaList | None = None,
        prefix_allowed_tokens_fn: Callable[[int, torch.Tensor], list[int]] | None = None,
        synced_gpus: bool | None = None,
        assistant_model: PreTrainedModel | None = None,
        streamer: BaseStreamer | None = None,
        negative_prompt_ids: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        custom_generate: str | Callable | None = None,
        preset: str | None = None,
        reverse_model: PreTrainedModel | None = None,
        **kwargs: Any,
    ) -> Any:
        """Answer a batch of questions; `transformers.GenerationMixin.generate` with more settings.

        Args:
            inputs: `(batch, source)` question ids, or `input_ids` by name.
            generation_config: Instead of the model's own.
            logits_processor: As transformers takes it, and so are those up to `custom_generate`.
            stopping_criteria: See there.
            prefix_allowed_tokens_fn: See there.
            synced_gpus: See there.
            assistant_model: See there.
            streamer: See there.
            negative_prompt_ids: See there.
            negative_prompt_attention_mask: See there.
            custom_generate: See there.
            preset: Instead of `generation_config`, by name.
            reverse_model: Guesses the question from the reply; for `rerank_by="reverse"`. A model
                of this class with the same tokenizer, trained with `swap_sides`.
            **kwargs: Single settings, which go before those of the configuration, and what the
                model reads (`attention_mask`).

        Returns:
            `(batch * num_return_sequences, length)` token ids, or with `return_dict_in_generate`
            an output of transformers; a `TFChatRerankedOutput` where candidates were re-ranked.

        Raises:
            ValueError: if settings contradict each other; the text names both and the way out.
        """
        others = {
            "logits_processor": logits_processor,
            "stopping_criteria": stopping_criteria,
            "prefix_allowed_tokens_fn": prefix_allowed_tokens_fn,
            "synced_gpus": synced_gpus,
            "assistant_model": assistant_model,
            "streamer": streamer,
            "negative_prompt_ids": negative_prompt_ids,
            "negative_prompt_attention_mask": negative_prompt_attention_mask,
            "custom_generate": custom_generate,
        }
        if preset is not None:
            if generation_config is not None:
                raise ValueError(
                    "`preset` and `generation_config` both say how to decode. Give one of them; "
                    "`model.preset(name)` is a configuration to change."
                )
            generation_config = self.preset(preset)
            # Single settings go onto it here: transformers warns of a configuration beside them.
            kwargs = generation_config.update(**kwargs)
        if (
            reverse_model is None
            and self._setting("num_candidates", generation_config, kwargs) == 1
        ):
            check_unused_rerank(kwargs)
            return super().generate(inputs, generation_config, **others, **kwargs)
        config, _ = self._prepare_generation_config(generation_config, **kwargs)
        check_rerank(self, config, reverse_model, others, {"inputs": inputs, **kwargs})
        return self._generate_reranked(inputs, config, others, kwargs, reverse_model)

    def _setting(self, name: str, config: GenerationConfig | None, kwargs: dict[str, Any]) -> Any:
        """Look a setting of this project up: argument, configuration, model, default."""
        for place in (config, self.generation_config):
            if kwargs.get(name) is not None:
                return kwargs[name]
            if getattr(place, name, None) is not None:
                return getattr(place, name)
        return OWN_SETTINGS[name].default

    def _generate_reranked(
        self,
        inputs: torch.Tensor | None,
        config: GenerationConfig,
        others: dict[str, Any],
        kwargs: dict[str, Any],
        reverse_model: PreTrainedModel | None,
    ) -> torch.LongTensor | TFChatRerankedOutput:
        """Make candidates, score them again, and return the best."""
        question = inputs if inputs is not None else kwargs["input_ids"]
        mask = kwargs.get("attention_mask")
        if mask is None:
            special = copy.deepcopy(config)
            self._prepare_special_tokens(special, False, device=question.device)
            mask = self._prepare_attention_mask_for_generation(question, special, {})
        making = copy.deepcopy(config)
        making.update(
            num_candidates=1,
            num_return_sequences=config.num_candidates,
            return_dict_in_generate=False,
            output_scores=False,
        )
        if making.max_new_tokens is not None:
            making.max_length = None  # a default by now, and transformers warns of two lengths
        # Settings are in the configuration by now; what is left is for the model.
        read = {name: value for name, value in kwargs.items() if not hasattr(config, name)}
        candidates = super().generate(inputs, making, **others, **read)
        output = rerank(self, candidates, question, mask, config, reverse_model)
        return output if config.return_dict_in_generate else output.sequences

    def _prepare_generation_config(
        self, generation_config: GenerationConfig | None, **kwargs: Any
    ) -> tuple[GenerationConfig, dict]:
        """Let the settings of this project go the way of transformers' own."""
        names = (*OWN_SETTINGS, *OWN_CHOICES)
        own = {name: kwargs.pop(name) for name in names if name in kwargs}
        config, model_kwargs = super()._prepare_generation_config(generation_config, **kwargs)
        for name in names:
            default = OWN_SETTINGS[name].default if name in OWN_SETTINGS else None
            value = own.get(name, getattr(config, name, None))
            setattr(config, name, default if value is None else value)
        check_settings(config)
        return config, model_kwargs

    def _get_logits_processor(
        self,
        generation_config: GenerationConfig,
        input_ids_seq_length: int | None = None,
        encoder_input_ids: torch.LongTensor | None = None,
        prefix_allowed_tokens_fn: Any = None,
        logits_processor: LogitsProcessorList | None = None,
        **kwargs: Any,
    ) -> LogitsProcessorList:
        """Put this project's processors behind those of the caller and before those of sampling.

        So that what the caller bars is gone before this project's choose among the rest.
        """
        own = self._own_processors(generation_config, encoder_input_ids)
        return super()._get_logits_processor(
            generation_config,
            input_ids_seq_length,
            encoder_input_ids,
            prefix_allowed_tokens_fn,
            LogitsProcessorList([*(logits_processor or []), *own]),
            **kwargs,
        )

    def _own_processors(
        self, config: GenerationConfig, question: torch.LongTensor | None
    ) -> list[Any]:
        """Make the processors that the settings ask for, in the order in which they must act."""
        made: list[Any] = []
        if self.config.first_byte_token_id is not None:
            first = self.config.first_byte_token_id
            made.append(WholeCharactersLogitsProcessor(first, config.max_length))
        if config.max_phrase_repeats:
            made.append(PhraseRepeatLogitsProcessor(config.max_phrase_repeats))
        runs = self.config.character_runs
        if config.max_character_run and runs is None:
            logger.warning_once(
                "`max_character_run` is set, and config.json has no `character_runs` that say "
                "which tokens are one character several times: only phrases are looked at."
            )
        elif config.max_character_run and runs:
            made.append(CharacterRunLogitsProcessor(runs, config.max_character_run))
        if config.dry_multiplier:
            made.append(
                DryLogitsProcessor(
                    config.dry_multiplier, config.dry_base, config.dry_allowed_length
                )
            )
        if config.copy_penalty and self._has_ids(question):
            ignored = (config.pad_token_id, self.config.sep_token_id)
            length = config.copy_allowed_length
            made.append(CopyPenaltyLogitsProcessor(question, config.copy_penalty, length, ignored))
        if config.anti_lm_weight:
            made.append(
                AntiLanguageModelLogitsProcessor(
                    self, config.anti_lm_weight, config.anti_lm_tokens, config.anti_lm_cutoff
                )
            )
        return made

    def _has_ids(self, question: torch.Tensor | None) -> bool:
        """Tell whether the question came as ids; says so where it did not."""
        if question is not None and question.dim() == 2 and not question.is_floating_point():
            if bool((question >= 0).any()):
                return True
        logger.warning_once(
            "`copy_penalty` needs the question's `input_ids`, and it came as states or embeddings: "
            "nothing keeps this reply from copying it."
        )
        return False

    def _sample(
        self,
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        synced_gpus: bool = False,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Any:
        """Decode greedily or by drawing, in the fast loop where it gives the same."""
        stepper = None
        if not synced_gpus and suits_fast_loop(
            self, input_ids, stopping_criteria, generation_config, model_kwargs
        ):
            stepper = self._make_stepper(generation_config)
        if stepper is None:
            if generation_config.weight_dtype == "int8":
                raise ValueError(
                    '`weight_dtype="int8"` works for plain greedy search and sampling of an '
                    "unchanged model in evaluation mode. Take away what asks for more "
                    "(`return_dict_in_generate`, a cache of your own, a prompt for the reply), or "
                    "the setting."
                )
            return super()._sample(
                input_ids,
                logits_processor,
                stopping_criteria,
                generation_config,
                synced_gpus,
                streamer,
                **model_kwargs,
            )
        return fast_decode(
            stepper,
            input_ids,
            logits_processor,
            stopping_criteria,
            generation_config,
            model_kwargs["encoder_outputs"].last_hidden_state,
            model_kwargs.get("attention_mask"),
            streamer,
        )

    def _make_stepper(self, generation_config: GenerationConfig) -> DecoderStepper | None:
        """Return what runs the decoder in the fast loop; None for transformers' own loop."""
        network = self._packed_network(generation_config)
        if network is None:
            return None
        if self.device.type == "cuda":
            return GraphStepper(network.decoder)
        return Stepper(network.decoder)

    def _packed_network(self, generation_config: GenerationConfig) -> Packed | None:
        """Return the packed weights; None where the modules themselves have to run."""
        if not is_unchanged(self):
            return None
        # An assistant's encoder is run with a configuration that knows nothing of this project.
        return packed_network(self, getattr(generation_config, "weight_dtype", None))

    def _prepare_text_encoder_decoder_kwargs_for_generation(
        self,
        inputs_tensor: torch.Tensor,
        model_kwargs: dict[str, Any],
        model_input_name: str | None,
        generation_config: GenerationConfig,
    ) -> dict[str, Any]:
        """Read the questions with packed weights where nothing but the states is asked for."""
        mask = model_kwargs.get("attention_mask")
        asked_more = generation_config.output_attentions or generation_config.output_hidden_states
        rest = set(model_kwargs) - {"attention_mask", "use_cache", "logits_to_keep"}
        plain = model_input_name == "input_ids" and not asked_more and not rest
        network = self._packed_network(generation_config) if plain else None
        if network is None:
            return super()._prepare_text_encoder_decoder_kwargs_for_generation(
                inputs_tensor, model_kwargs, model_input_name, generation_config
            )
        states = network.encoder(inputs_tensor.to(self.device), mask)
        model_kwargs["encoder_outputs"] = BaseModelOutput(last_hidden_state=states)
        return model_kwargs

    def _validate_generation_mode(
        self, generation_mode: GenerationMode, generation_config: Any, generation_mode_kwargs: Any
    ) -> None:
        """Refuse products in 8 bits where only the fast loop could make them."""
        super()._validate_generation_mode(
            generation_mode, generation_config, generation_mode_kwargs
        )
        check_weight_dtype(self, generation_config)
        plain = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)
        if generation_config.weight_dtype == "int8" and generation_mode not in plain:
            raise ValueError(
                f'`weight_dtype="int8"` works with greedy search and sampling, and the settings '
                f"(`num_beams={generation_config.num_beams}`) ask for {generation_mode.value}. "
                "Leave one of them out, or export the model to CTranslate2 for beams in 8 bits."
            )

    def _validate_generated_length(
        self,
        generation_config: GenerationConfig,
        input_ids_length: int,
        has_default_max_length: bool,
    ) -> None:
        """Refuse a reply longer than the decoder can number.

        Raises:
            ValueError: if `max_length` or `max_new_tokens` asks for more positions than
                `config.max_position_embeddings`.
        """
        super()._validate_generated_length(
            generation_config, input_ids_length, has_default_max_length
        )
        if self.config.position_embedding_type == "rotary":
            return  # angles are computed for any position; transformers has warned already
        limit = self.config.max_position_embeddings
        # The last token made is never fed back, so it needs no position of its own.
        positions = generation_config.max_length - 1
        if positions > limit:
            raise ValueError(
                f"`max_new_tokens` asks for {positions} decoder positions, but "
                f"`config.max_position_embeddings` is {limit}. Use `max_new_tokens` of at most "
                f"{limit - input_ids_length + 1}."
            )


__all__ = ["TFChatGenerationMixin"]
