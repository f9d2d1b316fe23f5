from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from responses_adapters.testing import Backend, Reply, Request

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def post(be: Backend, body: dict[str, Any] | bytes = b"", /, **fields: Any) -> tuple[int, Any]:
    raw = (
        body if isinstance(body, bytes) and body else json.dumps({"model": "m", **fields}).encode()
    )
    reply = be.handle(Request("POST", "/v1/responses", body=raw))
    return reply.status, parsed(reply)


def parsed(reply: Reply) -> Any:
    if isinstance(reply.body, bytes):
        return json.loads(reply.body)
    lines = b"".join(frame.data for frame in reply.body).decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def send(be: Backend, method: str, path: str, **query: str) -> tuple[int, Any]:
    reply = be.handle(Request(method, path, query))
    return reply.status, parsed(reply)


def test_a_chain_shows_the_model_everything_said_before() -> None:
    be = Backend(brain=lambda context: f"answer {len(context)}")
    previous = None
    for text in ("one", "two", "three"):
        _, response = post(be, input=text, previous_response_id=previous)
        previous = response["id"]
    assert be.contexts[-1].texts == ["one", "answer 1", "two", "answer 3", "three"]
    assert be.contexts[-1].kept == 4
    be.assert_chain()


def test_a_response_can_be_continued_any_number_of_times() -> None:
    be = Backend(brain=lambda context: "ok")
    _, root = post(be, input="root")
    for branch in ("left", "right"):
        post(be, input=branch, previous_response_id=root["id"])
        assert be.contexts[-1].texts == ["root", "ok", branch]


def test_instructions_are_not_inherited_by_openai_and_are_by_aleph_alpha() -> None:
    seen = {}
    for server in ("openai", "aleph-alpha"):
        be = Backend(server, brain=lambda context: "ok")
        _, first = post(be, input="a", instructions="Be brief.")
        post(be, input="b", previous_response_id=first["id"])
        seen[server] = be.contexts[-1].instructions
    assert seen == {"openai": None, "aleph-alpha": "Be brief."}


def test_an_unstored_response_can_be_neither_retrieved_nor_continued() -> None:
    be = Backend(brain=lambda context: "ok")
    _, response = post(be, input="a", store=False)
    assert response["store"] is False
    assert send(be, "GET", f"/v1/responses/{response['id']}")[0] == 404
    status, body = post(be, input="b", previous_response_id=response["id"])
    assert status == 400
    assert body["error"]["code"] == "previous_response_not_found"
    assert body["error"]["param"] == "previous_response_id"
    assert body["error"]["type"] == "invalid_request_error"


def test_an_item_lives_as_long_as_any_response_that_holds_it() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    _, second = post(be, input=[first["output"][0], {"role": "user", "content": "b"}])
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}

    send(be, "DELETE", f"/v1/responses/{second['id']}")
    assert post(be, input=[reference], store=False)[0] == 200
    send(be, "DELETE", f"/v1/responses/{first['id']}")
    assert post(be, input=[reference], store=False)[0] == 404


def test_a_deleted_response_is_gone_and_its_continuations_live_on() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    _, second = post(be, input="b", previous_response_id=first["id"])
    assert send(be, "DELETE", f"/v1/responses/{first['id']}") == (
        200,
        {"id": first["id"], "object": "response", "deleted": True},
    )
    assert send(be, "GET", f"/v1/responses/{first['id']}")[0] == 404
    assert post(be, input="c", previous_response_id=first["id"])[0] == 400
    assert post(be, input="c", previous_response_id=second["id"])[0] == 200
    assert be.contexts[-1].texts == ["a", "ok", "b", "ok", "c"]


def test_retrieving_gives_the_response_as_it_was_answered() -> None:
    be = Backend(brain=lambda context: "ok")
    _, response = post(be, input="a")
    assert send(be, "GET", f"/v1/responses/{response['id']}") == (200, response)


@pytest.mark.parametrize(
    "prefix",
    ["", "/v1", "/v3/router", "/t/tenant/v1", "/openai/v1", "/models/m/v1", "/t/responses/v1"],
)
def test_any_prefix_before_responses_is_served(prefix: str) -> None:
    be = Backend(brain=lambda context: "ok")
    request = Request("POST", f"{prefix}/responses", body=b'{"model": "m", "input": "a"}')
    assert be.handle(request).status == 200


