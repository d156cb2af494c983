# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Write a page that answers in the browser, without a server: files that any web server hands out.

onnxruntime-web and the tokenizer are npm packages; their files are copied into the folder, so that
the page asks nobody else for anything.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_builders.errors import UserError
from data_builders.translation import LANGUAGES, _, listed, speaking
from data_builders.writing import write_json

from ..fast.decoding import ABOUT
from ..model.generation_tfchat import OWN_SETTINGS
from ..text.tokenization import question_end
from .dependencies import VENDOR, need_package
from .onnx_names import graph_file

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerFast

    from .. import TFChatForConditionalGeneration

PAGE = Path(__file__).parent / "web"
GRAPHS = ("encoder", "cross_attention", "decoder")
# Those that the page was tried with; of what comes out of npm only these files are needed. Not
# every server knows what kind of file an `.mjs` is, so they end in `.js`.
NPM = {"onnxruntime-web": "1.30", "@huggingface/tokenizers": "0.2"}
WASM = f"{VENDOR}/onnxruntime-web.wasm"
_FILES = {
    f"{VENDOR}/onnxruntime-web.js": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    WASM: "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    f"{VENDOR}/tokenizers.js": "@huggingface/tokenizers/dist/tokenizers.min.mjs",
    f"{VENDOR}/tokenizers.LICENSE.txt": "@huggingface/tokenizers/LICENSE",
}
_INSTALL = "npm install --ignore-scripts " + " ".join(f"{name}@{NPM[name]}" for name in NPM)
# What the page's JavaScript does with a reply.
KNOWN_SETTINGS = {
    *"do_sample temperature top_k top_p min_p repetition_penalty no_repeat_ngram_size".split(),
    *("min_new_tokens", "max_new_tokens"),
    *OWN_SETTINGS,
}
# What changes no token of a reply that is not searched for with beams.
_WITHOUT_EFFECT = {
    *"bos_token_id eos_token_id pad_token_id decoder_start_token_id max_length use_cache".split(),
    *"early_stopping length_penalty renormalize_logits presets preset transformers_version".split(),
    *("rerank_by", "rerank_weight"),
}
_OF_CONFIG = """
    character_runs d_model decoder_attention_heads decoder_start_token_id doubled_tokens
    eos_token_id first_byte_token_id max_context_turns pad_token_id sep_token_id
""".split()
# DequantizeLinear takes a scale for each block of a row from here on.
_OPSET = 21
# Measured on the packaged model, of 200 greedy replies equal to torch's: 120 with 128, 138 with 32,
# for 7 % more to download. It costs no time: the weights are float32 again before the first step.
_BLOCK = 32
_README = """---
title: {title}
sdk: static
app_file: index.html
pinned: false
---

A chat model of [TFChat-HF](https://github.com/tfchat-hf/tfchat-hf) that runs in the visitor's own
browser. To see it here: `python -m http.server` in this folder, then http://localhost:8000/.

一个在访问者自己的浏览器里运行的 [TFChat-HF](https://github.com/tfchat-hf/tfchat-hf) 对话模型。
要在本机查看：在此文件夹中运行 `python -m http.server`，再打开 http://localhost:8000/。

In `vendor/`: {packages}; the licences are beside them.
"""


def check_packages(node_modules: Path) -> None:
    """Refuse a folder without the npm packages that the page needs.

    Raises:
        UserError: Says how to get them.
    """
    missing = [name for name in _FILES.values() if not (node_modules / name).is_file()]
    if missing:
        raise UserError(
            "`--engine web` needs two npm packages, and {folder} has no {missing}. Get them with "
            "`{install}`, and name the folder with `--node-modules`.",
            folder=node_modules,
            missing=listed(missing),
            install=_INSTALL,
        )


def write_page(
    model: TFChatForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    name: str,
    int8: bool,
    node_modules: Path,
) -> None:
    """Add the page to a folder that holds the graphs in float32.

    Args:
        model: Tells its settings.
        tokenizer: As transformers.js can read it; see `javascript_tokenizer`.
        folder: Where the graphs are.
        name: What the page calls the model.
        int8: Store the weights in 8 bits: a quarter of the download.
        node_modules: Where npm has put its packages.

    Raises:
        UserError: The model's own settings ask for what the page has not.
    """
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    for target, source in _FILES.items():
        shutil.copyfile(node_modules / source, folder / target)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    if int8:
        for graph in GRAPHS:
            _store_in_int8(folder / graph_file(graph, False), model.config.vocab_size)
    sizes = [*(graph_file(graph, False) for graph in GRAPHS), WASM]
    about = {
        "name": name,
        "int8": int8,
        "files": {one: (folder / one).stat().st_size for one in sizes},
        "question_end": question_end(tokenizer),
        "max_source_length": min(model.config.max_position_embeddings, tokenizer.model_max_length),
        "most_new_tokens": model.config.max_position_embeddings,
        "config": {key: getattr(model.config, key) for key in _OF_CONFIG},
        **_presets(model),
    }
    write_json(folder / "page.json", about)
    packages = ", ".join(f"{one} {_version(node_modules / one)}" for one in NPM)
    readme = _README.format(title=json.dumps(name, ensure_ascii=False), packages=packages)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def _version(package: Path) -> str:
    """Read the version of an npm package."""
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])


