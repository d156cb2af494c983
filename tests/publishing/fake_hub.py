# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A hub on the loopback: as much of the protocol as pushing and loading models and datasets takes.

It keeps repositories in memory. Writing needs a bearer token, of which nothing is kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import datasets
import pytest
from huggingface_hub import constants, hf_api

FIRST_COMMIT = hashlib.sha1(b"empty repository").hexdigest()
LFS_SUFFIXES = (".safetensors", ".parquet", ".png", ".whl")


@dataclass
class Repository:
    """The files of every commit, oldest first; the last one is `main`."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {FIRST_COMMIT: {}})

    @property
    def head(self) -> str:
        """Name of the newest commit."""
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        """Content of every file on `main`, by path."""
        return self.commits[self.head]

    def commit(self, added: dict[str, bytes], deleted: Iterable[str] = ()) -> str:
        """Put files on top of `main` and return the name of the new commit."""
        files = {k: v for k, v in (self.files | added).items() if k not in set(deleted)}
        listing = "".join(f"{path} {blob_id(files[path])}\n" for path in sorted(files))
        name = hashlib.sha1(f"{self.head} {len(self.commits)}\n{listing}".encode()).hexdigest()
        self.commits[name] = files
        return name


class HubError(Exception):
    """An answer other than success: HTTP status, the code that clients look for, and the body."""

    def __init__(self, status: int, code: str, body: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.body = body or {}


def blob_id(content: bytes) -> str:
    """Return the name that git gives to this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(path: str) -> bool:
    """Tell whether a file travels as a large file."""
    return path.endswith(LFS_SUFFIXES)


def is_private(asked: dict[str, Any]) -> bool:
    """Tell whether a repository is asked for that only its owner sees."""
    return bool(asked.get("private")) or asked.get("visibility") == "private"


