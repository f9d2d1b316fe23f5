from __future__ import annotations

import json
from typing import Any

import pytest

from asking import ask, blocks, datum, send
from responses_adapters.testing import Backend

PATH = "/v3/router/responses"


def orq() -> Backend:
    return Backend("orq", brain=lambda context: "ok")


def test_f_o1_and_f_o2_a_waiting_call_requires_action_until_it_is_answered() -> None:
    be = Backend("orq")
    be.call_tool("f", call_id="c").then.reply("done")
    _, first = ask(be)
    assert (first["status"], first["output"][0]["status"]) == ("requires_action", "completed")
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    _, second = ask(be, [output], previous_response_id=first["id"])
    assert second["status"] == "completed"


def test_f_o3_an_unstored_response_is_neither_found_nor_continued() -> None:
    be = orq()
    _, response = ask(be, store=False)
    assert send(be, "GET", f"{PATH}/{response['id']}")[0] == 404
    assert ask(be, previous_response_id=response["id"])[0] == 404
    be.lose_previous_as(400)
    assert ask(be, previous_response_id=response["id"])[0] == 400


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("a string", False),
        ([{"type": "input_text", "text": "wrong parts"}], False),
        ([{"type": "output_text", "text": "right parts"}], True),
    ],
)
def test_f_o4_assistant_text_in_the_wrong_form_never_reaches_the_model(
    content: Any, seen: bool
) -> None:
    be = orq()
    sent = [
        {"type": "message", "role": "assistant", "content": content},
        {"type": "message", "role": "user", "content": "go on"},
    ]
    assert ask(be, sent)[0] == 200
    assert (len(be.contexts[-1]) == 2) is seen


def test_f_o4_the_tool_role_and_an_empty_call_id_are_refused() -> None:
    status, body = ask(orq(), [{"role": "tool", "content": "x"}])
    assert (status, body["error"]["message"].split(".")[0]) == (400, "Invalid value: 'tool'")
    empty = {"type": "function_call_output", "call_id": "", "output": "x"}
    assert ask(orq(), [empty])[0] == 400


def test_f_o5_server_tools_leave_their_own_item_before_the_message() -> None:
    be = Backend("orq")
    be.run_hosted(
        "orq:current_date", name="current_date", call_id="fc_1", result={"date": "2026-06-08"}
    ).reply("It is June 8.")
    _, response = ask(be, tools=[{"type": "orq:current_date"}])
    assert response["status"] == "completed"
    item, message = response["output"]
    assert (item["type"], item["result"]) == ("orq:current_date", {"date": "2026-06-08"})
    assert message["content"][0]["text"] == "It is June 8."


def test_f_o6_events_are_numbered_reasoning_has_its_own_names_and_a_sentinel_ends() -> None:
    be = Backend("orq")
    be.reason("let me see").reply("42")
    *told, last = blocks(be)
    assert last == "data: [DONE]"
    events = [datum(block) for block in told]
    numbers = [event["sequence_number"] for event in events]
    assert numbers == sorted(set(numbers))
    kinds = {event["type"] for event in events}
    assert {"response.reasoning.delta", "response.reasoning.done"} <= kinds
    assert not any("reasoning_text" in kind for kind in kinds)


def test_f_o7_usage_has_costs_when_priced() -> None:
    be = orq()
    usage = ask(be)[1]["usage"]
    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_creation_tokens": 0}
    assert "total_cost" not in usage
    priced = ask(be.configure(usage="orq_priced"))[1]["usage"]
    assert priced["total_cost"] == priced["input_cost"] + priced["output_cost"] > 0


def test_f_o8_metadata_values_are_strings() -> None:
    assert ask(orq(), metadata={"a": 1})[0] == 400


def test_f_o9_secrets_are_neither_echoed_nor_remembered() -> None:
    be = orq()
    variables = {"region": "EMEA", "token": {"secret": True, "value": "s3cr3t"}}
    _, first = ask(be, variables=variables)
    assert first["variables"] == {"region": "EMEA"}
    _, second = ask(be, previous_response_id=first["id"])
    assert second["variables"] == {}
    stored = send(be, "GET", f"{PATH}/{first['id']}")[1]
    assert "s3cr3t" not in json.dumps([first, second, stored, list(be.contexts[-1])])


