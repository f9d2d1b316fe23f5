from __future__ import annotations

import json
import re
from typing import Any

import pytest

from responses_adapters.errors import ConfigurationError
from responses_adapters.testing import Backend, Context, Request, Turn


def ask(be: Backend, text: str = "hi", **fields: Any) -> Any:
    body = json.dumps({"model": "m", "input": text, **fields}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def said(response: Any) -> list[str]:
    return [
        item["content"][0]["text"] if item["type"] == "message" else item["name"]
        for item in response["output"]
        if item["type"] != "reasoning"
    ]


def stream(be: Backend, text: str = "hi") -> list[bytes]:
    body = json.dumps({"model": "m", "input": text, "stream": True}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert not isinstance(reply.body, bytes)
    return [frame.data for frame in reply.body]


def test_queued_turns_are_said_in_order_and_chained_verbs_share_one_turn() -> None:
    be = Backend()
    be.reason("let me see").call_tool("a", x=1).call_tool("b", {"y": [2]})
    be.reply("done")
    first = ask(be)
    assert [item["type"] for item in first["output"]] == [
        "reasoning",
        "function_call",
        "function_call",
    ]
    assert [item.get("arguments") for item in first["output"][1:]] == ['{"x":1}', '{"y":[2]}']
    calls = [item["call_id"] for item in first["output"][1:]]
    assert len(set(calls)) == 2
    be.configure(strict_pairs=False)
    assert said(ask(be)) == ["done"]
    be.verify()


def test_parallel_calls_fixed_call_ids_and_broken_arguments() -> None:
    be = Backend()
    be.call_tools("now", ("add", {"a": 1})).call_tool("bad", '{"a": ', call_id="call_1")
    output = ask(be)["output"]
    assert [(i["name"], i["arguments"]) for i in output] == [
        ("now", "{}"),
        ("add", '{"a":1}'),
        ("bad", '{"a": '),
    ]
    assert output[2]["call_id"] == "call_1"


def test_then_scripts_the_turn_after() -> None:
    be = Backend()
    be.call_tool("a").then.reply("b").then.reply("c")
    be.configure(strict_pairs=False)
    assert [said(ask(be)) for _ in range(3)] == [["a"], ["b"], ["c"]]


def test_a_turn_can_be_said_several_times() -> None:
    be = Backend()
    be.reply("again").times(2)
    be.reply("last")
    assert [said(ask(be))[0] for _ in range(3)] == ["again", "again", "last"]


def test_rules_apply_by_user_text_once_unless_told_otherwise() -> None:
    be = Backend()
    be.on(text="weather").reply("Sunny.")
    be.on(text=re.compile("^who")).reply("Me.").always()
    assert said(ask(be, "The WEATHER?")) == ["Sunny."]
    assert said(ask(be, "who")) == said(ask(be, "who")) == ["Me."]
    assert ask(be, "the weather")["error"]["code"] == "unscripted_request"


def test_the_newest_rule_that_applies_wins_and_the_queue_goes_first() -> None:
    be = Backend()
    be.on(text="hi").reply("old").always()
    be.on(text="hi").reply("new")
    be.reply("queued")
    assert [said(ask(be))[0] for _ in range(3)] == ["queued", "new", "old"]


def test_a_rule_for_a_tool_applies_to_its_output() -> None:
    be = Backend()
    be.on(text="book").call_tool("check")
    be.on(tool="check").reply("Booked.")
    call = ask(be, "book it")["output"][0]
    history = [
        {"role": "user", "content": "book it"},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "free"},
    ]
    body = json.dumps({"model": "m", "input": history}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    assert said(json.loads(reply.body)) == ["Booked."]
    be.verify()


@pytest.mark.parametrize(
    ("conditions", "fields", "applies"),
    [
        ({"model": "gpt-*"}, {"model": "gpt-5"}, True),
        ({"model": "gpt-*"}, {"model": "o5"}, False),
        ({"offers": "a"}, {"tools": [{"type": "function", "name": "a"}]}, True),
        ({"offers": "a"}, {}, False),
        ({"instructions": "brief"}, {"instructions": "Be brief."}, True),
        ({"instructions": "brief"}, {}, False),
        ({"previous": False}, {}, True),
        ({"previous": True}, {}, False),
        ({"previous": "resp_1"}, {}, False),
        ({"predicate": lambda context: len(context) == 1}, {}, True),
        ({"predicate": lambda context: len(context) == 2}, {}, False),
    ],
)
def test_a_rule_applies_when_its_condition_holds(
    conditions: dict[str, Any], fields: dict[str, Any], applies: bool
) -> None:
    be = Backend()
    be.on(**conditions).reply("yes")
    assert ("output" in ask(be, **fields)) is applies


def test_an_unscripted_request_says_which_condition_failed_and_what_to_add() -> None:
    be = Backend()
    be.on(text="weather", model="gpt-*").reply("x")
    body = ask(be, "hello there")
    message = body["error"]["message"]
    assert "'hello there'" in message
    assert "wanted text='weather', found 'hello there'" in message
    assert "wanted model='gpt-*', found 'm'" in message
    assert ".reply(...)" in message
    with pytest.raises(AssertionError, match="hello there"):
        be.verify()


def test_an_unscripted_request_is_not_worth_a_retry() -> None:
    reply = Backend().handle(Request("POST", "/v1/responses", body=b'{"model": "m", "input": "a"}'))
    assert (reply.status, reply.headers["x-should-retry"]) == (400, "false")


def test_what_was_scripted_and_never_asked_for_is_listed() -> None:
    be = Backend()
    be.reply("never said")
    be.fail(503, times=2)
    be.on(text="x").call_tool("t", a=1)
    be.on(text="y").reply("optional").always()
    with pytest.raises(AssertionError) as caught:
        be.verify()
    assert str(caught.value).splitlines() == [
        "Scripted, but never asked for:",
        "  reply('never said')",
        "  fail(503, times=2)",
        "  on(text='x') -> call_tool('t', {\"a\":1})",
    ]


def test_failures_come_as_often_as_asked_then_the_turn() -> None:
    be = Backend()
    be.fail(429, times=2)
    be.reply("ok")
    replies = [
        be.handle(Request("POST", "/responses", body=b'{"model": "m", "input": "a"}'))
        for _ in range(3)
    ]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert replies[0].headers["retry-after-ms"] == "5"
    assert len(be.contexts) == 1
    be.verify()


def test_a_known_failure_has_the_text_and_code_of_the_field() -> None:
    be = Backend().fail("context_length_exceeded")
    error = ask(be)["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["message"].startswith("Your input exceeds the context window of this model.")


def test_another_endpoint_can_fail() -> None:
    be = Backend(brain=lambda context: "ok").fail(500, endpoint="retrieve")
    path = f"/v1/responses/{ask(be)['id']}"
    assert [be.handle(Request("GET", path)).status for _ in range(2)] == [500, 200]


def test_a_turn_can_end_incomplete_or_failed() -> None:
    be = Backend()
    be.reply("cut of").incomplete()
    be.fail_turn("server_error", "It broke.")
    cut, failed = ask(be), ask(be)
    assert (cut["status"], cut["incomplete_details"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
    )
    assert cut["output"][-1]["status"] == "incomplete"
    assert (failed["status"], failed["error"]) == (
        "failed",
        {"code": "server_error", "message": "It broke."},
    )


def test_a_stream_can_end_early_and_the_response_is_stored_all_the_same() -> None:
    be = Backend()
    be.truncate(after=3)
    be.reply("one two three")
    assert len(stream(be)) == 3
    assert len(be.store.responses) == 1
    be.verify()


def test_a_turn_can_lose_its_own_stream() -> None:
    be = Backend()
    be.reply("one two three").truncate(after=2)
    assert len(stream(be)) == 2


def test_a_lost_connection_before_the_headers_runs_no_turn_and_a_lost_answer_does() -> None:
    be = Backend()
    be.disconnect().refuse_connection()
    be.reply("lost").disconnect()
    be.reply("ok")
    request = Request("POST", "/responses", body=b'{"model": "m", "input": "a"}')
    faults = []
    for _ in range(3):
        reply = be.handle(request)
        faults.append((reply.fault, len(be.contexts)))
    assert faults == [("disconnect", 0), ("refuse", 0), ("disconnect", 1)]
    assert be.handle(request).fault is None
    be.verify()


def test_wire_faults_stand_where_they_were_put() -> None:
    def frames(be: Backend) -> list[Any]:
        reply = be.handle(
            Request("POST", "/r/responses", body=b'{"model":"m","input":"a","stream":true}')
        )
        assert not isinstance(reply.body, bytes)
        return list(reply.body)

    be = Backend(brain=lambda context: "one two three")
    whole = [frame.data.split(b"\n")[0] for frame in frames(be)]
    assert [f.fault for f in frames(be.disconnect(after=2))] == [None, None, "disconnect"]
    assert frames(be.disconnect(after=1, kind="reset"))[1].fault == "reset"
    silence = frames(be.stall(after=1, seconds=60))[1]
    assert (silence.fault, silence.delay) == ("stall", 60)
    assert frames(be.malformed(after=1))[1].data.endswith(b'"delta": \n\n')
    half = frames(be.cut_line(after=1))
    assert len(half) == 2
    assert not half[1].data.endswith(b"\n")
    assert b'"code":"oops"' in frames(be.error_event("oops", after=1))[1].data
    assert b'"error":{' in frames(be.error_event("oops", after=1, shape="nested"))[1].data
    names = [[f.data.split(b"\n")[0] for f in frames(be.drop_event(1))]]
    names += [[f.data.split(b"\n")[0] for f in frames(be.duplicate_event(1))]]
    names += [[f.data.split(b"\n")[0] for f in frames(be.swap_events(1))]]
    assert names == [
        whole[:1] + whole[2:],
        whole[:2] + whole[1:],
        [whole[0], whole[2], whole[1], *whole[3:]],
    ]


def test_a_brain_of_your_own_gives_text_a_turn_or_nothing() -> None:
    def brain(context: Context) -> str | Turn | None:
        if context.user_text == "call":
            return Turn().call_tool("t", a=1)
        return None if context.user_text == "?" else context.user_text.upper()

    be = Backend(brain=brain)
    assert said(ask(be, "hello")) == ["HELLO"]
    assert said(ask(be, "call")) == ["t"]
    assert ask(be, "?")["error"]["code"] == "unscripted_request"


def test_reasoning_is_sealed_when_scripted_or_asked_for() -> None:
    be = Backend()
    be.reason(summary="s").reply("a")
    be.reason("raw", encrypted=True).reply("b")
    be.reason().reply("c")
    plain, sealed = ask(be)["output"][0], ask(be)["output"][0]
    assert "encrypted_content" not in plain
    assert plain["summary"] == [{"type": "summary_text", "text": "s"}]
    assert sealed["content"] == [{"type": "reasoning_text", "text": "raw"}]
    assert sealed["encrypted_content"].startswith("gAAAA")
    asked = ask(be, include=["reasoning.encrypted_content"])["output"][0]
    assert asked["encrypted_content"] != sealed["encrypted_content"]


def test_an_unknown_failure_or_endpoint_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'rate_limit_exceeded'"):
        Backend().fail("rate_limit_exceded")
    with pytest.raises(ConfigurationError, match="Did you mean 'retrieve'"):
        Backend().fail(500, endpoint="retrive")


def test_a_failure_that_never_came_is_listed() -> None:
    be = Backend().fail(500, endpoint="retrieve")
    with pytest.raises(AssertionError, match=r"fail\(500, times=1\) of retrieve"):
        be.verify()


def test_what_is_left_over_is_told_whatever_it_is() -> None:
    be = Backend()
    be.truncate(after=2)
    be.refuse("no").incomplete()
    be.search_web("a")
    be.respond([])
    with pytest.raises(AssertionError) as caught:
        be.verify()
    assert str(caught.value).splitlines()[1:] == [
        "  truncate(after=2)",
        "  reply('no') ending incomplete",
        "  web_search_call",
        "  an empty turn",
    ]


def test_a_turn_of_no_script_has_nothing_after_it_and_a_queue_does_not_repeat_for_ever() -> None:
    with pytest.raises(ValueError, match="belongs to no script"):
        _ = Turn().then
    with pytest.raises(ValueError, match="needs a rule"):
        Backend().reply("x").always()
