# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Greedy search and sampling in bulk: what `generate(..., custom_generate=...)` is given."""

from __future__ import annotations

import copy
import functools
import logging
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)
from transformers.generation import GenerationMode
from transformers.modeling_outputs import BaseModelOutput

from data_builders.errors import UserError
from data_builders.translation import _

from .loops import DecoderStepper, decode
from .open_stepper import OpenStepper
from .prepacked_linear import PrepackedLinear, can_be_prepacked, why_no_int8
from .steppers import RecordedStepper, Stepper, has_hooks, recorded_from

logger = logging.getLogger(__name__)

# How far logits may lie from the network's, in shares of the largest of them.
_TOLERANCE = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 0.02, torch.bfloat16: 0.1}
_INT8_TOLERANCE = 0.25
_PROBE_STEPS = 4
_MODES = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)


class FastDecoder:
    """Decode greedily or by drawing: prepacked weights on a CPU, a recorded step on a GPU.

    The network's own modules run; plain linear layers alone are exchanged for prepacked ones, in a
    copy of the tree of modules that is made for each call. So what anybody does to the network (a
    changed line, a hook, a `print`, LoRA, quantised layers) happens here too. Weights are compared
    with the prepacked ones at each call. Whenever something was prepacked, or the modules are
    others, the copy is compared with `model.forward` on a probe; where they differ the network
    itself decodes, and a sentence says so.

    Args:
        weight_dtype: "int8" for products in 8 bits, on a CPU; None for the model's own type.

    Example:
        >>> replies = model.generate(**batch, custom_generate=FastDecoder())
    """

    def __init__(self, weight_dtype: str | None = None) -> None:
        """Prepack nothing yet."""
        if weight_dtype not in (None, "int8"):
            raise UserError(
                '`weight_dtype` must be None or "int8" (got {weight_dtype!r}).',
                weight_dtype=weight_dtype,
            )
        self.weight_dtype = weight_dtype
        self.prepacked: dict[nn.Module, PrepackedLinear] = {}
        self.graphs: dict = {}
        self.probed: tuple = ()
        self.agrees = True
        self.open_probed: tuple | None = None
        self.open_agrees = True

    def options(self, config: GenerationConfig) -> dict[str, Any]:
        """Return what to add to `generate()`'s arguments; nothing where it is asked for more."""
        # `generate()` keeps the tokenizer, which stop strings need, from a custom loop.
        more = config.get_generation_mode() not in _MODES or config.stop_strings
        return {} if more and self.weight_dtype is None else {"custom_generate": self}

    def __call__(
        self,
        model: PreTrainedModel,
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        token_streamer: Any = None,
        **model_kwargs: Any,
    ) -> torch.LongTensor:
        """Decode what `generate()` has prepared: `(rows, 1)` start tokens to `(rows, length)`.

        The tokens are those of `generate()` without `custom_generate`. `token_streamer` is given
        them step by step: `generate()` keeps its own `streamer` from a custom loop.

        Raises:
            UserError: if more is asked for than greedy search or sampling of tokens.
        """
        states = model_kwargs["encoder_outputs"].last_hidden_state
        mask = model_kwargs.get("attention_mask")
        stepper = self.make_stepper(model, input_ids, generation_config, states)
        stepper.start(states, mask, stopping_criteria.max_length - 1)
        if token_streamer is not None:
            token_streamer.put(input_ids.cpu())
        given = (logits_processor, stopping_criteria, generation_config, token_streamer)
        return decode(stepper, input_ids, *given)

    def make_stepper(
        self,
        model: PreTrainedModel,
        input_ids: torch.LongTensor,
        config: GenerationConfig,
        states: torch.Tensor,
    ) -> DecoderStepper:
        """Return what decodes the replies to `(rows, source, d_model)` states, token by token."""
        self._check(model, input_ids, config)
        if hasattr(model, "make_stepper"):  # an engine has something of its own
            return model.make_stepper()
        return self._new_stepper(self._network(model, lambda: states[:1]))

    @torch.no_grad()
    def open_stepper(self, model: PreTrainedModel, most: int) -> OpenStepper | None:
        """Return what decodes at most so many rows, which join and leave the batch at any step.

        None where nothing can join, or where it would get other scores than from the network.
        """
        if self.weight_dtype or model.training or not hasattr(model.get_encoder(), "layers"):
            return None  # in int8 a batch shares one scale; an engine has steps of its own

        @functools.cache
        def states() -> torch.Tensor:
            ids = torch.arange(_PROBE_STEPS, device=model.device)[None] % model.config.vocab_size
            return model.get_encoder()(input_ids=ids).last_hidden_state

        network = self._network(model, states)
        if self.open_probed is not self.probed:
            self.open_probed = self.probed
            by_steps = functools.partial(_open_steps, OpenStepper(network, 2))
            self.open_agrees = self._agree(model, states(), by_steps)
        return OpenStepper(network, most) if self.open_agrees else None

    def _check(
        self, model: PreTrainedModel, input_ids: torch.LongTensor, config: GenerationConfig
    ) -> None:
        """Refuse what this loop cannot do."""
        count = getattr(config, "num_candidates", None) or 1
        if count > 1:
            raise UserError(
                "`num_candidates={count}` of the generation configuration would be ignored. "
                "Use `custom_generate=tfchat_hf.fast.reranking.Reranking(...)`, or set it to "
                "1.",
                count=count,
            )
        asked = {
            f"`num_beams={config.num_beams}`": config.get_generation_mode() not in _MODES,
            "`return_dict_in_generate=True`": config.return_dict_in_generate,
            _("a prompt for the reply (`decoder_input_ids`)"): input_ids.shape[1] > 1,
        }
        for what, is_asked in asked.items():
            if is_asked:
                raise UserError(
                    "`FastDecoder` makes tokens by greedy search and sampling, and {what} asks "
                    "for more. Leave it out, or `custom_generate` (`--fast`, `--int8`).",
                    what=what,
                )
        reason = why_no_int8(model.device, model.dtype) if self.weight_dtype == "int8" else None
        if reason:
            raise UserError(
                '`weight_dtype="int8"` needs float32 weights on a CPU with int8 products, '
                "and {reason}. Leave it out, or move the model with `.float().cpu()`.",
                reason=reason,
            )

    def _new_stepper(self, network: PreTrainedModel) -> Stepper:
        """Return what calls a network; on a GPU a step is recorded, where it agreed."""
        recordable = network.device.type == "cuda" and not network.training
        if self.agrees and recordable and not has_hooks(network):
            return RecordedStepper(network, self.graphs)
        return Stepper(network)

    def _network(
        self, model: PreTrainedModel, states: Callable[[], torch.Tensor]
    ) -> PreTrainedModel:
        """Return the prepacked copy if it agrees with the network, and the network if not.

        Args:
            model: The network.
            states: Gives those of one question, `(1, source, d_model)`, to try both with.
        """
        if model.training:
            return model
        current = {layer: one for layer, one in self.prepacked.items() if one.is_current()}
        made: dict[nn.Module, PrepackedLinear] = {}
        copied = self._copy(model, current, made)
        # What the probe said holds as long as modules and prepacked weights are those it saw.
        seen = (*map(weakref.ref, model.modules()), *made.values(), model.device, model.dtype)
        if model.device.type == "cuda":
            seen += recorded_from(model)
        self.prepacked = made
        if seen != self.probed:
            self.graphs.clear()
            self.probed, self.agrees = seen, True
            by_steps = functools.partial(_closed_steps, self._new_stepper(copied))
            self.agrees = self._agree(model, states(), by_steps)
        return copied if self.agrees else model

    def _copy(self, module: nn.Module, current: dict, made: dict) -> nn.Module:
        """Copy a tree of modules, prepacked where it can be; all but the tree itself is shared."""
        if can_be_prepacked(module):
            made[module] = current.get(module) or PrepackedLinear(module, self.weight_dtype)
            return made[module]
        copied = copy.copy(module)
        # torch has no public way to give a module other children and leave its own as they are.
        copied.__dict__["_modules"] = {
            name: child if child is None else self._copy(child, current, made)
            for name, child in module._modules.items()
        }
        return copied

    def _agree(
        self, model: PreTrainedModel, states: torch.Tensor, by_steps: Callable[..., torch.Tensor]
    ) -> bool:
        """Compare steps, token by token, with `model.forward` on two padded questions.

        Args:
            model: The network.
            states: Of one question, `(1, source, d_model)`.
            by_steps: Maps states, mask and ids `(2, steps)` to logits `(2, steps, vocab_size)`.
        """
        states = states.expand(2, -1, -1)
        mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        mask[1, states.shape[1] // 2 + 1 :] = 0
        ids = torch.arange(2 * _PROBE_STEPS, device=states.device) % model.config.vocab_size
        ids = ids.view(2, _PROBE_STEPS)
        expected = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=ids,
            use_cache=False,
        ).logits.float()  # (2, steps, vocab_size)
        try:
            found = by_steps(states, mask, ids)
        except Exception as error:  # whatever somebody's module makes of a prepacked layer
            logger.warning(_("Fast decoding fails here (%r): the network itself decodes."), error)
            return False
        apart = (found - expected).abs().amax() / expected.abs().amax()
        allowed = _INT8_TOLERANCE if self.weight_dtype else _TOLERANCE.get(model.dtype, 1e-3)
        if bool(apart <= allowed):
            return True
        logger.warning(
            _(
                "Fast decoding gives other scores than the network here (%.2g apart, %.2g "
                "allowed): the network itself decodes, as fast as it can."
            ),
            apart,
            allowed,
        )
        return False


