"""Every snippet of the README runs as it stands and prints what it says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from responses_adapters.testing import Backend

pytest_plugins = ["pytester"]

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = [example for example in find_examples(str(README)) if "python" in example.prefix]
SCRIPTS = [snippet for snippet in SNIPPETS if "\ndef test_" not in snippet.source]
TESTS = [snippet for snippet in SNIPPETS if snippet not in SCRIPTS]


def by_line(snippet: CodeExample) -> str:
    return f"line {snippet.start_line}"


@pytest.mark.parametrize("snippet", SCRIPTS, ids=by_line)
def test_a_snippet_prints_what_the_readme_says(
    snippet: CodeExample, eval_example: EvalExample, responses_backend: Backend
) -> None:
    responses_backend.on(text="Is Birch free").call_tool("check_room", room="Birch").always()
    responses_backend.on(tool="check_room").reply("Yes, Birch is free.").always()
    responses_backend.on(text="Which room").reply("You booked Birch.").always()
    eval_example.set_config(line_length=100, ruff_ignore=["D", "T"])
    eval_example.run_print_check(snippet, call=None)
    eval_example.lint_ruff(snippet)


@pytest.mark.parametrize("snippet", TESTS, ids=by_line)
def test_a_test_of_the_readme_passes(snippet: CodeExample, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_snippet=snippet.source)
    result = pytester.runpytest_subprocess("-p", "no:langsmith_plugin", "-q")
    result.assert_outcomes(passed=1)


def test_the_readme_has_a_snippet_for_the_graph_the_agent_and_the_test() -> None:
    assert len(SCRIPTS) == 2
    assert len(TESTS) == 1


def test_the_picture_and_its_sentence_are_what_is_measured_now() -> None:
    script = runpy.run_path(str(README.parent / "tests" / "benchmarks" / "draw_bytes.py"))
    naive, ours = (
        script["weigh"](node) for node in (script["whole_thread"], script["ResponsesNode"])
    )
    assert script["draw"](naive, ours) == script["PICTURE"].read_text()
    assert f"]({script['PICTURE'].relative_to(README.parent).as_posix()})" in README.read_text()
    assert script["caption"](naive, ours) in " ".join(README.read_text().split())
    assert max(ours) < 1_000 < sum(naive) / 100
