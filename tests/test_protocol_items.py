"""Items that go out again: calls answered once and in place, nothing that its reader cannot read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_adapters import DanglingToolCallError
from responses_adapters.protocol.items import (
    Item,
    open_calls,
    portable,
    prune_compacted,
    repair,
    unstored,
)


def user(text: str) -> Item:
    return {"type": "message", "role": "user", "content": text}


def call(call_id: str, arguments: Any = "{}") -> Item:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": "f",
        "arguments": arguments,
    }


def output(call_id: str, text: str = "ok") -> Item:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def test_a_conversation_in_order_passes_unchanged() -> None:
    groups = [[user("hi")], [call("a"), call("b")], [output("a")], [output("b")], [user("more")]]
    assert repair(groups) == [item for group in groups for item in group]


def test_outputs_come_right_after_their_calls_even_when_the_user_spoke_first() -> None:
    assert repair([[call("a")], [user("wait")], [output("a")]]) == [
        call("a"),
        output("a"),
        user("wait"),
    ]


def test_outputs_follow_the_order_of_the_calls() -> None:
    assert repair([[call("a"), call("b")], [output("b")], [output("a")]])[2:] == [
        output("a"),
        output("b"),
    ]


def test_a_call_that_nobody_answered_gets_an_error_the_model_can_read() -> None:
    repaired = repair([[call("a")], [user("never mind")]])
    assert repaired[1] == output("a", "Error: this call was not run.")
    assert repaired[2] == user("never mind")


@pytest.mark.parametrize("arguments", ["{bad", "[1]", "null", None])
def test_malformed_arguments_are_named_in_the_answer_to_the_model(arguments: Any) -> None:
    assert "not a JSON object" in repair([[call("a", arguments)]])[1]["output"]


@pytest.mark.parametrize("arguments", ["", "  ", "{}", {"x": 1}])
def test_empty_arguments_are_an_empty_object(arguments: Any) -> None:
    assert repair([[call("a", arguments)]])[1]["output"] == "Error: this call was not run."


def test_a_dangling_call_raises_where_the_caller_asks_for_it() -> None:
    with pytest.raises(DanglingToolCallError, match=r"'f' \(a\) has no output"):
        repair([[call("a")]], on_dangling="raise")


def test_an_output_whose_call_was_trimmed_away_becomes_a_message() -> None:
    repaired = repair([[output("gone", "42")], [user("and?")]])
    assert [item["type"] for item in repaired] == ["message", "message"]
    assert repaired[0]["content"][1]["text"] == "42"


def test_a_second_output_for_the_same_call_is_kept_as_a_message() -> None:
    repaired = repair([[call("a")], [output("a", "one")], [output("a", "two")]])
    assert [item["type"] for item in repaired] == [
        "function_call",
        "function_call_output",
        "message",
    ]
    assert "two" in str(repaired[2])


def test_call_ids_may_repeat_over_turns() -> None:
    groups = [[call("a")], [output("a", "one")], [call("a")], [output("a", "two")]]
    assert repair(groups) == [item for group in groups for item in group]


def test_calls_the_server_holds_are_answered_first() -> None:
    assert repair([[user("hi")], [output("a")]], pending=[call("a")]) == [output("a"), user("hi")]
    assert repair([[user("hi")]], pending=[call("a")])[0]["call_id"] == "a"


def test_custom_tool_calls_are_answered_in_kind() -> None:
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "select 1"}
    assert repair([[custom]])[1]["type"] == "custom_tool_call_output"


def test_open_calls_are_those_without_output() -> None:
    assert open_calls([call("a"), call("b"), output("a")]) == [call("b")]


def test_what_another_agent_answered_goes_without_ids_and_hidden_items() -> None:
    items: list[Item] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "y"},
    ]
    assert portable(items) == [{"type": "message", "role": "assistant"}]


def test_unstored_answers_go_back_without_ids_but_with_their_encrypted_reasoning() -> None:
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    bare = {"type": "reasoning", "id": "rs_2", "summary": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    assert unstored([sealed, bare, message]) == [
        sealed,
        {"type": "message", "role": "assistant", "content": []},
    ]


def test_everything_before_the_newest_compaction_is_dropped() -> None:
    old = {"type": "compaction", "encrypted_content": "1"}
    new = {"type": "compaction", "encrypted_content": "2"}
    groups = [
        [user("a")],
        [old, call("a")],
        [output("a")],
        [user("b"), new, user("c")],
        [user("d")],
    ]
    assert prune_compacted(groups) == [[new, user("c")], [user("d")]]
    assert prune_compacted([[user("a")]]) == [[user("a")]]


ids = st.sampled_from("abc")
pieces = st.one_of(ids.map(call), ids.map(output), st.just(user("x")))


@given(st.lists(st.lists(pieces, max_size=3), max_size=8))
def test_after_repair_every_call_is_answered_and_every_output_has_its_call(
    groups: list[list[Item]],
) -> None:
    waiting: list[str] = []
    for item in repair(groups):
        if item["type"] == "function_call":
            waiting.append(item["call_id"])
        elif item["type"] == "function_call_output":
            waiting.remove(item["call_id"])
    assert waiting == []


@given(st.lists(st.lists(pieces, max_size=3), max_size=8))
def test_repair_loses_no_item(groups: list[list[Item]]) -> None:
    repaired = repair(groups)
    for group in groups:
        for item in group:
            assert item in repaired or item["type"] == "function_call_output"
    spoken = [item for group in groups for item in group if item["type"] == "function_call_output"]
    assert str(repaired).count("'ok'") == len(spoken)