def test_chat_completions_is_told_to_use_the_responses_api() -> None:
    status, body = send(Backend(), "POST", "/v1/chat/completions")
    assert status == 404
    assert "use_responses_api=True" in body["error"]["message"]


def test_a_wrong_method_and_a_wrong_path_are_told_apart() -> None:
    assert send(Backend(), "PUT", "/v1/responses")[0] == 405
    assert send(Backend(), "GET", "/v1/nowhere")[0] == 404


def test_a_forgetful_server_loses_every_response() -> None:
    be = Backend(brain=lambda context: "ok")
    _, response = post(be, input="a")
    be.forget()
    assert post(be, input="b", previous_response_id=response["id"])[0] == 400


def test_one_response_can_expire() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    _, second = post(be, input="b")
    be.expire(first["id"])
    assert post(be, input="c", previous_response_id=first["id"])[0] == 400
    assert post(be, input="c", previous_response_id=second["id"])[0] == 200


def test_a_server_with_a_bounded_memory_keeps_the_newest_of_everything() -> None:
    be = Backend(brain=lambda context: "ok").configure(idempotency=True).remember(3)
    for number in range(10):
        body = json.dumps({"model": "m", "input": f"{number}"}).encode()
        key = {"idempotency-key": f"key-{number}"}
        be.handle(Request("POST", "/v1/conversations", body=b"{}"))
        be.handle(Request("POST", "/v1/responses", headers=key, body=body))
    store = be.store
    kept = (be.requests, be.contexts, be.turns(), store.responses, store.reservations)
    assert [len(each) for each in (*kept, store.conversations, store.items)] == [3] * 7
    assert be.contexts[-1].texts == ["9"]


def test_a_bounded_memory_loses_the_oldest_response_alone() -> None:
    be = Backend(brain=lambda context: "ok").remember(2)
    ids = [post(be, input=text)[1]["id"] for text in "abc"]
    assert post(be, input="d", previous_response_id=ids[0])[0] == 400
    assert post(be, input="d", previous_response_id=ids[1])[0] == 200


@pytest.mark.parametrize("echo", [False, True])
def test_a_server_that_ignores_the_id_answers_without_the_past(echo: bool) -> None:
    be = Backend(brain=lambda context: "ok").ignore_previous_id(echo=echo)
    _, first = post(be, input="a" * 400)
    _, second = post(be, input="b", previous_response_id=first["id"])
    assert be.contexts[-1].texts == ["b"]
    assert second["previous_response_id"] == (first["id"] if echo else None)
    assert second["usage"]["input_tokens"] < first["usage"]["input_tokens"]


def test_a_server_that_ignores_the_id_does_not_miss_the_call_of_an_output() -> None:
    be = Backend(brain=lambda context: "ok").ignore_previous_id()
    output = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    assert post(be, input=[output], previous_response_id="resp_x")[0] == 200


@pytest.mark.parametrize(
    ("status", "shape", "expected"),
    [
        (404, "detail", {"detail": "gone: resp_x"}),
        (404, "string", {"error": "gone: resp_x"}),
        (400, "message", {"error": {"message": "gone: resp_x"}}),
        (
            404,
            "int_code",
            {"error": {"code": 404, "message": "gone: resp_x", "type": "not_found_error"}},
        ),
        (
            200,
            "openai",
            {
                "error": {
                    "message": "gone: resp_x",
                    "type": "invalid_request_error",
                    "param": "previous_response_id",
                    "code": None,
                }
            },
        ),
    ],
)
def test_a_lost_response_is_reported_in_the_way_asked_for(
    status: int, shape: str, expected: Any
) -> None:
    be = Backend().lose_previous_as(status, shape=shape, message="gone: {id}")
    assert post(be, input="a", previous_response_id="resp_x") == (status, expected)


