# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Where a token stands: sinusoidal position vectors, and rotary angles as an option."""

import torch
from torch import nn

from .configuration_tfchat import TFChatConfig


def sinusoidal_table(
    num_positions: int, d_model: int, original_exponents: bool = False
) -> torch.Tensor:
    """Return the fixed position vectors of Vaswani et al. (2017), section 3.5.

    Args:
        num_positions: Number of rows.
        d_model: Width of a row; even.
        original_exponents: seed: TFChat interleaves sine and cosine and computes the exponents
            from an index that is already even, `10000^(2i/d)` and `10000^(2(i+1)/d)`. Its
            checkpoints need exactly that.

    Returns:
        `(num_positions, d_model)`, float32, computed in float64 on the CPU. Sines fill the first
        half of a row and cosines the second, as in Marian and tensor2tensor: the paper's
        interleaved order is the same up to a permutation of the dimensions.
    """
    even = torch.arange(0, d_model, 2, dtype=torch.float64, device="cpu")
    position = torch.arange(num_positions, dtype=torch.float64, device="cpu")[:, None]
    if original_exponents:
        sine = torch.sin(position / 10000 ** (2 * even / d_model))
        cosine = torch.cos(position / 10000 ** (2 * (even + 1) / d_model))
        return torch.stack((sine, cosine), dim=-1).flatten(1).float()
    angle = position / 10000 ** (even / d_model)
    return torch.cat((torch.sin(angle), torch.cos(angle)), dim=-1).float()


class TFChatSinusoidalPositions(nn.Module):
    """Looks up the fixed position vectors; nothing in it is trained or saved."""

    def __init__(self, config: TFChatConfig) -> None:
        """Make room for `(max_position_embeddings, d_model)`; `_init_weights` fills it."""
        super().__init__()
        self.num_positions = config.max_position_embeddings
        self.d_model = config.d_model
        self.original_exponents = config.original_position_exponents
        self.register_buffer("table", self.make_table(), persistent=False)

    def make_table(self) -> torch.Tensor:
        """Compute the table afresh; `from_pretrained` comes back with an unfilled buffer."""
        return sinusoidal_table(self.num_positions, self.d_model, self.original_exponents)

    def forward(self, position_ids: torch.Tensor) -> torch.Tensor:
        """Map `(..., seq_len)` position ids to `(..., seq_len, d_model)`."""
        return nn.functional.embedding(position_ids, self.table)


def position_ids_from_mask(
    attention_mask: torch.Tensor | None,
    seq_len: int,
    past_len: int | torch.Tensor,
    device: torch.device,
) -> torch.Tensor:
    """Number the tokens of a batch, padding left out, so that left and right padding agree.

    Args:
        attention_mask: `(batch, past_len + seq_len)` of 0 and 1, or anything else to count all.
        seq_len: Number of new tokens.
        past_len: Number of tokens already in the cache.
        device: Where the ids are needed.

    Returns:
        `(batch, seq_len)`, or `(1, seq_len)` without a two-dimensional mask.
    """
    new = torch.arange(seq_len, device=device) + past_len
    if attention_mask is None or attention_mask.dim() != 2:
        return new[None]
    counted = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)
    return counted.index_select(1, new)


def rotary_angles(
    position_ids: torch.Tensor, head_dim: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and sine of the rotation angles (Su et al., 2021).

    Args:
        position_ids: `(batch, seq_len)`.
        head_dim: Size of a head; even.
        dtype: Type of the result; the angles are computed in float32.

    Returns:
        Two tensors `(batch, 1, seq_len, head_dim)`.
    """
    even = torch.arange(0, head_dim, 2, device=position_ids.device, dtype=torch.float32)
    angle = position_ids[..., None].float() / 10000 ** (even / head_dim)
    angle = torch.cat((angle, angle), dim=-1)[:, None]  # (batch, 1, seq_len, head_dim)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(states: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotate `(batch, heads, seq_len, head_dim)` queries or keys by their positions."""
    cosine, sine = angles
    first, second = states.chunk(2, dim=-1)
    return states * cosine + torch.cat((-second, first), dim=-1) * sine
