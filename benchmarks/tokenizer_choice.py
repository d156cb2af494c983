# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which tokenizer gives the best small chat model: equal networks, equal arithmetic.

    python benchmarks/tokenizer_choice.py --corpus chat=data/chat --corpus film=data/film --out DIR
    python benchmarks/tokenizer_choice.py ... --only word-8000,subword-bpe-8000 --seeds 1,2,3
    python benchmarks/tokenizer_choice.py --out DIR --show            # the table of what is done

A corpus is a folder that `python -m data_builders` wrote; `NAME=FOLDER@zh,mixed` takes the rows
of these languages only, and `NAME=FOLDER:16` makes updates of 16 pairs instead of 64 (long texts
need fewer for as many tokens). Each run is `train_hf.py` in a process of its own with one thread.
All runs have 2 + 2 layers of width 256, all runs on one corpus the same pairs an update, and as
many updates as the budget of multiply-adds allows (`training_peers/arithmetic.py`):
a scheme with shorter texts, or a smaller output layer, sees more of them. Results are kept line by
line in DIR/results.jsonl, so a stopped study goes on where it was. No text is shown.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from losses import train
from tokenizer_choice_table import print_tables
from training_peers.arithmetic import needed
from training_peers.job import Shape
from training_peers.workload import Encoded

SCHEMES = ("char", "word", "subword-bpe", "subword-unigram")
SIZES = (4000, 8000, 16000)
PAIRS = 64
MODEL = {
    "d_model": 256,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
    "tie_word_embeddings": True,
    "max_source_length": 256,
    "max_target_length": 256,
    "max_position_embeddings": 256,
    "generation_max_new_tokens": 128,
}
TRAINING = {
    "learning_rate": 1e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.1,
    "label_smoothing_factor": 0.1,
    "eval_strategy": "no",
    "save_strategy": "no",
    "eval_max_samples": 300,
}
# A vocabulary that the corpus fills so much less than asked for is the smaller one again.
_FILLED = 0.9


@dataclass(frozen=True)
class Corpus:
    """Dialogues of one kind.

    Attributes:
        name: what the table calls them.
        source: the folder they were built into.
        languages: which rows to take; none named takes all.
        pairs: pairs of an update.
    """

    name: str
    source: Path
    languages: tuple[str, ...]
    pairs: int = PAIRS

    def prepare(self, work: Path) -> Path:
        """Write the rows of the chosen languages, once.

        Args:
            work: where the study works.

        Returns:
            The folder of a saved dataset with `train` and `validation`.
        """
        from datasets import DatasetDict, load_from_disk

        folder = work / self.name / "data"
        if not folder.exists():
            built = load_from_disk(str(self.source))
            splits = DatasetDict({key: built[key] for key in ("train", "validation")})
            if self.languages:
                splits = splits.filter(lambda row: row["lang"] in self.languages)
            splits.save_to_disk(f"{folder}.part")
            Path(f"{folder}.part").rename(folder)
        return folder


@dataclass
class Vocabulary:
    """A tokenizer trained on one corpus.

    Attributes:
        scheme: one of `SCHEMES`.
        asked: the size asked for.
        size: the tokens it has.
        train_seconds: CPU time of its training.
        characters_per_token: of the training replies.
        flops_per_pair: mean of `needed` of a training pair.
    """

    scheme: str
    asked: int
    size: int
    train_seconds: float
    characters_per_token: float
    flops_per_pair: float


def train_vocabulary(data: Path, folder: Path, scheme: str, asked: int) -> Vocabulary:
    """Train a tokenizer, or read what an earlier call found.

    Args:
        data: a saved dataset.
        folder: where the tokenizer goes.
        scheme: one of `SCHEMES`.
        asked: the size.
    """
    saved = folder / "saved.json"
    if saved.exists():
        return Vocabulary(**json.loads(saved.read_text()))
    from datasets import load_from_disk

    from tfchat_hf.text.tokenizer_training import save_tokenizer, train_tokenizer, turns_of

    rows = load_from_disk(str(data))["train"]
    began = time.process_time()
    tokenizer = train_tokenizer(turns_of(rows), scheme, asked)
    seconds = time.process_time() - began
    save_tokenizer(tokenizer, folder, overwrite=True)
    per_token, flops = _cost(rows.select(range(min(20_000, len(rows)))), tokenizer)
    found = Vocabulary(scheme, asked, len(tokenizer), seconds, per_token, flops)
    saved.write_text(json.dumps(asdict(found)))
    return found