def test_f_o10_another_version_of_the_path_works_and_a_near_one_does_not() -> None:
    be = orq()
    body = {"model": "m", "input": "hi"}
    assert send(be, "POST", "/v2/router/responses", body)[0] == 200
    assert send(be, "POST", "/v3/responses", body)[0] == 405


def test_f_o11_an_unknown_agent_is_named_so() -> None:
    be = orq().configure(agents=("digest",))
    assert ask(be, model="agent/digest")[0] == 200
    assert ask(be, model="agent/bogus")[1]["error"]["code"] == "agent_not_found"


def test_f_o12_a_conversation_and_a_previous_response_exclude_each_other() -> None:
    fields = {"conversation": {"id": "c"}, "previous_response_id": "resp_x"}
    assert ask(orq(), **fields)[0] == 400


def test_a_service_tier_of_its_own_passes() -> None:
    assert ask(orq(), service_tier="fast")[0] == 200


def test_ids_are_ulids_and_the_input_is_echoed() -> None:
    _, response = ask(orq(), "remember", identity={"id": "me"})
    prefix, tail = response["id"].split("_")
    assert (prefix, len(tail), tail.upper()) == ("resp", 26, tail)
    assert response["output"][0]["id"].startswith("msg_")
    assert (response["input"], response["identity"]) == ("remember", {"id": "me"})
    assert len(response["telemetry"]["trace_id"]) == 32


def test_how_background_answers_is_not_guessed() -> None:
    assert ask(orq(), background=True)[0] == 501


SCHEDULES = "/v3/agents/digest/schedules"
HOURLY = {"type": "interval", "expression": "@every 1h", "payload": {"input": "Summarize."}}


def test_a_schedule_is_made_listed_changed_and_deleted() -> None:
    be = orq()
    status, made = send(be, "POST", SCHEDULES, HOURLY)
    assert (status, made["generation"], made["is_active"], made["trigger_count"]) == (
        201,
        1,
        True,
        0,
    )
    assert made["agent_key"] == "digest"
    path = f"{SCHEDULES}/{made['_id']}"
    assert send(be, "GET", path) == (200, made)
    assert send(be, "GET", SCHEDULES) == (200, {"data": [made]})
    _, paused = send(be, "PATCH", path, {"is_active": False})
    assert (paused["is_active"], paused["generation"]) == (False, 1)
    _, woken = send(be, "PATCH", path, {"is_active": True, "payload": {"input": "Other."}})
    assert (woken["generation"], woken["payload"]) == (2, {"input": "Other."})
    assert send(be, "DELETE", path) == (204, None)
    assert send(be, "GET", path)[0] == 404
    assert send(be, "GET", "/v3/agents/other/schedules") == (200, {"data": []})


def test_a_schedule_is_run_at_once_while_it_is_active() -> None:
    be = orq()
    _, made = send(be, "POST", SCHEDULES, HOURLY)
    address = f"{SCHEDULES}/{made['_id']}"
    triggered = {"status": "triggered", "schedule_id": made["_id"]}
    assert send(be, "POST", f"{address}/execution") == (202, triggered)
    send(be, "PATCH", address, {"is_active": False})
    status, refused = send(be, "POST", f"{address}/execution")
    assert (status, refused["error"]["code"]) == (400, "schedule_inactive")
    assert send(be, "POST", f"{SCHEDULES}/none/execution")[0] == 404


@pytest.mark.parametrize(
    ("kind", "expression", "status"),
    [
        ("interval", "@every 6h", 201),
        ("interval", "@every 30m", 400),
        ("interval", "@every 0h", 400),
        ("cron", "0 0 9 * * mon-fri", 201),
        ("cron", "@daily", 201),
        ("cron", "*/5 * * * * *", 400),
        ("cron", "0 30 9 * * *", 400),
        ("cron", "0 9 * * *", 400),
        ("once", "@at 2026-05-01T09:00:00Z", 201),
        ("once", "@at 2026-05-01T09:00:00+02:00", 400),
        ("sometimes", "@daily", 400),
    ],
)
def test_a_schedule_fires_at_most_hourly(kind: str, expression: str, status: int) -> None:
    body = {**HOURLY, "type": kind, "expression": expression}
    assert send(orq(), "POST", SCHEDULES, body)[0] == status


def test_a_schedule_says_what_to_run() -> None:
    assert send(orq(), "POST", SCHEDULES, {**HOURLY, "payload": {}})[0] == 400
