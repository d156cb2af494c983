# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Small rows of our own in the shape of each known corpus, with the turns they are to give.

The turns were worked out by hand from the public descriptions of these corpora.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_builders.formats.registry import FILE_FAMILIES, guess_format
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport

Q, A, Q2, A2 = "Is the shop open?", "Until nine.", "And on Sundays?", "Closed all day."
TALK = [(Q, A, Q2, A2)]
PAIR = [(Q, A)]
ZH = [("店几点关门？", "九点。")]
US = "user assistant user assistant"
ROLES = [US.split()]


class Whole(dict):
    """A file that is one object."""


def said(keys: str, *names: str, texts: tuple[str, ...] = (Q, A, Q2, A2)) -> list[dict[str, str]]:
    who, text = keys.split()
    return [{who: names[i % len(names)], text: t} for i, t in enumerate(texts)]


def node(name: str, parent: str | None, role: str, *texts: str) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(texts)}
    message = {"id": name, "author": {"role": role}, "content": content} if texts else None
    return {"id": name, "parent": parent, "message": message, "children": []}


EXPORT = {
    "title": "Shop",
    "current_node": "d",
    "mapping": {
        "r": node("r", None, "system"),
        "a": node("a", "r", "user", Q),
        "b": node("b", "a", "assistant", A),
        "x": node("x", "a", "assistant", "I do not know."),
        "c": node("c", "b", "user", Q2),
        "d": node("d", "c", "assistant", A2),
    },
}
TREE = {
    "message_tree_id": "t",
    "prompt": {
        "text": Q,
        "role": "prompter",
        "replies": [
            {"text": "At nine.", "role": "assistant", "rank": 1, "replies": []},
            {
                "text": A,
                "role": "assistant",
                "rank": 0,
                "replies": [
                    {
                        "text": Q2,
                        "role": "prompter",
                        "replies": [{"text": A2, "role": "assistant", "replies": []}],
                    }
                ],
            },
            {"text": "Buy now!", "role": "assistant", "deleted": True, "replies": []},
        ],
    },
}
SEED = {"id": "seed_0", "name": "shop", "instruction": "Translate.", "is_classification": False}
ACTS = {"dialog_act": [["General", "greet", "none", "none"]]}
HUMAN, MOSS = {"speaker": "USER"}, {"speaker": "SYSTEM"}

