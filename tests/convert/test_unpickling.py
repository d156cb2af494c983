# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Nothing in a checkpoint is executed: what would be is refused by name, what lies is told."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from data_builders.errors import UserError
from tests.convert import checkpoints
from tfchat_hf.convert import checkpoint
from tfchat_hf.convert.__main__ import main

# Left by what a checkpoint runs, if it is run.
MARK = "executed"
LEAVE_A_MARK = f"open({MARK!r}, 'w').close()"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Return the paths of a good checkpoint and its word map."""
    folder = tmp_path_factory.mktemp("good")
    _, (path, _, words) = checkpoints.write_checkpoint(folder)
    return Path(path), Path(words)


@pytest.fixture
def refused(good, tmp_path, capsys, monkeypatch):
    """Convert a file that must be refused in one sentence; returns what was said."""

    def never(*arguments: Any, **settings: Any) -> None:
        raise AssertionError("the checkpoint was executed, or loaded by torch")

    def convert(path: Path) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(os, "system", never)
            patch.setattr(torch, "load", never)
            patch.chdir(tmp_path)
            code = main([str(path), "--words", str(good[1]), "--output", str(tmp_path / "out")])
        said = capsys.readouterr().err.splitlines()
        assert code == 2 and len(said) == 2 and said[1].startswith("error: "), said
        assert not (tmp_path / "out").exists() and not (tmp_path / MARK).exists()
        return said[1]

    return convert


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, entries: list[tuple[str, bytes]], **settings: Any) -> Path:
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def with_program(good: Path, path: Path, program: bytes) -> Path:
    """Write the good checkpoint with another pickle in it."""
    entries = entries_of(good)
    name = next(name for name in entries if name.endswith("/data.pkl"))
    return write(path, [*{**entries, name: program}.items()])


class Call:
    """Pickled as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.called = function, arguments

    def __reduce__(self) -> Any:
        return self.called


def hidden(depth: int) -> Any:
    """Put a call of `os.system` deep into what looks harmless."""
    inner: Any = Call(os.system, f"touch {MARK}")
    for _ in range(depth):
        inner = {"transformer": [inner]}
    return inner


class Partial:
    """An object whose state is a call: it is made before the object is."""

    def __init__(self) -> None:
        self.inner = Call(eval, LEAVE_A_MARK)


HOSTILE = {
    "os.system": (Call(os.system, f"touch {MARK}"), "posix.system"),
    "builtins.eval": (Call(eval, LEAVE_A_MARK), "__builtin__.eval"),
    "a call within a call": (Call(getattr, Call(__import__, "os"), "system"), "__builtin__"),
    "deep in lists": (hidden(20), "posix.system"),
    "in the state of an object": (Partial(), "Partial"),
    "torch's own loader": (Call(torch.load, "other.pth"), "torch.serialization.load"),
    "torch.hub": (Call(torch.hub.load, "a/b", "c"), "torch.hub.load"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_names_a_function_is_refused_by_its_name(good, tmp_path, refused, kind):
    content, name = HOSTILE[kind]
    said = refused(with_program(good[0], tmp_path / "c.pth", pickle.dumps(content, protocol=2)))
    assert name in said and "could run code" in said


def test_python_itself_would_run_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("os.system", "builtins.eval"):
        pickle.loads(pickle.dumps(HOSTILE[kind][0], protocol=2))
        (tmp_path / MARK).unlink()


@pytest.mark.parametrize("name", ["posix system", "builtins exec", "tfchat_hf.convert main"])
def test_a_name_that_is_only_mentioned_is_refused_too(good, tmp_path, refused, name):
    module, _, function = name.partition(" ")
    program = f"\x80\x02]c{module}\n{function}\na.".encode("latin-1")
    said = refused(with_program(good[0], tmp_path / "c.pth", program))
    assert f"{module}.{function}" in said


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "STACK_GLOBAL"),
        (b"(S'true'\niposix\nsystem\n.", "INST"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".", "damaged"),
        (b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b".", "damaged"),
        (b"\x80\x02)" + b"\x85" * 50_000 + b".", "damaged"),
        (b"\x80\x02}", "damaged"),
        (b"", "damaged"),
        (b"R.", "damaged"),
        (b"\x80\x02]\x81.", "damaged"),
    ],
)
def test_instructions_that_torch_does_not_write_are_not_carried_out(
    good, tmp_path, refused, program, name
):
    assert name in refused(with_program(good[0], tmp_path / "c.pth", program))


