# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tokens and places on a machine are found with their line; ordinary text is not taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_builders.output.privacy import find_leaks, machine_places, without_paths

PLACES = ["/srv/runs/mine", "/data"]
TOKEN = "an access token"
PATH = "a path of a machine"


def found(text: str, secret: str = "") -> list[tuple[int, str]]:
    return [(leak.line, leak.kind) for leak in find_leaks(text, PLACES, [secret])]


@pytest.mark.parametrize(
    "text",
    [
        "hf_" + "aB3" * 11,
        'key = "sk-' + "x" * 24 + '"',
        "ghp_" + "0" * 36,
        "AKIA" + "Z" * 16,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "https://me:word@example.org/x",
    ],
)
def test_each_form_of_a_token_is_found(text: str) -> None:
    assert found(f"first\n{text}\nlast") == [(2, TOKEN)]


def test_the_token_in_use_is_found_whatever_it_looks_like() -> None:
    assert found("a\nb my-own-token c", secret="my-own-token") == [(2, TOKEN)]
    assert found("nothing set", secret="") == []
    # So short that it stands in ordinary words.
    assert found("a token", secret="to") == []


@pytest.mark.parametrize(
    "text",
    [
        "output_dir: /srv/runs/mine",
        '"/srv/runs/mine/checkpoint-3"',
        "(/data/chat.jsonl)",
        "file:///home/somebody/x",
        "/Users/Some One/y",
        r"C:\Users\somebody",
        r'"C:\\Users\\somebody"',
        "/root/x",
    ],
)
def test_a_place_on_a_machine_is_found(text: str) -> None:
    assert found(f"{text}\n") == [(1, PATH)]


@pytest.mark.parametrize(
    "text",
    [
        "hf_quantizer = None",
        "https://huggingface.co/data/sets",
        "https://example.org/home/page",
        "the /data of it",
        "my/data/chat.jsonl",
        "/srv/runs/mine2/x",
        "and/or, 1/2, 你好/再见",
        "from .modeling_tfchat import x",
        "git@github.com:a/b",
        "time 12:30@noon",
    ],
)
def test_ordinary_text_is_not(text: str) -> None:
    assert found(text) == []


def test_places_are_whole_paths_of_this_machine(tmp_path: Path) -> None:
    places = machine_places(tmp_path, "/")
    assert str(tmp_path) in places and str(Path.home()) in [*places, "/"]
    assert "/" not in places


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("files", ["/home/somebody/chat.txt", "data/b.tsv"], ["chat.txt", "b.tsv"]),
        ("output", "~/secret place/mine/", "mine"),
        ("files", "C:\\Users\\somebody\\chat.txt", "chat.txt"),
        ("files", "https://example.org/data/a.zip?signature=abc", "a.zip"),
        ("separator", " | ", " | "),
        ("separator", "/", "/"),
        ("separator", " / ", " / "),
        ("separator", "\t", "\t"),
        ("pattern", r"\d+", r"\d+"),
        ("tokenizer", "jieba", "jieba"),
        ("hub_id", "owner/name", "owner/name"),
        ("weights", {"/home/somebody/a.txt": 2.0}, {"a.txt": 2.0}),
        ("source", {"token": "abc", "api_key": "abc", "format": "pairs"}, {"format": "pairs"}),
        ("note", "hf_abcdefghijklmnop", "(left out)"),
        ("note", "ghp_" + "0" * 36, "(left out)"),
        ("url", "https://me:word@example.org/x", "(left out)"),
        ("validation_fraction", 0.05, 0.05),
        ("strict", False, False),
    ],
)
def test_settings_lose_paths_and_secrets(key: str, value: object, shown: object) -> None:
    assert without_paths({key: value}) == {key: shown}
