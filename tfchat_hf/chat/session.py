# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A conversation with a model: what it reads, what it answers, and the answer as it is made."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.generation import StoppingCriteria, StoppingCriteriaList

from data_builders.command_line import sentence
from data_builders.errors import UserError
from data_builders.interrupts import interrupts_held
from data_builders.translation import _, counted_text

from ..engines.model_folder import choose_device, load_for_chat
from ..fast import FastDecoder
from ..fast.decoding import generate_options
from ..fast.replies import reply_to_questions
from ..fast.reranking import check_reverse_model
from ..memory.ranking import ModelScorer
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..text.dialogue import EncodedContext, check_text, check_turns, encode_context
from ..text.tokenization import describe_tokens
from .recall import Recall, load_recall
from .settings import ChatSettings
from .streaming import BROKEN, BatchTextStreamer, next_item

logger = logging.getLogger(__name__)

# No text has longer tokens on average; what is far too long is cut before it is looked at closely.
_CHARACTERS_PER_TOKEN = 64


def clean_reply(text: str) -> str:
    """Drop bytes that are no character, and blanks at both ends."""
    return text.replace(BROKEN, "").strip()


def _under_the_same_autocast(work: Callable[..., None], device: str) -> Callable[..., None]:
    """Let another thread work in the types of this one; torch keeps them by thread."""
    on, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    return torch.autocast(device, dtype, enabled=on)(work) if on else work


@contextmanager
def _settings_errors() -> Iterator[None]:
    """Tell the user what `generate()` says of settings that do not go together."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error


class _StopWhenAsked(StoppingCriteria):
    """Ends `generate()` at the next token once the event is set."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.Tensor | None, **kwargs: object
    ) -> torch.BoolTensor:
        """Return the answer for each row, `(batch,)`."""
        return torch.full(
            (input_ids.shape[0],), self.event.is_set(), dtype=torch.bool, device=input_ids.device
        )


