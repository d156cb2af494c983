# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From text pairs to training data: this project against two other ways, on the same pairs.

    python benchmarks/data_building.py --megabytes 100 --rounds 3
    python benchmarks/data_building.py --megabytes 1000 --rounds 1 --only ours,map

* ours: `python -m data_builders build`, all default steps: cleaning, exact and near duplicates,
  leak-free splits, card.
* map: a plain `Dataset.from_json` and `map` to character ids, one process, nothing checked.
* padded: what the original does: lists of character ids padded to 256, all in one JSON file.

Each runs in a process of its own, one after the other, round by round. The pairs are clauses of a
real corpus put together anew (a tenth of them twice, a twentieth with one character changed).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from measured import Measured, measure

LENGTH = 256
WAYS = ("ours", "map", "padded")


def clauses(files: list[str]) -> list[str]:
    """Cut texts into clauses.

    Args:
        files: Text files; none takes the installed ChatterBot corpus.

    Returns:
        Distinct clauses of 4 to 40 characters.
    """
    if files:
        texts = [Path(file).read_text(encoding="utf-8") for file in files]
    else:
        from data_builders import build_dialogues

        rows = build_dialogues("chatterbot").dataset["train"]
        texts = [turn for turns in rows["turns"] for turn in turns]
    found = {c.strip() for text in texts for c in re.split(r"[。！？!?\n\t]+|\.\s", text)}
    return sorted(c for c in found if 4 <= len(c) <= 40)


def pairs(parts: list[str], seed: int = 1) -> Iterator[tuple[str, str]]:
    """Put clauses together to questions and replies, without end.

    Args:
        parts: The clauses.
        seed: Of the random choice.

    Yields:
        Question and reply.
    """
    rng = random.Random(seed)
    recent = [("你好", "你好")]
    while True:
        chance = rng.random()
        if chance < 0.10:
            yield rng.choice(recent)
            continue
        if chance < 0.15:
            question, reply = rng.choice(recent)
            place = rng.randrange(len(question))
            yield question[:place] + "很" + question[place + 1 :], reply
            continue
        question = "，".join(rng.choices(parts, k=rng.randint(2, 3))) + "？"
        reply = "，".join(rng.choices(parts, k=rng.randint(3, 7))) + "。"
        if len(recent) < 10_000:
            recent.append((question, reply))
        else:
            recent[rng.randrange(10_000)] = (question, reply)
        yield question, reply


def write_corpus(path: Path, megabytes: int, parts: list[str]) -> int:
    """Write pairs as JSON lines until a size is reached.

    Args:
        path: The file.
        megabytes: Its size, in units of 10**6 bytes.
        parts: The clauses.

    Returns:
        How many pairs.
    """
    size = count = 0
    with open(path, "w", encoding="utf-8") as file:
        for question, reply in pairs(parts):
            row = json.dumps({"question": question, "reply": reply}, ensure_ascii=False) + "\n"
            size += len(row.encode("utf-8"))
            count += 1
            file.write(row)
            if size >= megabytes * 10**6:
                return count
    return count


def padded(source: Path, target: Path) -> None:
    """Encode the original's way: padded lists of character ids in one JSON file.

    Args:
        source: The pairs.
        target: The file to write.
    """
    ids: dict[str, int] = {"<pad>": 0, "<start>": 1, "<end>": 2}
    rows = []
    with open(source, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            question = [ids.setdefault(c, len(ids)) for c in row["question"][:LENGTH]]
            reply = [1, *(ids.setdefault(c, len(ids)) for c in row["reply"][:LENGTH]), 2]
            question += [0] * (LENGTH - len(question))
            reply += [0] * (LENGTH + 2 - len(reply))
            rows.append([question, reply])
    with open(target, "w", encoding="utf-8") as file:
        json.dump(rows, file)


def mapped(source: Path, target: Path) -> None:
    """Encode with `datasets.map`, unpadded.

    Args:
        source: The pairs.
        target: The folder to write.
    """
    import datasets

    ids: dict[str, int] = {}

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {
            "input_ids": [[ids.setdefault(c, len(ids)) for c in t] for t in batch["question"]],
            "labels": [[ids.setdefault(c, len(ids)) for c in t] for t in batch["reply"]],
        }

    values = datasets.List(datasets.Value("uint16"))
    dataset = datasets.Dataset.from_json(str(source), cache_dir=str(target / "cache"))
    dataset = dataset.map(
        encode,
        batched=True,
        remove_columns=dataset.column_names,
        features=datasets.Features({"input_ids": values, "labels": values}),
    )
    dataset.save_to_disk(str(target / "arrow"))


def run(way: str, source: Path, folder: Path) -> tuple[Measured, int]:
    """Measure one way.

    Args:
        way: One of `WAYS`.
        source: The pairs.
        folder: An empty folder.

    Returns:
        The cost, and the bytes of the result on disk.
    """
    result = folder / "result"
    if way == "ours":
        command = ["-m", "data_builders", "build", str(source), "--output", str(result)]
        command += ["--cache-dir", str(folder / "cache")]
    else:
        command = [__file__, "--worker", way, "--source", str(source), "--target", str(result)]
    cost = measure([sys.executable, *command], {"HF_HUB_OFFLINE": "1"})
    if cost.code:
        sys.exit(cost.output)
    kept = result if way != "map" else result / "arrow"
    files = [kept] if kept.is_file() else [p for p in kept.rglob("*") if p.is_file()]
    return cost, sum(p.stat().st_size for p in files)


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--text", nargs="*", default=[], help="text files to take clauses from")
    parser.add_argument("--folder", help="where to work (default: the system's temporary folder)")
    parser.add_argument("--worker", choices=WAYS[1:], help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        (padded if arguments.worker == "padded" else mapped)(arguments.source, arguments.target)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source = Path(folder, "pairs.jsonl")
        count = write_corpus(source, arguments.megabytes, clauses(arguments.text))
        floor = median(
            [measure([sys.executable, "-c", "import datasets"]).seconds for _ in range(3)]
        )
        print(f"{count:,} pairs, {arguments.megabytes} MB; `import datasets` takes {floor:.1f} s")
        costs = {way: [] for way in arguments.only.split(",")}
        for _ in range(arguments.rounds):
            for way in costs:
                work = Path(folder, "work")
                work.mkdir()
                costs[way].append(run(way, source, work))
                shutil.rmtree(work)
        _print_table(costs, count, arguments.megabytes)


def _print_table(costs: dict[str, list[tuple[Measured, int]]], count: int, size: int) -> None:
    print("| way | wall s | CPU s | pairs/s | MB/s | peak memory MB | on disk MB |")
    print("|---|---|---|---|---|---|---|")
    for way, runs in costs.items():
        wall = median([cost.seconds for cost, _ in runs])
        cpu = median([cost.cpu_seconds for cost, _ in runs])
        peak = max(cost.peak_megabytes for cost, _ in runs)
        disk = runs[-1][1] / 1e6
        print(
            f"| {way} | {wall:.1f} | {cpu:.1f} | {count / wall:,.0f} | {size / wall:.1f} "
            f"| {peak:,.0f} | {disk:,.1f} |"
        )


if __name__ == "__main__":
    main()
