# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A conversation with a model: what it reads, what it answers, and the answer as it is made."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.generation import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

import tfchat_hf  # registers the model with AutoModelForSeq2SeqLM

from .chat_settings import ChatError, ChatSettings
from .dialogue import encode_context

logger = logging.getLogger(__name__)

# Ctrl-C cannot interrupt a wait without a time limit on Windows.
_POLL_SECONDS = 0.1


def clean_reply(text: str) -> str:
    """Drop bytes that are no character, and blanks at both ends.

    For a growing reply the result only ever grows at its end, which is what streaming needs:
    half a character decodes to U+FFFD and is held back until its other bytes are there.
    """
    return text.replace("\ufffd", "").strip()


class _StopWhenAsked(StoppingCriteria):
    """Ends `generate()` at the next token once the event is set."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.Tensor | None, **kwargs: object
    ) -> torch.BoolTensor:
        """Return the answer for each row, (batch,)."""
        return torch.full(
            (input_ids.shape[0],), self.event.is_set(), dtype=torch.bool, device=input_ids.device
        )


class _PieceStreamer(BaseStreamer):
    """Turns tokens into pieces of text, each of whole characters.

    Args:
        decode: Token ids to cleaned text.
        deliver: Called with each piece.
    """

    def __init__(self, decode: Callable[[list[int]], str], deliver: Callable[[str], None]) -> None:
        self.decode = decode
        self.deliver = deliver
        self.ids: list[int] = []
        self.sent = 0

    def put(self, value: torch.Tensor) -> None:
        """Take the next ids, (1,) or (1, length); the first call brings the start token."""
        self.ids.extend(value.reshape(-1).tolist())
        text = self.decode(self.ids)
        if len(text) > self.sent:
            self.deliver(text[self.sent :])
            self.sent = len(text)

    def end(self) -> None:
        """Nothing is kept back that could still become text."""


class ChatSession:
    """A model, its tokenizer, what has been said so far, and the generation settings.

    Args:
        model: A TFChat model, in evaluation mode.
        tokenizer: Its tokenizer.
        name: What to call the model on the screen.
        on_notice: Called with a sentence when a turn is dropped or a message cut.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        name: str = "model",
        on_notice: Callable[[str], None] = logger.warning,
    ) -> None:
        """Begin a conversation with nothing said."""
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.on_notice = on_notice
        self.history: list[str] = []
        self.settings = ChatSettings(model.generation_config, model.config.max_position_embeddings)

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

    def reply(self, message: str) -> str:
        """Answer `message` and remember both."""
        return "".join(self.stream(message))

    def stream(self, message: str) -> Iterator[str]:
        """Answer `message` piece by piece, each of whole characters, and remember both.

        Closing the iterator early stops the model; what it had said by then is remembered.
        """
        ids, notices = self.encode([*self.history, message])
        for notice in notices:
            self.on_notice(notice)
        return self._remembered(message, ids)

    def _remembered(self, message: str, ids: list[int]) -> Iterator[str]:
        """Yield the pieces of the reply; whatever was said when it ends goes into the history."""
        pieces: list[str] = []
        generation = self._generate_in_thread(ids)
        try:
            for piece in generation:
                pieces.append(piece)
                yield piece
        finally:
            generation.close()
            if pieces:
                self.history += [message, "".join(pieces)]

    def reply_to_many(self, contexts: Sequence[Sequence[str]], seed_offset: int = 0) -> list[str]:
        """Answer several conversations in one batch, without touching the history.

        Args:
            contexts: The turns of each conversation, the one to answer last.
            seed_offset: Added to the seed, so that batches differ and a rerun does not.
        """
        rows = [self.encode(turns)[0] for turns in contexts]
        length = max(map(len, rows))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        self._seed(seed_offset)
        output = self.model.generate(
            input_ids=ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            generation_config=self.settings.generation_config(),
        )
        return [self._decode(row) for row in output.tolist()]

    def encode(self, turns: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return the encoder input for `turns` and a sentence for each thing that did not fit."""
        newest = list(turns)[-self.max_context_turns :]
        encoded = encode_context(self.tokenizer, newest, self.max_source_length)
        notices = []
        if encoded.dropped_turns:
            what = "turn was" if encoded.dropped_turns == 1 else "turns were"
            notices.append(
                f"The {encoded.dropped_turns} oldest {what} left out: the model reads at most "
                f"{self.max_source_length} tokens. /reset starts anew."
            )
        if encoded.truncated_tokens:
            notices.append(
                f"The message is too long: its first {encoded.truncated_tokens} tokens were cut; "
                f"the model reads at most {self.max_source_length}."
            )
        return list(encoded.input_ids), notices

    def _seed(self, offset: int = 0) -> None:
        """Make the coming reply repeatable if a seed was set."""
        if self.settings.seed is not None:
            torch.manual_seed(self.settings.seed + offset)

    def _decode(self, ids: list[int]) -> str:
        """Return the text of decoder ids up to `</s>`."""
        eos = self.tokenizer.eos_token_id
        # The first id is the decoder's start token, in some models the same as </s>.
        if eos in ids[1:]:
            ids = ids[: ids.index(eos, 1)]
        return clean_reply(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _generate_in_thread(self, ids: list[int]) -> Iterator[str]:
        """Run `generate()` in a thread and yield its pieces; closing this stops the thread."""
        # Not queue.Queue: Ctrl-C may leave its lock held, and the thread would wait for it forever.
        pieces: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        stop = threading.Event()
        worker = threading.Thread(target=self._work, args=(ids, pieces, stop), daemon=True)
        try:
            with _interrupts_held():
                worker.start()
            while (piece := _next_piece(pieces)) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            stop.set()
            if worker.is_alive():  # Not so if it could not be started.
                worker.join()

    def _work(self, ids: list[int], pieces: queue.SimpleQueue, stop: threading.Event) -> None:
        """Generate one reply into `pieces`; None ends it, an exception is handed over."""
        # Beam search changes its mind about earlier tokens, so it cannot be streamed.
        streamed = self.settings.num_beams == 1
        streamer = _PieceStreamer(self._decode, pieces.put) if streamed else None
        try:
            self._seed()
            source = torch.tensor([ids], device=self.model.device)
            output = self.model.generate(
                input_ids=source,
                attention_mask=torch.ones_like(source),
                generation_config=self.settings.generation_config(),
                streamer=streamer,
                stopping_criteria=StoppingCriteriaList([_StopWhenAsked(stop)]),
            )
            if not streamed and (text := self._decode(output[0].tolist())):
                pieces.put(text)
        except Exception as error:  # handed over: the caller's thread raises it
            pieces.put(error)
        finally:
            pieces.put(None)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C until the block is done: cut off in its locks, `threading` leaves them held."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def _next_piece(pieces: queue.SimpleQueue) -> str | Exception | None:
    """Wait for the next item in a way that Ctrl-C can interrupt."""
    while True:
        try:
            return pieces.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


def load_session(name: str, device: str = "auto") -> ChatSession:
    """Load a model folder or Hub id and begin a conversation with it.

    Raises:
        ChatError: There is no such model, or it is not one to chat with.
    """
    target = choose_device(device)
    source = _check_folder(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, report = AutoModelForSeq2SeqLM.from_pretrained(
            source, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # many libraries, many error types, one thing to tell
        logger.debug("loading failed", exc_info=True)
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ChatError(
            f"Model {name!r} cannot be loaded: {reason} Give the folder of a finished run, "
            "or the id of a TFChat model on the Hub."
        ) from error
    if not isinstance(model, tfchat_hf.TFChatForConditionalGeneration):
        raise ChatError(
            f"Model {name!r} is of type {model.config.model_type!r}; chat needs a TFChat model."
        )
    if report["missing_keys"]:
        raise ChatError(
            f"Model {name!r} lacks weights ({', '.join(sorted(report['missing_keys'])[:3])} ...): "
            "the file is not a whole TFChat model. Train again or take another checkpoint."
        )
    return ChatSession(model.to(target).eval(), tokenizer, name)


def choose_device(device: str) -> torch.device:
    """Return the device asked for; `auto` is the GPU where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        logger.debug("device refused", exc_info=True)
        gpus = ", ".join(f"cuda:{index}" for index in range(torch.cuda.device_count()))
        raise ChatError(
            f"`--device` must be one that torch can use here (got {device!r}). "
            f"Use auto, cpu{', ' + gpus if gpus else ''}."
        ) from error
    return chosen


def _check_folder(name: str) -> str:
    """Return what to load; refuse a missing path or a folder with no model in it."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ChatError(_unfinished_text(folder))
        return str(folder)
    if folder.exists():
        raise ChatError(f"{name} is a file; give the folder of the model it belongs to.")
    if _looks_like_a_path(name):
        raise ChatError(
            f"There is no model folder {name}. Train the small one with `make chat` or "
            "`python train_hf.py configs/quickstart.yaml`, or give another folder or a Hub id."
        )
    return name


def _looks_like_a_path(name: str) -> bool:
    """Whether `name` cannot be a Hub id (`name` or `owner/name`), or starts in a folder here."""
    parts = name.replace("\\", "/").split("/")
    is_id_shaped = len(parts) <= 2 and all(parts) and name[:1] not in "./~" and "\\" not in name
    return not is_id_shaped or (len(parts) == 2 and (parts[0] == "runs" or Path(parts[0]).is_dir()))


def _unfinished_text(folder: Path) -> str:
    """Say that a folder holds no model, and name its newest checkpoint if there is one."""
    steps = [p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit()]
    newest = max(steps, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    hint = f"its newest checkpoint is {newest}" if newest else "train one with `make chat`"
    return f"{folder} holds no config.json, so no finished model; {hint}."