def _presets(model: TFChatForConditionalGeneration) -> dict[str, Any]:
    """Describe the presets that the page can do, and name the model's own.

    One that asks for more, such as beams, is left out; the model's own settings must not.
    """
    own = _settings(model.generation_config, model)
    if unknown := _unknown(model.generation_config):
        raise UserError(
            "The page in the browser has no {unknown}, which generation_config.json asks for. Take "
            "that out there, or train with another `generation_preset`.",
            unknown=listed(f"`{name}`" for name in unknown),
        )
    presets = {}
    for name in model.preset_names():
        config = model.preset(name)
        if not _unknown(config):
            presets[name] = {"settings": _settings(config, model), "about": _about(name)}
    default = next((name for name, one in presets.items() if one["settings"] == own), "")
    if not default:
        presets = {"": {"settings": own, "about": _about("")}, **presets}
    return {"presets": presets, "default_preset": default}


def _about(preset: str) -> dict[str, str]:
    """Say in every language what a preset is for."""
    texts = {}
    for language in LANGUAGES:
        with speaking(language):
            texts[language] = _(ABOUT.get(preset, ""))
    return texts


def _unknown(config: GenerationConfig) -> list[str]:
    """Name what a configuration asks for that the page has not."""
    asked = {name: value for name, value in config.to_dict().items() if name[0] != "_"}
    neutral = [name for name, value in asked.items() if value is not True and value in (None, 0, 1)]
    return sorted(asked.keys() - KNOWN_SETTINGS - _WITHOUT_EFFECT - set(neutral))


def _settings(config: GenerationConfig, model: TFChatForConditionalGeneration) -> dict[str, Any]:
    """Give every setting that the page knows a value."""
    neutral = {"do_sample": False, "temperature": 1.0, "top_k": 50, "top_p": 1.0, "min_p": None}
    neutral |= {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 0}
    neutral |= {name: own.default for name, own in OWN_SETTINGS.items()}
    neutral["max_new_tokens"] = (config.max_length or 21) - 1
    given = {name: getattr(config, name, None) for name in neutral}
    settings = {**neutral, **{name: value for name, value in given.items() if value is not None}}
    most = model.config.max_position_embeddings
    return {**settings, "max_new_tokens": min(settings["max_new_tokens"], most)}


def _store_in_int8(path: Path, vocab_size: int) -> None:
    """Store the weights of a graph in 8 bits, from which they are read once, when it is opened.

    Products stay in float32. onnxruntime's own `MatMulNBits`, which `--engine onnx --int8` takes,
    runs in a browser too, but at a third of the speed of float32: WebAssembly has no such kernel.
    """
    onnx = need_package("onnx", "onnx")
    graph = onnx.load(path)
    body, readers = graph.graph, []
    users: dict[str, list[Any]] = {}
    for node in body.node:
        for place, name in enumerate(node.input):
            users.setdefault(name, []).append((node.op_type, place))
    for tensor in list(body.initializer):
        axis = _axis_of_sums(tensor, users.get(tensor.name, []), vocab_size)
        if axis is None:
            continue
        numbers, scales = rounded(onnx.numpy_helper.to_array(tensor), axis)
        names = [f"{tensor.name}.int8", f"{tensor.name}.scale"]
        body.initializer.remove(tensor)
        body.initializer.append(onnx.numpy_helper.from_array(numbers, names[0]))
        body.initializer.append(onnx.numpy_helper.from_array(scales, names[1]))
        attributes = {"axis": axis, "block_size": _BLOCK, "name": f"{tensor.name}/DequantizeLinear"}
        readers.append(
            onnx.helper.make_node("DequantizeLinear", names, [tensor.name], **attributes)
        )
    nodes = [*readers, *body.node]
    del body.node[:]
    body.node.extend(nodes)
    for opset in graph.opset_import:
        if opset.domain == "":
            opset.version = max(opset.version, _OPSET)
    onnx.save(graph, path)


def _axis_of_sums(tensor: Any, users: list[tuple[str, int]], vocab_size: int) -> int | None:
    """Return along which axis a weight is summed over; None for what is no weight of a layer."""
    if len(tensor.dims) != 2:
        return None
    if users and all(user == ("MatMul", 1) for user in users):
        return 0
    is_table = tensor.dims[0] == vocab_size  # of embeddings, and the layer that shares them
    return 1 if is_table and all(user[0] in ("Gather", "Transpose") for user in users) else None


def rounded(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix to 8-bit numbers, with a scale for each block of `_BLOCK` along an axis."""
    rows = weight if axis == 1 else weight.T
    count = -(-rows.shape[1] // _BLOCK)
    padded = np.pad(rows, ((0, 0), (0, count * _BLOCK - rows.shape[1])))
    blocks = padded.reshape(len(rows), count, _BLOCK)
    scales = np.maximum(np.abs(blocks).max(2) / 127, np.finfo(np.float32).tiny)
    numbers = np.rint(blocks / scales[:, :, None]).astype(np.int8)
    numbers = numbers.reshape(len(rows), -1)[:, : rows.shape[1]]
    pair = (numbers, scales.astype(np.float32))
    first, second = pair if axis == 1 else (one.T for one in pair)
    return np.ascontiguousarray(first), np.ascontiguousarray(second)
