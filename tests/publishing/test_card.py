# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The card of a run says what the run's own files say, all of it, and nothing of the machine."""

from __future__ import annotations

import copy
import getpass
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from transformers import TrainerState

import train_hf
from data_builders.report import BuildReport, SourceCount
from data_builders.translation import use_language
from tests.finished_run import LOG, METRICS, SAMPLES, tiny_run
from tests.test_train_cli import SETTINGS
from tfchat_hf.engines.model_folder import NEWEST_TESTED_TRANSFORMERS, OLDEST_TRANSFORMERS
from tfchat_hf.publishing.card import (
    build_model_card,
    list_sources,
    write_model_card,
)
from tfchat_hf.publishing.curves import read_curves
from tfchat_hf.publishing.results import choose_samples, describe_selection
from tfchat_hf.publishing.upload_plan import PLACEHOLDER
from tfchat_hf.settings.parsing import parse_arguments

GOLDEN = Path(__file__).with_name("golden_card.md")
HEADINGS = [
    "How to use",
    "Training data",
    "Training",
    "Curves",
    "Evaluation",
    "Sample replies",
    "Limits",
]
REPLIES_OF = [
    "model, training questions",
    "model, held-out questions",
    "human replies (held-out)",
    "the reply to the nearest training question",
    "a random training reply",
    "the most frequent training reply",
]


def changed(**places: Any) -> dict[str, Any]:
    """Return metrics with some numbers of the held-out row replaced."""
    metrics = copy.deepcopy(METRICS)
    metrics["validation"].update(places)
    return metrics


def card_text(folder: Path, metrics: dict[str, Any], *options: str) -> str:
    return str(build_model_card(tiny_run(folder, *options), metrics, "你好"))


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def cells(part: str) -> list[list[str]]:
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def read_samples(folder: Path) -> list[dict[str, Any]]:
    return list(map(json.loads, (folder / "samples.jsonl").read_text("utf-8").splitlines()))


