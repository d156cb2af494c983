# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Writes `pins.json`: what this code gave on the day it was pinned, for `test_pins.py`.

    python -m tests.make_pins

When one may: after a change that is meant to change ids, logits, losses or replies and says so
in its commit. Never to make a failing test pass: a rewrite that moves or speeds code up leaves
the file alone. `git diff tests/pins.json` then shows what has changed, and nothing else may have.

Weights are drawn by the names that they have in a checkpoint, with numpy's frozen generator:
they are the same on every machine, in whatever order a network makes its layers. Replies are of
seeds that the script looks for: every preset says the same after noise of one part in 10,000 on
every weight, and no two candidates of greedy search or of a beam are close together.
"""

from __future__ import annotations

import contextlib
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import torch
import yaml

import train_hf
from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
from tfchat_hf.fast import decoding
from tfchat_hf.text.dialogue import encode_context, encode_reply
from tfchat_hf.text.tokenizer_training import SCHEMES, train_tokenizer

FILE = Path(__file__).with_name("pins.json")
PAD, BOS, EOS, UNK, SEP = range(5)

# ------------------------------------------------------------------------------------- the ids

CORPUS = [
    f"{who}{what}，{where}！"
    for who in ("我们", "他们", "老师和学生", "我的朋友")
    for what in ("喜欢机器学习", "今天去公园散步", "想听一首歌")
    for where in ("天气很好", "你要一起来吗", "明天再说吧")
] + [
    f"{who} {what}, don't you?"
    for who in ("You", "The students", "We")
    for what in ("like green tea", "walk in the park", "read 2 books and 365 pages")
]
TEXTS = [
    "今天我们去公园，好吗？",
    "  The Students LIKE  green tea, don't they? ",
    "我们 like 机器学习2024年，OK吗？Yes吧",
    "哈哈哈哈哈 ＡＢＣ１２３",
    "👍🏽 龘靐 ñandú\t\r\n",
    "a </s> b <sep> c",
    "",
]
DIALOGUES = [
    (["你好！", "你好，今天去公园吗？", "好，我们一起来。"], 64),
    (["Do you like green tea?", "We walk in the park.", "明天再说吧"], 24),
    (["a turn that is left out", "我的朋友喜欢机器学习，天气很好，你要一起来吗？"], 9),
]


def encoded(scheme: str) -> dict[str, list]:
    """Encodes the fixed texts with a tokenizer of a scheme, trained on the fixed corpus."""
    tokenizer = train_tokenizer(CORPUS, scheme, 400)
    conversations = [[{"role": "user", "content": text}] for text in TEXTS if text]
    return {
        "size": [len(tokenizer)],
        "texts": tokenizer(TEXTS)["input_ids"],
        "replies": [encode_reply(tokenizer, text) for text in TEXTS],
        "contexts": [list(encode_context(tokenizer, *dialogue)) for dialogue in DIALOGUES],
        "templates": [
            tokenizer.apply_chat_template(one, tokenize=True, return_dict=True)["input_ids"]
            for one in conversations
        ],
    }


# ---------------------------------------------------------------------------------- the models

ROTARY = {"position_embedding_type": "rotary"}
GATED = {"gated_activation": True, "activation_function": "silu"}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "default": {},
    "tied": {"tie_word_embeddings": True},
    "pre-norm": {"normalize_before": True},
    "gated": GATED,
    "rotary": ROTARY,
    "shared norm": {"shared_layer_norm": True},
    "original exponents": {"original_position_exponents": True},
    "original": {"shared_layer_norm": True, "original_position_exponents": True},
    "pre-norm, gated, rotary, tied": {
        **GATED, **ROTARY, "normalize_before": True, "tie_word_embeddings": True,
    },
    "pre-norm, gelu, unscaled": {
        "normalize_before": True, "activation_function": "gelu", "scale_embedding": False,
    },
    # Most tokens are bytes, and there is a laugh of one to six characters, in two spellings.
    "bytes and runs": {
        "vocab_size": 160,
        "first_byte_token_id": 20,
        "character_runs": [[token, "哈", token // 2 - 73] for token in range(148, 160)],
    },
}  # fmt: skip


def model_of(architecture: str, seed: int, **changes: Any) -> TFChatForConditionalGeneration:
    """Makes a model in evaluation mode whose weights are those of a seed."""
    settings = {
        "vocab_size": 97,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 64,
    }
    config = TFChatConfig(**(settings | ARCHITECTURES[architecture] | changes))
    return fill(TFChatForConditionalGeneration(config).eval(), seed)


GAINS = {"q_proj": 2.0, "k_proj": 2.0, "proj": 0.7, "fc": 0.8, "lm_head": 2.5, "": 1.0}


@torch.no_grad()
def fill(model: TFChatForConditionalGeneration, seed: int) -> TFChatForConditionalGeneration:
    """Gives every weight the values that belong to its name; a tied one has its first name."""
    done = set()
    for name, weight in sorted(model.state_dict(keep_vars=True).items()):
        if id(weight) not in done:
            done.add(id(weight))
            weight.copy_(torch.from_numpy(values(name, tuple(weight.shape), seed)))
    return model


def values(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draws the weights of one name.

    Sub-layers that say less than the stream of states beside them, and norms that turn signs
    around, keep an untrained model from saying one token over and over.
    """
    drawn = np.random.RandomState(zlib.crc32(f"{seed} {name}".encode())).uniform(-1, 1, shape)
    vocabulary = name.endswith(("shared.weight", "embed_tokens.weight", "lm_head.weight"))
    if "layer_norm" in name and name.endswith("weight"):
        drawn = np.sign(drawn) * (0.7 + 0.6 * np.abs(drawn))
    elif len(shape) == 1:
        drawn *= 0.1
    else:
        drawn *= (3 / shape[1]) ** 0.5 * next(gain for key, gain in GAINS.items() if key in name)
    if vocabulary:
        drawn[PAD] = 0
    elif name == "lm_head.bias":
        drawn[[PAD, BOS, UNK, SEP]], drawn[EOS] = -9, 3
    return drawn.astype(np.float32)


