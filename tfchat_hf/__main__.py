# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`python -m tfchat_hf`: what commands there are. Each says more with `--help`."""

import sys

COMMANDS = {
    "data_builders": "a corpus of your own, read, cleaned and split",
    "tfchat_hf.text.tokenizer_training": "a tokenizer from a dataset",
    "tfchat_hf.look": "one sentence on its way through a model, in words or as a page",
    "tfchat_hf.training": "train a model (also: tfchat-train, train_hf.py)",
    "tfchat_hf.chat": "talk to it (also: tfchat-chat, chat_hf.py)",
    "tfchat_hf.memory": "the questions of its corpus, remembered beside it",
    "tfchat_hf.compare": "its presets side by side",
    "tfchat_hf.judging": "blind sheets for readers, their marks, and relevance in figures",
    "tfchat_hf.publishing": "push it to the Hub",
    "tfchat_hf.engines.export": "for CTranslate2, onnxruntime, or as a Marian without code",
    "tfchat_hf.engines.javascript_tokenizer": "its tokenizer for transformers.js",
    "tfchat_hf.convert": "a checkpoint of the original TFChat, read without running it",
    "tfchat_hf.pretrained": "put a run in the place of the model in the package",
}


def main() -> int:
    """Print the commands; return 2 where one was named that does not exist."""
    width = max(map(len, COMMANDS))
    sys.stdout.write("python -m COMMAND --help says more.\n\n")
    sys.stdout.writelines(f"  {name:{width}}  {about}\n" for name, about in COMMANDS.items())
    return 2 if sys.argv[1:] and not {"-h", "--help"} & set(sys.argv[1:]) else 0


if __name__ == "__main__":
    sys.exit(main())