def figures(part: str) -> dict[str, dict[str, str]]:
    """Return the table of the evaluation by whose replies, then by metric."""
    metrics, *columns = zip(*cells(part)[:1], *cells(part)[2:], strict=True)
    return {
        name.rpartition(" (")[0]: dict(zip(metrics[1:], values, strict=True))
        for name, *values in columns
    }


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train for a moment; return the run folder."""
    place = tmp_path_factory.mktemp("real")
    with open(place / "pairs.jsonl", "w", encoding="utf-8") as file:
        for i in range(22):
            row = {"question": f"问题 {i} Q" + "a" * (i % 6), "reply": f"回答 {i}" + "b" * (i % 4)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    settings = {**SETTINGS, "dataset": str(place / "pairs.jsonl"), "max_steps": 4}
    settings |= {"output_dir": str(place / "run"), "dataset_cache_dir": str(place / "cache")}
    settings |= {"eval_strategy": "steps", "eval_steps": 2, "save_steps": 2, "logging_steps": 1}
    (place / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert train_hf.main([str(place / "tiny.yaml")]) == 0
    return place / "run"


@pytest.fixture(scope="module")
def card(real: Path) -> str:
    """Write the card of that run from what it left; return its text."""
    run = parse_arguments([str(real / "run_config.yaml")])
    metrics = json.loads((real / "metrics.json").read_text(encoding="utf-8"))
    state = json.loads((real / "checkpoint-4" / "trainer_state.json").read_text(encoding="utf-8"))
    samples = read_samples(real)
    write_model_card(real, run, metrics, "问题 1 Q", state["log_history"], samples)
    return (real / "README.md").read_text(encoding="utf-8")


def test_the_whole_card_says_each_figure_of_the_run_in_its_place(tmp_path: Path) -> None:
    # Both files are written out; the figures of the card were compared with the run's by eye.
    told = json.loads(GOLDEN.with_name("golden_run.json").read_text(encoding="utf-8"))
    run, curves = tiny_run(tmp_path, *told["options"]), read_curves(told["log"])
    card = build_model_card(run, told["metrics"], told["example"], curves, told["samples"], True)
    golden = GOLDEN.read_text(encoding="utf-8")
    golden = golden.replace("OLDEST", OLDEST_TRANSFORMERS)
    assert str(card) == golden.replace("NEWEST", NEWEST_TESTED_TRANSFORMERS)


def test_the_card_of_a_real_run_is_whole(card: str) -> None:
    assert re.findall(r"^## (.*)$", card, flags=re.M) == HEADINGS
    for part in card.split("\n## ")[1:]:
        assert len(part.splitlines()) > 2, part
    assert not re.search(r"\bNone\b|\bnan\b|\{|\}", re.sub(r"```.*?```", "", card, flags=re.S))
    # Every table is one: a stray character would make it a paragraph.
    tables = MarkdownIt().enable("table").parse(card)
    assert sum(token.type == "table_open" for token in tables) == card.count("|---") - sum(
        line.count("|---") - 1 for line in card.splitlines() if line.startswith("|---")
    )


def test_the_numbers_of_a_real_run_are_those_of_its_files(card: str, real: Path) -> None:
    metrics = json.loads((real / "metrics.json").read_text(encoding="utf-8"))
    named = figures(section(card, "Evaluation"))
    assert list(named) == REPLIES_OF
    for key, name in (("validation", REPLIES_OF[1]), ("train", REPLIES_OF[0])):
        assert named[name]["distinct-2"] == f"{metrics[key]['distinct_2']:.3f}"
        assert named[name]["top reply"] == f"{100 * metrics[key]['top_reply_share']:.1f} %"
        assert named[name]["stutter"] == f"{100 * metrics[key]['stutter']:.1f} %"
    listened = f"reply is {metrics['validation']['question_gain']:.3f} nats a token likelier"
    assert listened in section(card, "Evaluation")
    assert named[REPLIES_OF[1]]["perplexity"] == f"{metrics['validation']['perplexity']:.1f}"
    assert named[REPLIES_OF[1]]["bits/char"] == f"{metrics['validation']['bits_per_character']:.2f}"
    settings = dict(row for row in cells(section(card, "Training")) if len(row) == 2)
    assert settings["parameters"] == f"{metrics['run']['parameters']:,}"
    assert settings["seed"] == "42" and settings["updates"].startswith("4 (")
    steps = [row[0].split()[0] for row in cells(section(card, "Curves"))[2:]]
    assert steps == ["2", "4"]
    shown = cells(section(card, "Sample replies"))[2:]
    questions = {row["context"][-1] for row in read_samples(real)}
    assert {row[0] for row in shown} <= questions and shown


def test_checkpoints_have_the_template_of_the_finished_model(real: Path) -> None:
    template = (real / "chat_template.jinja").read_text(encoding="utf-8")
    assert "newest turns: 1; system messages are left out" in template
    assert (real / "checkpoint-4" / "chat_template.jinja").read_text(encoding="utf-8") == template


def test_the_code_of_the_card_runs_all_of_it(
    card: str, real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(code) == 3 and card.count(PLACEHOLDER) == 2
    config = json.loads((real / "config.json").read_text(encoding="utf-8"))
    if "custom_pipelines" not in config:
        code.pop()  # a pipeline needs its file in the folder
    names: dict[str, Any] = {}
    for block in code:
        exec(compile(block.replace(PLACEHOLDER, str(real)), "README.md", "exec"), names)
        assert capsys.readouterr().out.endswith("\n")
    assert "creative" in names["model"].preset_names()
    # This model reads one turn: of the conversation its last message is left.
    tokenizer = names["tokenizer"]
    alone = tokenizer(names["messages"][-1]["content"])["input_ids"]
    assert names["inputs"]["input_ids"].tolist() == [alone] and len(names["messages"]) == 3


def test_the_header_gives_the_hub_language_and_results(card: str, real: Path) -> None:
    data = ModelCard(card).data
    metrics = json.loads((real / "metrics.json").read_text(encoding="utf-8"))
    assert data.library_name == "transformers" and "tfchat" in data.tags
    assert data.pipeline_tag == "text-generation" and data.license == "other"
    assert data.language == ["zh"] and data.datasets is None
    assert data.model_name == "run"
    results = {result.metric_type: result for result in data.eval_results}
    assert {"bits_per_character", "sacrebleu", "distinct_2"} <= set(results)
    assert results["bits_per_character"].metric_value == pytest.approx(
        metrics["validation"]["bits_per_character"], abs=1e-4
    )
    # So few held-out pairs say nothing to others; `golden_card.md` is of more, and has it.
    assert metrics["data"]["validation"]["pairs"] < 50 and "perplexity" not in results
    assert results["bits_per_character"].dataset_name == "pairs.jsonl"
    assert results["bits_per_character"].dataset_split == "validation"


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ([], {"license": "other"}),
        (["apache-2.0"], {"license": "apache-2.0"}),
        (["CC BY-NC 4.0"], {"license": "cc-by-nc-4.0"}),
        (["my-licence-1.0"], {"license": "other", "license_name": "my-licence-1.0"}),
        (["other", "LICENSE"], {"license": "other", "license_link": "LICENSE"}),
    ],
)
def test_the_header_names_the_licence_as_the_hub_wants_it(
    tmp_path: Path, options: list[str], header: dict[str, str]
) -> None:
    keys = ("--model_license", "--model_license_link")
    given = [word for pair in zip(keys, options, strict=False) for word in pair]
    data = build_model_card(tiny_run(tmp_path, *given), METRICS, "你好").data.to_dict()
    assert {key: data[key] for key in data if key.startswith("license")} == header


def test_the_header_names_the_datasets_of_the_hub(tmp_path: Path) -> None:
    origins = [
        SourceCount("someone/chats/zh", "hub", kept=3, hub_id="someone/chats"),
        SourceCount("chats", "hub", kept=2),
        SourceCount("large.tsv", "pairs", kept=1200),
    ]
    metrics = changed()
    metrics["data"]["sources"] = list_sources(BuildReport(origins=origins), "mixture.yaml")
    assert build_model_card(tiny_run(tmp_path), metrics, "你好").data.datasets == ["someone/chats"]


@pytest.mark.parametrize(
    ("found", "told"), [(["zh"], ["zh"]), (["mixed"], ["en", "zh"]), (["other"], None)]
)
def test_the_header_names_the_languages_that_the_hub_has_a_code_for(
    tmp_path: Path, found: list[str], told: list[str] | None
) -> None:
    metrics = changed()
    metrics["data"]["languages"] = found
    assert build_model_card(tiny_run(tmp_path), metrics, "你好").data.language == told


def test_the_card_says_what_becomes_of_system_messages(
    tmp_path: Path,
) -> None:
    metrics = changed()
    words = "no system messages"
    for reads, told in ((None, False), (True, False), (False, True)):
        if reads is not None:
            metrics["data"]["train"] = {**METRICS["data"]["train"], "reads_system": reads}
        assert (words in section(card_text(tmp_path, metrics), "Limits")) is told


def test_the_card_names_no_place_and_nobody(card: str, real: Path, tmp_path: Path) -> None:
    places = [str(real), str(real.parent), str(Path.home()) + "/", str(Path.cwd())]
    assert not [place for place in places if place in card]
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", card)


def test_the_picture_is_shown_only_when_it_is_there(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    run = tiny_run(tmp_path)
    write_model_card(tmp_path, run, METRICS, "你好", LOG, SAMPLES)
    assert "](curves.png)" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    write_model_card(tmp_path, run, METRICS, "你好", LOG[:1], SAMPLES)
    assert "curves.png" not in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_run_without_held_out_questions_makes_a_card_too(tmp_path: Path) -> None:
    text = card_text(tmp_path, METRICS | {"validation": {}, "baselines": {}})
    assert "Nothing is known of how it answers" in section(text, "Limits") and "None" not in text


def test_the_human_row_says_what_it_was_compared_with(tmp_path: Path) -> None:
    metrics = changed()
    alone = {key: value for key, value in METRICS["baselines"]["human"].items() if key != "bleu"}
    for scored, words in ((0, "No question has two"), (7, "which 7 of the questions have")):
        metrics["baselines"]["human"] = {**alone, "scored_replies": scored}
        part = section(card_text(tmp_path, metrics), "Evaluation")
        assert words in part and figures(part)[REPLIES_OF[2]]["BLEU"] == ""
    assert "compared with" not in section(card_text(tmp_path, METRICS), "Evaluation")


def test_of_one_language_there_is_one_bleu(tmp_path: Path) -> None:
    part = section(card_text(tmp_path, changed(bleu_zh=3.0)), "Evaluation")
    assert "BLEU" in figures(part)[REPLIES_OF[1]] and "BLEU zh" not in figures(part)[REPLIES_OF[1]]


def test_numbers_that_no_json_of_the_hub_takes_are_left_out_of_the_header(tmp_path: Path) -> None:
    metrics = changed(perplexity=float("inf"), bleu=None)
    data = build_model_card(tiny_run(tmp_path), metrics, "你好").data
    assert "perplexity" not in {result.metric_type for result in data.eval_results}
    assert "sacrebleu" not in {result.metric_type for result in data.eval_results}


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"distinct_2": 0.3}, "far less varied than those of people (distinct-2 0.300 against"),
        ({"top_reply_share": 0.4}, "the same reply to 40 % of held-out questions"),
        ({"repetition": 0.05}, "5.0 % of its replies repeat"),
        ({"bleu": 1.0}, "a random reply of the training data (BLEU 1 against 12.5)"),
        ({"mean_length": 2.0}, "much shorter than those of people (2.0 and 5.0 tokens)"),
        ({"replies": 20}, "stand on 20 held-out questions"),
        ({"replies": 0}, "Nothing is known"),
    ],
)
def test_each_limit_is_told_when_the_numbers_show_it_and_only_then(
    tmp_path: Path, numbers: dict[str, float], words: str
) -> None:
    fine = {"bleu": 20.0, "replies": 500}
    assert words not in section(card_text(tmp_path, changed(**fine)), "Limits")
    assert words in section(card_text(tmp_path, changed(**(fine | numbers))), "Limits")


def test_learning_by_heart_is_told(tmp_path: Path) -> None:
    metrics = changed(exact_match=0.02)
    metrics["train"] = {**METRICS["train"], "exact_match": 0.98}
    words = "98 % of training questions get a corpus reply, of held-out questions 2 %"
    assert words in section(card_text(tmp_path, metrics), "Limits")
    metrics["train"]["exact_match"] = 0.3
    assert "by heart" not in section(card_text(tmp_path, metrics), "Limits")


def trained(**state: Any) -> TrainerState:
    return TrainerState(global_step=40, **state)


def test_the_rule_that_chose_the_checkpoint_is_told(tmp_path: Path) -> None:
    args = SimpleNamespace(
        load_best_model_at_end=True,
        metric_for_best_model="eval_selection_score",
        greater_is_better=False,
        selection_relevance_weight=2.5,
    )
    state = trained(best_model_checkpoint="/x", best_global_step=30, best_metric=3.25)
    metrics = changed()
    metrics["selection"] = describe_selection(state, args)
    assert metrics["selection"]["step"] == 30
    text = card_text(tmp_path, metrics)
    assert "weights of update 30, with the lowest selection score (3.250)" in text
    assert "validation loss − 2.5 × MRR" in text
    curves = read_curves([{"step": s, "eval_loss": 1.0} for s in (20, 30, 40)])
    drawn = str(build_model_card(tiny_run(tmp_path), metrics, "你好", curves))
    assert [row[0] for row in cells(section(drawn, "Curves"))[2:]] == ["20", "30 (kept)", "40"]


def test_without_selection_the_last_weights_are_named(tmp_path: Path) -> None:
    metrics = changed()
    metrics["selection"] = describe_selection(
        trained(), SimpleNamespace(load_best_model_at_end=False)
    )
    assert "last update (update 40); none was selected" in card_text(tmp_path, metrics)


def test_sources_and_their_licences_are_listed_by_name_alone(tmp_path: Path) -> None:
    origins = [
        SourceCount("/home/me/small.tsv", "pairs", "CC BY 4.0", kept=3),
        SourceCount("large.tsv", "pairs", None, kept=1200),
    ]
    metrics = changed()
    metrics["data"]["sources"] = list_sources(BuildReport(origins=origins), "pairs.jsonl")
    rows = cells(section(card_text(tmp_path, metrics), "Training data"))[2:]
    assert rows == [["large.tsv", "not stated", "1,200"], ["small.tsv", "CC BY 4.0", "3"]]


def test_a_saved_dataset_tells_the_licences_it_was_built_with(tmp_path: Path) -> None:
    origins = [SourceCount("chat.tsv", "pairs", "mit", kept=7)]
    BuildReport(origins=origins).save(tmp_path)
    opened = BuildReport(origins=[SourceCount("saved", "saved dataset")])
    found = list_sources(opened, tmp_path)
    assert found == [{"name": "chat.tsv", "license": "mit", "kept": 7}]
    (tmp_path / "report.json").write_text("{", encoding="utf-8")
    assert list_sources(opened, tmp_path)[0]["name"] == "saved"


def test_samples_are_taken_at_even_distances_and_cannot_break_the_table(tmp_path: Path) -> None:
    assert [row["reply"] for row in choose_samples(SAMPLES, 4)] == [
        f"回答 {i}" for i in (0, 5, 10, 15)
    ]
    assert len(choose_samples(SAMPLES[:3], 4)) == 3
    nasty = {"split": "train", "context": ["a | b\n\n# c", "<b>`x`"], "reference": "|"}
    nasty["reply"] = "r" * 500
    text = str(build_model_card(tiny_run(tmp_path), METRICS, "你好", samples=[nasty]))
    (row,) = cells(section(text, "Sample replies"))[2:]
    assert len(row) == 3 and "<b>" not in row[0] and len(row[1]) == 60


def test_an_example_with_quotes_and_ticks_stays_one_line_of_code(tmp_path: Path) -> None:
    example = 'say "```" and\nthen \\'
    text = str(build_model_card(tiny_run(tmp_path), METRICS, example))
    block = re.search(r"```python\n(.*?)```", text, flags=re.S)[1]
    (line,) = (line for line in block.splitlines() if line.startswith("inputs = "))
    heard: list[str] = []
    exec(line, {"tokenizer": lambda message, **_: heard.append(message)})
    assert heard == [example]


def test_the_card_of_a_chinese_user_is_in_chinese_with_the_same_figures_and_header(
    tmp_path: Path,
) -> None:
    told = json.loads(GOLDEN.with_name("golden_run.json").read_text(encoding="utf-8"))
    run, curves = tiny_run(tmp_path, *told["options"]), read_curves(told["log"])
    made = (run, told["metrics"], told["example"], curves, told["samples"], True)
    english = str(build_model_card(*made))
    use_language("zh")
    chinese = str(build_model_card(*made))
    assert chinese.split("\n---\n")[0] == english.split("\n---\n")[0]
    # Code, names and replies of the corpus stay as they are.
    prose = re.sub(r"```.*?```|`[^`]*`|^---.*?^---|\]\([^)]*\)", "", chinese, flags=re.S | re.M)
    prose = prose.replace(section(chinese, "回复示例"), "")
    assert re.findall(r"[A-Za-z]{3,} [a-z]{3,}", prose) == []
    numbers = [
        re.findall(r"\d+\.\d{3}", section(text, title))
        for text, title in ((english, "Evaluation"), (chinese, "评估"))
    ]
    assert sorted(numbers[0]) == sorted(numbers[1]) != []