# Name, the rows, the turns; and the roles where the corpus tells them.
SHAPES: list[tuple[str, Any, list[tuple[str, ...]], list[list[str]] | None]] = [
    ("question answer", {"id": 7, "question": Q, "answer": A}, PAIR, None),
    ("number", {"id": 7, "question": Q, "answer": 21}, [(Q, "21")], None),
    ("message of a number", {"messages": [{"user": Q}, {"assistant": 21}]}, [(Q, "21")], None),
    ("query response", {"query": Q, "response": A}, PAIR, None),
    ("ms-swift", {"query": Q2, "response": A2, "history": [[Q, A]]}, TALK, None),
    ("history null", {"query": Q, "response": A, "history": None}, PAIR, None),
    ("Alpaca", {"instruction": Q, "input": "", "output": A}, PAIR, None),
    ("Alpaca input", {"instruction": "Say:", "input": Q, "output": A}, [("Say:\n" + Q, A)], None),
    ("no input", {"instruction": Q, "input": "<noinput>", "output": A}, PAIR, None),
    (
        "LLaMA-Factory",
        {"system": "Be kind.", "instruction": Q2, "input": "", "output": A2, "history": [[Q, A]]},
        [("Be kind.", *TALK[0])],
        [["system", *US.split()]],
    ),
    ("completion", {"prompt": Q, "completion": A}, PAIR, None),
    ("chosen", {"prompt": Q, "chosen": A, "rejected": "No."}, PAIR, None),
    (
        "conversations chosen",
        {
            "conversations": [{"from": "human", "value": Q}],
            "chosen": {"from": "gpt", "value": A},
            "rejected": {"from": "gpt", "value": "No."},
        },
        PAIR,
        [US.split()[:2]],
    ),
    (
        "UltraFeedback",
        {
            "prompt": Q,
            "chosen": said("role content", "user", "assistant", texts=(Q, A)),
            "rejected": said("role content", "user", "assistant", texts=(Q, "No.")),
            "score_chosen": 8.0,
        },
        PAIR,
        [US.split()[:2]],
    ),
    (
        "prompt of messages",
        {
            "prompt": said("role content", "user", "assistant", "user", texts=(Q, A, Q2)),
            "chosen": [{"role": "assistant", "content": A2}],
            "rejected": [{"role": "assistant", "content": "No."}],
        },
        TALK,
        ROLES,
    ),
    ("HH", {"chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}", "rejected": "x"}, PAIR, None),
    ("Q A", {"Q": Q, "A": A}, PAIR, None),
    ("问题 答案", {"问题": ZH[0][0], "答案": ZH[0][1]}, ZH, None),
    ("问 答", {"问": ZH[0][0], "答": ZH[0][1]}, ZH, None),
    ("user assistant", {"user": Q, "assistant": A}, PAIR, None),
    ("human bot", {"human": Q, "bot": A}, PAIR, None),
    ("post response", {"post": Q, "response": A}, PAIR, None),
    ("baike", {"qid": "1", "title": "关门", "desc": ZH[0][0], "answer": ZH[0][1]}, ZH, None),
    ("如题", {"qid": "1", "title": ZH[0][0], "desc": "如题", "answer": ZH[0][1]}, ZH, None),
    ("webtext", {"qid": 1, "title": Q, "desc": "", "content": A, "answer_id": 2}, PAIR, None),
    (
        "xtuner",
        {"conversation": [{"system": "", "input": Q, "output": A}, {"input": Q2, "output": A2}]},
        TALK,
        ROLES,
    ),
    ("ShareGPT", {"id": "a", "conversations": said("from value", "human", "gpt")}, TALK, ROLES),
    ("OpenAI", {"messages": said("role content", "user", "assistant")}, TALK, ROLES),
    (
        "OpenAI parts",
        {
            "messages": [
                {"role": r, "content": [{"type": "text", "text": t}]}
                for r, t in zip(US.split(), TALK[0], strict=True)
            ]
        },
        TALK,
        ROLES,
    ),
    (
        "Gemini",
        Whole(
            contents=[
                {"role": "model" if i % 2 else "user", "parts": [{"text": t}]}
                for i, t in enumerate(TALK[0])
            ]
        ),
        TALK,
        ROLES,
    ),
    (
        "Gemini lines",
        {
            "contents": [
                {"role": "model" if i % 2 else "user", "parts": [{"text": t}]}
                for i, t in enumerate(TALK[0])
            ]
        },
        TALK,
        ROLES,
    ),
    ("ChatGPT export", EXPORT, TALK, ROLES),
    ("UltraChat", {"id": "0", "data": list(TALK[0])}, TALK, None),
    (
        "SODA",
        {
            "speakers": ["Ann", "Bob", "Bob", "Ann"],
            "dialogue": [Q, "Yes.", A, "Thanks."],
            "narrative": "Ann asks Bob.",
        },
        [(Q, f"Yes.\n{A}", "Thanks.")],
        None,
    ),
    (
        "PersonaChat",
        {
            "personality": ["i have a shop ."],
            "utterances": [
                {"candidates": ["x", A], "history": [Q]},
                {"candidates": ["x", A2], "history": [Q, A, Q2]},
            ],
        },
        TALK,
        None,
    ),
    (
        "ConvAI2",
        {
            "dialog": [
                {"id": i, "sender": f"participant{i % 2 + 1}", "text": t}
                for i, t in enumerate(TALK[0])
            ]
        },
        TALK,
        None,
    ),
    (
        "Wizard of Wikipedia",
        {
            "chosen_topic": "Shops",
            "persona": "i like shops .",
            "dialog": said("speaker text", "0_Apprentice", "1_Wizard"),
        },
        TALK,
        None,
    ),
    (
        "BlendedSkillTalk of ParlAI",
        {"personas": [["a"], ["b"]], "dialog": [[i % 2, t] for i, t in enumerate(TALK[0])]},
        TALK,
        None,
    ),
    (
        "BlendedSkillTalk",
        {"previous_utterance": [Q, A], "free_messages": [Q2], "guided_messages": [A2]},
        TALK,
        None,
    ),
    (
        "Topical-Chat",
        Whole(
            t_1={
                "article_url": "u",
                "content": [
                    {"message": t, "agent": f"agent_{i % 2 + 1}", "sentiment": "Happy"}
                    for i, t in enumerate(TALK[0])
                ],
            }
        ),
        TALK,
        None,
    ),
    (
        "MultiWOZ 2.1",
        Whole({"SNG1.json": {"goal": {}, "log": [{"text": t, "metadata": {}} for t in TALK[0]]}}),
        TALK,
        None,
    ),
    (
        "MultiWOZ 2.2 and SGD",
        {
            "dialogue_id": "1",
            "services": ["shop"],
            "turns": [
                {"frames": [], "speaker": ("USER", "SYSTEM")[i % 2], "utterance": t}
                for i, t in enumerate(TALK[0])
            ],
        },
        TALK,
        ROLES,
    ),
    ("NaturalConv", {"dialog_id": "0_1", "document_id": 0, "content": list(TALK[0])}, TALK, None),
    ("DuConv", {"goal": [["START"]], "knowledge": [], "conversation": list(TALK[0])}, TALK, None),
    ("DuConv test", {"goal": [], "history": [Q, A, Q2], "response": A2}, TALK, None),
    (
        "DuLeMon",
        {"conversation": [f"{w}: {t}" for w, t in zip(("Usr", "Bot") * 2, TALK[0], strict=True)]},
        TALK,
        ROLES,
    ),
    ("KdConv", {"name": "shop", "messages": [{"message": t} for t in TALK[0]]}, TALK, None),
    (
        "CrossWOZ",
        Whole(
            {"7": {"goal": [], "messages": [m | ACTS for m in said("role content", "usr", "sys")]}}
        ),
        TALK,
        ROLES,
    ),
    ("LCCC", [list(TALK[0]), [Q, A]], [*TALK, *PAIR], None),
    ("LCCC by split", Whole(train=[list(TALK[0])], valid=[[Q, A]]), [*TALK, *PAIR], None),
    (
        "MOSS",
        {
            "conversation_id": 1,
            "meta_instruction": "",
            "num_turns": 2,
            "chat": {
                f"turn_{i}": {
                    "Human": f"<|Human|>: {q}<eoh>\n",
                    "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n",
                    "MOSS": f"<|MOSS|>: {a}<eom>\n",
                }
                for i, (q, a) in enumerate(((Q, A), (Q2, A2)), start=1)
            },
        },
        TALK,
        ROLES,
    ),
    (
        "MOSS 002",
        {"plain_text": f"[Human]: {Q}<eoh> [MOSS]: {A}<eoa> [Human]: {Q2}<eoh> [MOSS]: {A2}<eoa>"},
        TALK,
        ROLES,
    ),
    (
        "MOSS of Firefly",
        {"conversation": [{"human": Q, "assistant": A}, {"human": Q2, "assistant": A2}]},
        TALK,
        ROLES,
    ),
    ("Firefly", {"kind": "Shop", "input": Q, "target": A}, PAIR, None),
    (
        "BELLE",
        {
            "instruction": f"Human: {Q}\nAssistant: {A}\nHuman: {Q2}\nAssistant:",
            "input": "",
            "output": A2,
        },
        TALK,
        ROLES,
    ),
    (
        "COIG",
        {"instruction": "Answer.", "conversations": [{"question": Q, "response": A}]},
        PAIR,
        [US.split()[:2]],
    ),
    ("OASST", TREE, [TALK[0], (Q, "At nine.")], [US.split(), US.split()[:2]]),
    (
        "seed tasks",
        SEED | {"instances": [{"input": "ja", "output": "yes"}, {"input": "", "output": "no"}]},
        [("Translate.\nja", "yes"), ("Translate.", "no")],
        None,
    ),
    (
        "[INST]",
        {"text": f"<s>[INST] {Q} [/INST] {A} </s><s>[INST] {Q2} [/INST] {A2} </s>"},
        TALK,
        ROLES,
    ),
    (
        "ChatML",
        {
            "text": "".join(
                f"<|im_start|>{r}\n{t}<|im_end|>\n"
                for r, t in zip(US.split(), TALK[0], strict=True)
            )
        },
        TALK,
        ROLES,
    ),
    ("guanaco", {"text": f"### Human: {Q}\n### Assistant: {A}"}, PAIR, [US.split()[:2]]),
    ("SQuAD", {"context": "Shops close.", "question": Q, "answers": {"text": [A, A]}}, PAIR, None),
    (
        "answers of several people",
        {"question": Q, "answers": [{"text": A, "author": "Ann"}, {"text": "At nine."}]},
        [*PAIR, (Q, "At nine.")],
        None,
    ),
    (
        "PsyQA",
        {
            "question": Q,
            "description": "I come at ten.",
            "answers": [{"answer_text": A, "has_label": False}],
        },
        [(f"{Q}\nI come at ten.", A)],
        None,
    ),
    ("question as description", {"question": Q, "description": Q, "answer": A}, PAIR, None),
    (
        "pairs under any name",
        {"id": 1, "paragraph": [{"q": Q, "a": ["Until", "nine."]}, {"q": Q2, "a": [A2]}]},
        [(Q, "Until\nnine.", Q2, A2)],
        ROLES,
    ),
    (
        "turns under any name",
        {"id": 1, "exchange": said("speakerId text", "s1", "s2"), "topics": [{"name": "Shops"}]},
        TALK,
        None,
    ),
    (
        "one dialogue a file",
        Whole(
            dialogue_id=1,
            interlocutors=["AA", "AB"],
            utterances=said("interlocutor_id text", "AA", "AB"),
            evaluation={"score": 5},
        ),
        TALK,
        None,
    ),
    (
        "one dialogue of pairs a file",
        Whole(topic="Shops", conversation=[{"human": Q, "bot": A}, {"human": Q2, "bot": A2}]),
        TALK,
        ROLES,
    ),
    ("one export a file", Whole(EXPORT), TALK, ROLES),
    (
        "pairs alone in an object",
        Whole(dialogs=[{"question": Q, "answer": A}, {"question": Q2, "answer": A2}]),
        [*PAIR, (Q2, A2)],
        None,
    ),
    ("columns", Whole(questions=[Q, Q2], answers=[A, A2]), [*PAIR, (Q2, A2)], None),
    (
        "columns of pandas",
        Whole(question={"0": Q, "1": Q2}, answer={"0": A, "1": A2}),
        [*PAIR, (Q2, A2)],
        None,
    ),
    (
        "CoQA",
        {
            "story": "A shop.",
            "questions": [{"input_text": t} for t in (Q, Q2)],
            "answers": [{"input_text": t} for t in (A, A2)],
        },
        TALK,
        None,
    ),
    (
        "a file of speaker and text",
        [list(pair) for pair in zip("ABAB", TALK[0], strict=True)],
        TALK,
        None,
    ),
    (
        "LLaMA-Factory v1",
        {
            "conversation": [
                {"role": r, "content": [{"type": "text", "value": t}], "loss_weight": i % 2}
                for i, (r, t) in enumerate(zip(US.split(), TALK[0], strict=True))
            ]
        },
        TALK,
        ROLES,
    ),
    (
        "two languages",
        {"instruction": ZH[0][0], "output": ZH[0][1], "en_instruction": Q, "en_output": A},
        [*ZH, *PAIR],
        None,
    ),
]


def read(path: Path, **settings: Any) -> tuple[list[Any], BuildReport, str]:
    guess = guess_format(sample_of(next(source_files([str(path)]))))
    assert guess is not None, f"{path.name} resembles nothing"
    family, report = FILE_FAMILIES[guess.format], BuildReport()
    config = family.BUILDER_CONFIG_CLASS(files=(str(path),), **guess.guess.options, **settings)
    return list(family.read_sources(config, report)), report, guess.format


@pytest.mark.parametrize(
    ("rows", "turns", "roles"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES]
)
def test_each_shape_gives_the_turns_of_its_talk(
    tmp_path: Path, rows: Any, turns: list[tuple[str, ...]], roles: list[list[str]] | None
) -> None:
    path = tmp_path / "talk.json"
    whole = rows if isinstance(rows, (list, Whole)) else [rows]
    path.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    found, report, _ = read(path)
    assert [one.turns for one in found] == turns
    assert not report.rejected
    if roles is not None:
        assert [list(one.roles) for one in found] == roles
