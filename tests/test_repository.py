"""What every file of the repository keeps to, code or not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix import oldest

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("*.md", "*.toml", "Makefile", ".ci/*", "cookbook/**/*", "integrations/**/*", "tests/**/*")
SECRETS = {
    "an OpenAI key": r"\bsk-(?:proj-)?[A-Za-z0-9]{20,}",
    "an AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[opsu]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{35}",
    "a Hugging Face token": r"\bhf_[A-Za-z]{30,}",
    "a Slack token": r"\bxox[abp]-[0-9A-Za-z-]{10,}",
    "a JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a home directory": r"(?:/home/|/Users/|C:\\Users\\)\w+[/\\]|/root/\w",
}


def texts() -> Iterator[tuple[str, str]]:
    """Every text file, by its place."""
    for place in PLACES:
        for file in ROOT.glob(place):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", SECRETS)
def test_no_file_holds_a_secret_or_a_machines_path(kind: str) -> None:
    pattern = re.compile(SECRETS[kind])
    found = {name: match.group() for name, text in texts() if (match := pattern.search(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("an OpenAI key", "sk-" + "proj-" + "a1" * 12),
        ("an AWS key", "AKIA" + "A1" * 8),
        ("a GitHub token", "ghp_" + "a1" * 18),
        ("a Google key", "AIza" + "a" * 35),
        ("a Hugging Face token", "hf_" + "a" * 34),
        ("a Slack token", "xoxb-" + "1" * 12),
        ("a JSON web token", "eyJ" + "a" * 12 + ".eyJ" + "a" * 12),
        ("a private key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("a home directory", "/home/" + "ann/notes"),
    ],
)
def test_what_is_looked_for_would_be_found(kind: str, example: str) -> None:
    assert re.search(SECRETS[kind], f'key = "{example}"')


def test_a_bug_of_a_peer_that_is_mended_fails_the_suite() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    lenient = re.compile(r"xfail\([^)]*strict=False|mark\.skip|pytest\.skip\(")
    tests = {name: text for name, text in texts() if name.startswith("tests")}
    del tests["tests/test_repository.py"]
    assert options["strict"] is True
    assert not options.keys() & {"strict_xfail", "xfail_strict"}
    assert [name for name, text in tests.items() if lenient.search(text)] == []


def test_every_command_that_contributors_are_told_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert told
    assert told <= targets
    files = re.findall(r"tests/test_\w+\.py", (ROOT / "CONTRIBUTING.md").read_text())
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_oldest_versions_are_the_bounds_of_what_is_installed_together() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    named = {re.split(r"[^\w-]", line)[0] for group in groups for line in group}
    assert oldest(["all"]).keys() == named - {project["name"]}
    assert oldest(["langgraph"])["openai"] == "2.45"  # where no extra asks for more
    assert oldest(["pydantic-ai"])["openai"] == oldest(["all"])["openai"] == "3.31"