def test_a_lost_response_can_be_a_stream_of_one_error_event() -> None:
    be = Backend().lose_previous_as(404, shape="detail", in_stream=True)
    status, events = post(be, input="a", previous_response_id="resp_x", stream=True)
    assert status == 200
    assert [event["type"] for event in events] == ["error"]
    assert post(be, input="a", previous_response_id="resp_x")[0] == 404


def test_usage_grows_with_what_the_model_sees() -> None:
    be = Backend(brain=lambda context: "ok")
    _, short = post(be, input="a")
    _, told = post(be, input="a", instructions="x" * 400)
    _, tools = post(be, input="a", tools=[{**WEATHER, "description": "y" * 400}])
    assert told["usage"]["input_tokens"] == short["usage"]["input_tokens"] + 100
    assert tools["usage"]["input_tokens"] > short["usage"]["input_tokens"] + 100
    _, chained = post(be, input="b", previous_response_id=told["id"])
    assert chained["usage"]["input_tokens"] > short["usage"]["input_tokens"]


def test_the_same_seed_and_script_give_the_same_bytes() -> None:
    def transcript(seed: int) -> list[bytes]:
        be = Backend(seed=seed, brain=True)
        replies = [
            be.handle(Request("POST", "/responses", body=json.dumps(body).encode()))
            for body in (
                {"model": "m", "input": "hello"},
                {"model": "m", "input": "hi", "stream": True},
            )
        ]
        return [
            r.body if isinstance(r.body, bytes) else b"".join(f.data for f in r.body)
            for r in replies
        ]

    assert transcript(3) == transcript(3)
    assert transcript(3) != transcript(4)


def test_a_client_that_stops_reading_is_seen() -> None:
    be = Backend(brain=lambda context: "one two three")
    for read_all in (True, False):
        body = b'{"model": "m", "input": "a", "stream": true}'
        reply = be.handle(Request("POST", "/responses", body=body))
        assert not isinstance(reply.body, bytes)
        frames = list(reply.body) if read_all else [next(reply.body)]
        assert frames
        reply.body.close()  # type: ignore[attr-defined]
        assert be.requests[-1].disconnected is not read_all


def test_requests_are_kept_as_they_came() -> None:
    be = Backend(brain=lambda context: "ok")
    request = Request(
        "POST",
        "/v1/responses",
        {},
        {"x-a": "1"},
        b'{"model": "m", "input": [{"role": "user", "content": ""}]}',
    )
    be.handle(request)
    recorded = be.requests[-1]
    assert recorded.input == [{"role": "user", "content": ""}]
    assert recorded.body == request.body
    assert (recorded.method, recorded.path, recorded.headers) == (
        "POST",
        "/v1/responses",
        {"x-a": "1"},
    )
    assert recorded.previous_response_id is None
    assert recorded.status == 200
    assert recorded.response_id == "resp_" + recorded.response_id.removeprefix("resp_")  # type: ignore[union-attr]


def test_only_known_models_and_keys_pass_where_told_so() -> None:
    be = Backend(brain=lambda context: "ok").only_models("gpt-5").require_key("sk-1")
    headers = {"authorization": "Bearer sk-1"}
    wrong = be.handle(Request("POST", "/v1/responses", {}, headers, b'{"model": "m", "input": ""}'))
    assert parsed(wrong)["error"]["code"] == "model_not_found"
    right = be.handle(
        Request("POST", "/v1/responses", {}, headers, b'{"model": "gpt-5", "input": ""}')
    )
    assert right.status == 200
    nobody = be.handle(Request("POST", "/v1/responses", {}, {}, b'{"model": "gpt-5", "input": ""}'))
    assert (nobody.status, parsed(nobody)["error"]["code"]) == (401, "invalid_api_key")
    assert len(be.contexts) == 1