def _cost(rows: Any, tokenizer: Any) -> tuple[float, float]:
    """Give characters a token and FLOP a pair over neighbouring turns."""
    shape = Shape(
        MODEL["d_model"], MODEL["encoder_attention_heads"], MODEL["encoder_layers"],
        MODEL["encoder_ffn_dim"], len(tokenizer),
    )  # fmt: skip
    pairs, characters = [], 0
    for turns in rows["turns"]:
        ids = tokenizer(turns)["input_ids"]
        pairs += [Encoded(*pair) for pair in itertools.pairwise(ids)]
        characters += sum(len(turn) for turn in turns[1:])
    tokens = sum(len(pair.reply) - 1 for pair in pairs)
    return characters / tokens, needed(shape, pairs) / len(pairs)


def run(work: Path, corpus: Corpus, vocabulary: Vocabulary, seed: int, budget: float) -> None:
    """Train and evaluate one model; add its line to results.jsonl.

    Args:
        work: where the study works.
        corpus: what to train on.
        vocabulary: with which tokenizer.
        seed: of weights and order.
        budget: multiply-adds of the training.
    """
    name = f"{vocabulary.scheme}-{vocabulary.asked}"
    key = [corpus.name, name, seed, budget]
    if key in [row["key"] for row in read_results(work)]:
        return
    folder = work / corpus.name / f"run-{name}-{seed}-{budget:.2g}"
    shutil.rmtree(folder, ignore_errors=True)
    steps = max(1, round(2 * budget / (vocabulary.flops_per_pair * corpus.pairs)))
    settings = {
        **MODEL,
        **TRAINING,
        "dataset": work / corpus.name / "data",
        "tokenizer": work / corpus.name / name,
        "per_device_train_batch_size": corpus.pairs,
        "seed": seed,
        "max_steps": steps,
    }
    metrics = train(folder, settings, ())
    shutil.rmtree(folder)
    line = {"key": key, "vocabulary": asdict(vocabulary), "metrics": metrics}
    with open(work / "results.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    bits = metrics["validation"]["bits_per_character"]
    print(f"{corpus.name} {name} seed {seed}: {steps:,} updates, {bits:.3f} bits", flush=True)


def read_results(work: Path) -> list[dict[str, Any]]:
    """Read what is done.

    Args:
        work: where the study works.
    """
    path = work / "results.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def study(arguments: argparse.Namespace) -> None:
    """Do all runs that are not done yet.

    Args:
        arguments: the command line.
    """
    work, jobs = arguments.out, []
    for seed in arguments.seeds:
        for corpus in arguments.corpus:
            data = corpus.prepare(work)
            jobs += [(corpus, each, seed) for each in _vocabularies(work, corpus, data, arguments)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for done in [pool.submit(run, work, *job, arguments.budget) for job in jobs]:
            done.result()


def _vocabularies(
    work: Path, corpus: Corpus, data: Path, arguments: argparse.Namespace
) -> list[Vocabulary]:
    """Train the tokenizers of one corpus; one that a smaller size equals is left out."""
    found = []
    for size in SIZES:
        for scheme in SCHEMES:
            name = f"{scheme}-{size}"
            if arguments.only and name not in arguments.only:
                continue
            vocabulary = train_vocabulary(data, work / corpus.name / name, scheme, size)
            if size == SIZES[0] or vocabulary.size >= _FILLED * size or scheme != "char":
                found.append(vocabulary)
    return found


def main() -> None:
    """Read the command line, train what is missing, print the table."""
    arguments = _read(sys.argv[1:])
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.show:
        study(arguments)
    results = read_results(arguments.out)
    print_tables(results)


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--corpus",
        action="append",
        type=_corpus,
        default=[],
        help="NAME=FOLDER[@LANGUAGES][:PAIRS]",
    )
    parser.add_argument("--out", type=Path, required=True, help="where the study works")
    parser.add_argument("--budget", type=float, default=1e13, help="multiply-adds of a run")
    parser.add_argument("--seeds", type=_numbers, default=[1])
    parser.add_argument("--only", type=lambda text: text.split(","), help="as word-8000,char-4000")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--show", action="store_true", help="train nothing")
    return parser.parse_args(arguments)


def _corpus(text: str) -> Corpus:
    name, _, rest = text.partition("=")
    rest, _, pairs = rest.partition(":")
    folder, _, languages = rest.partition("@")
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: {folder} is not a folder")
    chosen = tuple(filter(None, languages.split(",")))
    return Corpus(name, Path(folder), chosen, int(pairs or PAIRS))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