def file_entry(path: str, content: bytes) -> dict[str, Any]:
    """Describe a file as the listing of a folder does."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
    if is_lfs(path):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
    return entry


def folder_entry(path: str) -> dict[str, Any]:
    """Describe a folder as the listing of its parent does."""
    return {"type": "directory", "path": path, "size": 0, "oid": blob_id(path.encode())}


def upload_entry(path: str, known: bytes | None) -> dict[str, Any]:
    """Say how a file is to be sent, and which content of it is there already."""
    entry = {"path": path, "uploadMode": "lfs" if is_lfs(path) else "regular"}
    if known is not None:
        entry["oid"] = hashlib.sha256(known).hexdigest() if is_lfs(path) else blob_id(known)
    return {**entry, "shouldIgnore": False}


class FakeHub:
    """The server; a context manager that serves while it is open.

    Attributes:
        repositories: What was pushed, by `owner/name`; others by `datasets/owner/name` and
            `spaces/owner/name`.
        large_files: Uploaded large files, by SHA-256.
        requests: `METHOD /path` of every request, without headers.
        unknown: Those of them that this server has no answer for.
        gated: Repositories whose files nobody may read.
        card_problems: What is wrong with the header of any card.
        failures: End of a path and the status to answer it with, each once; 0 hangs up instead.
        token_digest: SHA-256 of the only token that may write; any may if it is empty.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large_files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.gated: set[str] = set()
        self.card_problems: list[str] = []
        self.failures: list[tuple[str, int]] = []
        self.token_digest = ""
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """What to put into `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # One method per endpoint: the groups of its route come first, then the body of the request,
    # or its query when it has none.

    def create(self, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        kind = asked.get("type") or "model"
        key = name if kind == "model" else f"{kind}s/{name}"
        answer = {"url": f"{self.url}/{key}", "name": name}
        if key in self.repositories:
            raise HubError(409, "RepoExists", answer)
        self.repositories[key] = Repository(private=is_private(asked))
        return answer

    def validate_card(self, body: bytes) -> dict[str, Any]:
        if self.card_problems:
            raise HubError(400, "BadCard", {"errors": [{"message": m} for m in self.card_problems]})
        return {"errors": [], "warnings": []}

    def preupload(self, name: str, body: bytes) -> dict[str, Any]:
        known = self.repository(name).files
        paths = [asked["path"] for asked in json.loads(body)["files"]]
        return {"files": [upload_entry(path, known.get(path)) for path in paths]}

    def batch(self, name: str, body: bytes) -> dict[str, Any]:
        self.repository(name)
        objects = []
        for asked in json.loads(body)["objects"]:
            answer = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.large_files:
                answer["actions"] = {
                    "upload": {"href": f"{self.url}/blobs/{asked['oid']}"},
                    "verify": {"href": f"{self.url}/{name}.git/info/lfs/verify"},
                }
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def upload(self, oid: str, body: bytes) -> dict[str, Any]:
        if hashlib.sha256(body).hexdigest() != oid:
            raise HubError(400, "ChecksumMismatch")
        self.large_files[oid] = body
        return {}

    def verify(self, name: str, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        if len(self.large_files.get(asked["oid"], b"")) != asked["size"]:
            raise HubError(404, "LargeFileNotFound")
        return {}

    def commit(self, name: str, body: bytes) -> dict[str, Any]:
        added, deleted = {}, []
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                added[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                if value["oid"] not in self.large_files:
                    raise HubError(400, "LargeFileNotFound")
                added[value["path"]] = self.large_files[value["oid"]]
            elif entry["key"] == "deletedFile":
                deleted.append(value["path"])
            elif entry["key"] != "header":
                raise HubError(400, f"UnknownOperation-{entry['key']}")
        commit = self.repository(name).commit(added, deleted)
        return {"commitUrl": f"{self.url}/{name}/commit/{commit}", "commitOid": commit}

    def info(self, name: str, revision: str | None, body: bytes) -> dict[str, Any]:
        commit, files = self.snapshot(name, revision or "main")
        siblings = [{"rfilename": path} for path in sorted(files)]
        private = self.repository(name).private
        name = name.removeprefix("datasets/").removeprefix("spaces/")
        return {"id": name, "sha": commit, "private": private, "tags": [], "siblings": siblings}

    def tree(self, name: str, revision: str, folder: str | None, body: bytes) -> list[dict]:
        files = self.snapshot(name, revision)[1]
        prefix = f"{folder}/" if folder else ""
        found = sorted(path for path in files if path.startswith(prefix))
        if folder and not found:
            raise HubError(404, "EntryNotFound")
        if b"recursive=True" in body or b"recursive=true" in body:
            return [file_entry(path, files[path]) for path in found]
        listed = [file_entry(path, files[path]) for path in found if "/" not in path[len(prefix) :]]
        folders = {
            path[len(prefix) :].split("/")[0] for path in found if "/" in path[len(prefix) :]
        }
        return [folder_entry(prefix + inside) for inside in sorted(folders)] + listed

    def paths_info(self, name: str, revision: str, body: bytes) -> list[dict]:
        files = self.snapshot(name, revision)[1]
        paths = json.loads(body)["paths"]
        folders = [p for p in paths if any(path.startswith(f"{p}/") for path in files)]
        found = [file_entry(path, files[path]) for path in paths if path in files]
        return found + [folder_entry(path) for path in folders]

    def resolve(self, name: str, revision: str, path: str) -> tuple[str, bytes]:
        """Return the commit and the content of a file in it."""
        if name in self.gated:
            raise HubError(403, "GatedRepo")
        commit, files = self.snapshot(name, revision)
        if path not in files:
            raise HubError(404, "EntryNotFound")
        return commit, files[path]

    def repository(self, name: str) -> Repository:
        """Return a repository that exists."""
        if name not in self.repositories:
            raise HubError(404, "RepoNotFound")
        return self.repositories[name]

    def snapshot(self, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        """Return name and files of the commit that a revision stands for."""
        repository = self.repository(name)
        commit = repository.head if revision == "main" else revision
        if commit not in repository.commits:
            raise HubError(404, "RevisionNotFound")
        return commit, repository.commits[commit]


@contextmanager
def in_place_of_the_hub(monkeypatch: pytest.MonkeyPatch, token: str = "") -> Iterator[FakeHub]:
    """Let this process take a new `FakeHub` for the Hub, and find this token and no other."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setattr(constants, name, True)
    with FakeHub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        # Both libraries call the Hub through one object, which keeps the address it began with.
        monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
        monkeypatch.setattr("transformers.utils.hub._hf_api", None, raising=False)
        files = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
        files = hub.url + "/datasets/{repo_id}/resolve/{revision}/{path}"
        monkeypatch.setattr(datasets.config, "HUB_DATASETS_URL", files)
        yield hub