def test_input_items_lists_the_input_of_that_request_alone_newest_first() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    items = [{"role": "user", "content": "b"}, {"role": "user", "content": "c"}]
    _, second = post(be, input=items, previous_response_id=first["id"])
    _, page = send(be, "GET", f"/v1/responses/{second['id']}/input_items")
    assert [item["content"][0]["text"] for item in page["data"]] == ["c", "b"]
    assert page["has_more"] is False
    _, rest = send(
        be,
        "GET",
        f"/v1/responses/{second['id']}/input_items",
        order="asc",
        limit="1",
    )
    assert [item["content"][0]["text"] for item in rest["data"]] == ["b"]
    assert rest["has_more"] is True
    _, after = send(
        be,
        "GET",
        f"/v1/responses/{second['id']}/input_items",
        order="asc",
        after=rest["last_id"],
    )
    assert [item["content"][0]["text"] for item in after["data"]] == ["c"]


def test_a_reference_shows_the_model_the_item_it_names() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    assert post(be, input=[reference, {"role": "user", "content": "b"}])[0] == 200
    assert be.contexts[-1].texts == ["ok", "b"]
    status, body = post(be, input=[{"type": "item_reference", "id": "msg_x"}])
    assert (status, body["error"]["message"]) == (404, "Item with id 'msg_x' not found.")


def test_a_replay_is_told_from_a_chain() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    question = {"role": "user", "content": "b"}
    post(be, input=[{"role": "user", "content": "a"}, *first["output"], question])
    be.assert_replayed()
    without_id = {k: v for k, v in first["output"][0].items() if k not in {"id", "status"}}
    post(be, input=[{"role": "user", "content": "a"}, without_id, question])
    be.assert_replayed(first["id"], verbatim=False)
    with pytest.raises(AssertionError, match="the replay lacks"):
        be.assert_replayed(first["id"])
    post(be, input="c", previous_response_id=first["id"])
    with pytest.raises(AssertionError, match="not a replay"):
        be.assert_replayed()
    with pytest.raises(AssertionError, match="was asked for with previous_response_id=None"):
        be.assert_chain()


def test_tool_results_that_reached_the_model_can_be_asserted() -> None:
    be = Backend()
    be.call_tool("weather", city="Oslo").then.reply("Cold.")
    _, first = post(be, input="a", tools=[WEATHER])
    call = first["output"][0]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "-3 degrees"}
    post(be, input=[output], previous_response_id=first["id"])
    be.assert_tool_result("weather", contains="-3")
    with pytest.raises(AssertionError, match="no output of 'weather' contains '5'"):
        be.assert_tool_result("weather", contains="5")
    with pytest.raises(AssertionError, match=r"tools called: \['weather'\]"):
        be.assert_tool_result("news")
    be.verify()


def test_many_threads_share_one_backend() -> None:
    be = Backend(brain=lambda context: context.user_text)
    answers: dict[str, list[str]] = {}

    def converse(name: str) -> None:
        previous, heard = None, []
        for number in range(20):
            text = f"{name} {number}"
            _, response = post(be, input=text, previous_response_id=previous)
            previous = response["id"]
            heard.append(response["output"][0]["content"][0]["text"])
        answers[name] = heard

    threads = [threading.Thread(target=converse, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {name: [f"{name} {n}" for n in range(20)] for name in "abcdefgh"}
    assert len({recorded.response_id for recorded in be.creates}) == 160
    assert {len(context) for context in be.contexts} == set(range(1, 40, 2))


def test_assertions_say_what_they_miss() -> None:
    be = Backend(brain=lambda context: "ok")
    _, first = post(be, input="a")
    with pytest.raises(AssertionError, match="there is no earlier response"):
        be.assert_replayed()
    with pytest.raises(AssertionError, match="no request created resp_x"):
        be.assert_chain(first["id"], "resp_x")
    post(be, b"{")
    assert be.requests[-1].json is None
    assert be.requests[-1].input is None
    post(be, input="b", tools=[WEATHER, {"type": "web_search"}])
    assert sorted(be.requests[-1].tools) == ["weather", "web_search"]


def test_a_replay_is_compared_by_what_it_says_where_ids_do_not_matter() -> None:
    be = Backend()
    be.reason(summary="s").call_tool("f", call_id="c").then.reply("ok")
    _, first = post(be, input="a")
    said = [
        {name: value for name, value in item.items() if name not in {"id", "status"}}
        for item in first["output"]
    ]
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    post(be, input=[{"role": "user", "content": "a"}, *said, output])
    be.assert_replayed(verbatim=False)
