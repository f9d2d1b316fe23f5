"""Answers in LangChain's standard blocks: whole, streamed and as version 3 events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from responses_adapters.langgraph import ChatResponses
from responses_adapters.langgraph.messages import to_items
from responses_adapters.testing import Backend

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
TOOLS: list[Any] = [
    {"type": "custom", "name": "code"},
    {"type": "web_search"},
]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def model(**options: Any) -> Any:
    options = {"include": ["reasoning.encrypted_content"], **GATEWAY, **options}
    return ChatResponses("m", **options).bind_tools([add, *TOOLS])


def invoked(**options: Any) -> AIMessage:
    answer: AIMessage = model(output_version="v1", **options).invoke("hi")
    return answer


def summed(**options: Any) -> AIMessage:
    whole: Any = None
    for chunk in model(output_version="v1", **options).stream("hi"):
        whole = chunk if whole is None else whole + chunk
    return whole  # type: ignore[no-any-return]


def from_events(**options: Any) -> AIMessage:
    answer: AIMessage = model(**options).stream_events("hi", version="v3").output
    return answer


WAYS = [invoked, summed, from_events]
SAID: dict[str, Callable[[Backend], Any]] = {
    "text": lambda backend: backend.reply("one two three"),
    "sealed summary": lambda backend: backend.reason("", summary="so", encrypted=True).reply("one"),
    "raw and summary": lambda backend: backend.reason("hm a b", summary="so").reply("one two"),
    "raw": lambda backend: backend.reason("hm a b").reply("one two"),
    "call": lambda backend: backend.reason("", summary="s", encrypted=True).call_tool(
        "add", a=1, b=2
    ),
    "two calls": lambda backend: backend.call_tools(
        ("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})
    ),
    "custom call": lambda backend: backend.call_custom_tool("code", "print(1)"),
    "search": lambda backend: backend.search_web("q").reply("found it"),
}

DONE = {"response.completed": ("type", "response")}
ADDED = {"response.output_item.added": ("type", "item", "output_index")}
DELTAS = {
    f"response.{name}.delta": ("type", "item_id", "output_index", "delta")
    for name in ("output_text", "reasoning_text", "function_call_arguments")
}
SPARSE = {"nothing": DONE, "heads": DONE | ADDED, "deltas": DONE | DELTAS}


def following(answer: AIMessage) -> list[AnyMessage]:
    outputs = [ToolMessage("3", tool_call_id=call["id"]) for call in answer.tool_calls]
    return [HumanMessage("hi"), answer, *outputs, HumanMessage("go on")]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("way", WAYS)
def test_an_answer_in_standard_blocks_is_continued(
    way: Callable[..., AIMessage], said: str, responses_backend: Backend
) -> None:
    SAID[said](responses_backend).then.reply("two")
    answer = way()
    model().invoke(following(answer))
    assert len(responses_backend.creates[-1].input) == 1 + len(answer.tool_calls)


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("way", WAYS)
def test_an_answer_in_standard_blocks_is_replayed_verbatim(
    way: Callable[..., AIMessage], said: str, responses_backend: Backend
) -> None:
    SAID[said](responses_backend).then.reply("two")
    answer = way(chaining="never")
    model(chaining="never").invoke(following(answer))
    responses_backend.assert_replayed(verbatim=True)
    assert [each.status for each in responses_backend.creates] == [200, 200]


@pytest.mark.parametrize("sparse", SPARSE)
@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("way", [summed, from_events])
def test_an_answer_of_a_server_that_streams_sparsely_is_replayed_verbatim(
    way: Callable[..., AIMessage], said: str, sparse: str, responses_backend: Backend
) -> None:
    responses_backend.configure(only_events=SPARSE[sparse])
    SAID[said](responses_backend).then.reply("two")
    answer = way(chaining="never")
    model(chaining="never").invoke(following(answer))
    responses_backend.assert_replayed(verbatim=True)


@pytest.mark.parametrize("way", [invoked, summed])  # events have no refusals
def test_a_refusal_in_standard_blocks_is_replayed_verbatim(
    way: Callable[..., AIMessage], responses_backend: Backend
) -> None:
    responses_backend.refuse("I must not").then.reply("two")
    model(chaining="never").invoke(following(way()))
    responses_backend.assert_replayed(verbatim=True)


async def test_asynchronous_events_are_continued_too(responses_backend: Backend) -> None:
    responses_backend.reason("hm", summary="so", encrypted=True).reply("one").then.reply("two")
    events = await model().astream_events("hi", version="v3")
    await model().ainvoke(following(await events.output))
    assert len(responses_backend.creates[-1].input) == 1


@pytest.mark.parametrize("way", WAYS)
def test_edited_text_wins_over_the_items_beside_it(
    way: Callable[..., AIMessage], responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two")
    answer = way()
    answer.content[0]["text"] = "edited"  # type: ignore[index]
    model().invoke(following(answer))
    assert responses_backend.contexts[-1].texts == ["hi", "edited", "go on"]
    assert len(responses_backend.creates[-1].input) == 3


@pytest.mark.parametrize("way", WAYS)
def test_removed_reasoning_is_not_sent_again(
    way: Callable[..., AIMessage], responses_backend: Backend
) -> None:
    responses_backend.reason("hm", summary="so").reply("one").then.reply("two")
    answer = way()
    answer.content = [block for block in answer.content if block["type"] == "text"]  # type: ignore[index]
    model().invoke(following(answer))
    assert [item["type"] for item in responses_backend.creates[-1].input] == ["message"] * 3


@pytest.mark.parametrize("way", WAYS)
def test_a_removed_search_is_not_sent_again(
    way: Callable[..., AIMessage], responses_backend: Backend
) -> None:
    responses_backend.search_web("q").reply("one").then.reply("two")
    answer = way()
    answer.content = [block for block in answer.content if block["type"] == "text"]  # type: ignore[index]
    model().invoke(following(answer))
    assert [item["type"] for item in responses_backend.creates[-1].input] == ["message"] * 3


@pytest.mark.parametrize("way", WAYS)
def test_the_output_of_a_custom_tool_goes_out_as_one(
    way: Callable[..., AIMessage], responses_backend: Backend
) -> None:
    responses_backend.call_custom_tool("code", "print(1)").then.reply("two")
    model().invoke(following(way()))
    assert responses_backend.creates[-1].input[0]["type"] == "custom_tool_call_output"


@pytest.mark.parametrize("way", WAYS)
def test_a_custom_call_beside_edited_text_is_sent_once(
    way: Callable[..., AIMessage], responses_backend: Backend
) -> None:
    responses_backend.reply("one").call_custom_tool("code", "print(1)").then.reply("two")
    answer = way()
    answer.content[0]["text"] = "edited"  # type: ignore[index]
    model().invoke(following(answer))
    kinds = [item["type"] for item in responses_backend.creates[-1].input]
    assert kinds[1:4] == ["message", "custom_tool_call", "custom_tool_call_output"]


@pytest.mark.parametrize("streaming", [True, False])
def test_an_invoked_answer_says_that_its_content_is_standard(
    streaming: bool, responses_backend: Backend
) -> None:
    responses_backend.reply("one")
    answer = invoked(streaming=streaming)
    assert answer.response_metadata["output_version"] == "v1"
    assert answer.content_blocks == answer.content


def test_the_sum_of_a_stream_in_the_servers_own_blocks_holds_them_once(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("only once")
    whole: Any = None
    for chunk in model().stream("hi"):
        whole = chunk if whole is None else whole + chunk
    assert str(whole).count("only once") == 1


def test_the_blocks_of_several_summary_parts_are_one_item() -> None:
    answer = AIMessage(
        [
            {"type": "reasoning", "id": "rs_1", "reasoning": "one", "encrypted_content": "gAAA"},
            {"type": "reasoning", "id": "rs_1", "reasoning": "two"},
            {"type": "reasoning", "id": "rs_2", "reasoning": "three"},
        ],
        response_metadata={"model_provider": "openai", "output_version": "v1"},
    )
    first, second = to_items(answer)
    assert [part["text"] for part in first["summary"]] == ["one", "two"]
    assert first["encrypted_content"] == "gAAA"
    assert second["id"] == "rs_2"


def test_a_summary_streamed_apart_from_its_item_is_part_of_it() -> None:
    answer = AIMessage(
        [
            {"type": "reasoning", "reasoning": "one", "index": "lc_rs_305f30"},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "index": 0},
        ],
        response_metadata={"model_provider": "openai", "output_version": "v1"},
    )
    (item,) = to_items(answer)
    assert item == {
        "type": "reasoning",
        "id": "rs_1",
        "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "one"}],
    }


def test_thoughts_around_a_text_stay_two_items() -> None:
    answer = AIMessage(
        [
            {"type": "reasoning", "reasoning": "one"},
            {"type": "text", "text": "two"},
            {"type": "reasoning", "reasoning": "three"},
        ],
        response_metadata={"model_provider": "openai", "output_version": "v1"},
    )
    assert [item["type"] for item in to_items(answer)] == ["reasoning", "message", "reasoning"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seal", [None, "of another"])
def test_sealed_reasoning_that_was_removed_or_replaced_is_not_sent_again(
    way: Callable[..., AIMessage], seal: str | None, responses_backend: Backend
) -> None:
    responses_backend.reason("", encrypted=True).reply("one")
    answer = way()
    first, *others = answer.content
    assert isinstance(first, dict)
    assert first["type"] == "reasoning"
    kept = [] if seal is None else [{**first, "extras": {"encrypted_content": seal}}]
    items = to_items(answer.model_copy(update={"content": [*kept, *others]}))
    assert [each.get("encrypted_content") for each in items if each["type"] == "reasoning"] == (
        [] if seal is None else [seal]
    )