def fresh_weights() -> dict[str, list[float]]:
    """Reads a few weights of a model as a seed makes it, without `fill`."""
    torch.manual_seed(0)
    model = TFChatForConditionalGeneration(TFChatConfig(vocab_size=97, d_model=32))
    rows = {name: weight.flatten()[40:44] for name, weight in model.state_dict().items()}
    chosen = ("shared.weight", "layers.1.fc1.weight", "self_attn.q_proj.weight", "lm_head.weight")
    return {name: rounded(row) for name, row in rows.items() if name.endswith(chosen)}


def rounded(numbers: torch.Tensor) -> list:
    """Gives numbers with six significant digits."""
    if numbers.dim() > 1:
        return [rounded(row) for row in numbers]
    return [float(f"{number:.6g}") for number in numbers.tolist()]


# ---------------------------------------------------------------------------------- the logits


def batch(seed: int, padding: str, vocab_size: int = 97) -> dict[str, torch.Tensor]:
    """Makes three questions of 7, 5 and 3 tokens and as many replies, padded on one side."""
    random = np.random.RandomState(seed)
    sides: dict[str, torch.Tensor] = {}
    for side, lengths, first in (("", (7, 5, 3), None), ("decoder_", (4, 6, 5), BOS)):
        width = max(lengths)
        ids, mask = np.full((3, width), PAD), np.zeros((3, width), dtype=np.int64)
        for row, length in enumerate(lengths):
            tokens = random.randint(5, vocab_size, length)
            tokens[0 if first else -1] = first or EOS
            place = slice(0, length) if padding == "right" else slice(width - length, width)
            ids[row, place], mask[row, place] = tokens, 1
        sides[f"{side}input_ids"] = torch.from_numpy(ids)
        sides[f"{side}attention_mask"] = torch.from_numpy(mask)
    return sides


