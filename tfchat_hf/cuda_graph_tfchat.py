# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A decoder step recorded once and replayed: on a GPU its 60 small kernels cost more to start.

A graph knows one shape. So batches are rounded up to a power of two, questions to a multiple of
32 tokens, and the step attends to the whole room for the reply, what is not written yet masked.
"""

import logging
import threading

import torch
from torch.nn import functional

from .packed_network_tfchat import PackedDecoder, PackedDecoderLayer, additive_mask
from .positions_tfchat import rotary_angles, rotate
from .stepping_tfchat import Stepper

logger = logging.getLogger(__name__)

_SOURCE_STEP = 32
# A graph keeps its buffers: for 32 rows of 512 tokens at d_model 512 some 150 MB.
_MOST_GRAPHS = 8


class RecordedStep:
    """The buffers of one shape, and the step that reads and writes them.

    Args:
        packed: The weights.
        rows: Of the batch, rounded up.
        source: Tokens of the longest question, rounded up.
        steps: Tokens of the longest reply.
    """

    def __init__(self, packed: PackedDecoder, rows: int, source: int, steps: int) -> None:
        """Make the buffers; nothing is recorded yet."""
        weight = packed.embed_tokens.weight
        self.packed = packed
        self.device = weight.device
        shape = (2, rows, packed.num_heads)
        self.caches = [weight.new_zeros(*shape, steps, packed.head_dim) for _ in packed.layers]
        self.cross = [weight.new_zeros(*shape, source, packed.head_dim) for _ in packed.layers]
        self.mask = weight.new_zeros(rows, 1, 1, source)
        self.places = torch.arange(steps, device=self.device)
        self.tokens = torch.zeros(rows, dtype=torch.long, device=self.device)
        self.position = torch.zeros(1, dtype=torch.long, device=self.device)
        self.logits: torch.Tensor | None = None
        self.likeliest: torch.Tensor | None = None
        self.graph: torch.cuda.CUDAGraph | None = None

    def record(self) -> None:
        """Record the step; on the side first, as torch asks for, so that all is set up."""
        with torch.cuda.device(self.device):
            now, aside = torch.cuda.current_stream(), torch.cuda.Stream()
            aside.wait_stream(now)
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self.run()
            now.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Else another thread that allocates would break the recording.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.run()
        self.graph = graph

    def replay(self) -> None:
        """Make a step with what the buffers hold."""
        if self.graph is None:
            self.run()
        else:
            self.graph.replay()

    def run(self) -> None:
        """Decode `tokens` at `position`; leaves `logits` and the `likeliest` tokens."""
        packed = self.packed
        states = functional.embedding(self.tokens, packed.embed_tokens.weight) * packed.embed_scale
        angles = None
        if packed.embed_positions is not None:
            states = states + packed.embed_positions.table[self.position].to(states.dtype)
        else:
            angles = rotary_angles(self.position[None], packed.head_dim, states.dtype)
        unwritten = (self.places > self.position)[None, None, None]
        ahead = torch.zeros_like(unwritten, dtype=states.dtype)
        ahead = ahead.masked_fill(unwritten, torch.finfo(states.dtype).min)
        for index, layer in enumerate(packed.layers):
            mixed = self._attend_to_reply(index, layer, states, angles, ahead)
            states = layer.after(states, layer.self_out(mixed), 0)
            query = layer.cross_q(layer.before(states, 1))
            query = query.view(len(query), packed.num_heads, 1, -1)
            keys, values = self.cross[index]
            mixed = functional.scaled_dot_product_attention(query, keys, values, self.mask)
            states = layer.after(states, layer.cross_out(mixed.reshape(len(query), -1)), 1)
            states = layer.feed_forward(states)
        self.logits = packed.logits(states)
        self.likeliest = self.logits.argmax(-1)

    def _attend_to_reply(
        self,
        index: int,
        layer: PackedDecoderLayer,
        states: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor] | None,
        ahead: torch.Tensor,
    ) -> torch.Tensor:
        """Write the new key and value, and mix the values so far, `(rows, d_model)`."""
        heads, head_dim = self.packed.num_heads, self.packed.head_dim
        parts = layer.self_qkv(layer.before(states, 0)).view(-1, 3, heads, head_dim)
        query, key, value = (part[:, :, None] for part in parts.unbind(1))
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        keys, values = self.caches[index]
        keys.index_copy_(2, self.position, key)
        values.index_copy_(2, self.position, value)
        mixed = functional.scaled_dot_product_attention(query, keys, values, ahead)
        return mixed.reshape(len(parts), -1)


class GraphStepper(Stepper):
    """Decodes like `Stepper`, by replaying a recorded step.

    Args:
        packed: The weights; the graphs are kept with them.
        capture: Record graphs; without, the same step runs kernel by kernel.
    """

    def __init__(self, packed: PackedDecoder, capture: bool = True) -> None:
        """Nothing is made before the questions are known."""
        super().__init__(packed)
        self.capture = capture
        self.recorded: RecordedStep | None = None
        self.rows: torch.Tensor | None = None

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions into the buffers of their shape."""
        super().start(encoder_hidden_states, encoder_attention_mask, 1)
        rows, source = encoder_hidden_states.shape[:2]
        self.recorded = self._of_shape(rows, source, max_steps)
        buffers = self.recorded
        buffers.mask.fill_(torch.finfo(buffers.mask.dtype).min)
        mask = additive_mask(encoder_attention_mask, buffers.mask.dtype)
        buffers.mask[:rows, :, :, :source] = 0 if mask is None else mask
        buffers.mask[rows:, :, :, 0] = 0  # a row of nobody must look at something
        for kept in (*buffers.caches, *buffers.cross):
            kept.zero_()  # what a batch before left there is masked, but 0 times NaN is NaN
        for kept, pair in zip(buffers.cross, self.cross, strict=True):
            kept[:, :rows, :, :source] = pair
        self.rows = torch.arange(rows, device=buffers.device)

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Decode one token a row; see `Stepper.step`."""
        self._replay(tokens, position)
        return self.recorded.logits.index_select(0, self.rows)

    def greedy_step(self, tokens: torch.LongTensor, position: int) -> torch.LongTensor:
        """Return the likeliest next token of each row, without a copy of the logits."""
        self._replay(tokens, position)
        return self.recorded.likeliest.index_select(0, self.rows)

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows; the others keep running, for the shape cannot change."""
        self.rows = self.rows.index_select(0, rows)

    def _replay(self, tokens: torch.LongTensor, position: int) -> None:
        """Hand over tokens and position, and make the step."""
        self.recorded.tokens.index_copy_(0, self.rows, tokens)
        self.recorded.position.fill_(position)
        self.recorded.replay()

    def _of_shape(self, rows: int, source: int, steps: int) -> RecordedStep:
        """Return the recorded step of a shape, recorded now if it is the first time."""
        rows = 1 << (rows - 1).bit_length()
        source = -(-source // _SOURCE_STEP) * _SOURCE_STEP
        # Each thread has its own: two of them would write into one buffer.
        key = (threading.get_ident(), rows, source, steps, self.capture)
        graphs = self.packed.graphs
        if key in graphs:
            graphs[key] = graphs.pop(key)  # the newest stands last
            return graphs[key]
        made = RecordedStep(self.packed, rows, source, steps)
        if self.capture:
            try:
                made.record()
            except RuntimeError as error:
                logger.warning("No graph can be recorded here (%s): decoding without.", error)
                made.graph = None
        graphs[key] = made
        while len(graphs) > _MOST_GRAPHS:
            graphs.pop(next(iter(graphs)), None)
        return made


__all__ = ["GraphStepper"]
