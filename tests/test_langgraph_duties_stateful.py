"""The duties of a client towards orq.ai and Aleph Alpha, which keep conversations each in its way."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from asking import send
from on_server import FAST, THREAD, kinds, say, script_turn, thread
from responses_adapters.errors import (
    AmbiguousSubmitError,
)
from responses_adapters.langgraph import ResponsesNode, last_response_id
from responses_adapters.testing import Backend


def test_o1_requires_action_is_a_turn_of_the_tools() -> None:
    backend = Backend("orq")
    script_turn(backend, "Birch")
    messages = say(thread(backend), "Is Birch free?")
    assert messages[1].response_metadata["status"] == "requires_action"
    assert messages[-1].text == "Birch is free."
    assert backend.creates[1].previous_response_id == backend.creates[0].response_id


def test_o2_the_path_of_the_base_url_is_kept(responses_backend: Backend) -> None:
    responses_backend.reply("ok")
    node = ResponsesNode("openai/gpt-5", server="orq", api_key="k")
    node.invoke({"messages": [HumanMessage("hi")]})
    assert responses_backend.requests[0].path == "/v3/router/responses"


def test_o3_replayed_answers_are_lists_of_parts() -> None:
    backend = Backend("orq")
    backend.reply("one").then.reply("two").then.reply("three")
    app = thread(backend)
    say(app, "a")
    backend.forget()
    say(app, "b")
    app.update_state(THREAD, {"messages": [AIMessage("by hand")]}, as_node="model")
    say(app, "c")
    assert backend.contexts[-1].texts == ["a", "one", "b", "two", "by hand", "c"]


def test_o4_metadata_is_text() -> None:
    backend = Backend("orq")
    backend.reply("ok")
    say(thread(backend, model_settings={"request_metadata": {"n": 1, "yes": True}}), "hi")
    assert backend.creates[0].json["metadata"] == {"n": "1", "yes": "true"}


def test_o5_platform_tools_are_kept_and_never_answered() -> None:
    backend = Backend("orq")
    item = {"type": "orq:current_date", "id": "msg_1", "call_id": "fc_1", "name": "current_date"}
    item |= {"status": "completed", "result": {"iso_date": "2026-11-20"}}
    part = {"type": "output_text", "text": "It is Friday.", "annotations": []}
    said = {"type": "message", "role": "assistant", "content": [part]}
    backend.respond([item, said]).then.reply("bye")
    app = thread(backend)
    messages = say(app, "What day is it?")
    assert messages[-1].text == "It is Friday."
    assert not messages[-1].tool_calls  # type: ignore[attr-defined]
    backend.forget()
    say(app, "thanks")
    assert item in backend.creates[-1].input
    assert "function_call_output" not in kinds(backend.creates[-1].input)


@pytest.mark.parametrize("server", ["orq"])
def test_o6_secret_variables_come_with_every_request_and_stay_out_of_the_state(server: str) -> None:
    backend = Backend(server)
    script_turn(backend, "Birch")
    secret = {"variables": {"token": {"secret": True, "value": "s3cr3t"}}}
    app = thread(backend, extra_body=secret)
    say(app, "Is Birch free?")
    assert [each.json["variables"] for each in backend.creates] == [secret["variables"]] * 2
    history = [str(each.values) + str(each.metadata) for each in app.get_state_history(THREAD)]
    assert "s3cr3t" not in "".join(history)


def test_o7_reasoning_under_its_other_name_is_thinking() -> None:
    backend = Backend("orq")
    backend.reason("let me see").reply("42")
    chunks = thread(backend).stream(
        {"messages": [HumanMessage("?")]}, THREAD, stream_mode="messages"
    )
    blocks = [block for chunk, _ in chunks for block in chunk.content if isinstance(block, dict)]
    thought = [block["reasoning"] for block in blocks if block.get("reasoning")]
    assert "".join(thought) == "let me see"
    assert len(thought) > 1


@pytest.mark.parametrize("server", ["openai", "orq", "valar", "blackbox", "otari"])
def test_o8_tools_and_instructions_come_with_every_request(server: str) -> None:
    backend = Backend(server)
    script_turn(backend, "Birch")
    say(thread(backend, instructions="Be brief."), "Is Birch free?")
    for request, context in zip(backend.creates, backend.contexts, strict=True):
        assert list(request.tools) == ["check_room"]
        said = [context.instructions, *context.texts]
        assert said.count("Be brief.") == 1


def test_a1_a_background_response_is_continued_by_the_id_of_its_finished_body() -> None:
    backend = Backend("aleph-alpha")
    backend.background(polls=2).reply("one").then.reply("two")
    app = thread(backend, background=FAST)
    first = last_response_id(say(app, "a"))
    polled = {each.path.rpartition("/")[2][:4] for each in backend.requests if each.method == "GET"}
    assert polled == {"req_"}
    say(app, "b")
    assert backend.creates[-1].previous_response_id == first
    assert str(first).startswith("resp_")


def test_a2_instructions_go_out_when_they_change_and_are_not_inherited_when_taken_away() -> None:
    backend = Backend("aleph-alpha")
    for answer in ("one", "two", "three", "four"):
        backend.reply(answer)
    prompts = iter(["Be kind.", "Be kind.", "Be brief.", None])
    app = thread(backend, instructions=lambda state, runtime: next(prompts))
    for text in "abcd":
        say(app, text)
    sent = [each.json.get("instructions") for each in backend.creates]
    assert sent == ["Be kind.", None, "Be brief.", None]
    effective = [context.instructions for context in backend.contexts]
    assert effective == ["Be kind.", "Be kind.", "Be brief.", None]


def test_a3_a_tool_turn_goes_on_with_the_id_and_outputs_that_are_text() -> None:
    backend = Backend("aleph-alpha")
    script_turn(backend, "Birch")
    say(thread(backend), "Is Birch free?")
    (output,) = backend.creates[1].input
    assert output["type"] == "function_call_output"
    assert output["output"] == "Birch is free"
    assert backend.creates[1].previous_response_id == backend.creates[0].response_id


def test_a4_every_item_names_its_type() -> None:
    backend = Backend("aleph-alpha")
    script_turn(backend, "Birch")
    app = thread(backend)
    say(app, "Is Birch free?")
    backend.forget()
    backend.reply("bye")
    say(app, "Thanks.")
    assert all("type" in item for each in backend.creates for item in each.input)


def test_a5_a_deleted_response_is_rebuilt_from_the_history_once() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("one").then.reply("two")
    app = thread(backend)
    say(app, "a")
    send(backend, "DELETE", f"/v1/responses/{backend.creates[0].response_id}")
    say(app, "b")
    assert [each.status for each in backend.creates] == [200, 404, 200]
    assert backend.contexts[-1].texts == ["a", "one", "b"]


def test_a9_a_request_that_may_have_arrived_is_not_sent_again() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("lost").disconnect()
    with pytest.raises(AmbiguousSubmitError):
        say(thread(backend), "Hello")
    assert len(backend.creates) == 1
