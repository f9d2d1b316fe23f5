"""The pages of the cookbook keep their promises: every fence runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from responses_adapters.__main__ import make_parser
from responses_adapters.testing import Backend

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "cookbook").glob("testing_*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def fences(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(page.read_text()) if kind == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_python_fence_passes_as_a_test_module(page, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    codes = fences(page, "python")
    for number, code in enumerate(codes):
        (tmp_path / f"test_fence_{number}.py").write_text(code)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *settings, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) == sum(len(re.findall(r"def test_", code)) for code in codes)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_unittest_fence_runs_without_pytest(page, tmp_path):
    for number, code in enumerate(fences(page, "python")):
        if "import unittest" in code:
            (tmp_path / f"test_unit_{number}.py").write_text(code)

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_shown_is_one_that_exists(page):
    lines = [line for code in fences(page, "bash") for line in code.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines]
    ours = [words[1:] for words in commands if words[0] == "responses-adapters"]

    assert ours
    for words in ours:
        make_parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_script_shown_can_be_played(page):
    scripts = [yaml.safe_load(code) for code in fences(page, "yaml")]

    assert scripts
    for script in scripts:
        Backend.from_script(script)


def test_every_promise_of_safety_names_a_test_that_exists():
    handbook = (ROOT / "cookbook" / "README.md").read_text()
    named = re.findall(r"`(tests/\w+\.py)(?:::(\w+))?` \|$", handbook, re.M)

    assert len(named) > 10
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text() if test else (ROOT / file).is_file()
