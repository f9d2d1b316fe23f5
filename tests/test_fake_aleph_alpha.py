from __future__ import annotations

from typing import Any

import pytest

from asking import ask, blocks, datum, send
from responses_adapters.testing import Backend, Request

PATH = "/v1/responses"


def aleph() -> Backend:
    return Backend("aleph-alpha", brain=lambda context: "ok")


def test_f_a1_instructions_come_from_the_template_then_the_request_then_the_chain() -> None:
    be = aleph().configure(prompts={"p1": "From the template."}, default_instructions="Default.")
    _, plain = ask(be)
    assert plain["instructions"] == "Default."
    _, first = ask(be, instructions="Be brief.")
    for _ in range(3):
        _, first = ask(be, previous_response_id=first["id"])
        assert first["instructions"] == be.contexts[-1].instructions == "Be brief."
    _, changed = ask(be, previous_response_id=first["id"], instructions="Be long.")
    _, after = ask(be, previous_response_id=changed["id"])
    assert after["instructions"] == "Be long."
    fields = {"prompt": {"id": "p1"}, "instructions": "Ignored."}
    assert ask(be, **fields)[1]["instructions"] == "From the template."


def test_f_a2_a_leading_system_message_becomes_the_instructions() -> None:
    be = aleph()
    system = {"type": "message", "role": "system", "content": "Be brief."}
    user = {"type": "message", "role": "user", "content": "hi"}
    _, response = ask(be, [system, user])
    assert response["instructions"] == "Be brief."
    assert be.contexts[-1].texts == ["hi"]


def test_f_a3_a_lost_response_is_404() -> None:
    be = aleph()
    _, unstored = ask(be, store=False)
    _, deleted = ask(be)
    send(be, "DELETE", f"{PATH}/{deleted['id']}")
    for lost in (unstored["id"], deleted["id"], "resp_unknown"):
        told = {
            "message": f"Response with ID '{lost}' not found.",
            "type": "not_found_error",
            "param": "previous_response_id",
            "code": "response_not_found",
        }
        assert ask(be, previous_response_id=lost) == (404, {"error": told})
        status, body = send(be, "GET", f"{PATH}/{lost}")
        assert (status, body["error"]) == (404, {**told, "param": None})


def test_f_a4_the_finished_response_has_another_id() -> None:
    be = aleph()
    status, accepted = ask(be, background=True)
    assert (status, accepted["status"], accepted["output"]) == (202, "in_progress", [])
    ticket = accepted["id"]
    assert ticket.startswith("req_")
    path = f"{PATH}/{ticket}"
    assert send(be, "GET", path)[1]["id"] == ticket
    finished = send(be, "GET", path)[1]
    assert finished["id"].startswith("resp_")
    assert send(be, "GET", path)[1] == finished
    assert send(be, "GET", f"{PATH}/{finished['id']}")[1] == finished
    assert ask(be, "next", previous_response_id=finished["id"])[0] == 200


def test_f_a4_a_failed_response_keeps_its_id() -> None:
    be = Backend("aleph-alpha")
    be.fail_turn().in_background(1)
    ticket = ask(be, background=True)[1]["id"]
    failed = send(be, "GET", f"{PATH}/{ticket}")[1]
    assert (failed["status"], failed["id"]) == ("failed", ticket)


def test_f_a5_deleting_hides_and_can_be_undone() -> None:
    be = aleph()
    _, response = ask(be)
    path = f"{PATH}/{response['id']}"
    deleted = {"id": response["id"], "object": "response", "deleted": True}
    assert send(be, "DELETE", path) == (200, deleted)
    assert send(be, "GET", path)[0] == 404
    assert send(be, "PATCH", path, recovery_from_delete="true") == (200, response)
    assert send(be, "GET", path)[0] == 200
    assert send(be, "DELETE", f"{PATH}/resp_unknown")[0] == 200
    _, running = ask(be, background=True)
    status, body = send(be, "DELETE", f"{PATH}/{running['id']}")
    assert (status, body["error"]["code"]) == (425, "response_in_progress")
    send(be, "DELETE", path, hard_delete="true")
    assert send(be, "PATCH", path, recovery_from_delete="true")[0] == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 3},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "compaction", "encrypted_content": "x"}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": []}]},
        {"tools": [{"type": "web_search"}]},
        {"include": ["web_search_call.action.sources"]},
        {"input": 3},
    ],
)
def test_f_a6_invalid_requests_are_400(fields: Any) -> None:
    body = {"model": "m", "input": "hi", **fields}
    status, told = send(aleph(), "POST", PATH, body)
    assert status == 400
    assert set(told["error"]) == {"message", "type", "param", "code"}


