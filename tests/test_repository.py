# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What surrounds the code agrees with it: workflows, forms, versions, the Makefile."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import needs_processes

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [
    path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"
]
# Pages and workflows that name targets of make.
CALLERS = [*WORKFLOWS, ROOT / "CONTRIBUTING.md", ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md"]
MOVING = {"pypa/gh-action-pypi-publish@release/v1"}  # what PyPI documents
# What each operating system of the classifiers is called by those who lend machines.
SYSTEMS = {
    "MacOS": "macos-latest",
    "Microsoft :: Windows": "windows-latest",
    "POSIX :: Linux": "ubuntu-latest",
}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text("pyproject.toml"))["project"]


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]


def values(job: dict[str, Any], key: str) -> list[str]:
    """List what `${{ matrix.KEY }}` stands for in a job."""
    matrix = job.get("strategy", {}).get("matrix", {})
    return [*matrix.get(key, []), *(row[key] for row in matrix.get("include", []) if key in row)]


def filled(template: str, job: dict[str, Any]) -> list[str]:
    """Write a text of a job once for each value of its matrix."""
    named = re.search(r"\$\{\{ matrix\.(\w+) \}\}", template)
    if not named:
        return [template]
    return [template.replace(named[0], value) for value in values(job, named[1])]


def steps(workflow: Path, key: str) -> list[str]:
    """List what the steps of a workflow run or use, with the values of the matrix."""
    return [
        line
        for job in jobs(workflow).values()
        for step in job.get("steps", [])
        if key in step
        for line in filled(step[key], job)
    ]


def classified(kind: str) -> list[str]:
    rows = (
        row.removeprefix(f"{kind} :: ") for row in PROJECT["classifiers"] if row.startswith(kind)
    )
    return [row for row in rows if row != "3 :: Only"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_ends_by_itself_and_pins_what_it_uses(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text("utf-8"))["permissions"] == {"contents": "read"}
    for name, job in jobs(workflow).items():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
        else:
            assert job["timeout-minutes"] <= 60, name
    for used in steps(workflow, "uses"):
        assert used in MOVING or re.fullmatch(r"actions/[\w-]+@v\d+", used), used


@pytest.mark.parametrize("caller", CALLERS, ids=lambda path: path.name)
def test_targets_of_make_that_are_named_exist(caller: Path) -> None:
    if caller in WORKFLOWS:
        named = re.findall(r"^ *make ([\w-]+)", "\n".join(steps(caller, "run")), flags=re.M)
    else:
        named = re.findall(r"(?:^|`)make (?:\w+=\S+ )?([\w-]+)", caller.read_text("utf-8"), re.M)
    targets = re.search(r"^\.PHONY: (.*)$", text("Makefile"), flags=re.M)[1].split()
    assert set(named) <= set(targets)
    assert named or caller.name == "release.yml"


def test_the_wheel_is_tried_with_its_own_commands() -> None:
    named = {
        name
        for path in WORKFLOWS
        for run in steps(path, "run")
        for name in re.findall(r"^ *(tfchat-[\w-]+) ", run, flags=re.M)
    }
    assert named and named <= set(PROJECT["scripts"])


def test_what_is_published_has_passed_everything() -> None:
    release = jobs(ROOT / ".github" / "workflows" / "release.yml")
    assert release["publish"]["needs"] == "ci"
    assert release["publish"]["permissions"] == {"id-token": "write"}
    assert release["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert "workflow_call" in text(".github/workflows/ci.yml")


def test_python_and_systems_are_those_of_the_classifiers() -> None:
    tested = jobs(ROOT / ".github" / "workflows" / "ci.yml")
    versions = classified("Programming Language :: Python")
    assert values(tested["test"], "python") == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"
    every = [
        step["with"]["python-version"]
        for job in tested.values()
        for step in job["steps"]
        if "setup-python" in step.get("uses", "")
    ]
    assert {version for version in every if not version.startswith("$")} <= set(versions)
    assert set(values(tested["transformers"], "python")) <= set(versions)
    systems = {name for job in tested.values() for name in filled(job["runs-on"], job)}
    assert systems == {SYSTEMS[name] for name in classified("Operating System")}


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    newest = re.search(
        r"^## \[(.+?)\] - (?:Unreleased|\d{4}-\d\d-\d\d)$", text("CHANGELOG.md"), re.M
    )
    assert PROJECT["version"] == str(citation["version"]) == newest[1]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


def test_commits_are_checked_by_the_ruff_that_make_style_runs() -> None:
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    (ruff,) = [repo["rev"] for repo in hooks if "ruff" in repo["repo"]]
    assert f"ruff=={ruff.removeprefix('v')}" in text("constraints.txt").splitlines()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_a_form_asks_each_question_once(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content["name"] and content["description"] and content["labels"]
    names = [field["id"] for field in content["body"]]
    assert len(names) == len(set(names)) and len(names) >= 2
    assert all(field["attributes"].get("label") for field in content["body"])


def test_the_command_of_the_bug_form_prints_the_versions() -> None:
    form = text(".github/ISSUE_TEMPLATE/bug.yml")
    (command,) = re.findall(r"^ *(python -c .*)$", form, flags=re.M)
    said = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]], capture_output=True, text=True, check=True
    ).stdout
    assert f"Python {sys.version.split()[0]}" in said
    assert all(re.search(rf"{name} \d", said) for name in ("tfchat-hf", "torch", "transformers"))


def test_links_to_this_repository_lead_to_files() -> None:
    home = PROJECT["urls"]["Repository"]
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        *(ROOT / ".github").rglob("*.yml"),
    ]
    texts = [text("pyproject.toml"), *(page.read_text(encoding="utf-8") for page in pages)]
    linked = {path for page in texts for path in re.findall(rf"{home}/blob/main/([\w./-]+)", page)}
    assert linked and all((ROOT / path).exists() for path in linked)
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text(name)):
            assert (ROOT / target).exists(), f"{name}: {target}"


def test_unit_tests_are_most_files_and_none_that_starts_processes() -> None:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    unit = [file for file in files if not needs_processes(file)]
    assert len(unit) > len(files) / 2
    assert ROOT / "tests" / "model" / "test_modeling.py" in unit
    assert Path(__file__) not in unit
    # These import no such module themselves, but a file of the tests that does.
    for name in ("test_exactness_cli.py", "settings/test_init_from.py"):
        assert needs_processes(ROOT / "tests" / name)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_without_ensurepip_make_says_what_to_install(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python3"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    for target in ("test", "test-oldest"):
        done = subprocess.run(
            ["make", f"PYTHON={python}", target], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "sudo apt install python3-venv" in done.stderr
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob(".venv*"))
