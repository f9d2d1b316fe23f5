"""Every recipe of the cookbook runs as it stands and prints what it promises, and the handbook keeps to the facts.

`python tests/test_cookbook.py` writes the recipe index, the table of servers and the figures of campaigns into the
handbook. A campaign's figures are a file of `tests/figures/`: its `table` is a list of rows, each from heading to cell.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from responses_adapters.__main__ import main, make_parser
from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.testing import Backend
from responses_adapters.tools import Toolbox, ToolError

ROOT = Path(__file__).parents[1]
COOKBOOK = ROOT / "cookbook"
HANDBOOK = COOKBOOK / "README.md"
FIGURES = ROOT / "tests" / "figures"


@dataclass(frozen=True)
class Recipe:
    path: Path

    @cached_property
    def source(self) -> str:
        return self.path.read_text()

    @cached_property
    def docstring(self) -> str:
        return ast.get_docstring(ast.parse(self.source)) or ""

    @property
    def title(self) -> str:
        return self.docstring.splitlines()[0]

    @property
    def command(self) -> list[str]:
        """The words of the first run line, after `python`."""
        return shlex.split(re.search(r"^Run: python (.+)$", self.docstring, re.M)[1])  # type: ignore[index]

    @property
    def prints(self) -> str:
        return textwrap.dedent(self.docstring.partition("\nPrints:\n")[2]) + "\n"


RECIPES = [Recipe(path) for path in sorted(COOKBOOK.glob("*.py"))]
PROGRAMS = [recipe for recipe in RECIPES if recipe.command[:2] != ["-m", "pytest"]]
SUITES = [recipe for recipe in RECIPES if recipe not in PROGRAMS]


def by_name(recipe: Recipe) -> str:
    return recipe.path.stem


@pytest.fixture
def event_loop_of_the_thread() -> Iterator[None]:
    """One that ends with the test: PydanticAI's `run_sync` would open one and leave it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    gc.disable()  # a collected model cannot close its connections before they warn that they are open
    yield
    loop.run_until_complete(loop.shutdown_asyncgens())
    gc.enable()
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def unchanged_process(
    monkeypatch: pytest.MonkeyPatch, event_loop_of_the_thread: None
) -> Iterator[None]:
    """Recipes run in this process, since loading both frameworks for each takes longer than they do."""
    environment, modules = dict(os.environ), set(sys.modules)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("RESPONSES_MODEL", raising=False)
    yield
    os.environ.clear()
    os.environ.update(environment)
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and name in {r.path.stem for r in RECIPES}:
            del sys.modules[name]


@pytest.mark.parametrize("recipe", PROGRAMS, ids=by_name)
def test_a_recipe_prints_what_it_promises(
    recipe: Recipe,
    capsys: pytest.CaptureFixture[str],
    unchanged_process: None,
    request: pytest.FixtureRequest,
) -> None:
    command = recipe.command
    if "DATABASE_URL" in recipe.source:
        os.environ["DATABASE_URL"] = request.getfixturevalue("postgresql")
    if command[0] == "-m":
        assert main(command[2:]) == 0
    else:
        runpy.run_path(command[0], run_name="__main__")

    assert capsys.readouterr().out.splitlines() == recipe.prints.splitlines()