@torch.no_grad()
def logits(architecture: str, padding: str) -> dict[str, list]:
    """Runs a whole forward pass.

    Returns:
        Of the first and the last token of each reply eight logits and the logarithm of the sum
        of the exponentials of all; and the loss with the replies' own tokens as labels.
    """
    model = model_of(architecture, seed=1)
    inputs = batch(2, padding, model.config.vocab_size)
    mask = inputs["decoder_attention_mask"]
    found = model(**inputs).logits
    places = [row.nonzero()[:, 0][[0, -1]] for row in mask]
    rows = torch.cat([found[row, place] for row, place in enumerate(places)])
    labels = inputs.pop("decoder_input_ids").masked_fill(mask == 0, -100)
    del inputs["decoder_attention_mask"]
    loss = model(**inputs, labels=labels).loss
    return {
        "logits": rounded(rows[:, 5:13]),
        "logsumexp": rounded(rows.logsumexp(-1)),
        "loss": rounded(loss[None]),
    }


# ---------------------------------------------------------------------------------- the losses

SETTINGS = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "max_source_length": 32,
    "max_target_length": 32,
    "generation_max_new_tokens": 2,
    "tokenizer_scheme": "char",
    "vocab_size": 300,
    "validation_fraction": 0.2,
    "test_fraction": 0.0,
    "tokens_per_update": 160,
    "gradient_accumulation_steps": 2,
    "learning_rate": 3e-3,
    "warmup_steps": 2,
    "label_smoothing_factor": 0.1,
    "max_steps": 6,
    "logging_steps": 1,
    "eval_strategy": "steps",
    "eval_steps": 3,
    "eval_max_samples": 2,
    "predict_with_generate": False,
    "save_strategy": "steps",
    "save_steps": 6,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "bf16": False,
    "use_cpu": True,
    "seed": 7,
}
RUNS: dict[str, dict[str, Any]] = {
    "packed": {},
    "padded": {"torch_compile": True},  # which asks for batches of few shapes
    "packed, modern": {"normalize_before": True, **GATED, **ROTARY, "tie_word_embeddings": True},
    "padded, unlikely and rare": {
        "torch_compile": True, "unlikelihood_weight": 0.5, "frequency_weight": 0.5,
    },
}  # fmt: skip
SCORES = ("loss", "perplexity", "bits_per_character")


def trained(run: str, folder: Path) -> dict[str, list[float]]:
    """Trains for six updates as `train_hf.py` does, from weights that belong to their names.

    Args:
        run: a key of `RUNS`.
        folder: an empty one for everything the run writes.
    """
    with open(folder / "pairs.jsonl", "w", encoding="utf-8") as file:
        for i in range(40):
            row = {"question": f"问题 {i} Q" + "a" * (i % 7), "reply": f"回答 {i}" + "b" * (i % 5)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    places = {"dataset": "pairs.jsonl", "dataset_cache_dir": "cache", "output_dir": "run"}
    places = {name: str(folder / place) for name, place in places.items()}
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, **places, **RUNS[run]}), encoding="utf-8")
    with filled_models(seed=3), nothing_compiled():
        if train_hf.main([str(path)]) != 0:
            raise RuntimeError(f"the run {run!r} has failed: what it printed says why")
    state = json.loads((folder / "run/checkpoint-6/trainer_state.json").read_text())
    metrics = json.loads((folder / "run/metrics.json").read_text())["validation"]
    learnt = [row for row in state["log_history"] if "loss" in row]
    scores = [row for row in state["log_history"] if "eval_loss" in row]
    return {
        "losses": column(learnt, "loss"),
        "gradient norms": column(learnt, "grad_norm"),
        # The last ones are those of the finished run, from its metrics.json.
        **{key: column(scores, f"eval_{key}") + column([metrics], key) for key in SCORES},
    }


