# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Configuration of the TFChat encoder-decoder: every number that shapes the network."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class TFChatConfig(PreTrainedConfig):
    """Shape of a [`TFChatModel`]; the defaults are TFChat's network (Vaswani et al., 2017, base).

    Field names are BART's and Marian's, so that their tools and converters fit.

    Args:
        dropout: On the embeddings and on the output of every sub-layer; `attention_dropout` on the
            attention weights, `activation_dropout` inside the feed-forward layers.
        max_position_embeddings: Longest sequence, in tokens, on either side.
        scale_embedding: Multiply token embeddings by `sqrt(d_model)` (Vaswani et al., 3.4).
        tie_word_embeddings: Use the token embeddings as output weights too. The embeddings of
            encoder and decoder are one table in any case.
        max_context_turns: How many of the newest turns the model was trained to read at once;
            `reads_system_messages`: whether system messages were among them.
        swap_sides: The model reads a reply and writes the turn that it answers, for re-ranking.
        first_byte_token_id: Id of the token `<0x80>`, the 127 other bytes behind it, so that no
            reply ends in half a character; None where the vocabulary has no such tokens.
        character_runs: Tokens that are one character once or several times, `[id, character,
            times]` each: "哈", "哈哈", "哈哈哈"; for the setting `max_character_run`.
        doubled_tokens: Ids of tokens that the training data says twice in a row; to any other
            `max_phrase_repeats` allows one. None where nobody has counted.
        normalize_before: Pre-norm instead of post-norm (Xiong et al., 2020).
        gated_activation: Gated feed-forward layer, `act(gate(x)) * fc1(x)` (Shazeer, 2020).
        position_embedding_type: `"sinusoidal"`, or `"rotary"` (Su et al., 2021).
        shared_layer_norm: As the original's checkpoints have it: one LayerNorm a layer.
        original_position_exponents: Likewise: its sinusoids.
    """

    model_type = "tfchat"
    keys_to_ignore_at_inference = ["past_key_values", "cache"]
    attribute_map = {
        "hidden_size": "d_model",
        "num_attention_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
        "initializer_range": "init_std",
    }

    vocab_size: int = 8000
    d_model: int = 512
    encoder_layers: int = 2
    decoder_layers: int = 2
    encoder_attention_heads: int = 8
    decoder_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    decoder_ffn_dim: int = 2048
    activation_function: str = "relu"
    dropout: float | int = 0.1
    attention_dropout: float | int = 0.1
    activation_dropout: float | int = 0.1
    max_position_embeddings: int = 512
    init_std: float = 0.02
    scale_embedding: bool = True
    tie_word_embeddings: bool = False
    max_context_turns: int = 1
    reads_system_messages: bool = False
    swap_sides: bool = False
    first_byte_token_id: int | None = None
    character_runs: list | None = None
    doubled_tokens: list | None = None
    normalize_before: bool = False
    gated_activation: bool = False
    position_embedding_type: str = "sinusoidal"
    shared_layer_norm: bool = False
    original_position_exponents: bool = False
    use_cache: bool = True
    is_encoder_decoder: bool = True
    pad_token_id: int = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] = 2
    sep_token_id: int | None = 4
    decoder_start_token_id: int = 1

    def validate_sizes(self) -> None:
        """Check sizes that must be positive and probabilities that must lie in [0, 1)."""
        # `get_text_config(decoder=True)` deletes one side's fields from a copy: skip what is gone.
        sizes = ("vocab_size", "d_model", "encoder_layers", "decoder_layers", "encoder_ffn_dim")
        for name in (*sizes, "decoder_ffn_dim", "max_position_embeddings", "max_context_turns"):
            value = getattr(self, name, None)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1 (got {value}).")
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be in [0, 1) (got {getattr(self, name)}).")

    def validate_heads(self) -> None:
        """Check that each head gets a whole number of dimensions, an even one for rotation."""
        for name in ("encoder_attention_heads", "decoder_attention_heads"):
            heads = getattr(self, name, None)
            if heads is None or self.d_model < 1:  # the latter is told by `validate_sizes`
                continue
            if heads < 1 or self.d_model % heads:
                divisors = [n for n in range(1, self.d_model + 1) if self.d_model % n == 0]
                raise ValueError(
                    f"`{name}` must divide `d_model` (got {heads} and {self.d_model}). "
                    f"Use a head count such as {min(divisors, key=lambda n: abs(n - heads))}."
                )
            if self.position_embedding_type == "rotary" and (self.d_model // heads) % 2:
                raise ValueError(
                    f"`position_embedding_type='rotary'` needs an even head size (got `d_model` "
                    f"{self.d_model} / `{name}` {heads} = {self.d_model // heads})."
                )

    def validate_positions(self) -> None:
        """Check the position settings against each other."""
        if self.position_embedding_type not in ("sinusoidal", "rotary"):
            raise ValueError(
                "`position_embedding_type` must be 'sinusoidal' or 'rotary' "
                f"(got {self.position_embedding_type!r})."
            )
        if self.position_embedding_type == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"Sinusoidal positions need an even `d_model` (got {self.d_model}). "
                f"Use {self.d_model + 1}."
            )


__all__ = ["TFChatConfig"]
