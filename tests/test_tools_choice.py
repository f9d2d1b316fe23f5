from __future__ import annotations

import pytest

from responses_adapters import find_server
from responses_adapters.tools import Toolbox, ToolConversionError, clean_name


def search(query: str) -> None: ...


def book(room: str) -> None: ...


BOX = Toolbox(
    [
        search,
        book,
        {"name": "files.read", "input_schema": {"type": "object"}},
        {"type": "web_search"},
        {"type": "mcp", "server_label": "docs", "server_url": "https://example.org/mcp"},
    ]
)


@pytest.mark.parametrize("word", ["auto", "none", "required"])
def test_a_mode_is_itself(word: str):
    assert BOX.tool_choice(word) == word


def test_one_tool_is_named_on_the_wire():
    assert BOX.tool_choice("search") == {"type": "function", "name": "search"}
    assert BOX.tool_choice("files.read") == {"type": "function", "name": clean_name("files.read")}
    assert BOX.tool_choice("web_search") == {"type": "web_search"}
    assert BOX.tool_choice("docs") == {"type": "mcp", "server_label": "docs"}


def test_several_tools_are_allowed_tools():
    assert BOX.tool_choice(["search", "web_search"], mode="required") == {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "search"}, {"type": "web_search"}],
    }


def test_a_server_that_enforces_the_selection_keeps_all_tools_in_the_prompt():
    request = BOX.request(["search"], server=find_server("openai"))

    assert len(request["tools"]) == 5
    assert request["tool_choice"]["type"] == "allowed_tools"


def test_a_server_that_does_not_gets_only_the_selection():
    request = BOX.request(["book", "search"], mode="required", server=find_server("orq"))

    assert [tool["name"] for tool in request["tools"]] == ["search", "book"]
    assert request["tool_choice"] == "required"


def test_an_unknown_tool_is_refused_with_a_guess():
    with pytest.raises(
        ToolConversionError, match=r"no tool 'serach' to choose. Did you mean 'search'"
    ):
        BOX.tool_choice("serach")
