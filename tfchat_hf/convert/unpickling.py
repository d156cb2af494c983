# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What lies in a file of `torch.save`, read without executing anything of it.

A pickle is a small program: it may name any function of this machine and have it called. Here the
program is looked through first. Whatever it names beyond the classes of the original and what
rebuilds tensors is refused by name, and so is each instruction that torch.save does not write.
Then it runs with stand-ins: its classes are `Holder`s, which do nothing but hold attributes, and
its tensors are notes of where their numbers lie. `torch.load` is never called.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from data_builders.errors import UserError

# What protocol 2, that of torch.save, is written with. No other instruction is carried out.
_INSTRUCTIONS = frozenset(
    """PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE
    EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 SETITEM SETITEMS APPEND APPENDS
    BINPUT LONG_BINPUT BINGET LONG_BINGET BINPERSID GLOBAL REDUCE NEWOBJ BUILD""".split()
)
# A tuple in a tuple in a tuple ... breaks Python itself where it is hashed. A checkpoint of the
# original has some 700 a layer.
_MOST_TUPLES = 20_000
_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
}
# Of a model with a hundred layers; the numbers themselves lie elsewhere.
_LARGEST_PROGRAM = 4_000_000


class Holder:
    """What stands for an object of the checkpoint: a name and attributes, and nothing to call."""

    kind = ""


class _Allowed:
    """Something that the pickle may name and not call."""


@dataclass
class _Storage:
    """Where the numbers of tensors lie: an entry of the archive."""

    dtype: Any
    key: Any
    count: Any


@dataclass(eq=False)  # an optimizer's state has them as keys
class StoredTensor:
    """A tensor of the file, still there. The pickle wrote these fields: `read` judges them."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


class SavedFile:
    """A file of `torch.save`, to be used in a `with` block.

    Args:
        path: The file.
        holders: The classes that it may name, as "module.name", each a `Holder` here.

    Raises:
        UserError: It is none, or is not whole.
    """

    def __init__(self, path: Path, holders: Iterable[str]) -> None:
        """Open the archive; nothing is read of it but its table of contents."""
        self.path = path
        self._allowed = _stand_ins(holders)
        self._used: set[str] = set()
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise UserError(
                "{path} cannot be read ({error}).", path=path, error=error.strerror or error
            ) from error
        except Exception as error:  # zipfile stumbles over hostile tables in many ways
            raise UserError(
                "{path} is no whole file of `torch.save` ({error}); torch has written zip "
                "archives since 1.6. Copy it again, or save it anew where it was trained.",
                path=path,
                error=error,
            ) from error

    def __enter__(self) -> SavedFile:
        """Return the file; the archive is open."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the archive."""
        self._archive.close()

    def _check_entries(self) -> str:
        """Refuse what torch does not write; return the folder that all entries lie in."""
        entries = {entry.orig_filename: entry for entry in self._archive.infolist()}
        folder = next(iter(entries), "").partition("/")[0]
        for name, entry in entries.items():
            parts = name.split("/")
            if parts[0] != folder or {"", ".", ".."} & {*parts} or "\\" in name or "\0" in name:
                raise self._no_file(f"its entry {name[:80]!r}")
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise self._no_file(f"its entry {name[:80]!r} is compressed or encrypted")
        if len(entries) < len(self._archive.infolist()):
            raise self._no_file("it has two entries of one name")
        if f"{folder}/data.pkl" not in entries:
            raise self._no_file("it has no data.pkl")
        return folder

    def _no_file(self, why: str) -> UserError:
        return UserError(
            "{path} is no file of `torch.save` ({why}): that writes each entry once, "
            "uncompressed, in one folder.",
            path=self.path,
            why=why,
        )

    def load(self) -> Any:
        """Return the object that was saved, of holders, lists, dictionaries and `StoredTensor`.

        Raises:
            UserError: It is no file of torch's, names anything else, or is not whole.
        """
        self._folder = self._check_entries()
        if self._size("data.pkl") > _LARGEST_PROGRAM:
            raise self._damaged("its data.pkl is larger than any checkpoint's")
        if f"{self._folder}/byteorder" in self._archive.namelist():
            if self._entry("byteorder") != b"little":
                raise self._damaged("it was written on a machine of another byte order")
        program = self._entry("data.pkl")
        self._check_program(program)
        try:
            return _Unpickler(program, self._allowed).load()
        except Exception as error:  # what a program does that was not written by torch.save
            raise self._damaged(error) from error

    def _check_program(self, program: bytes) -> None:
        """Refuse what the pickle names, and its instructions, before the first is carried out."""
        try:
            steps = [(step.name, argument) for step, argument, _ in pickletools.genops(program)]
        except Exception as error:  # pickletools stumbles over hostile bytes in many ways
            raise self._damaged(error) from error
        if other := sorted({name for name, _ in steps} - _INSTRUCTIONS):
            raise UserError(
                "{path} is not read: it holds pickle instructions that torch.save does not write "
                "({other}).",
                path=self.path,
                other=_listed(other),
            )
        named = {str(argument).replace(" ", ".") for name, argument in steps if name == "GLOBAL"}
        if strange := sorted(named - self._allowed.keys()):
            raise UserError(
                "{path} is not read: it names {strange}, which no checkpoint of the original has "
                "and which could run code here.",
                path=self.path,
                strange=_listed(strange),
            )
        tuples = sum(name.startswith("TUPLE") for name, _ in steps)
        marks = [int(argument or 0) for name, argument in steps if name == "LONG_BINPUT"]
        if tuples > _MOST_TUPLES or max(marks, default=0) > len(program):
            raise self._damaged("its data.pkl is no checkpoint's")

    def read(self, stored: StoredTensor) -> torch.Tensor:
        """Return a tensor in float32, after checking it against what the archive holds.

        Raises:
            UserError: It claims more numbers than there are, or lies there in another order.
        """
        try:
            return self._read(stored.storage, stored.offset, stored.shape, stored.strides)
        except (TypeError, AttributeError, ValueError, RuntimeError) as error:
            if isinstance(error, UserError):
                raise
            raise self._damaged(error) from error

    def _read(self, storage: Any, offset: Any, shape: Any, strides: Any) -> torch.Tensor:
        """Do it with fields that may be anything."""
        whole = isinstance(storage, _Storage) and type(storage.dtype) is torch.dtype
        sizes = [*shape, *strides, offset]
        if not whole or not all(type(size) is int and 0 <= size < 2**40 for size in sizes):
            raise self._damaged("a tensor that is none")
        # In a dimension of one a stride means nothing.
        packed = [math.prod(shape[place + 1 :]) for place in range(len(shape))]
        placed = zip(shape, strides, packed, strict=True)
        if any(size > 1 and stride != expected for size, stride, expected in placed):
            raise self._damaged("a tensor whose numbers do not lie in their order")
        name, count, width = f"data/{storage.key}", math.prod(shape), storage.dtype.itemsize
        held = self._size(name) // width
        if storage.count != held or offset + count > held:
            raise self._damaged(f"a tensor of {offset + count:,} numbers where there are {held:,}")
        if name in self._used:  # a thousand tensors of the same numbers would fill the memory
            raise self._damaged("two tensors of the same numbers")
        self._used.add(name)
        if not count:
            return torch.zeros(shape)
        content = bytearray(self._entry(name))
        numbers = torch.frombuffer(content, dtype=storage.dtype, count=count, offset=offset * width)
        return numbers.view(shape).float()

    def _size(self, name: str) -> int:
        """Return the bytes of an entry."""
        try:
            return self._archive.getinfo(f"{self._folder}/{name}").file_size
        except KeyError:
            raise self._damaged(f"it has no {name[:80]}") from None

    def _entry(self, name: str) -> bytes:
        """Read an entry whole and compare its checksum."""
        try:
            return self._archive.read(f"{self._folder}/{name}")
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
            raise self._damaged(error) from error

    def _damaged(self, why: object) -> UserError:
        words = " ".join(str(why).split())[:200]
        return UserError(
            "{path} is cut off or damaged ({words}). Copy it again.", path=self.path, words=words
        )