def test_f_a7_usage_is_three_numbers_and_nulls_are_there() -> None:
    _, response = ask(aleph())
    assert set(response["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}
    assert response["error"] is None
    assert "incomplete_details" in response


def test_f_a8_streams_are_bare_data_and_can_be_replayed() -> None:
    be = aleph()
    told = blocks(be)
    assert told[-1] == "data: [DONE]"
    assert not any("event:" in block.split("data:")[0] for block in told)
    response = datum(told[-2])["response"]
    replay = be.handle(Request("GET", f"{PATH}/{response['id']}", {"stream": "true"}))
    assert not isinstance(replay.body, bytes)
    again = b"".join(frame.data for frame in replay.body).decode().strip("\n").split("\n\n")
    assert again == told


@pytest.mark.parametrize(
    "metadata", [{str(n): "x" for n in range(17)}, {"k" * 65: "x"}, {"k": "x" * 513}]
)
def test_f_a9_metadata_has_limits(metadata: Any) -> None:
    assert ask(aleph(), metadata=metadata)[0] == 400


def test_f_a10_a_conversation_groups_responses() -> None:
    be = aleph()
    _, conversation = send(be, "POST", "/v1/conversations", {})
    reference = {"id": conversation["id"]}
    _, first = ask(be, "one", conversation=reference)
    ask(be, "two", conversation=reference)
    assert first["conversation"] == reference
    assert be.contexts[-1].texts == ["one", "ok", "two"]
    assert ask(be, conversation=conversation["id"])[0] == 200


def test_f_a11_a_call_on_an_mcp_server_waits_for_approval() -> None:
    be = Backend("aleph-alpha")
    be.call_mcp("files", "delete", {"path": "a"}, output="gone").reply("Deleted.")
    tool = {"type": "mcp", "server_label": "files", "server_url": "https://files.example"}
    _, asked = ask(be, tools=[tool])
    (request,) = asked["output"]
    assert (request["type"], request["arguments"]) == ("mcp_approval_request", '{"path":"a"}')
    answer = {
        "type": "mcp_approval_response",
        "approval_request_id": request["id"],
        "approve": True,
    }
    _, done = ask(be, [answer], tools=[tool], previous_response_id=asked["id"])
    assert [item["type"] for item in done["output"]] == ["mcp_call", "message"]
    be.call_mcp("files", "read", output="text").reply("Read.")
    free = {**tool, "require_approval": "never"}
    assert [item["type"] for item in ask(be, tools=[free])[1]["output"]] == ["mcp_call", "message"]
    be.verify()


def test_f_a12_history_sent_again_with_an_id_is_stored_twice() -> None:
    be = aleph()
    question = {"type": "message", "role": "user", "content": "one"}
    _, first = ask(be, [question])
    again = [question, *first["output"], {"type": "message", "role": "user", "content": "two"}]
    assert ask(be, again, previous_response_id=first["id"])[0] == 200
    assert be.contexts[-1].texts == ["one", "ok", "one", "ok", "two"]


def test_f_a13_a_guardrail_refuses_before_anything_happens() -> None:
    be = aleph().configure(guardrails=("secret",))
    output = {"type": "function_call_output", "call_id": "c", "output": "a secret"}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    for text, fields in (
        ("a secret", {}),
        ("a secret", {"background": True}),
        ("a secret", {"stream": True}),
        ([call, output], {}),
    ):
        assert ask(be, text, **fields)[0] == 400
    assert be.contexts == []
    assert send(be, "POST", "/v1/check", {"check_type": "input", "input": "a secret"}) == (
        200,
        {"safe": False, "violations": [{"pattern": "secret"}]},
    )
    assert send(be, "POST", "/v1/check", {"input": "fine"})[1]["safe"] is True


def test_f_a14_health_is_at_the_root() -> None:
    be = aleph()
    assert send(be, "GET", "/health") == (200, {"status": "healthy"})
    assert send(be, "GET", "/v1/health")[0] == 404


def test_strict_is_on_unless_said_otherwise() -> None:
    _, response = ask(aleph(), tools=[{"type": "function", "name": "f", "parameters": None}])
    assert response["tools"][0]["strict"] is True


def test_there_is_no_cancel_and_no_listing_of_input() -> None:
    be = aleph()
    _, response = ask(be)
    assert send(be, "POST", f"{PATH}/{response['id']}/cancel")[0] == 404
    assert send(be, "GET", f"{PATH}/{response['id']}/input_items")[0] == 404


def test_the_output_of_a_call_is_a_string() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c"}
    assert ask(aleph(), [call, {**output, "output": "x"}])[0] == 200
    parts = [{"type": "input_text", "text": "x"}]
    status, body = ask(aleph(), [call, {**output, "output": parts}])
    assert (status, body["error"]["param"]) == (400, "input[1].output")
