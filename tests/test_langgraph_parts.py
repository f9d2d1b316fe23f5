"""What goes out of content blocks that other providers, or their users, wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph.fingerprint import fingerprint
from responses_adapters.langgraph.messages import lift_instructions, to_items


@pytest.mark.parametrize(
    "picture",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
        {"type": "image", "base64": "AA", "mime_type": "image/png"},
    ],
)
def test_a_picture_by_another_providers_model_is_shown_to_this_one(picture: Any) -> None:
    answer = AIMessage(
        [{"type": "text", "text": "Here"}, picture],
        response_metadata={"model_provider": "google_genai"},
    )
    text, shown = to_items(answer)
    assert text["content"][0]["text"] == "Here"
    assert shown["role"] == "user"
    assert shown["content"] == [
        {"type": "input_text", "text": "The assistant's picture:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
    ]


def test_another_providers_compaction_is_no_item_of_ours() -> None:
    answer = AIMessage(
        [{"type": "compaction", "content": "So far …"}, {"type": "text", "text": "x"}]
    )
    assert [item["type"] for item in to_items(answer)] == ["message"]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "input_image", "file_id": "file_1"},
        ),
        (
            {
                "type": "document",
                "title": "Menu",
                "context": "of today",
                "source": {"type": "text", "media_type": "text/plain", "data": "Soup"},
            },
            {"type": "input_text", "text": "Menu\n\nof today\n\nSoup"},
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "Soup"}]},
            },
            {"type": "input_text", "text": "Soup"},
        ),
        (
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
            },
            {
                "type": "input_file",
                "file_data": "data:application/pdf;base64,AA",
                "filename": "a.pdf",
            },
        ),
    ],
)
def test_what_anthropic_users_attach_goes_out(block: Any, part: dict[str, Any]) -> None:
    assert to_items(HumanMessage([block]))[0]["content"] == [part]


@pytest.mark.parametrize("metadata", [{}, {"model_provider": "openai", "output_version": "v1"}])
def test_only_what_the_api_knows_of_a_text_goes_out(metadata: dict[str, Any]) -> None:
    cited = {"type": "char_location", "cited_text": "x"}
    answer = AIMessage(
        [
            {
                "type": "text",
                "text": "Paris",
                "citations": [cited],
                "annotations": [cited],
                "cache_control": {"type": "ephemeral"},
            }
        ],
        response_metadata=metadata,
    )
    (item,) = to_items(answer)
    assert item["content"] == [{"type": "output_text", "text": "Paris", "annotations": []}]


def test_a_refusal_without_words_says_nothing() -> None:
    answer = AIMessage([{"type": "refusal", "extras": {"category": "x"}}])
    assert to_items(answer) == []


@pytest.mark.parametrize(
    ("block", "lacks"),
    [
        ({"type": "text"}, "a text"),
        ({"type": "image_url"}, "image_url.url"),
        ({"type": "image_url", "image_url": ""}, "image_url.url"),
        ({"type": "image_url", "image_url": {}}, "image_url.url"),
        ({"type": "image"}, "url, base64 or file_id"),
        ({"type": "file", "file": {"filename": "a.pdf"}}, "url, base64 or file_id"),
        ({"type": "audio"}, "base64"),
    ],
)
def test_a_block_without_what_it_shows_is_refused_by_name(block: Any, lacks: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"a user message holds a block of type .* without {lacks}"
    ):
        to_items(HumanMessage([block]))
    (shown,) = to_items(ToolMessage([block], tool_call_id="c"))[0]["output"]
    assert shown == {"type": "input_text", "text": json.dumps(block)}


MARK = {"mode": "explicit"}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "hi", "prompt_cache_breakpoint": MARK},
        {"type": "text", "text": "hi", "extras": {"prompt_cache_breakpoint": MARK}},
        {"type": "input_text", "text": "hi", "prompt_cache_breakpoint": MARK},
    ],
)
def test_a_mark_of_the_prompt_cache_goes_out(block: Any) -> None:
    part = {"type": "input_text", "text": "hi", "prompt_cache_breakpoint": MARK}
    assert to_items(HumanMessage([block]))[0]["content"] == [part]
    assert to_items(ToolMessage([block], tool_call_id="c"))[0]["output"] == [part]
    system = SystemMessage([block])
    assert lift_instructions([system]) == (None, [system])


def test_a_picture_keeps_its_mark_of_the_prompt_cache() -> None:
    block = {"type": "image", "url": "https://a", "prompt_cache_breakpoint": MARK}
    (part,) = to_items(HumanMessage([block]))[0]["content"]
    assert part["prompt_cache_breakpoint"] == MARK


def test_another_providers_mark_of_the_prompt_cache_stays_here() -> None:
    block: Any = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    part = {"type": "input_text", "text": "hi"}
    assert to_items(HumanMessage([block]))[0]["content"] == [part]
    assert to_items(ToolMessage([block], tool_call_id="c"))[0]["output"] == "hi"


@pytest.mark.parametrize("name", ["cache_control", "prompt_cache_breakpoint"])
def test_moving_a_mark_of_the_prompt_cache_is_no_edit(name: str) -> None:
    marked = HumanMessage([{"type": "text", "text": "hi", name: MARK}])
    assert fingerprint(marked) == fingerprint(HumanMessage("hi"))