class _Unpickler(pickle.Unpickler):
    """Python's own, that finds nothing but stand-ins."""

    def __init__(self, program: bytes, allowed: Mapping[str, Any]) -> None:
        super().__init__(io.BytesIO(program))
        self.allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in; the program was looked through, so that there is one."""
        return self.allowed[f"{module}.{name}"]

    def persistent_load(self, note: Any) -> _Storage:
        """Keep the note of a storage: ("storage", its type, its key, its device, its length)."""
        _, kind, key, _, count = note
        return _Storage(getattr(kind, "dtype", None), str(key), count)


def _stand_ins(holders: Iterable[str]) -> dict[str, Any]:
    """Return what each name that a checkpoint may have becomes here.

    None of them copies or hashes what it is given. They are made anew for each file: a pickle can
    set attributes of a class.
    """
    found: dict[str, Any] = {}
    for name, dtype in _STORAGES.items():
        found[f"torch.{name}"] = kind = _Allowed()
        kind.dtype = dtype  # type: ignore[attr-defined]
    for module in ("builtins", "__builtin__"):
        found[f"{module}.dict"] = _Allowed()  # what a `defaultdict` would make
        found[f"{module}.set"] = lambda items=(): items
    found["collections.OrderedDict"] = lambda: {}
    found["collections.defaultdict"] = lambda factory=None: {}
    found["torch._utils._rebuild_parameter"] = lambda data, needs_gradient, hooks: data
    found["torch._utils._rebuild_tensor_v2"] = (
        lambda storage, offset, shape, strides, needs_gradient, hooks, metadata=None: StoredTensor(
            storage, offset, shape, strides
        )
    )
    return found | {name: type("Held", (Holder,), {"kind": name}) for name in holders}


def _listed(names: list[str]) -> str:
    """List some names, which somebody hostile may have chosen."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(name[:80] for name in names[:5]) + more