class Writer(pickle.Pickler):
    """Pickles holders under the names of their classes and tensors as torch does, true or not."""

    def __init__(self, file: io.BytesIO, count: int) -> None:
        super().__init__(file, protocol=2)
        self.count = count

    def persistent_id(self, one: Any) -> Any:
        return ("storage", torch.FloatStorage, "0", "cpu", self.count) if one is HERE else None


HERE = object()


def tensor(shape: Any, strides: Any, offset: Any = 0) -> Call:
    arguments = (HERE, offset, shape, strides, False, {})
    return Call(torch._utils._rebuild_tensor_v2, *arguments)


@pytest.mark.parametrize(
    ("stored", "count", "told"),
    [
        (tensor((10**15,), (1,)), 10**15, "damaged"),
        (tensor((10**9, 10**9), (10**9, 1)), 10**18, "damaged"),
        (tensor((1000, 1000), (0, 0)), None, "order"),
        (tensor((2,), (1,), offset=10**6), None, "numbers"),
        (tensor((2,), (1,), offset=-1), None, "damaged"),
        (tensor((-2,), (1,)), None, "damaged"),
        (tensor((2.5,), (1,)), None, "damaged"),
        (tensor("ab", (1, 1)), None, "damaged"),
        (tensor((2,), ()), None, "damaged"),
    ],
)
def test_a_tensor_that_claims_more_than_is_there_is_told(
    good, tmp_path, refused, stored, count, told
):
    held = len(entries_of(good[0])[f"{good[0].stem}/data/0"]) // 4
    with checkpoints.in_their_modules():
        network = checkpoints.Transformer(len(checkpoints.word_map()))
        network._parameters = {"odd": stored}
        file = io.BytesIO()
        network._modules = {}
        Writer(file, held if count is None else count).dump({"transformer": network})
    assert told in refused(with_program(good[0], tmp_path / "c.pth", file.getvalue()))