def column(rows: list[dict[str, float]], key: str) -> list[float]:
    """Reads one number of every row."""
    return rounded(torch.tensor([row[key] for row in rows], dtype=torch.float64))


@contextlib.contextmanager
def filled_models(seed: int) -> Iterator[None]:
    """Lets every new model have the weights of a seed."""
    make = TFChatForConditionalGeneration.__init__

    def make_and_fill(model: TFChatForConditionalGeneration, *args: Any, **kwargs: Any) -> None:
        make(model, *args, **kwargs)
        fill(model, seed)

    with mock.patch.object(TFChatForConditionalGeneration, "__init__", make_and_fill):
        yield


@contextlib.contextmanager
def nothing_compiled() -> Iterator[None]:
    """Lets compiled models run as they are written: a compiler takes minutes."""
    torch.compiler.set_stance("force_eager")
    try:
        yield
    finally:
        torch.compiler.set_stance("default")


# --------------------------------------------------------------------------------- the replies

PLAIN_DRAW = {"do_sample": True, "top_k": 0}
DECODINGS: dict[str, dict[str, Any]] = {
    "greedy": {"preset": "greedy"},
    "precise": {"preset": "precise"},
    "balanced": {"preset": "balanced"},
    "beam": {"preset": "beam"},
    "beams": {"preset": "beam", "num_return_sequences": 2},
    "creative": {"preset": "creative"},
    "drawn": PLAIN_DRAW,
}
DRAWN = ("creative", "drawn")
NEW_TOKENS = 12


def questions(case: dict[str, Any], model: TFChatForConditionalGeneration) -> dict:
    """Makes the questions of a case, without replies."""
    inputs = batch(case["questions"], case["padding"], model.config.vocab_size)
    return {name: inputs[name] for name in ("input_ids", "attention_mask")}


def reply(case: dict[str, Any], model: TFChatForConditionalGeneration, **settings: Any) -> Any:
    """Answers the questions of a case, with the random numbers of its seed."""
    torch.manual_seed(case["draws"])
    return model.generate(**questions(case, model), max_new_tokens=NEW_TOKENS, **settings)


def mutual(case: dict[str, Any], model: TFChatForConditionalGeneration) -> list[list[int]]:
    """Answers with the preset `mutual`; the reverse model is of the default architecture."""
    size = model.config.vocab_size
    reverse = model_of("default", case["weights"] + 1, vocab_size=size, swap_sides=True)
    asked = questions(case, model)["input_ids"]
    config = decoding.preset(model, decoding.MUTUAL)
    how = decoding.generate_options(config, asked, reverse_model=reverse)
    return reply(case, model, **how).tolist()


def greedy_scores(
    case: dict[str, Any], model: TFChatForConditionalGeneration, preset: str = "greedy"
) -> torch.Tensor:
    """Gives the scores `(steps, rows, vocab_size)` of the tokens of a preset that draws nothing."""
    made = reply(case, model, preset=preset, return_dict_in_generate=True, output_scores=True)
    return torch.stack(made.scores)


def beams(case: dict[str, Any], model: TFChatForConditionalGeneration) -> Any:
    """Gives two of four beams for each question, with their scores."""
    generate_kwargs = {"return_dict_in_generate": True, "output_scores": True}
    return reply(case, model, **DECODINGS["beams"], **generate_kwargs)


def all_replies(case: dict[str, Any], model: TFChatForConditionalGeneration) -> dict[str, list]:
    """Answers in every way."""
    found = {name: reply(case, model, **how).tolist() for name, how in DECODINGS.items()}
    return {**found, "mutual": mutual(case, model)}


def draws() -> list[float]:
    """Gives the random numbers that drawing rests on: builds with and without MKL differ."""
    torch.manual_seed(0)
    return rounded(torch.empty(5).exponential_())


# --------------------------------------------------------------------------------- the search

