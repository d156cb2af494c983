# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a YAML file of several sources promises: one corpus, weighted, tagged and in one order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from data_builders import build_dialogues
from data_builders.__main__ import main
from data_builders.dialogue import as_tuple
from data_builders.errors import UserError
from data_builders.selecting.splits import normalize_question
from data_builders.sources.mixture import MixtureConfig, MixtureCorpus, read_mixture
from data_builders.sources.sources import SourceSpec

SHIPPED = sorted(Path(__file__).parents[3].glob("configs/mixtures/*.yaml"))
THREE = """
sources:
  - files: chat.tsv
    name: chat
    weight: 3
    license: MIT
    language: en
  - files: [film/film.conv]
    license: for research
    weight: 0.5
  - format: parallel
    questions: film/questions.txt
    replies: film/answers.txt
    name: pairs
seed: 7
validation_fraction: 0.1
test_fraction: 0.1
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture()
def folder(tmp_path) -> Path:
    questions = [f"question of the day {i * i}" for i in range(120)]
    write(tmp_path / "chat.tsv", "".join(f"{q}\tchat reply {q}\n" for q in questions))
    blocks = [f"E\nM 电影里说了第{i}句\nM 然后回答了{i}次\n" for i in range(300)]
    write(tmp_path / "film/film.conv", "".join(blocks))
    # The same questions as in the chat, otherwise written, with other replies.
    write(tmp_path / "film/questions.txt", "".join(f"{q.upper()}?\n" for q in questions))
    write(tmp_path / "film/answers.txt", "".join(f"another reply {q}\n" for q in questions))
    write(tmp_path / "mix.yaml", THREE)
    return tmp_path


def build(folder: Path, name: str = "mix.yaml", **settings: object):
    return build_dialogues(folder / name, cache_dir=str(folder / "cache"), **settings)


def ids(result, split: str = "train") -> list[str]:
    return result.dataset[split]["id"][:]


def texts(result, split: str) -> Counter:
    return Counter((row["source"], *row["turns"]) for row in result.dataset[split])


def edited(folder: Path, old: str, new: str, name: str = "edited.yaml") -> Path:
    assert old in THREE
    return write(folder / name, THREE.replace(old, new))


def test_files_are_looked_for_in_the_root(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("yaml")
    inside = write(elsewhere / "a.yaml", THREE + f"root: {folder}\n")
    assert build_dialogues(inside, cache_dir=str(folder / "cache")).report.kept > 400
    beside = write(elsewhere / "b.yaml", THREE + "root: nowhere\n")
    command = ["mix", str(beside), "--output", str(folder / "out"), "--root", str(folder)]
    assert main([*command, "--cache-dir", str(folder / "cache")]) == 0
    with pytest.raises(UserError, match="nowhere"):
        build_dialogues(beside)
    with pytest.raises(UserError, match="`root` is for the YAML file"):
        build_dialogues(folder / "chat.tsv", root=str(folder))


def test_missing_sources_are_left_out_only_if_asked_and_named(folder):
    (folder / "film/answers.txt").unlink()
    with pytest.raises(UserError, match="answers.txt does not exist"):
        build(folder)
    said = []
    path = write(folder / "skip.yaml", THREE + "skip_missing: true\n")
    described = read_mixture(path, said.append)
    assert [spec.name for spec in described["sources"]] == ["chat", None]
    assert said[-1].startswith("pairs: left out, ") and "answers.txt" in said[-1]
    with pytest.raises(UserError, match="none of its sources is in"):
        read_mixture(path, root=folder / "film" / "elsewhere")


def placeholder_of(pattern: str) -> str:
    """Give a name that a pattern matches."""
    return pattern.replace("**/", "").replace("*", "x")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_mixtures_name_formats_and_settings_that_exist(path, tmp_path):
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
        for key in ("files", "questions", "replies", "lines", "conversations"):
            for pattern in as_tuple(entry.get(key, ())):
                write(tmp_path / "deep" / placeholder_of(pattern), "x")
    said = []
    described = read_mixture(path, said.append, tmp_path)
    config = MixtureConfig(**described)
    assert said == [] and len(config.sources) >= 2
    names = [spec.name for spec in config.sources]
    assert all(names) and len(set(names)) == len(names)
    assert config.validation_fraction and config.test_fraction and config.seed == 42


def test_a_shipped_mixture_builds_from_what_is_there(tmp_path, capsys):
    [path] = [path for path in SHIPPED if path.stem == "en_dialogue"]
    talk = [f"Is number {n} free ? __eou__ No , number {n + 1} is . __eou__\n" for n in range(60)]
    write(tmp_path / "corpora/any/dailydialog_train.txt", "".join(talk))
    command = ["mix", str(path), "--root", str(tmp_path / "corpora")]
    where = ["--output", str(tmp_path / "out"), "--cache-dir", str(tmp_path / "cache")]
    assert main([*command, *where]) == 0
    said = capsys.readouterr().out
    assert "chitchat: left out" in said and "cornell: left out" in said
    assert "rows read from dailydialog" in said and "small talk" in said


def test_three_sources_with_weights_tags_and_licences(folder):
    result = build(folder)
    origins = {origin.name: origin for origin in result.report.origins}
    assert {name: (o.format, o.license, o.weight) for name, o in origins.items()} == {
        "chat": ("separated", "MIT", 3.0),
        "film.conv": ("conv", "for research", 0.5),
        "pairs": ("parallel", None, 1.0),
    }
    train = texts(result, "train")
    assert {count for (source, *_), count in train.items() if source == "chat"} == {3}
    assert {count for (source, *_), count in train.items() if source != "chat"} == {1}
    films = [source for source, *_ in train if source == "film.conv"]
    assert 0.4 < len(films) / 240 < 0.6
    assert {row["lang"] for row in result.dataset["train"] if row["source"] == "chat"} == {"en"}
    assert {row["lang"] for row in result.dataset["train"] if row["source"] != "chat"} >= {"zh"}
    assert len(set(ids(result))) == len(result.dataset["train"])


def test_every_row_is_counted_once(folder):
    report = build(folder).report
    assert report.rows_read == sum(origin.read for origin in report.origins) == 540
    assert report.dropped["weight of the source"] > 80
    assert report.extra_rows == sum(
        2 for row in build(folder).dataset["train"] if row["id"].endswith("-2")
    )


def test_weights_touch_the_training_split_alone(folder):
    weighted = build(folder)
    plain = build(folder, edited(folder, "weight: 3", "weight: 1"))
    for split in ("validation", "test"):
        assert texts(weighted, split) == texts(plain, split)
        assert set(texts(plain, split).values()) == {1}


def test_the_same_question_of_two_sources_is_on_one_side(folder):
    result = build(folder)
    sides = [
        {normalize_question(turns[0]) for turns in split["turns"]}
        for split in result.dataset.values()
    ]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    both = [split for split in result.dataset.values() if {"chat", "pairs"} <= set(split["source"])]
    assert len(both) == 3


def test_order_is_that_of_the_seed(folder):
    first = ids(build(folder))
    again = build_dialogues(folder / "mix.yaml", cache_dir=str(folder / "other cache"))
    assert ids(again) == first
    other = build(folder, edited(folder, "seed: 7", "seed: 8"))
    assert ids(other) != first and len(ids(other)) == pytest.approx(len(first), abs=40)
    sources = [row["source"] for row in again.dataset["train"]]
    assert sum(one != two for one, two in zip(sources, sources[1:], strict=False)) > 50


def test_without_a_seed_the_order_is_that_of_the_sources(folder):
    result = build(folder, edited(folder, "seed: 7\n", ""))
    sources = [row["source"] for row in result.dataset["train"]]
    assert [name for name in dict.fromkeys(sources)] == ["chat", "film.conv", "pairs"]
    assert sources == sorted(sources, key=["chat", "film.conv", "pairs"].index)


def test_the_number_of_workers_changes_nothing(folder):
    one = build_dialogues(folder / "mix.yaml", cache_dir=str(folder / "c1"), workers=1)
    two = build_dialogues(folder / "mix.yaml", cache_dir=str(folder / "c2"), workers=2)
    assert ids(one) == ids(two) and one.build_id == two.build_id


def test_paths_are_relative_to_the_file_and_not_to_where_one_stands(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert build_dialogues("../mix.yaml", cache_dir="cache").report.rows_read == 540


def test_a_mixture_may_be_moved(folder):
    before = build(folder).build_id
    folder.rename(folder.with_name("moved"))
    assert build(folder.with_name("moved")).build_id != ""
    folder.with_name("moved").rename(folder)
    assert build(folder).build_id == before


def test_chatterbot_may_be_a_source(folder):
    text = "sources:\n  - files: chat.tsv\n  - format: chatterbot\n    languages: [zh]\n"
    result = build(folder, write(folder / "bot.yaml", text))
    names = {row["source"].split("/")[0] for row in result.dataset["train"]}
    assert names == {"chat.tsv", "chatterbot"}
    assert {o.name for o in result.report.origins} >= {"chat.tsv"}
    assert all(
        row["lang"] == "zh" for row in result.dataset["train"] if "chatterbot" in row["source"]
    )


def test_guesses_are_said(folder):
    said = []
    read_mixture(folder / "mix.yaml", said.append)
    assert [line.split(":")[0] for line in said] == ["chat.tsv", "film.conv"]


def test_a_folder_as_a_source_gives_all_its_files_the_weight(folder):
    text = "sources:\n  - files: film\n    weight: 2\n    license: MIT\n"
    origins = build(folder, write(folder / "m.yaml", text)).report.origins
    assert {(o.format, o.weight, o.license) for o in origins} == {
        ("conv", 2.0, "MIT"),
        ("parallel", 2.0, "MIT"),
    }


WRONG = {
    "broken": ("sources: [", "is not YAML: "),
    "no mapping": ("- files: chat.tsv", "must have a list `sources`"),
    "empty": ("", "must have a list `sources`"),
    "no sources": ("seed: 3", "must have a list `sources`"),
    "sources not a list": ("sources: chat.tsv", "must have a list `sources`"),
    "sources empty": ("sources: []", "`sources` is empty"),
    "source not a mapping": ("sources: [chat.tsv]", "source 1 must be a mapping"),
    "source without files": ("sources: [{name: x}]", "source 1 has neither `files` nor"),
    "unknown key": ("sources: [{files: chat.tsv}]\nsed: 3", "there is no setting `sed`"),
    "unknown key of a source": (
        "sources: [{files: chat.tsv, wieght: 2}]",
        "The format separated has no setting `wieght`",
    ),
    "unknown format": ("sources: [{format: klingon}]", "There is no format 'klingon'"),
    "weight in words": ("sources: [{files: chat.tsv, weight: much}]", "`weight` must be a number"),
    "weight yes": ("sources: [{files: chat.tsv, weight: yes}]", "`weight` must be a number"),
    "weight 0": ("sources: [{files: chat.tsv, weight: 0}]", ":1: source 1: `weight` must be"),
    "weight 101": ("sources: [{files: chat.tsv, weight: 101}]", "at most 100 (got 101)"),
    "weight nan": ("sources: [{files: chat.tsv, weight: .nan}]", "at most 100 (got nan)"),
    "weight 1e9": ("sources: [{files: chat.tsv, weight: 1e9}]", "at most 100 (got '1e9')"),
    "weight twice": (
        "sources:\n- files: chat.tsv\n  weight: 2\n  weight: 3",
        "wrong.yaml:4: `weight` is given twice",
    ),
    "weight twice in one line": (
        "sources: [{files: chat.tsv, weight: 2, weight: 2}]",
        "wrong.yaml:1: `weight` is given twice",
    ),
    "file twice": (
        "sources:\n- files: chat.tsv\n- files: ['./ch*.tsv', film]",
        "wrong.yaml:3: source 2 names chat.tsv, which source 1 names too",
    ),
    "aliases of aliases": (
        "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '1'] * 9)}]" for n in range(9)),
        "stands for more than 1,000,000 values",
    ),
    "workers 0": (
        "sources: [{files: chat.tsv}]\nworkers: 0",
        "wrong.yaml: `workers` must be at least 1 (got 0)",
    ),
    "nothing to train on": (
        "sources: [{files: chat.tsv}]\nvalidation_fraction: 0.6\ntest_fraction: 0.4",
        "together must stay below 1 (got 0.6 + 0.4)",
    ),
    "seed in words": ("sources: [{files: chat.tsv}]\nseed: seven", "`seed`"),
    "missing file": ("sources: [{files: nowhere.tsv}]", "nowhere.tsv does not exist"),
    "language": ("sources: [{files: chat.tsv, language: klingon}]", "(got 'klingon')"),
    "languages": ("sources: [{files: chat.tsv}]\nlanguages: [klingon]", "(got 'klingon')"),
    "fraction": ("sources: [{files: chat.tsv}]\ntest_fraction: 2", "fraction"),
    "fraction in words": ("sources: [{files: chat.tsv}]\ntest_fraction: much", "fraction"),
    "cleaning key": ("sources: [{files: chat.tsv}]\ncleaning: {url: true}", "no setting `url`"),
    "cleaning not a mapping": ("sources: [{files: chat.tsv}]\ncleaning: yes", "cleaning"),
    "cleaning type": (
        "sources: [{files: chat.tsv}]\ncleaning: {urls: 3}",
        "`urls` must be a bool",
    ),
    "half a pair": ("sources: [{format: parallel, questions: film/questions.txt}]", "replies"),
    "a format without its files": ("sources: [{format: conv}]", "`files` is empty"),
    "seed below 0": ("sources: [{files: chat.tsv}]\nseed: -1", "`seed` must not be negative"),
    "name 5": ("sources: [{files: chat.tsv, name: 5}]", "`name` must be a str such as"),
    "licence 5": ("sources: [{files: chat.tsv, license: 5}]", "`license` must be a str such as"),
    "languages of a source": (
        "sources: [{files: chat.tsv, languages: [zh]}]",
        "`languages` is a setting of the whole build",
    ),
    "strict of a source": ("sources: [{files: chat.tsv, strict: true}]", "`strict` is a setting"),
    "block list that is not there": (
        "sources: [{files: chat.tsv}]\ncleaning: {block_list: nowhere.txt}",
        "nowhere.txt is no file",
    ),
    "strict in words": ("sources: [{files: chat.tsv}]\nstrict: sometimes", "strict"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence(folder, what, capsys):
    text, said = WRONG[what]
    path = write(folder / "wrong.yaml", text)
    options = ["--output", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    assert main(["mix", str(path), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert said in error
    assert not (folder / "out").exists()


def test_sources_beyond_yaml(folder):
    with pytest.raises(UserError, match="must be a number above 0"):
        MixtureCorpus(sources=[SourceSpec("pairs", {"files": ("a.tsv",)}, weight=-1)])


def test_the_command_line_outweighs_the_file(folder, capsys):
    options = ["--output", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    path = write(folder / "mix.yaml", THREE + "cleaning: {maximum_chars: 500, urls: true}\n")
    assert main(["mix", str(path), *options, "--test-fraction", "0", "--maximum-chars", "300"]) == 0
    report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    assert set(report["splits"]) == {"train", "validation"}
    shown = (folder / "out" / "README.md").read_text(encoding="utf-8")
    assert "300" in shown
    settings = build(folder, test_fraction=0.0, cleaning={"maximum_chars": 300}).settings
    # Setting by setting: what the command line does not name stays as the file has it.
    assert settings["cleaning"]["maximum_chars"] == 300 and settings["cleaning"]["urls"] is True
    assert settings["test_fraction"] == 0.0 and settings["validation_fraction"] == 0.1


def test_build_takes_a_mixture_too(folder):
    options = ["--output", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    assert main(["build", str(folder / "mix.yaml"), *options]) == 0
    assert main(["mix", str(folder / "mix.yaml"), *options]) == 0


def test_options_of_the_command_line_that_a_mixture_cannot_take_are_refused(folder, capsys):
    options = ["--output", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    assert main(["build", str(folder / "mix.yaml"), *options, "--language", "zh"]) == 2
    assert "`language` cannot be set for a whole mixture" in capsys.readouterr().err


def test_the_licence_of_the_whole_is_in_the_card(folder):
    options = ["--output", str(folder / "out"), "--cache-dir", str(folder / "cache")]
    path = write(folder / "mix.yaml", THREE + "license: CC-BY-4.0\n")
    assert main(["mix", str(path), *options]) == 0
    assert "\nlicense: cc-by-4.0\n" in (folder / "out" / "README.md").read_text(encoding="utf-8")


def test_a_block_list_lies_beside_the_file(folder):
    write(folder / "terms.txt", "chat\n")
    text = THREE + "cleaning: {block_list: terms.txt}\n"
    report = build(folder, write(folder / "blocked.yaml", text)).report
    assert report.dropped["block list"] == 120


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"sources:\n- files:\n", "source 1.*: `files` names no file"),
        ("# 我的\nsources:\n- files: a.tsv\n".encode("gbk"), "is not UTF-8 text. Save it as UTF-8"),
    ],
)
def test_a_mixture_that_says_nothing_is_told_so(tmp_path, content, sentence):
    (tmp_path / "mix.yaml").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read_mixture(tmp_path / "mix.yaml")
