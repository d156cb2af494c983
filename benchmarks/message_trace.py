# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a reader has to open: the code of tfchat_hf that one message, and one update, goes through.

    python benchmarks/message_trace.py
    python benchmarks/message_trace.py --checkout ../older      # another checkout's tfchat_hf
    python benchmarks/message_trace.py --files                  # and which files, with their calls

A message is `ChatSession.reply` at the keyboard: preset `balanced`, a tiny model with random
weights, a reply of 12 tokens. An update is everything from the end of one step of the trainer to
the end of the next, as `train_hf.py` trains; `plain` is with `--plain`. Counted are calls of
functions of tfchat_hf; a move is a call whose nearest caller in tfchat_hf stands in another file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).resolve().parents[1]
PAIRS = [(f"问题{i}号？", f"回答{i}。" * (1 + i % 3)) for i in range(40)]
INLINED = {"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"}  # no functions to a reader
SMALL = (
    "--d_model 16 --encoder_ffn_dim 32 --decoder_ffn_dim 32 --encoder_attention_heads 2 "
    "--decoder_attention_heads 2 --max_steps 3 --tokens_per_update 200 --use_cpu --bf16 false "
    "--validation_fraction 0 --eval_strategy no --save_strategy no --eval_max_samples 4 "
    "--load_best_model_at_end false --overwrite --disable_tqdm"
)


class Trace:
    """Counts the calls of functions whose file lies in a folder, in this thread and new ones."""

    def __init__(self, package: Path) -> None:
        """Nothing has been called."""
        self.root = f"{package}/"
        self.functions: Counter[tuple[str, str]] = Counter()
        self.moves: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call; `sys.setprofile` hands over what happens."""
        code = frame.f_code
        if event != "call" or code.co_name in INLINED or not self._is_ours(frame):
            return
        self.functions[code.co_filename, code.co_qualname] += 1
        caller = frame.f_back
        while caller is not None and not self._is_ours(caller):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != code.co_filename:
            self.moves[caller.f_code.co_filename, code.co_filename] += 1

    def _is_ours(self, frame: FrameType) -> bool:
        return frame.f_code.co_filename.startswith(self.root)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count while this is open."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def start(self) -> None:
        """Begin to count."""
        threading.setprofile(self)
        sys.setprofile(self)

    def stop(self) -> None:
        """Count no more."""
        sys.setprofile(None)
        threading.setprofile(None)

    def row(self, name: str) -> str:
        """Write the counts as a row of the table."""
        files = {file for file, _ in self.functions}
        figures = (len(files), len(self.functions), len(self.moves), self.moves.total())
        return f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |"

    def files(self) -> list[str]:
        """List the files with their functions and calls, most functions first."""
        functions, calls = Counter(), Counter()
        for (file, _), times in self.functions.items():
            functions[file] += 1
            calls[file] += times
        return [
            f"|   {file.removeprefix(self.root)} | {count} functions, {calls[file]} calls |"
            for file, count in functions.most_common()
        ]


def trace_message(package: Path) -> Trace:
    """Answer one message; another one before it loads whatever is loaded late."""
    import torch

    from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
    from tfchat_hf.chat.session import ChatSession
    from tfchat_hf.text.tokenizer_training import train_tokenizer

    texts = [text for pair in PAIRS for text in pair]
    tokenizer = train_tokenizer(texts, "char", 400)
    torch.manual_seed(0)
    shape = {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    config = TFChatConfig(vocab_size=len(tokenizer), max_context_turns=1, **shape)
    model = TFChatForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.lm_head.bias[config.eos_token_id] = -1e4  # so that the reply has its full length
    session = ChatSession(model, tokenizer)
    session.settings.set("preset", "balanced")
    session.settings.set("max_new_tokens", "12")
    session.reply(PAIRS[0][0])
    trace = Trace(package)
    with trace.running():
        session.reply(PAIRS[1][0])
    return trace


def trace_update(package: Path, folder: Path, *options: str) -> Trace:
    """Train three updates and trace the last of them."""
    from transformers import TrainerCallback

    import tfchat_hf.training.run as training
    from tfchat_hf.settings.parsing import parse_arguments
    from tfchat_hf.training.callbacks import StopRequest

    trace = Trace(package)

    class OneUpdate(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 2:
                trace.start()
            elif state.global_step == 3:
                trace.stop()

    (folder / "pairs.tsv").write_text(
        "\n".join("\t".join(pair) for pair in PAIRS), encoding="utf-8"
    )
    given = [f"--dataset={folder}/pairs.tsv", f"--output_dir={folder}/run", *SMALL.split()]
    # An older checkout builds the trainer among other things.
    name = "build_trainer" if hasattr(training, "build_trainer") else "set_up"
    build: Callable = getattr(training, name)

    def build_traced(*arguments: Any) -> Any:
        made = build(*arguments)
        getattr(made, "trainer", made).add_callback(OneUpdate())
        return made

    setattr(training, name, build_traced)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            training.run_training(
                parse_arguments([*given, *options]), lambda line: None, StopRequest()
            )
    finally:
        setattr(training, name, build)
    return trace


def main(argv: Sequence[str] | None = None) -> int:
    """Trace and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkout", type=Path, default=HERE, help="whose tfchat_hf is traced")
    parser.add_argument("--files", action="store_true", help="list the files too")
    options = parser.parse_args(argv)
    checkout = options.checkout.resolve()
    sys.path.insert(0, str(checkout))
    from tfchat_hf.settings.arguments import TFChatTrainingArguments

    package = checkout / "tfchat_hf"
    traces = {"a message at the keyboard": trace_message(package)}
    with tempfile.TemporaryDirectory() as folder:
        traces["an update of training"] = trace_update(package, Path(folder))
        if hasattr(TFChatTrainingArguments, "plain"):
            traces["an update, plain"] = trace_update(package, Path(folder), "--plain")
    print("| | files | functions | pairs of files with a move | moves between files |")
    print("|---|---:|---:|---:|---:|")
    for name, trace in traces.items():
        print("\n".join([trace.row(name), *(trace.files() if options.files else [])]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
