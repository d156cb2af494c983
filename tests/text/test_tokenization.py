# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the tokenizers promise: nothing lost, plain files, the same bytes every time."""

from __future__ import annotations

import ast
import functools
import io
import json
import os
import pickle
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import datasets
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, TextIteratorStreamer

from data_builders.errors import UserError
from tests.commands import run_python
from tfchat_hf.text import tokenization
from tfchat_hf.text.dialogue import encode_reply
from tfchat_hf.text.tokenization import SPECIAL_TOKENS, install_pipeline
from tfchat_hf.text.tokenizer_training import SCHEMES, main, train_tokenizer
from tfchat_hf.text.vocabulary.pieces import BASE_PIECES
from tfchat_hf.text.vocabulary.word_cutter import load_word_cutter

# Whole sentences come back again and again, so that words stand beside the same neighbours:
# without word boundaries BPE would join them.
CORPUS = [
    f"{who}{what}，{where}！"
    for who in ("我们", "他们", "老师和学生", "我的朋友")
    for what in ("喜欢机器学习", "今天去公园散步", "正在吃晚饭", "想听一首歌")
    for where in ("天气很好", "你要一起来吗", "明天再说吧")
] + [
    f"{who} {what}, don't you?"
    for who in ("You", "The students", "We")
    for what in ("like green tea", "walk in the park", "read 2 books and 365 pages")
]

TEXTS = {
    "chinese": "今天我们去公园，好吗？",
    "english": "  The Students LIKE  green tea, don't they? ",
    "mixed": "我们 like 机器学习2024年，OK吗？Yes吧",
    "full width": "ＡＢＣ１２３，（全角）！　完",
    "emoji": "👨‍👩‍👧‍👦 ❤️ 👍🏽 🇨🇳",
    "url": "https://example.org/a_b?q=%E4%BD%A0&x=1#top",
    "code": "def f(x):\n\tif x:\r\n\t\treturn  [1, 2]\n\n\n",
    "traditional": "妳們喜歡聽臺灣話嗎？憂鬱的烏龜",
    "never seen": "龘靐𠮷𰻝 ñandú Ελλάδα ไทย 한국어 かな〇々",
    "unseen marks": "e\u0301\u0327 a\u200d\u200b\ufeff\u2060|\x00\x7f\u0085\u2028",
    "piece marker": "▁a ▁ b▁",
    "byte spelling": "<0xE4><0xBD> Ġthe ä½ł",
    "blanks": " \t \n  ",
    "nothing": "",
}

RELOAD = """
import importlib.abc, json, sys
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tfchat_hf", "jieba"):
            raise ImportError(name)
sys.meta_path.insert(0, Gone())
for name in ("tfchat_hf", "jieba"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(name + " could be imported")
from transformers import AutoTokenizer
texts, messages = json.loads(sys.argv[2])
answer = []
for folder in json.loads(sys.argv[1]):
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    answer.append([
        tokenizer(texts)["input_ids"],
        [tokenizer.decode(tokenizer(t)["input_ids"], skip_special_tokens=True) for t in texts],
        tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"],
        [tokenizer.padding_side, tokenizer.model_max_length, tokenizer.model_input_names,
         tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id,
         tokenizer.unk_token_id, tokenizer.sep_token_id],
    ])
print(json.dumps(answer))
sys.meta_path.pop(0)
"""

TRAIN_AND_HASH = """
import hashlib, json, pathlib, sys, tempfile
from tfchat_hf.text.tokenizer_training import SCHEMES, train_tokenizer
digests = {}
for scheme in SCHEMES:
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(json.loads(sys.argv[1]), scheme, 400).save_pretrained(folder)
        for path in sorted(pathlib.Path(folder).iterdir()):
            digests[scheme + "/" + path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(digests))
"""


MAP_IN_TWO_PROCESSES = """
import json, sys
from datasets import load_from_disk
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=False)
dataset = load_from_disk(sys.argv[2])
mapped = dataset.map(lambda row: tokenizer(row["text"]), num_proc=2)
print(json.dumps([mapped._fingerprint, [f["filename"] for f in mapped.cache_files],
                  mapped["input_ids"][:]]))
"""


