# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The network, one token at a time: called as it is, or recorded once and replayed on a GPU."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import threading
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache, StaticCache
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import output_capturing

from data_builders.translation import _

from ..model.layers_tfchat import CACHE

logger = logging.getLogger(__name__)

_SOURCE_STEP = 32
# A graph keeps its buffers: for 32 rows of 512 tokens at d_model 512 some 150 MB.
_MOST_GRAPHS = 8


class Stepper:
    """Call a network with a cache that grows.

    Args:
        network: A `TFChatForConditionalGeneration`, or what stands for one.
    """

    can_branch = True

    def __init__(self, network: PreTrainedModel) -> None:
        """Make nothing before the questions are known."""
        self.network = network
        self.question: BaseModelOutput
        self.mask: torch.Tensor | None
        self.cache: EncoderDecoderCache

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions, `(rows, source, d_model)` with a mask `(rows, source)` or None."""
        config = self.network.config
        self.question = BaseModelOutput(last_hidden_state=encoder_hidden_states)
        self.cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        # As the decoder would make it at each step: a mask that is made already passes through.
        self.mask = create_bidirectional_mask(
            config=config,
            inputs_embeds=encoder_hidden_states[:, :1],
            attention_mask=encoder_attention_mask,
            encoder_hidden_states=encoder_hidden_states,
        )

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Map the newest token of each row `(rows,)` to float32 logits `(rows, vocab_size)`."""
        return self.call(tokens, self.cache).float()

    def call(self, tokens: torch.LongTensor, cache: EncoderDecoderCache) -> torch.Tensor:
        """Run the network with a cache; return its logits `(rows, vocab_size)`."""
        output = self.network(
            encoder_outputs=self.question,
            attention_mask=self.mask,
            decoder_input_ids=tokens[:, None],
            use_cache=True,
            return_dict=True,
            **{CACHE: cache},
        )
        return output.logits[:, -1]

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows of the batch only, in this order."""
        states = self.question.last_hidden_state.index_select(0, rows)
        self.question = BaseModelOutput(last_hidden_state=states)
        self.mask = None if self.mask is None else self.mask.index_select(0, rows)
        self.cache.batch_select_indices(rows)


def has_hooks(network: nn.Module) -> bool:
    """Tell whether somebody hung a function into the network; a replayed step would not call it.

    transformers' own, which collect hidden states, do nothing while nobody asks for those.
    """
    hooks = (
        hook
        for module in network.modules()
        for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    )
    own = output_capturing.__name__
    return any(getattr(hook, "__module__", None) != own for hook in hooks)


def recorded_from(network: nn.Module) -> tuple:
    """Return what a recorded step rests on beside the values of the weights: places and code."""
    kinds = dict.fromkeys(base for m in network.modules() for base in type(m).__mro__)
    code = [value for kind in kinds for value in vars(kind).values() if callable(value)]
    own = [value for m in network.modules() for value in vars(m).values() if callable(value)]
    tensors = itertools.chain(network.parameters(), network.buffers())
    return (*code, *own, *((t.data_ptr(), t.shape) for t in tensors))


class RecordedStepper(Stepper):
    """Replay a recorded step: on a GPU its 60 small kernels cost more to start than to run.

    A graph knows one shape. So batches are rounded up to a power of two, questions to a multiple
    of 32 tokens, and the step attends to the whole room for the reply, of which transformers'
    `StaticCache` masks what is not written yet.

    Args:
        network: As `Stepper` takes it.
        graphs: The steps recorded so far with these weights, by shape.
        capture: Record graphs; without, the same step runs kernel by kernel.
    """

    can_branch = False  # its shape cannot change

    def __init__(self, network: PreTrainedModel, graphs: dict, capture: bool = True) -> None:
        """Make nothing before the questions are known."""
        super().__init__(network)
        self.graphs = graphs
        self.capture = capture
        self.recorded: RecordedStep
        self.rows: torch.Tensor

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions into the buffers of their shape."""
        rows, source, d_model = encoder_hidden_states.shape
        # One column of padding at least: transformers makes no mask where there is none, and a
        # graph with a mask cannot serve a batch without, nor the other way round.
        shape = (1 << (rows - 1).bit_length(), (source // _SOURCE_STEP + 1) * _SOURCE_STEP)
        states = encoder_hidden_states.new_zeros(*shape, d_model)
        states[:rows, :source] = encoder_hidden_states
        mask = torch.zeros(shape, dtype=torch.long, device=states.device)
        mask[:, 0] = 1  # a row of nobody must look at something
        mask[:rows, :source] = 1 if encoder_attention_mask is None else encoder_attention_mask
        super().start(states, mask, max_steps)
        self.rows = torch.arange(rows, device=states.device)
        # Each thread has its own: two of them would write into one buffer.
        key = (threading.get_ident(), *shape, max_steps, states.dtype)
        self.recorded = self.graphs.pop(key, None) or RecordedStep(self, max_steps)
        self.graphs[key] = self.recorded  # the newest stands last
        while len(self.graphs) > _MOST_GRAPHS:
            self.graphs.pop(next(iter(self.graphs)), None)
        self.recorded.load(self)

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Decode one token a row; see `Stepper.step`."""
        self.recorded.tokens.index_copy_(0, self.rows, tokens)
        self.recorded.replay(self)
        return self.recorded.logits.index_select(0, self.rows).float()

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows; the others keep running, for the shape cannot change."""
        self.rows = self.rows.index_select(0, rows)


class RecordedStep:
    """The buffers of one shape, and the graph of the step that reads and writes them.

    Attributes:
        states: Of the questions, `(rows, source, d_model)`.
        mask: As the decoder takes it, `(rows, 1, 1, source)`.
        tokens: The newest of each row, `(rows,)`.
        logits: Of the next ones, `(rows, vocab_size)`.
    """

    def __init__(self, stepper: RecordedStepper, max_steps: int) -> None:
        """Make the buffers; the first replies are decoded without a graph."""
        config = stepper.network.config
        self.states = torch.empty_like(stepper.question.last_hidden_state)
        self.mask = torch.empty_like(stepper.mask)
        self.tokens = torch.zeros(len(self.states), dtype=torch.long, device=self.states.device)
        self.own = StaticCache(config=config.get_text_config(decoder=True), max_cache_len=max_steps)
        self.cross = DynamicCache(config=config)
        self.logits: torch.Tensor
        self.graph: Any = None
        self.usable = stepper.capture
        self.is_first = True

    def load(self, stepper: RecordedStepper) -> None:
        """Take over the questions of a batch, and forget the replies of the one before."""
        self.states.copy_(stepper.question.last_hidden_state)
        stepper.question = BaseModelOutput(last_hidden_state=self.states)
        self.mask.copy_(stepper.mask)
        stepper.mask = self.mask
        self.own.reset()
        self.is_first = True

    def replay(self, stepper: RecordedStepper) -> None:
        """Make a step with what the buffers hold; leaves `logits`."""
        if self.is_first:
            self._first(stepper)
        elif self.graph is not None:
            self.graph.replay()
        else:
            self._run(stepper)
            if self.usable:
                self._record(stepper)

    def _run(self, stepper: RecordedStepper) -> None:
        """Run the network on the buffers."""
        cache = EncoderDecoderCache(self.own, self.cross)
        cache.is_updated = dict.fromkeys(range(len(self.cross.layers)), True)
        self.logits = stepper.call(self.tokens, cache)

    def _first(self, stepper: RecordedStepper) -> None:
        """Decode the first token, which also reads the questions: keys and values of their own."""
        fresh = DynamicCache(config=stepper.network.config)
        self.logits = stepper.call(self.tokens, EncoderDecoderCache(self.own, fresh))
        if not self.cross.get_seq_length():
            self.cross = fresh
        else:
            for held, new in zip(self.cross.layers, fresh.layers, strict=True):
                held.keys.copy_(new.keys)
                held.values.copy_(new.values)
        self.is_first = False

    def _record(self, stepper: RecordedStepper) -> None:
        """Record the step for those to come; where that fails, go on without."""
        self.usable = False
        found = self.logits
        try:
            torch.cuda.synchronize(self.states.device)
            graph = torch.cuda.CUDAGraph()
            printed = io.StringIO()
            # Else another thread that allocates would break the recording.
            recording = torch.cuda.graph(graph, capture_error_mode="thread_local")
            with contextlib.redirect_stdout(printed), recording:
                self._run(stepper)
            if printed.getvalue():  # what is replayed prints nothing
                raise RuntimeError("the network prints")
            # Recording computes nothing: the logits of this step go where replays will put theirs.
            self.logits.copy_(found)
            self.graph = graph
        except RuntimeError as error:
            self.logits = found
            logger.warning(_("No graph can be recorded here (%s): decoding without."), error)
