# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Decoding: transformers' `generate()`, with the checks that a model with a length limit needs."""

from transformers import GenerationConfig, GenerationMixin


class TFChatGenerationMixin(GenerationMixin):
    """`generate()` of transformers, unchanged in signature and results.

    Added: a request for more tokens than the position table holds is refused before decoding,
    with the setting to change, instead of failing in the middle of a reply.
    """

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