def damaged_archives(good: Path, folder: Path) -> dict[str, Path]:
    """Make archives that are none of torch's."""
    entries, content = [*entries_of(good).items()], good.read_bytes()
    name = f"{good.stem}/data.pkl"
    made = {
        "climbs out": [*entries, (f"{good.stem}/../../evil", b"x")],
        "absolute": [("/etc/evil", b"x"), *entries],
        "backslashes": [*entries, (f"{good.stem}\\..\\evil", b"x")],
        "two folders": [*entries, ("other/data.pkl", b"}.")],
        "no pickle": [entry for entry in entries if entry[0] != name],
        "a missing storage": [entry for entry in entries if not entry[0].endswith("/data/0")],
        "big endian": [*{**dict(entries), f"{good.stem}/byteorder": b"big"}.items()],
        "empty": [],
    }
    paths = {kind: write(folder / f"{n}.pth", rows) for n, (kind, rows) in enumerate(made.items())}
    with pytest.warns(UserWarning, match="Duplicate"):
        paths["twice"] = write(folder / "twice.pth", [*entries, (name, b"}.")])
    paths["compressed"] = write(
        folder / "compressed.pth", entries, compression=zipfile.ZIP_DEFLATED
    )
    flipped = bytearray(content)
    flipped[content.index(dict(entries)[f"{good.stem}/data/0"]) + 3] ^= 1
    for kind, broken in {
        "cut off": content[: len(content) // 2],
        "no archive": b"\x80\x02}.",
        "nothing": b"",
        "one bit": bytes(flipped),
    }.items():
        paths[kind] = folder / f"{kind}.pth"
        paths[kind].write_bytes(broken)
    return paths


def test_archives_that_torch_did_not_write_are_refused_and_nothing_is_unpacked(
    good, tmp_path, refused
):
    folder = tmp_path / "archives"
    folder.mkdir()
    paths = damaged_archives(good[0], folder)
    for kind, path in paths.items():
        said = refused(path)
        assert "torch.save" in said or "damaged" in said, kind
    assert {path.name for path in tmp_path.rglob("*")} == {
        "archives",
        *(p.name for p in paths.values()),
    }


def other_networks() -> dict[str, Any]:
    """Make what is saved as the original saves it, and is not the original's network."""
    words = len(checkpoints.word_map())
    made = {kind: checkpoints.Transformer(words) for kind in ("more", "less", "table", "norm")}
    made["more"].extra = torch.nn.Linear(2, 2)
    del made["less"].decoder[1].src_multihead.key
    made["table"].embed.pe = made["table"].embed.pe + 0.01
    made["norm"].encoder[0].layernorm = torch.nn.LayerNorm(8)
    made["itself"] = checkpoints.Transformer(words)
    made["itself"].encoder[0]._modules["again"] = made["itself"]
    made["heads"], made["odd heads"] = (checkpoints.Transformer(words) for _ in range(2))
    made["heads"].encoder[0].self_multihead.heads = 4
    made["odd heads"].encoder[0].self_multihead.heads = [2]
    made["twice"] = checkpoints.Transformer(words)
    made["twice"].decoder[0].feed_forward.fc1.bias = made["twice"].encoder[0].feed_forward.fc1.bias
    made["no places"] = checkpoints.Transformer(words)
    made["no places"].embed.pe = torch.zeros(0, 24, 16)
    made["no numbers"] = checkpoints.Transformer(words)
    made["no numbers"].logit.bias.data[0] = float("nan")
    return made


def test_another_network_is_refused_and_says_where_it_differs(tmp_path, good, refused):
    said = {}
    with checkpoints.in_their_modules():
        for kind, network in other_networks().items():
            torch.save({"transformer": network}, tmp_path / f"{kind}.pth")
        torch.save({"transformer": {"weights": torch.ones(2)}}, tmp_path / "tensors.pth")
    for path in sorted(tmp_path.glob("*.pth")):
        said[path.stem] = refused(path)
    assert "`extra." in said["more"] and "k_proj" in said["less"]
    assert "positions" in said["table"] and "layer_norm" in said["norm"]
    assert "no module of its own" in said["itself"] and "no numbers" in said["no numbers"]
    assert "no whole network" in said["tensors"] and "same numbers" in said["twice"]
    for kind in ("heads", "odd heads", "no places"):
        assert "another network" in said[kind], kind


def test_half_precision_and_a_module_alone_are_read(tmp_path, good):
    words = checkpoints.word_map()
    network = checkpoints.Transformer(len(words))
    with checkpoints.in_their_modules():
        torch.save(network.half(), tmp_path / "half.pth")
    model = checkpoint.load_original(tmp_path / "half.pth", words)
    assert torch.equal(model.lm_head.weight, network.logit.weight.float())


def changed(content: bytes, rng: random.Random) -> bytes:
    """Change some bytes: others, fewer, or a part once more."""
    new = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        place, other = rng.randrange(len(new)), rng.randrange(len(new))
        size = rng.randrange(1, 30)
        if rng.random() < 0.5:
            new[place] = rng.randrange(256)
        elif rng.random() < 0.5:
            del new[place : place + size]
        else:
            new[place:place] = new[other : other + size]
    return bytes(new)


def test_whatever_bytes_change_it_loads_or_ends_in_a_sentence(good, tmp_path):
    path, words, rng = tmp_path / "c.pth", checkpoints.word_map(), random.Random(7)
    entries, content = entries_of(good[0]), good[0].read_bytes()
    program, table = f"{good[0].stem}/data.pkl", content.rindex(b"PK\x01\x02") - 4000
    refusals = 0
    for number in range(60):
        if number % 2:
            write(path, [*{**entries, program: changed(entries[program], rng)}.items()])
        else:
            path.write_bytes(content[:table] + changed(content[table:], rng))
        try:
            checkpoint.load_original(path, words)
        except UserError:
            refusals += 1
    assert 40 < refusals < 60