@pytest.mark.parametrize("recipe", SUITES, ids=by_name)
def test_a_recipe_that_is_a_test_module_passes(recipe: Recipe) -> None:
    done = subprocess.run(
        [sys.executable, *recipe.command, "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith(recipe.prints.strip())


def test_the_run_line_works_in_a_shell() -> None:
    recipe = next(each for each in PROGRAMS if each.path.stem == "langgraph_add_the_node")
    done = subprocess.run(
        [sys.executable, *recipe.command], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (recipe.prints, "")


@pytest.mark.parametrize("recipe", RECIPES, ids=by_name)
def test_a_recipe_has_the_form_of_a_recipe(recipe: Recipe) -> None:
    lines = recipe.source.splitlines()
    assert len(lines) < 90
    wide = {line.strip() for line in lines if len(line) > 120}
    assert wide <= set(recipe.prints.splitlines())
    assert re.search(r"^Why: ", recipe.docstring, re.M)
    assert recipe.command[-1] == f"cookbook/{recipe.path.name}"
    ending = recipe.source.rpartition("\n# Where next: ")[2]
    assert all(line.startswith("#") for line in ending.splitlines()[1:])
    for name in re.findall(r"\b\w+\.(?:py|md)\b", ending):
        assert (COOKBOOK / name).exists(), name


@pytest.mark.parametrize("recipe", PROGRAMS, ids=by_name)
def test_a_recipe_knows_nothing_of_the_fake(recipe: Recipe) -> None:
    code = recipe.source.replace(f'"""{recipe.docstring}', "")
    assert "\ndef main() -> None:\n" in code
    assert "fake" not in code
    if not recipe.path.stem.startswith("testing_"):
        assert "responses_adapters.testing" not in code


@pytest.fixture
def workspace(unchanged_process: None, tmp_path: Path) -> Any:
    (tmp_path / "secret.txt").write_text("s3cret")
    (tmp_path / "inside").mkdir()
    return runpy.run_path("cookbook/tools_workspace.py")["Workspace"](tmp_path / "inside")


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "link", "a/../../secret.txt"])
def test_the_coding_agent_reads_and_writes_nothing_outside(
    workspace: Any, path: str, tmp_path: Path
) -> None:
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ToolError, match="outside of the workspace"):
        workspace.read_file(path)
    with pytest.raises(ToolError, match="outside of the workspace"):
        workspace.write_file(path, "x")
    with pytest.raises(ToolError, match="outside of the workspace"):
        workspace.find_files("../*")
    assert (tmp_path / "secret.txt").read_text() == "s3cret"


@pytest.mark.parametrize("command", ["rm -r .", "/bin/sh -c ls", "python3; rm x", "env python"])
def test_the_coding_agent_runs_listed_commands_only(workspace: Any, command: str) -> None:
    with pytest.raises(ToolError, match="may not be run; these may: python"):
        workspace.run_command(command)


def test_the_coding_agent_hides_the_environment_and_uses_no_shell(
    workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "s3cret")
    workspace.write_file(
        "show.py", "import os, sys; print(os.environ.get('API_KEY'), sys.argv[1:])"
    )
    assert workspace.run_command("python show.py '$API_KEY;ls'") == "None ['$API_KEY;ls']\n"


def test_the_coding_agent_is_told_of_its_mistakes(workspace: Any) -> None:
    box: Toolbox = workspace.toolbox()
    calls = [
        {"type": "function_call", "call_id": name, "name": name, "arguments": json.dumps(arguments)}
        for name, arguments in (
            ("read_file", {"path": "missing.txt"}),
            ("run_command", {"command": ""}),
        )
    ]
    outputs = [item["output"] for item in box.execute_sync(calls)]
    assert outputs == ["read_file failed (FileNotFoundError).", "run_command failed (ValueError)."]


def filled_in(handbook: str) -> str:
    """The handbook with its generated parts as they should be."""

    def index(found: re.Match[str]) -> str:
        prefixes = tuple(found[2].split())
        chosen = [each for each in RECIPES if each.path.stem.startswith(prefixes)]
        lines = [f"- [{each.path.name}]({each.path.name}): {each.title}" for each in chosen]
        return "\n".join([found[1], *lines, "<!-- end -->"])

    indexed = re.sub(r"(?s)(<!-- recipes: (.*?) -->).*?<!-- end -->", index, handbook)
    table = f"<!-- servers -->\n{servers_table()}\n<!-- end -->"
    served = re.sub(r"(?s)<!-- servers -->.*?<!-- end -->", lambda _: table, indexed)

    def measured(found: re.Match[str]) -> str:
        rows = json.loads((FIGURES / f"{found[2]}.json").read_text())["table"]
        return "\n".join([found[1], markdown_table(rows), "<!-- end -->"])

    return re.sub(r"(?s)(<!-- figures: (\w+) -->).*?<!-- end -->", measured, served)


