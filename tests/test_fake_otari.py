from __future__ import annotations

from asking import ask, blocks, datum, send
from responses_adapters.testing import Backend, Request

PATH = "/v1/responses"


def otari() -> Backend:
    return Backend("otari", brain=lambda context: "ok")


def test_f_m1_there_is_one_endpoint_besides_health_models_and_tools() -> None:
    be = otari()
    _, response = ask(be)
    path = f"{PATH}/{response['id']}"
    served = [
        send(be, *request)[0]
        for request in (
            ("GET", "/health"),
            ("GET", "/v1/models"),
            ("GET", "/v1/tools"),
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/cancel"),
            ("POST", "/v1/conversations"),
        )
    ]
    assert served == [200, 200, 200, 404, 404, 404, 404]


def test_f_m2_errors_are_details() -> None:
    be = otari()
    assert send(be, "POST", PATH, {"input": "hi"}) == (
        422,
        {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]},
    )
    assert send(be, "POST", PATH, {"model": "openai:gpt-5"})[0] == 422
    assert ask(be, model="anthropic:claude") == (
        400,
        {"detail": "Provider 'anthropic' does not support the Responses API"},
    )
    be.fail(429, "Rate limit exceeded")
    reply = be.handle(Request("POST", PATH, body=b'{"model": "m", "input": "hi"}'))
    assert (reply.status, reply.body) == (429, b'{"detail":"Rate limit exceeded"}')
    assert "retry-after" in reply.headers


def test_f_m3_a_stream_names_its_events_omits_nulls_and_ends_with_done() -> None:
    be = otari()
    *told, last = blocks(be)
    assert last == "data: [DONE]"
    assert told[0].startswith(": keepalive")
    assert all(f"event: {datum(block)['type']}\n" in f"{block}\n" for block in told[1:])
    assert "null" not in "".join(told)


def test_f_m3_a_stream_that_fails_has_no_done() -> None:
    be = Backend("otari")
    be.reply("half").fail_turn("server_error", "LLM provider error").times(2)
    last = blocks(be)[-1]
    assert last == (
        'event: error\ndata: {"error":{"message":"LLM provider error","type":"server_error"}}'
    )
    assert ask(be) == (502, {"detail": "LLM provider error"})


def test_f_m4_a_previous_id_is_handed_on_and_never_resolved() -> None:
    be = otari()
    status, response = ask(be, "next", previous_response_id="resp_unknown")
    assert (status, response["previous_response_id"]) == (200, None)
    assert be.contexts[-1].request["previous_response_id"] == "resp_unknown"
    assert be.contexts[-1].texts == ["next"]


def test_f_m5_the_gateways_own_searches_are_taken_out_of_the_input() -> None:
    be = otari()
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}}
    assert ask(be, [search, {"role": "user", "content": "hi"}])[0] == 200
    assert be.contexts[-1].texts == ["hi"]
    assert len(be.contexts[-1]) == 1


def test_success_tells_the_rate_limit_and_a_guardrail_is_forbidden() -> None:
    be = otari().configure(rate_limit=1, guardrails=("secret",))
    status, body = ask(be, "a secret")
    assert (status, "guardrail" in body["detail"]) == (403, True)
    be.clock.advance(60)
    reply = be.handle(Request("POST", PATH, body=b'{"model": "m", "input": "hi"}'))
    assert reply.headers["x-ratelimit-remaining"] == "0"
    assert int(reply.headers["x-ratelimit-reset"]) > be.clock.now
    assert reply.headers["x-correlation-id"]
    assert ask(be)[0] == 429