class ChatSession:
    """A model, its tokenizer, what has been said so far, and the generation settings.

    Args:
        model: A TFChat model in evaluation mode, or what `engines.load_engine` returns.
        tokenizer: Its tokenizer.
        name: What to call the model on the screen.
        on_notice: Called with a sentence when a turn is dropped or a message cut.
        reverse_model: A model that was trained from reply to message; chooses among candidates
            where the settings say so.
        recall: What the model's corpus knows, asked before the model.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        name: str = "model",
        on_notice: Callable[[str], None] = logger.warning,
        reverse_model: PreTrainedModel | None = None,
        recall: Recall | None = None,
    ) -> None:
        """Begin a conversation with nothing said."""
        describe_tokens(model.config, tokenizer)
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.on_notice = on_notice
        self.reverse_model = reverse_model
        self.recall = recall or Recall()
        # A person sees the network itself at work; many questions at once are decoded sooner.
        self.fast: FastDecoder | None = None
        is_torch = isinstance(model, TFChatForConditionalGeneration)
        self.fast_for_many = FastDecoder() if is_torch else None
        self.history: list[str] = []
        # How the model runs, for the note beside a file of replies.
        self.ways: dict[str, object] = {}
        limit = model.config.max_position_embeddings
        self.settings = ChatSettings(model.generation_config, limit, model)

    @property
    def max_context_turns(self) -> int:
        """How many turns the model was trained to read."""
        return max(1, self.model.config.max_context_turns)

    @property
    def max_source_length(self) -> int:
        """Most tokens the encoder reads, `</s>` included."""
        return min(self.model.config.max_position_embeddings, self.tokenizer.model_max_length)

    def reset(self) -> None:
        """Forget what has been said."""
        self.history.clear()
        self.recall.last = None

    def reply(self, message: str) -> str:
        """Answer `message` and remember both."""
        return "".join(self.stream(message))

    def stream(self, message: str) -> Generator[str, None, None]:
        """Answer `message` piece by piece, each of whole characters, and remember both.

        Closing the iterator early stops the model; what it had said by then is remembered.
        """
        check_text(message, "the message")
        turns = [*filter(None, self.history), message]  # no model was trained to read silence
        if (known := self.recall.reply_to(turns)) is not None:
            return self._remembering(message, iter([known]))
        ids, notices = self.encode(turns)
        for notice in notices:
            self.on_notice(notice)
        return self._remembering(message, self._generate_in_thread(ids))

    def _remembering(self, message: str, reply: Iterator[str]) -> Generator[str, None, None]:
        """Yield the pieces of the reply; whatever was said when it ends goes into the history."""
        pieces: list[str] = []
        has_ended = False
        try:
            for piece in reply:
                pieces.append(piece)
                yield piece
            has_ended = True
        finally:
            if isinstance(reply, Generator):
                reply.close()
            if pieces or has_ended:  # silence is an answer: the next one is still about this
                self.history += [message, "".join(pieces)]

    def reply_to_many(self, contexts: Sequence[Sequence[str]], seed_offset: int = 0) -> list[str]:
        """Answer several conversations in one batch, without touching the history.

        Args:
            contexts: The turns of each conversation, the one to answer last.
            seed_offset: Added to the seed, so that batches differ and a rerun does not.
        """
        if self.settings.rerank_by == "reverse":
            self.need_reverse_model()
        seed = None if self.settings.seed is None else self.settings.seed + seed_offset
        with _settings_errors():
            (batch,) = reply_to_questions(
                self.model,
                self.tokenizer,
                [self.encode(turns)[0] for turns in contexts],
                [(seed, range(len(contexts)))],
                self.settings.generation_config(),
                self.fast or self.fast_for_many,
                self.reverse_model,
            )
        return [self._decode(ids) for ids in batch.ids]

    def read(self, turns: Sequence[str]) -> EncodedContext:
        """Return what the encoder reads of the newest `max_context_turns` turns."""
        check_turns(turns)
        most = _CHARACTERS_PER_TOKEN * self.max_source_length
        newest = [turn[-most:] for turn in list(turns)[-self.max_context_turns :]]
        try:
            return encode_context(self.tokenizer, newest, self.max_source_length)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # how Rust says that it cannot go on
                raise
            raise UserError(
                "The tokenizer fails at this message ({error}).", error=sentence(error)
            ) from None

    def encode(self, turns: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return the encoder input for `turns` and a sentence for each thing that did not fit."""
        encoded = self.read(turns)
        most = _CHARACTERS_PER_TOKEN * self.max_source_length
        notices = []
        if encoded.dropped_turns:
            left_out = counted_text(
                "The {number} oldest turn was left out: the model reads at most {most} tokens. "
                "/reset starts anew.",
                "The {number} oldest turns were left out: the model reads at most {most} tokens. "
                "/reset starts anew.",
                encoded.dropped_turns,
                most=self.max_source_length,
            )
            notices.append(left_out)
        if encoded.truncated_tokens and len(turns[-1]) <= most:
            notices.append(
                _(
                    "The message is too long: its first {count} tokens were cut; the model reads "
                    "at most {most}.",
                    count=encoded.truncated_tokens,
                    most=self.max_source_length,
                )
            )
        elif encoded.truncated_tokens:
            notices.append(
                _(
                    "The message is too long: its beginning was cut; the model reads at most "
                    "{most}.",
                    most=self.max_source_length,
                )
            )
        return list(encoded.input_ids), notices

    def check_reverse_model(self) -> None:
        """Refuse a reverse model that these settings never ask.

        Raises:
            UserError: Says which settings would.
        """
        if self.settings.rerank_by != "reverse":
            raise UserError(
                "`--reverse-model` is not asked with these settings. Add `--preset mutual`, or "
                "leave it out."
            )

    def why_not_fast(self) -> str | None:
        """Say in a sentence what `--fast` changes nothing about; None where replies are fast."""
        config = self.settings.generation_config()
        if self.fast is None or self.settings.rerank_by or self.fast.options(config):
            return None
        return _(
            "`--fast` is for greedy search, drawing and candidates: with these settings (beams, "
            "stop strings) replies are made as without it."
        )

    def need_reverse_model(self) -> None:
        """Refuse settings that ask a reverse model where there is none.

        Raises:
            UserError: Says how to begin with one.
        """
        if self.reverse_model is None:
            raise UserError(
                "These settings let a reverse model choose, and there is none. Begin with "
                "`--reverse-model FOLDER` (train one with `--swap_sides true`), or take "
                "another preset: /presets lists them."
            )

    def _generation_options(
        self, ids: torch.LongTensor, fast: FastDecoder | None, streamer: Any = None
    ) -> dict[str, Any]:
        """Return what the settings mean for `generate()` and questions `(batch, source)`."""
        if self.settings.rerank_by == "reverse":
            self.need_reverse_model()
        if self.settings.rerank_by:
            fast = fast or self.fast_for_many  # or each reply would pack the weights anew
        config = self.settings.generation_config()
        return generate_options(config, ids, fast, self.reverse_model, streamer)

    def _decode(self, ids: list[int]) -> str:
        """Return the text of decoder ids up to `</s>`."""
        eos = self.tokenizer.eos_token_id
        # The first id is the decoder's start token, in some models the same as </s>.
        if eos in ids[1:]:
            ids = ids[: ids.index(eos, 1)]
        return clean_reply(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _generate_in_thread(self, ids: list[int]) -> Generator[str]:
        """Run `generate()` in a thread and yield its pieces; closing this stops the thread."""
        pieces: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        stop = threading.Event()
        work = _under_the_same_autocast(self._work, self.model.device.type)
        worker = threading.Thread(target=work, args=(ids, pieces, stop), daemon=True)
        try:
            with interrupts_held():
                worker.start()
            while (piece := next_item(pieces)) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            stop.set()
            if worker.is_alive():  # Not so if it could not be started.
                worker.join()

    def _work(self, ids: list[int], pieces: queue.SimpleQueue, stop: threading.Event) -> None:
        """Generate one reply into `pieces`; None ends it, an exception is handed over."""
        whole = self.settings.comes_whole
        streamer = None
        if not whole:
            streamer = BatchTextStreamer(
                self.tokenizer, lambda row, piece: pieces.put(piece), trim=True
            )
        try:
            if self.settings.seed is not None:
                torch.manual_seed(self.settings.seed)
            source = torch.tensor([ids], device=self.model.device)
            with _settings_errors():
                output = self.model.generate(
                    input_ids=source,
                    attention_mask=torch.ones_like(source),
                    stopping_criteria=StoppingCriteriaList([_StopWhenAsked(stop)]),
                    **self._generation_options(source, self.fast, streamer),
                )
            if whole and (text := self._decode(output[0].tolist())):
                pieces.put(text)
        except Exception as error:  # handed over: the caller's thread raises it
            pieces.put(error)
        finally:
            pieces.put(None)


def load_session(
    name: str,
    device: str = "auto",
    engine: str = "torch",
    int8: bool = False,
    reverse_model: str | None = None,
    fast: bool = False,
    memory: bool = True,
) -> ChatSession:
    """Load a model folder or Hub id, its memory too, and begin a conversation with it.

    Args:
        name: The model.
        device: `auto`, or one that torch knows.
        engine: `torch`, `ctranslate2` or `onnx`; the latter two need an export.
        int8: Decode with weights in int8 (torch: on the CPU).
        reverse_model: Folder or Hub id of a model that chooses among candidates.
        fast: Decode single replies too with prepacked weights (torch).
        memory: Answer from the model's memory where it has one and knows.

    Raises:
        UserError: There is no such model, or it is not one to chat with.
    """
    if int8 and engine == "torch" and choose_device(device).type != "cpu":
        raise UserError(
            "`--int8` is for the CPU (got `--device {device}`, which is a GPU here). Use "
            "--device cpu, or leave out --int8.",
            device=device,
        )
    if fast and engine != "torch":
        raise UserError(
            "`--fast` is a way of torch's (got `--engine {engine}`, which is fast by "
            "itself). Leave out one of the two.",
            engine=engine,
        )
    model, tokenizer = load_for_chat(name, device, engine, int8)
    reverse = None
    if reverse_model is not None:
        reverse, its_tokenizer = load_for_chat(reverse_model, device)
        if its_tokenizer.get_vocab() != tokenizer.get_vocab():
            raise UserError(
                "`--reverse-model` {reverse} has another vocabulary than {run}. Train it "
                "with `tokenizer: {run}`.",
                reverse=reverse_model,
                run=name,
            )
        if engine == "torch":
            check_reverse_model(model, reverse)
    # An engine's encoder gives no states to compare.
    scorer = ModelScorer(model, tokenizer) if engine == "torch" else None
    recall = load_recall(name, max(1, model.config.max_context_turns), memory, scorer)
    session = ChatSession(model, tokenizer, name, reverse_model=reverse, recall=recall)
    session.ways |= {"engine": engine, "int8": int8}
    if (fast or int8) and engine == "torch":
        session.fast = FastDecoder("int8" if int8 else None)
    return session
