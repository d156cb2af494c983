# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Draw the pictures of these chapters, in English and in Chinese, from your own model.

python docs/learn/pictures.py heads              # one of them, into runs/pictures
python docs/learn/pictures.py                    # all of them
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

# So that the network is read from this checkout, with whatever was changed in it.
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from data_builders.command_line import CommandParser, did_you_mean, run_command, say  # noqa: E402
from data_builders.errors import UserError  # noqa: E402
from tfchat_hf.pretrained import SMALL_TALK  # noqa: E402

# matplotlib may see the first font of a collection alone: of Noto's that is the Japanese one.
FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "Source Han Sans SC")
FONTS += ("PingFang SC", "Hiragino Sans GB", "Heiti TC", "Microsoft YaHei", "SimHei")
SUFFIXES = {"en": ".png", "zh": ".zh-CN.png"}
# Blue and orange of Okabe and Ito, told apart with any colour vision and in grey.
BLUE, ORANGE, GREY, INK = "#0072B2", "#E69F00", "#999999", "#333333"
QUESTION = "天地玄黄宇宙"


class Sheet(NamedTuple):
    """What a picture is drawn on, and from which model.

    Attributes:
        figure: Of matplotlib.
        language: "en" or "zh".
        model: The folder of a model of the toy.
    """

    figure: Any
    language: str
    model: Path

    def words(self, english: str, chinese: str) -> str:
        """Choose the words of the page that the picture is for."""
        return chinese if self.language == "zh" else english

    def end(self) -> str:
        """Name the token that ends a text."""
        return self.words("end", "结束")

    def title(self, axes: Any, english: str, chinese: str, **how: Any) -> None:
        """Write above a panel what it shows."""
        axes.set_title(self.words(english, chinese), **how)


def loaded(folder: Path) -> tuple[Any, Any]:
    """Load a model, with attention that gives its weights, and its tokenizer."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    import tfchat_hf  # noqa: F401  (tells transformers of the model)

    if not (folder / "config.json").is_file():
        raise UserError(
            f"There is no model in {folder}. Run `python train_hf.py configs/toy.yaml`."
        )
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager")
    return model, AutoTokenizer.from_pretrained(folder)


def taught(folder: Path, **wanted: bool) -> tuple[Any, Any, Any]:
    """Run a model on the question with its right reply; give it, what it gave, and its labels."""
    model, tokenizer = loaded(folder)
    given = tokenizer(QUESTION, return_tensors="pt")
    labels = tokenizer(QUESTION[::-1], return_tensors="pt").input_ids
    with torch.no_grad():
        return model, model(**given, labels=labels, **wanted), labels


def heat(axes: Any, values: Any, rows: Sequence[str], columns: Sequence[str], **how: Any) -> None:
    """Draw a table of weights from 0 to 1, dark where it is large."""
    how = {"vmin": 0, "vmax": 1, "interpolation": "nearest", **how}
    axes.imshow(np.asarray(values), cmap="Blues", **how)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.tick_params(length=0)


def numbers(axes: Any, values: Any, dark: float = 0.6) -> None:
    """Write its number into each cell of a table."""
    for (row, column), value in np.ndenumerate(np.asarray(values)):
        color = "white" if value > dark else INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=color)


def tokens(sheet: Sheet) -> None:
    """Draw all words of jieba's dictionary in a sentence as arcs, those of the best cut in blue."""
    from tfchat_hf.text.vocabulary.word_cutter import load_word_cutter

    text = "研究生命的起源"
    cutter = load_word_cutter()
    spans = [(a, b) for a in range(len(text)) for b in range(a + 1, len(text) + 1)]
    words = [(a, b) for a, b in spans if b - a == 1 or cutter.frequencies.get(text[a:b])]
    known = {(a, b): cutter.log_probability(text[a:b]) for a, b in words}
    ends = np.cumsum([len(word) for word in cutter.jieba_words(text)]).tolist()
    best = set(zip([0, *ends], ends, strict=False))
    axes = sheet.figure.subplots()
    for (begin, end), score in known.items():
        color, width = (BLUE, 2.5) if (begin, end) in best else (GREY, 1)
        middle, half, across = (begin + end) / 2, (end - begin) / 2, np.linspace(0, np.pi, 50)
        arc = middle - half * np.cos(across), half * np.sin(across)
        axes.plot(*arc, color=color, linewidth=width)
        axes.text(middle, half + 0.06, f"{score:.1f}", ha="center", color=color, fontsize=9)
    for place, character in enumerate(text):
        axes.text(place + 0.5, -0.3, character, ha="center", va="center", fontsize=15)
    axes.set(xlim=(-0.1, len(text) + 0.1), ylim=(-0.6, 1.9))
    axes.axis("off")
    english = "Every word of the dictionary, with log p; blue: the likeliest path"
    sheet.title(axes, english, "词典里的每个词和它的 log p；蓝色是最可能的一条路", loc="left")