def markdown_table(rows: list[dict[str, str]]) -> str:
    lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def servers_table() -> str:
    head = (
        "| `server=` | conversations | stores | instructions | streams | background | variables |"
    )
    return "\n".join([head, "|---" * 7 + "|", *map(servers_row, SERVERS.values())])


def servers_row(profile: ServerProfile) -> str:
    instructions = "inherited" if profile.inherits_instructions else "on each turn"
    if "instructions" in profile.refuses:
        instructions = "as a system message"
    variable = profile.api_key_env and f"`{profile.api_key_env.removesuffix('API_KEY')}…`"
    cells = (
        f"`{profile.name}`",
        {"server": "kept", "replay": "not kept", "unknown": "unknown"}[profile.state],
        {"default": "unless `store=False`", "always": "always", "never": "never"}[profile.store],
        instructions,
        "yes" if profile.streams else "no: one piece",
        "yes" if profile.background else "no",
        variable or "none",
    )
    return f"| {' | '.join(cells)} |"


def test_the_handbook_lists_every_recipe_and_server_as_they_are() -> None:
    handbook = HANDBOOK.read_text()
    assert handbook == filled_in(handbook)
    for recipe in RECIPES:
        assert handbook.count(f"]({recipe.path.name}): ") == 1


SNIPPETS = [each for each in find_examples(str(HANDBOOK)) if each.prefix == "python"]


def by_line(snippet: CodeExample) -> str:
    return f"line {snippet.start_line}"


@pytest.mark.parametrize("snippet", SNIPPETS, ids=by_line)
@pytest.mark.responses_backend(brain=True)
def test_a_snippet_of_the_handbook_prints_what_it_says(
    snippet: CodeExample, eval_example: EvalExample, responses_backend: Backend
) -> None:
    eval_example.set_config(line_length=100, ruff_ignore=["D", "T"])
    eval_example.run_print_check(snippet, call=None)
    eval_example.lint_ruff(snippet)


DIFFS = re.findall(r"(?ms)^### (From [^\n]+)\n.*?^```diff\n(.*?)^```$", HANDBOOK.read_text())


@pytest.mark.parametrize(("title", "diff"), DIFFS, ids=[title for title, _ in DIFFS])
@pytest.mark.parametrize("side", "-+")
@pytest.mark.responses_backend(brain=True)
def test_both_sides_of_a_migration_give_an_answer(
    title: str, diff: str, side: str, responses_backend: Backend, event_loop_of_the_thread: None
) -> None:
    code = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in f" \n{side}")
    if "from agents import" in code:
        compile(code, title, "exec")  # openai-agents is no dependency of ours, not even in tests
        return
    names: dict[str, Any] = {}
    exec(code, names)
    assert "8 people" in names["answer"] or "Birch is free" in names["answer"]


def test_the_handbook_quotes_errors_as_they_are_raised() -> None:
    section = HANDBOOK.read_text().partition("## When it says no")[2].partition("\n## ")[0]
    quoted = re.findall(r"(?m)^\| `([^`]+)` \|", section)
    source = "".join(
        path.read_text()
        for path in (ROOT / "integrations").rglob("*.py")
        if "testing" not in path.parts
    )
    spoken = re.sub(r'"\s*f?"', "", source)
    assert len(quoted) > 10
    assert [words for words in quoted if words not in spoken] == []


def test_the_handbook_shows_commands_that_exist() -> None:
    lines = re.findall(r"(?m)python (-m responses_adapters [^`#\n]+)", HANDBOOK.read_text())
    assert len(lines) > 1
    for line in lines:
        make_parser().parse_known_args(shlex.split(line)[2:])


def test_the_handbook_leads_to_files_that_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", HANDBOOK.read_text())
    assert links
    assert [link for link in links if not (COOKBOOK / link).exists()] == []


if __name__ == "__main__":
    HANDBOOK.write_text(filled_in(HANDBOOK.read_text()))