NOISE, NOISES, GAP = 1e-4, 3, 1e-3


def find_case(architecture: str, padding: str) -> dict[str, Any]:
    """Looks for seeds whose replies no CPU's rounding can change.

    Returns:
        The seeds, the replies, and what the scores are.
    """
    for seed in range(1, 2000):
        case = {"weights": seed, "questions": seed, "draws": seed, "padding": padding}
        model = model_of(architecture, seed)
        if not is_lively(reply(case, model, preset="greedy")) or not is_clear(case, model):
            continue
        found = all_replies(case, model)
        if found["balanced"] != found["greedy"] and is_stable(case, found, architecture):
            return {**case, "replies": found, **scores_of(case, model)}
    raise RuntimeError(f"no seed gives clear replies of {architecture!r}")


def is_lively(replies: torch.Tensor) -> bool:
    """Tells whether replies are of many tokens and not all of one length."""
    said = [{token for token in row if token > SEP} for row in replies.tolist()]
    ends = int((replies == EOS).sum())
    return min(map(len, said)) > 2 and len(set.union(*said)) > 9 and 0 < ends < len(replies)


def is_clear(case: dict[str, Any], model: TFChatForConditionalGeneration) -> bool:
    """Tells whether the best candidate leads by more than `GAP` at every step."""
    for preset in ("greedy", "precise", "balanced"):
        best = greedy_scores(case, model, preset).topk(2).values
        if (best[..., 0] - best[..., 1]).min() <= GAP:
            return False
    scores = beams(case, model).sequences_scores.view(-1, 2)
    return bool((scores[:, 0] - scores[:, 1]).min() > GAP)


def is_stable(case: dict[str, Any], found: dict[str, list], architecture: str) -> bool:
    """Tells whether all replies stay what they are when every weight changes a little."""
    for noise in range(NOISES):
        model = model_of(architecture, case["weights"])
        torch.manual_seed(noise)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1 + NOISE * (2 * torch.rand_like(weight) - 1))
        if all_replies(case, model) != found:
            return False
    return True


def scores_of(case: dict[str, Any], model: TFChatForConditionalGeneration) -> dict[str, list]:
    """Gives the three best tokens of the first three steps, and the scores of the beams."""
    best = greedy_scores(case, model)[:3].topk(3)
    return {
        "best tokens": best.indices.flatten(0, 1).tolist(),
        "best scores": rounded(best.values.flatten(0, 1)),
        "beam scores": rounded(beams(case, model).sequences_scores),
    }


# ------------------------------------------------------------------------------------ the file


def written(content: Any, indent: int = 0) -> str:
    """Writes JSON for readers: a list of numbers is one line."""
    if isinstance(content, dict):
        lines = [f'"{key}": {written(value, indent + 1)}' for key, value in content.items()]
    elif isinstance(content, list) and any(isinstance(one, list) and one for one in content):
        lines = [written(one, indent + 1) for one in content]
    else:
        return json.dumps(content, ensure_ascii=False)
    start, end = "{}" if isinstance(content, dict) else "[]"
    inner = ",\n".join(" " * (indent + 1) + line for line in lines)
    return f"{start}\n{inner}\n{' ' * indent}{end}"


def losses_of(run: str) -> dict[str, list[float]]:
    """Trains in a folder that is gone afterwards, without a word."""
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        return trained(run, Path(folder))


def main() -> None:
    """Writes the file."""
    sides = ("right", "left")
    pins = {
        "ids": {scheme: encoded(scheme) for scheme in SCHEMES},
        "fresh weights": fresh_weights(),
        "logits": {
            name: {side: logits(name, side) for side in sides} for name in ARCHITECTURES
        },
        "losses": {run: losses_of(run) for run in RUNS},
        "draws": draws(),
        "replies": {
            name: find_case(name, sides[place % 2]) for place, name in enumerate(ARCHITECTURES)
        },
    }  # fmt: skip
    FILE.write_text(written(pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