WORDS = "一 二 三 四 七 狗 猫 鱼 咖啡 茶 奶茶 冷 热 凉".split()


def embeddings(sheet: Sheet) -> None:
    """Draw how alike the vectors of some words are in the model that comes with the package."""
    model, tokenizer = loaded(SMALL_TALK)
    table = model.get_input_embeddings().weight.detach()
    chosen = torch.nn.functional.normalize(table[tokenizer.convert_tokens_to_ids(WORDS)], dim=-1)
    axes = sheet.figure.subplots()
    heat(axes, chosen @ chosen.T, WORDS, WORDS, vmax=0.6)
    sheet.title(axes, "Cosine of the angle between two embeddings", "两个嵌入向量夹角的余弦")
    sheet.figure.colorbar(axes.images[0], ax=axes, shrink=0.8)


def positions(sheet: Sheet) -> None:
    """Draw the table of the position vectors, and the product of two by their distance."""
    from tfchat_hf.model.layers_tfchat import sinusoidal_table

    table = sinusoidal_table(32, 64)
    left, right = sheet.figure.subplots(1, 2, width_ratios=[3, 2])
    left.imshow(table, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    left.axvline(31.5, color=INK, linewidth=0.8)
    left.set_xlabel(sheet.words("dimension: 32 sines, 32 cosines", "维：32 个正弦，32 个余弦"))
    left.set_ylabel(sheet.words("position", "位置"))
    for start, color, width in ((0, BLUE, 3), (8, ORANGE, 1.2)):
        name = sheet.words(f"from position {start}", f"从位置 {start} 起")
        products = table[start] @ table[start : start + 20].T
        right.plot(products, color=color, linewidth=width, label=name)
    right.set_xlabel(sheet.words("distance", "距离"))
    sheet.title(right, "product of two", "两个向量的内积", fontsize=10)
    right.legend(frameon=False)


Q, K = [[1.0, 0.0], [0.0, 2.0], [2.0, 2.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
V = [[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]]


def attention(sheet: Sheet) -> None:
    """Draw the three steps of attention on three tokens of two dimensions."""
    names = list("天地玄")
    scores = np.array(Q) @ np.array(K).T / 2**0.5
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    panels = sheet.figure.subplots(1, 3, width_ratios=[3, 3, 2])
    heat(panels[0], scores, names, names, vmax=3)
    numbers(panels[0], scores, dark=1.8)
    panels[0].set_title("$QK^T/\\sqrt{d_k}$")
    heat(panels[1], weights, names, names)
    numbers(panels[1], weights)
    panels[1].set_title("softmax")
    heat(panels[2], weights @ np.array(V), names, ["1", "2"], vmax=10)
    numbers(panels[2], weights @ np.array(V), dark=6)
    sheet.title(panels[2], "weights times $V$", "权重乘 $V$")
    panels[0].set_ylabel(sheet.words("asks", "谁在问"))
    for panel in panels[:2]:
        panel.set_xlabel(sheet.words("is asked", "问到谁"))


def heads(sheet: Sheet) -> None:
    """Draw where each head of the decoder looks in the question."""
    _, outputs, _ = taught(sheet.model, output_attentions=True)
    asked, written = [*QUESTION, sheet.end()], [*QUESTION[::-1], sheet.end()]
    panels = sheet.figure.subplots(2, len(outputs.cross_attentions[0][0]))
    for layer, row in enumerate(panels):
        for head, axes in enumerate(row):
            heat(axes, outputs.cross_attentions[layer][0, head], written, asked)
            axes.tick_params(labelsize=7)
            named = (f"layer {layer + 1}, head {head + 1}", f"第 {layer + 1} 层，头 {head + 1}")
            sheet.title(axes, *named, fontsize=9)


def masks(sheet: Sheet) -> None:
    """Draw who may look at whom in the reply, and who does."""
    _, outputs, _ = taught(sheet.model, output_attentions=True)
    read = [sheet.words("start", "开始"), *QUESTION[::-1]]
    left, right = sheet.figure.subplots(1, 2)
    heat(left, np.tril(np.ones((len(read), len(read)))), read, read, vmax=2)
    sheet.title(left, "may look at (blue)", "可以看（蓝色）")
    heat(right, outputs.decoder_attentions[0][0].mean(0), read, read)
    sheet.title(right, "looks at: layer 1, mean of heads", "看了哪里：第 1 层，各头平均")
    for axes in (left, right):
        axes.set_xlabel(sheet.words("is asked", "问到谁"))
    left.set_ylabel(sheet.words("asks", "谁在问"))


def encoder(sheet: Sheet) -> None:
    """Draw which neurons of the feed-forward part of both layers fire at which token."""
    model, outputs, _ = taught(sheet.model, output_hidden_states=True)
    names = [*QUESTION, sheet.end()]
    panels = sheet.figure.subplots(2, 1)
    for number, (layer, axes) in enumerate(zip(model.model.encoder.layers, panels, strict=True)):
        with torch.no_grad():
            given = outputs.encoder_hidden_states[number]
            middle = layer.self_attn_layer_norm(given + layer.self_attn(given)[0])
            inner = layer.activation_fn(layer.fc1(middle))[0]
        heat(axes, inner, names, [], vmax=float(inner.max()), aspect="auto")
        share = f"{float((inner > 0).float().mean()):.0%}"
        english = f"layer {number + 1}: {share} of the neurons fire"
        sheet.title(axes, english, f"第 {number + 1} 层：{share} 的神经元有输出", loc="left")
    panels[1].set_xlabel(sheet.words("the 256 neurons, dark: strong", "256 个神经元，越深越强"))


def decoder(sheet: Sheet) -> None:
    """Draw where the decoder looks in the question, the heads of a layer put together."""
    _, outputs, _ = taught(sheet.model, output_attentions=True)
    asked, written = [*QUESTION, sheet.end()], [*QUESTION[::-1], sheet.end()]
    panels = sheet.figure.subplots(1, 2)
    for layer, axes in enumerate(panels):
        weights = outputs.cross_attentions[layer][0].mean(0)
        heat(axes, weights, written, asked)
        numbers(axes, weights)
        sheet.title(axes, f"decoder layer {layer + 1}", f"解码器第 {layer + 1} 层")
        axes.set_xlabel(sheet.words("question", "问题"))
    panels[0].set_ylabel(sheet.words("token to be written", "要写的词元"))


def output(sheet: Sheet) -> None:
    """Draw the probability of each character at each place of the reply."""
    _, outputs, labels = taught(sheet.model)
    shares = outputs.logits[0].softmax(-1)[:, labels[0]]
    values = torch.cat((shares, 1 - shares.sum(-1, keepdim=True)), dim=-1)
    names = [*QUESTION[::-1], sheet.end()]
    axes = sheet.figure.subplots()
    heat(axes, values, names, [*names, sheet.words("others", "其余")])
    numbers(axes, values)
    axes.set_ylabel(sheet.words("right token", "正确的词元"))
    axes.set_xlabel(sheet.words("probability of", "各词元的概率"))
    unsure = "Never quite sure: it was taught to leave 0.1", "从不百分之百肯定：训练要它留出 0.1"
    sheet.title(axes, *unsure, fontsize=10)


def adam(sheet: Sheet) -> None:
    """Draw the learning rate over the steps: the paper's, for two warm-ups, and the toy's."""
    left, right = sheet.figure.subplots(1, 2)
    steps = np.arange(1, 20001)
    for warmup, color in ((4000, BLUE), (8000, ORANGE)):
        rate = 512**-0.5 * np.minimum(steps**-0.5, steps * warmup**-1.5)
        left.plot(steps, rate, color=color, label=f"warmup {warmup}")
    sheet.title(left, "the paper, $d_{model}=512$", "论文，$d_{model}=512$", fontsize=10)
    left.legend(frameon=False)
    steps = np.arange(1, 1001)
    rate = 1e-3 * np.minimum(steps / 100, (1000 - steps) / 900)
    right.plot(steps, rate, color=BLUE)
    right.set_title("configs/toy.yaml", fontsize=10)
    for axes in (left, right):
        axes.set_xlabel(sheet.words("step", "步"))
        axes.ticklabel_format(axis="y", scilimits=(-3, -3))
    left.set_ylabel(sheet.words("learning rate", "学习率"))


def writing(sheet: Sheet) -> None:
    """Draw the first token of a reply under three temperatures."""
    model, tokenizer = loaded(SMALL_TALK)
    start = torch.tensor([[model.config.decoder_start_token_id]])
    with torch.no_grad():
        given = tokenizer("我很难过", return_tensors="pt")
        logits = model(**given, decoder_input_ids=start).logits[0, -1]
    likeliest = logits.topk(6).indices
    axes = sheet.figure.subplots()
    for number, (heat_of, color) in enumerate(((0.5, BLUE), (1.0, ORANGE), (2.0, GREY))):
        places = np.arange(len(likeliest)) + (number - 1) * 0.27
        shares = (logits / heat_of).softmax(-1)[likeliest]
        axes.bar(places, shares.numpy(), 0.27, color=color, label=f"$T={heat_of}$")
    axes.set_xticks(range(len(likeliest)), tokenizer.convert_ids_to_tokens(likeliest))
    axes.set_ylabel(sheet.words("probability", "概率"))
    english = "First word of the reply to 我很难过 (I am very sad)"
    sheet.title(axes, english, "对“我很难过”的回复，第一个词", loc="left")
    axes.legend(frameon=False)


def whole(sheet: Sheet) -> None:
    """Draw what the output layer would say after each part of the decoder."""
    model, outputs, labels = taught(sheet.model, output_hidden_states=True)
    axes = sheet.figure.subplots()
    layers = [sheet.words(f"decoder layer {n}", f"解码器第 {n} 层") for n in (1, 2)]
    stages = [sheet.words("embedding", "嵌入"), *layers]
    _, tokenizer = loaded(sheet.model)
    with torch.no_grad():
        said = [model.predict(state)[0].softmax(-1) for state in outputs.decoder_hidden_states]
    right = torch.stack([one.gather(-1, labels[0][:, None])[:, 0] for one in said])
    heat(axes, right, stages, [*QUESTION[::-1], sheet.end()])
    for row, one in enumerate(said):
        for column, token in enumerate(tokenizer.convert_ids_to_tokens(one.argmax(-1))):
            shown = {"</s>": sheet.end()}.get(token, token if token >= "一" else "·")
            color = "white" if right[row, column] > 0.6 else INK
            axes.text(column, row, shown, ha="center", va="center", color=color)
    axes.set_xlabel(sheet.words("right token; blue: its probability", "正确的词元；越蓝概率越大"))
    sheet.title(axes, "What it would say if it stopped there", "如果到此为止，它会说什么")


# In the order of the chapters, with the height of each in inches.
PICTURES: dict[Callable[[Sheet], None], float] = {
    tokens: 2.9,
    embeddings: 4.6,
    positions: 3.2,
    attention: 2.7,
    heads: 4.4,
    masks: 3.6,
    encoder: 3.4,
    decoder: 3.7,
    output: 3.9,
    adam: 2.8,
    writing: 3.0,
    whole: 2.8,
}


def drawn(names: Sequence[str], model: Path, folder: Path) -> Iterator[Path]:
    """Draw pictures in both languages and yield their files."""
    known = {picture.__name__: picture for picture in PICTURES}
    for name in names:
        if name not in known:
            raise UserError(f"There is no picture `{name}`. {did_you_mean(name, known)}")
    settings = look()
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for name in names or known:
        for language, suffix in SUFFIXES.items():
            with rc_context(settings):
                # White, not see-through: dark letters must be legible on a dark page too.
                size = (7.2, PICTURES[known[name]])
                figure = Figure(figsize=size, facecolor="white", layout="constrained")
                known[name](Sheet(figure, language, model))
                figure.savefig(folder / f"{name}{suffix}", dpi=100)
            with Image.open(folder / f"{name}{suffix}") as image:  # a third of the bytes
                image.convert("RGB").quantize(128).save(folder / f"{name}{suffix}", optimize=True)
            yield folder / f"{name}{suffix}"


def look() -> dict[str, Any]:
    """Give matplotlib's settings, among them a font that has Hanzi."""
    try:
        from matplotlib.font_manager import findSystemFonts, fontManager
    except ImportError:
        raise UserError(
            "Pictures need matplotlib, which is not installed. "
            'Run `pip install "tfchat-hf[plots]"`.'
        ) from None
    found = _font(fontManager) or _font(fontManager, findSystemFonts())
    if found is None:
        raise UserError(
            "No font with Chinese characters is installed. On Debian and Ubuntu: `sudo apt install "
            "fonts-noto-cjk` or `fonts-wqy-microhei`; on others take one of " + ", ".join(FONTS)
        )
    colors = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    )
    sides = {"axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11}
    return {"font.family": [found, "DejaVu Sans"], "axes.unicode_minus": False, **colors, **sides}


def _font(manager: Any, more: Sequence[str] = ()) -> str | None:
    """Name a font that has Hanzi; `more` are files, for matplotlib remembers what it once found."""
    for path in more:
        with suppress(RuntimeError, OSError):  # a bitmap font, say
            manager.addfont(path)
    there = {font.name for font in manager.ttflist}
    return next((name for name in FONTS if name in there), None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pictures; all if left out")
    parser.add_argument("--model", default="runs/toy", metavar="DIR", help="a model of the toy")
    parser.add_argument("--output", default="runs/pictures", metavar="DIR")
    options = parser.parse_args(argv)

    def draw() -> None:
        for path in drawn(options.names, Path(options.model), Path(options.output)):
            say(str(path))

    return run_command(draw)


if __name__ == "__main__":
    sys.exit(main())