_REPO = r"((?:(?:datasets|spaces)/)?[^/]+/[^/]+)"
_JSON_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", r"/api/repos/create", FakeHub.create),
    ("POST", r"/api/validate-yaml", FakeHub.validate_card),
    # `/api/datasets/` comes as `/api/models/datasets/`, the name as `repositories` has it; so do
    # Spaces.
    ("POST", rf"/api/models/{_REPO}/preupload/main", FakeHub.preupload),
    ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", FakeHub.batch),
    ("PUT", r"/blobs/([0-9a-f]{64})", FakeHub.upload),
    ("POST", rf"/{_REPO}\.git/info/lfs/verify", FakeHub.verify),
    ("POST", rf"/api/models/{_REPO}/commit/main", FakeHub.commit),
    ("GET", rf"/api/models/{_REPO}(?:/revision/([^/]+))?", FakeHub.info),
    ("GET", rf"/api/models/{_REPO}/tree/([^/]+)(?:/(.+))?", FakeHub.tree),
    ("POST", rf"/api/models/{_REPO}/paths-info/([^/]+)", FakeHub.paths_info),
]
_RESOLVE = re.compile(rf"/{_REPO}/resolve/([^/]+)/(.+)")
# Checking a card writes nothing, and a large file's address is itself the permission.
_WRITES = ("/api/repos/create", "/preupload/main", "/objects/batch", "/verify", "/commit/main")


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes: without this every answer may wait 40 ms.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path = re.sub("^/api/(datasets|spaces)/", r"/api/models/\1/", unquote(address.path))
        # The body is read even for an error, or its bytes would be the next request.
        body = self._body() or address.query.encode()
        self.hub.requests.append(f"{self.command} {path}")
        try:
            self._stumble(path)
            self._check_token(path)
            if (found := _RESOLVE.fullmatch(path)) and self.command in ("GET", "HEAD"):
                commit, content = self.hub.resolve(*found.groups())
                digest = hashlib.sha256(content).hexdigest()
                self._send_file(content, {"ETag": f'"{digest}"', "X-Repo-Commit": commit})
            else:
                self._send(200, json.dumps(self._route(path, body)).encode(), {})
        except HubError as error:
            if not error.status:
                self.close_connection = True
                return
            body = json.dumps(error.body).encode()
            self._send(error.status, body, {"X-Error-Code": error.code})

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _route(self, path: str, body: bytes) -> Any:
        for method, pattern, endpoint in _JSON_ROUTES:
            if method == self.command and (found := re.fullmatch(pattern, path)):
                return endpoint(self.hub, *found.groups(), body)
        self.hub.unknown.append(f"{self.command} {path}")
        raise HubError(404, "UnknownEndpoint")

    def _stumble(self, path: str) -> None:
        """Fail as the test has asked for."""
        for failure in self.hub.failures:
            if path.endswith(failure[0]):
                self.hub.failures.remove(failure)
                raise HubError(failure[1], "Stumbled")

    def _check_token(self, path: str) -> None:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        given = kind == "Bearer"
        if path.endswith(_WRITES) and not given:
            raise HubError(401, "TokenMissing")
        digest = hashlib.sha256(token.encode()).hexdigest()
        if path.endswith(_WRITES) and self.hub.token_digest not in ("", digest):
            raise HubError(401, "TokenUnknown")
        # Large files lie with a third party, which must never see a token.
        if path.startswith("/blobs/") and given:
            raise HubError(400, "TokenGivenAway")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send_file(self, content: bytes, headers: dict[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return self._send(200, content, headers)
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