def _closed_steps(
    stepper: Stepper, states: torch.Tensor, mask: torch.Tensor, ids: torch.LongTensor
) -> torch.Tensor:
    """Read logits `(2, steps, vocab_size)` off a stepper; rows leave a batch, and change places."""
    stepper.start(states, mask, ids.shape[1])
    order = torch.arange(2, device=ids.device)
    found = []
    for place in range(ids.shape[1]):
        found.append(stepper.step(ids[order, place], place)[order])
        # Rows leave a batch, and branch: what is kept of them has to follow.
        order = order.flip(0)
        stepper.select(order.new_tensor([1, 0]))
    return torch.stack(found, dim=1)


def _open_steps(
    stepper: OpenStepper, states: torch.Tensor, mask: torch.Tensor, ids: torch.LongTensor
) -> torch.Tensor:
    """Read logits `(2, steps, vocab_size)` off a batch that a row joins later and one leaves."""
    found: list[list[torch.Tensor]] = [[], []]
    here: list[int] = []
    for place in range(ids.shape[1] + 1):
        if place < 2:
            stepper.join(states[place : place + 1], mask[place : place + 1])
            here.append(place)
        elif len(found[0]) == ids.shape[1]:
            stepper.leave(0)
            here = [1]
        tokens = torch.stack([ids[row, len(found[row])] for row in here])
        for row, logits in zip(here, stepper.step(tokens), strict=True):
            found[row].append(logits)
        stepper.advance()
    return torch.stack([torch.stack(row) for row in found])