@pytest.fixture(scope="module", params=SCHEMES)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS, request.param, 500)


# Each of these programs prints one line of JSON.
ONE_BY_ONE = """
import json, sys
for program, arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    exec(program)
"""


def answers_of(programs: list[tuple[str, list[str]]]) -> list[object]:
    """Run programs in one process that hashes by another seed than this one."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, json.dumps(programs)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "1", "HF_HUB_OFFLINE": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


MESSAGES = [{"role": "user", "content": "你好</s>"}, {"role": "assistant", "content": "The"}]


class Elsewhere(NamedTuple):
    """What another process read, trained and mapped, beside what it was given."""

    tokenizers: list[PreTrainedTokenizerFast]
    reloaded: list
    digests: dict[str, str]
    mapped: list[list]
    written: list[dict[Path, int]]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    place = tmp_path_factory.mktemp("elsewhere")
    trained = [train_tokenizer(CORPUS, scheme, 500, model_max_length=77) for scheme in SCHEMES]
    folders = [str(place / scheme) for scheme in SCHEMES]
    for one, folder in zip(trained, folders, strict=True):
        one.save_pretrained(folder)
    datasets.Dataset.from_dict({"text": CORPUS}).save_to_disk(place / "data")
    mapping = [folders[SCHEMES.index("word")], str(place / "data")]

    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (place / "data").rglob("*.arrow")}

    first = run_python(["-c", MAP_IN_TWO_PROCESSES, *mapping])
    assert first.returncode == 0, first.stderr
    before = written()
    texts = json.dumps([list(TEXTS.values()), MESSAGES])
    reloaded, digests, second = answers_of(
        [
            (RELOAD, [json.dumps(folders), texts]),
            (TRAIN_AND_HASH, [json.dumps(CORPUS)]),
            (MAP_IN_TWO_PROCESSES, mapping),
        ]
    )
    mapped = [json.loads(first.stdout), second]
    return Elsewhere(trained, reloaded, digests, mapped, [before, written()])


@pytest.mark.parametrize("kind", TEXTS)
def test_text_comes_back_exactly(tokenizer: PreTrainedTokenizerFast, kind: str) -> None:
    ids = tokenizer(TEXTS[kind])["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == TEXTS[kind]
    assert tokenizer.unk_token_id not in ids


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(max_size=12)
        | st.sampled_from(
            [*SPECIAL_TOKENS, "<", "</", "s>", " ", "\n", "我们", "The", "🏽", "\u200d"]
        )
    ).map("".join)
)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = encode_reply(tokenizer, text)
    assert tokenizer.decode(ids) == text + "</s>"
    assert not set(ids[:-1]) & set(range(len(SPECIAL_TOKENS)))


def test_special_tokens_have_their_ids(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3, 4]
    named = [
        tokenizer.pad_token,
        tokenizer.bos_token,
        tokenizer.eos_token,
        tokenizer.unk_token,
        tokenizer.sep_token,
    ]
    assert named == list(SPECIAL_TOKENS)
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_a_call_appends_one_end(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = tokenizer(["我们", "green tea"], text_target=["好", "The"], padding=True)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        assert ids[sum(mask) - 1] == 2 and ids.count(2) == 1
        assert set(ids[sum(mask) :]) <= {0}
    for labels, reply in zip(batch["labels"], ["好", "The"], strict=True):
        assert [label for label in labels if label != 0] == encode_reply(tokenizer, reply)
    pair = tokenizer("我们", "好")["input_ids"]
    assert pair == [*tokenizer("我们")["input_ids"][:-1], 4, *tokenizer("好")["input_ids"]]


def test_truncation_keeps_the_newest_tokens_and_the_end_token(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    for one in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        for text in ("我们喜欢机器学习" * 20, "Do you like green tea? " * 20):
            ids = one(text, truncation=True, max_length=7)["input_ids"]
            assert ids == one(text)["input_ids"][-7:] and ids[-1] == 2
            labels = one(text_target=text, truncation=True, max_length=7)["input_ids"]
            assert labels == ids


def test_char_scheme_gives_one_token_a_character() -> None:
    tokenizer = train_tokenizer(CORPUS, "char", 500)
    for text in CORPUS:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert [tokenizer.decode([token]) for token in tokens] == list(text)


def test_char_scheme_keeps_the_most_frequent_characters() -> None:
    tokenizer = train_tokenizer(["丁" * 3 + "丙" * 9 + "乙" * 5 + "a" * 20], "char", 261 + 2)
    assert len(tokenizer) == 263
    assert [tokenizer.decode([token]) for token in (261, 262)] == ["丙", "乙"]
    assert len(tokenizer("丁", add_special_tokens=False)["input_ids"]) == 3


@functools.cache
def words_of_the_corpus() -> set[str]:
    cutter = load_word_cutter()
    return {word for text in CORPUS for word in cutter.cut(text)}


def pieces_across_words(tokenizer: Tokenizer) -> list[str]:
    words = words_of_the_corpus()
    learned = set(tokenizer.get_vocab()) - set(BASE_PIECES)
    assert len(learned) > 50
    return [piece for piece in learned if not any(piece in word for word in words)]


@pytest.mark.parametrize("scheme", ["word", "subword-bpe", "subword-unigram"])
def test_pieces_stay_inside_words(scheme: str) -> None:
    trained = train_tokenizer(CORPUS, scheme, 1000)
    assert not pieces_across_words(trained.backend_tokenizer)
    assert {"我们", "机器", "公园", " park"} <= set(trained.get_vocab())

    unbounded = install_pipeline(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(vocab_size=1000, show_progress=False)
    unbounded.train_from_iterator(CORPUS, trainer)
    assert pieces_across_words(unbounded), "the check above could not fail"


def test_training_leaves_no_dictionary_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    planted = tmp_path / "jieba.cache"
    planted.write_bytes(b"planted by another user")
    train_tokenizer(["我们喜欢机器学习"] * 3, "subword-bpe", 300)
    assert planted.read_bytes() == b"planted by another user"
    assert list(tmp_path.iterdir()) == [planted]


def test_same_texts_give_the_same_bytes(elsewhere: Elsewhere) -> None:
    arguments = patch.object(sys, "argv", ["-c", json.dumps(CORPUS)])
    with redirect_stdout(io.StringIO()) as said, arguments:
        exec(TRAIN_AND_HASH, {"__name__": "here"})
    assert len(elsewhere.digests) == 3 * len(SCHEMES)  # three files a scheme
    assert json.loads(said.getvalue()) == elsewhere.digests


def test_folder_loads_without_this_package(elsewhere: Elsewhere) -> None:
    assert {Path(name).name for name in elsewhere.digests} == {
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    texts = list(TEXTS.values())
    for one, (ids, decoded, template, properties) in zip(
        elsewhere.tokenizers, elsewhere.reloaded, strict=True
    ):
        assert ids == one(texts)["input_ids"]
        assert decoded == texts
        assert template == one.apply_chat_template(MESSAGES, return_dict=True)["input_ids"]
        assert properties == ["right", 77, ["input_ids", "attention_mask"], 0, 1, 2, 3, 4]


def test_pickle_keeps_everything(tokenizer: PreTrainedTokenizerFast) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    texts = list(TEXTS.values())
    assert copy(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert copy.chat_template == tokenizer.chat_template


def test_a_second_process_finds_the_first_ones_mapping(elsewhere: Elsewhere) -> None:
    first, second = elsewhere.mapped
    assert first == second
    before, after = elsewhere.written
    assert after == before and len(before) > 1, "the second run must read, not write"
    tokenizer = elsewhere.tokenizers[SCHEMES.index("word")]
    assert first[2] == tokenizer(CORPUS)["input_ids"]


def test_a_special_spelling_can_be_taken_as_text(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    texts = ["a</s>b<pad>", "我<sep></</s>s><unk>", "<s>"]
    for one in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        batch = one(texts, split_special_tokens=True, padding=True)["input_ids"]
        for ids, text in zip(batch, texts, strict=True):
            assert ids.count(2) == 1 and not {1, 3, 4} & set(ids)
            assert one.decode(ids, skip_special_tokens=True) == text
        # Asked once, it does not stay so.
        assert one("a</s>")["input_ids"][-2:] == [2, 2]


@pytest.mark.parametrize("kind", TEXTS)
def test_streaming_shows_whole_characters_only(
    tokenizer: PreTrainedTokenizerFast, kind: str
) -> None:
    streamer = TextIteratorStreamer(tokenizer, skip_special_tokens=True)
    for token in tokenizer(TEXTS[kind])["input_ids"]:
        streamer.put(torch.tensor([token]))
    streamer.end()
    chunks = list(streamer)
    assert "".join(chunks) == TEXTS[kind]
    assert not any("\ufffd" in chunk for chunk in chunks)


@pytest.mark.parametrize(
    ("texts", "options", "says"),
    [
        (CORPUS, {"vocab_size": 260}, "at least 261.*got 260"),
        (CORPUS, {"scheme": "words"}, "`scheme`.*got 'words'"),
        ([], {}, "some text"),
        (["", ""], {"scheme": "char"}, "some text"),
        ("我们", {}, "got one string"),
    ],
)
def test_wrong_requests_are_named(texts: list[str], options: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        train_tokenizer(texts, **options)


def test_missing_jieba_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(UserError, match="jieba.*`char`"):
        train_tokenizer(CORPUS, "subword-bpe", 300)
    assert len(train_tokenizer(CORPUS, "char", 300)) <= 300


@pytest.fixture
def dataset_dir(tmp_path: Path) -> Path:
    splits = {
        "train": datasets.Dataset.from_dict({"turns": [[text, "好"] for text in CORPUS]}),
        "validation": datasets.Dataset.from_dict({"turns": [["龘靐"]]}),
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "data")
    return tmp_path / "data"


def test_command_trains_on_the_training_split(
    dataset_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "deep" / "tokenizer"
    order = [str(dataset_dir), "--scheme", "char", "--output", str(output)]
    assert main(order) == 0
    assert "char" in capsys.readouterr().out
    loaded = AutoTokenizer.from_pretrained(output)
    assert "公" in loaded.get_vocab() and "龘" not in loaded.get_vocab()
    assert [path.name for path in output.parent.iterdir()] == ["tokenizer"]

    before = (output / "tokenizer.json").read_bytes()
    assert main([*order, "--vocab-size", "270"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (output / "tokenizer.json").read_bytes() == before
    assert main([*order, "--vocab-size", "270", "--overwrite"]) == 0
    assert len(AutoTokenizer.from_pretrained(output)) == 270


def test_command_never_replaces_a_model(dataset_dir: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("tokenizer.json", "config.json", "model.safetensors"):
        (run / name).write_text("{}")
    assert main([str(dataset_dir), "--scheme", "char", "--output", str(run), "--overwrite"]) == 2
    assert len(list(run.iterdir())) == 3


def test_command_explains_mistakes_in_one_line(
    dataset_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = ["--output", str(tmp_path / "out")]
    (tmp_path / "empty").mkdir()
    for order in (
        [str(tmp_path / "nowhere"), *output],
        [str(tmp_path / "empty"), *output],
        [str(dataset_dir), "--vocab-size", "5", *output],
    ):
        assert main(order) == 2
        *loading, error = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ") and len(loading) <= 1
    assert not (tmp_path / "out").exists()


def test_the_module_stays_light():
    tree = ast.parse(Path(tokenization.__file__).read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom | ast.Import)]
    assert {node.module for node in imports} == {"__future__", "tokenizers", "typing"}
