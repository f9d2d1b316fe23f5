"""What is sent after a server has refused a request: what it goes without, how often, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from playing import EVENTS, OPENAI, Played, ended, long_turn, message, play, response, turn
from responses_adapters import (
    ContextLengthError,
    ResponseFailedError,
    UnsupportedByServerError,
)
from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.turn import Reply
from responses_adapters.protocol.verdict import Memory

REPLAYED = SERVERS["otari"]
UNKNOWN = SERVERS["generic"]

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
BY_ID = {"type": "reasoning", "id": "rs_1", "summary": []}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "add",
    "arguments": "{}",
}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
ITEMS = [[message("one")], [SEALED, CALL], [OUTPUT]]


def refusal(text: str, status: int = 400, **fields: Any) -> Reply:
    return Reply(status, {"error": {"message": text, **fields}}, error=ValueError(text))


def inputs(played: Played) -> list[list[dict[str, Any]]]:
    return [body["input"] for body in played.bodies]


def without(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in keys}


UNUSABLE = [
    refusal(
        "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.", 404
    ),
    refusal("The encrypted content gAAA...DQ== could not be verified. [Reason: …]"),
    refusal("…", code="invalid_encrypted_content"),
    refusal("Unknown parameter: 'input[1].id'.", param="input[1].id", code="unknown_parameter"),
    Reply(
        422, {"detail": [{"loc": ["body", "input", 1], "msg": "no such type"}]}, error=ValueError()
    ),
]


@pytest.mark.parametrize("refused", UNUSABLE, ids=lambda reply: str(reply.body)[:60])
def test_items_that_the_server_cannot_use_go_without_ids_and_then_without_reasoning(
    refused: Reply,
) -> None:
    played = play(turn(profile=REPLAYED, items=ITEMS), refused, refused, response())
    assert inputs(played) == [
        [message("one"), SEALED, CALL, OUTPUT],
        [message("one"), without(SEALED, "id"), without(CALL, "id"), OUTPUT],
        [message("one"), without(CALL, "id"), OUTPUT],
    ]
    assert played.outcome is not None
    assert played.outcome.how == "recovered"
    assert played.outcome.why == (
        "the server could not use items by their ids; then the server could not read its own reasoning"
    )


def test_reasoning_that_is_only_an_id_goes_with_the_ids() -> None:
    items = [[message("one")], [BY_ID, CALL], [OUTPUT]]
    played = play(turn(profile=REPLAYED, items=items), UNUSABLE[0], response())
    assert inputs(played)[1] == [message("one"), without(CALL, "id"), OUTPUT]


def test_a_continued_response_is_replaced_by_everything_without_ids() -> None:
    played = play(turn(items=ITEMS), UNUSABLE[0], response())
    assert [body.get("previous_response_id") for body in played.bodies] == ["resp_1", None]
    assert inputs(played)[1] == [
        message("one"),
        without(SEALED, "id"),
        without(CALL, "id"),
        OUTPUT,
    ]


def test_a_server_without_a_memory_is_not_sent_ids_again() -> None:
    memory = Memory()
    play(turn(profile=REPLAYED, memory=memory, items=ITEMS), UNUSABLE[0], response())
    again = play(turn(profile=REPLAYED, memory=memory, items=ITEMS), response())
    assert inputs(again) == [[message("one"), without(SEALED, "id"), without(CALL, "id"), OUTPUT]]


def test_a_server_with_a_memory_that_has_lost_an_item_is_sent_ids_again() -> None:
    memory = Memory()
    play(turn(memory=memory, items=ITEMS), UNUSABLE[0], response())
    assert memory.refused == set()


def test_a_compaction_that_the_server_cannot_read_is_never_left_out() -> None:
    compaction = {"type": "compaction", "encrypted_content": "gAAA"}
    items = [[message("one")], [compaction], [message("two")]]
    with pytest.raises(ValueError, match="could not be verified"):
        play(turn(profile=REPLAYED, items=items), UNUSABLE[1])


def test_what_its_id_is_a_part_of_keeps_it() -> None:
    asked = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "pay", "arguments": "{}"}
    granted = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    items = [[message("one")], [{"id": "msg_1", **message("!", "assistant")}, asked], [granted]]
    played = play(turn(profile=REPLAYED, items=items), UNUSABLE[0], response())
    assert inputs(played)[1] == [message("one"), message("!", "assistant"), asked, granted]


@pytest.mark.parametrize(
    "text",
    [
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
    ],
)
def test_reasoning_out_of_place_is_replayed_in_order_and_then_left_out_of_its_turn(
    text: str,
) -> None:
    other = {**SEALED, "id": "rs_0"}
    before = [message("one"), other, message("!", "assistant"), message("two")]
    items = [before[:1], before[1:3], before[3:], [SEALED, CALL], [OUTPUT]]
    asked = turn(["one", "!", "two", "call", "3"], items=items)
    played = play(asked, refusal(text), refusal(text), response())
    assert [body.get("previous_response_id") for body in played.bodies] == ["resp_2", None, None]
    assert inputs(played)[1:] == [
        [*before, SEALED, CALL, OUTPUT],
        [*before, without(CALL, "id"), OUTPUT],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "No tool output found for function call call_1.",
        "No tool call found for function call output with call_id call_1.",
    ],
)
def test_a_call_that_the_server_misses_is_sent_with_everything(text: str) -> None:
    memory = Memory()
    played = play(turn(items=ITEMS, memory=memory), refusal(text), response())
    assert inputs(played)[1] == [message("one"), SEALED, CALL, OUTPUT]
    assert memory.kind == "unknown"


def test_an_output_whose_call_is_in_no_conversation_either_is_said_in_a_message() -> None:
    text = "No tool call found for function call output with call_id call_1."
    asked = turn(["3"], items=[[OUTPUT, message("two")]], conversation="conv_1")
    played = play(asked, refusal(text), response())
    assert inputs(played)[0][0] == OUTPUT
    assert [item["type"] for item in inputs(played)[1]] == ["message", "message"]


def test_a_server_that_misses_a_call_when_it_is_to_prove_itself_is_not_trusted_again() -> None:
    memory = Memory()
    refused = refusal("No tool call found for function call output with call_id call_1.")
    play(long_turn(memory=memory), refused, response())
    assert memory.kind == "lost"


def test_a_server_that_keeps_no_tool_calls_is_sent_them() -> None:
    forgetful = replace(OPENAI, keeps_tool_items=False)
    items = [[message("one")], [CALL], [OUTPUT]]
    assert inputs(play(turn(items=items, profile=forgetful), response())) == [
        [message("one"), CALL, OUTPUT]
    ]
    assert len(inputs(play(turn(profile=forgetful), response()))[0]) == 1


def test_a_call_of_the_response_that_a_conversation_was_seeded_with_is_answered_as_not_run() -> (
    None
):
    seeded = turn(["hello"], seed="resp_0")
    played = play(seeded, refusal("No tool output found for function call call_9."), response())
    not_run = {
        "type": "function_call_output",
        "call_id": "call_9",
        "output": "Error: this call was not run.",
    }
    assert inputs(played) == [[message("hello")], [not_run, message("hello")]]
    assert [body["previous_response_id"] for body in played.bodies] == ["resp_0", "resp_0"]


def test_the_output_of_a_call_that_only_the_seed_holds_stays_an_output() -> None:
    played = play(turn(["3"], seed="resp_0", items=[[OUTPUT]]), response())
    assert inputs(played) == [[OUTPUT]]


def test_an_item_that_the_server_had_twice_is_sent_without_ids() -> None:
    text = (
        "Duplicate item found with id fc_1. Remove duplicate items from your input and try again."
    )
    played = play(turn(items=ITEMS), refusal(text), response())
    assert inputs(played)[1] == [message("one"), without(SEALED, "id"), without(CALL, "id"), OUTPUT]


WORDS = [
    "Unsupported parameter: '{name}'",
    "Unknown parameter: '{name}'.",
    "Unrecognized request argument supplied: {name}",
    "litellm.UnsupportedParamsError: x does not support parameters: ['{name}'], for m",
]


def refuses(name: str, words: str = WORDS[0]) -> Reply:
    return refusal(words.format(name=name))


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt_cache_key", "k"),
        ("parallel_tool_calls", True),
        ("truncation", "disabled"),
        ("store", True),
        ("user", "ann"),
    ],
)
def test_a_parameter_that_means_nothing_is_left_out_at_once_and_from_then_on(
    words: str, name: str, value: Any
) -> None:
    memory, body = Memory(), {"model": "m", name: value}
    played = play(
        turn(body=body, memory=memory),
        refuses(name, words),
        response(previous_response_id="resp_1"),
    )
    assert [name in sent for sent in played.bodies] == [True, False]
    assert [sent["previous_response_id"] for sent in played.bodies] == ["resp_1", "resp_1"]
    assert played.outcome is not None
    assert (played.outcome.how, played.outcome.why) == ("recovered", f"the server refuses {name}")
    again = play(turn(body=body, memory=memory), response(previous_response_id="resp_1"))
    assert name not in again.bodies[0]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.2),
        ("parallel_tool_calls", False),
        ("store", False),
        ("metadata", {"a": "b"}),
        ("background", True),
    ],
)
def test_a_parameter_that_means_something_is_never_left_out(
    words: str, name: str, value: Any
) -> None:
    memory, body = Memory(), {"model": "m", name: value}
    with pytest.raises(
        UnsupportedByServerError, match=rf'server "openai" refuses {name} '
    ) as caught:
        play(turn(body=body, memory=memory, texts=["one"]), refuses(name, words))
    assert isinstance(caught.value.__cause__, ValueError)
    assert memory.refused == set()


def test_a_value_that_means_something_is_sent_although_the_default_was_refused() -> None:
    memory = Memory(refused={"store"})
    played = play(turn(["one"], body={"model": "m", "store": False}, memory=memory), response())
    assert played.bodies[0]["store"] is False


def test_instructions_that_are_refused_become_a_leading_item() -> None:
    memory = Memory()
    asked = turn(["one"], instructions="Be kind.", memory=memory)
    played = play(asked, refuses("instructions"), response())
    system = {"type": "message", "role": "system", "content": "Be kind."}
    assert "instructions" not in played.bodies[1]
    assert inputs(played)[1] == [system, message("one")]


def test_a_server_that_refuses_to_stream_is_asked_for_the_answer_in_one_piece() -> None:
    memory = Memory()
    played = play(turn(["one"], stream=True, memory=memory), refuses("stream"), response())
    assert [body.get("stream") for body in played.bodies] == [True, None]
    assert played.shown == ["responses_adapters.recovered", "response.completed"]
    assert "stream" not in play(turn(["one"], stream=True, memory=memory), response()).bodies[0]


def test_tools_go_without_strict_where_it_is_refused() -> None:
    tool = {"type": "function", "name": "add", "parameters": {}, "strict": True}
    body = {"model": "m", "tools": [tool]}
    refused = refusal("Unknown parameter: 'tools[0].strict'.", param="tools[0].strict")
    played = play(turn(["one"], body=body), refused, response())
    assert [sent["tools"] for sent in played.bodies] == [[tool], [without(tool, "strict")]]


def test_sealed_reasoning_that_may_not_be_asked_for_is_not_asked_for() -> None:
    body = {"model": "m", "store": False, "reasoning": {"effort": "low"}}
    played = play(turn(["one"], body=body), refuses("include"), response())
    assert [sent.get("include") for sent in played.bodies] == [
        ["reasoning.encrypted_content"],
        None,
    ]


def test_a_server_that_takes_no_response_to_continue_gets_everything_for_good() -> None:
    memory = Memory(kind="held")
    refused = refuses("previous_response_id")
    played = play(turn(profile=UNKNOWN, memory=memory), refused, response())
    assert [len(items) for items in inputs(played)] == [1, 3]
    assert memory.kind == "lost"
    assert len(inputs(play(turn(profile=UNKNOWN, memory=memory), response()))[0]) == 3


def test_with_chaining_always_it_is_an_error_that_a_server_continues_nothing() -> None:
    with pytest.raises(UnsupportedByServerError, match="refuses previous_response_id"):
        play(turn(profile=UNKNOWN, chaining="always"), refuses("previous_response_id"))


@pytest.mark.parametrize(
    "refused",
    [
        refusal("…", code="context_length_exceeded"),
        refusal("This model's maximum context length is 8192 tokens. However, you sent 9000."),
        refusal("prompt is too long: 9000 tokens > 8192 maximum", 413),
    ],
)
def test_a_conversation_that_is_too_long_is_an_error_that_says_what_to_do(refused: Reply) -> None:
    with pytest.raises(ContextLengthError, match="trim, summarise or compact") as caught:
        play(turn(), refused)
    assert (caught.value.server, caught.value.response_id) == ("openai", "resp_1")


def test_a_stream_may_say_late_that_the_conversation_is_too_long() -> None:
    failed = response(
        status="failed", error={"code": "context_length_exceeded", "message": "too long"}
    )
    delta = {"type": "response.output_text.delta", "delta": "x"}
    with pytest.raises(ContextLengthError):
        play(
            turn(["one"], stream=True),
            EVENTS,
            [delta],
            [{"type": "response.failed", "response": failed}],
        )


def test_a_refusal_inside_a_stream_is_recovered_from_too() -> None:
    error = {"type": "error", "code": None, "message": "Duplicate item found with id fc_1."}
    played = play(turn(items=ITEMS, stream=True), EVENTS, [error], EVENTS, [ended(response())])
    assert played.shown == ["responses_adapters.recovered", "response.completed"]


def test_nothing_is_sent_again_once_a_token_was_shown() -> None:
    delta = {"type": "response.output_text.delta", "delta": "x"}
    error = {"type": "error", "code": None, "message": "Duplicate item found with id fc_1."}
    with pytest.raises(ResponseFailedError, match="Duplicate item"):
        play(turn(items=ITEMS, stream=True), EVENTS, [delta], [error])


def test_no_more_than_two_more_requests_are_made() -> None:
    refused = [refuses(name) for name in ("user", "truncation", "store")]
    body = {"model": "m", "user": "ann", "truncation": "disabled", "store": True}
    with pytest.raises(UnsupportedByServerError, match="refuses store"):
        play(turn(["one"], body=body), *refused)


def test_what_was_left_out_before_stays_out_at_the_next_step() -> None:
    body = {"model": "m", "user": "ann"}
    asked = turn(profile=REPLAYED, items=ITEMS, body=body)
    played = play(asked, UNUSABLE[0], refuses("user"), response())
    assert inputs(played)[2] == inputs(played)[1]
    assert "user" not in played.bodies[2]


@pytest.mark.parametrize(
    "text",
    [
        "The model 'm' does not support image input.",
        "Invalid value: 'tool'. Supported values are: 'system', 'user'.",
        "This organization is not allowed to do that.",
    ],
)
def test_any_other_refusal_is_the_servers_own_error(text: str) -> None:
    refused = refusal(text)
    with pytest.raises(ValueError, match=r"that|image|Invalid") as caught:
        play(turn(["one"], body={"model": "m", "store": True, "user": "ann"}), refused)
    assert caught.value is refused.error


def test_what_went_to_a_conversation_object_is_not_sent_to_it_again() -> None:
    asked = turn(["one"], items=[[CALL]], conversation="conv_1")
    with pytest.raises(ValueError, match="Duplicate"):
        play(asked, refusal("Duplicate item found with id fc_1."))


def test_a_validation_error_names_its_parameter() -> None:
    detail = [{"loc": ["body", "user"], "msg": "Extra inputs are not permitted"}]
    refused = Reply(422, {"detail": detail}, error=ValueError())
    played = play(turn(["one"], body={"model": "m", "user": "ann"}), refused, response())
    assert ["user" in body for body in played.bodies] == [True, False]
