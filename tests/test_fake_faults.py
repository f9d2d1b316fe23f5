from __future__ import annotations

import json
from typing import Any

import pytest

from responses_adapters.errors import ConfigurationError
from responses_adapters.testing import Backend, Request

PATH = "/v1/responses"


def reply(be: Backend, **fields: Any) -> Any:
    body = json.dumps({"model": "m", "input": "hi", **fields}).encode()
    return be.handle(Request("POST", PATH, body=body))


def fake() -> Backend:
    return Backend(brain=lambda context: "one two")


@pytest.mark.parametrize("stream", [False, True])
def test_fields_can_be_missing_from_every_response(stream: bool) -> None:
    be = fake().leave_out("usage", "created_at")
    answer = reply(be, stream=stream)
    if stream:
        bodies = [json.loads(f.data.decode().split("data: ")[1]) for f in answer.body]
        bodies = [event["response"] for event in bodies if "response" in event]
    else:
        bodies = [json.loads(answer.body)]
    stored = be.handle(Request("GET", f"{PATH}/{bodies[0]['id']}"))
    assert isinstance(stored.body, bytes)
    for body in (*bodies, json.loads(stored.body)):
        assert not {"usage", "created_at"} & set(body)
        assert body["object"] == "response"


def test_ids_can_be_reused() -> None:
    be = fake().reuse_ids()
    first, second = (json.loads(reply(be).body) for _ in range(2))
    assert first["id"] == second["id"]
    assert len(be.store.responses) == 1


def test_a_retrieved_response_can_have_another_id() -> None:
    be = fake().change_id_on_retrieve()
    created = json.loads(reply(be).body)
    retrieved = be.handle(Request("GET", f"{PATH}/{created['id']}"))
    assert isinstance(retrieved.body, bytes)
    assert json.loads(retrieved.body)["id"] != created["id"]


def test_an_error_can_come_inside_http_200_or_as_a_page() -> None:
    be = fake().fail(200, "inside").fail(502, body="<html>Bad gateway</html>")
    inside, page = reply(be), reply(be)
    assert (inside.status, json.loads(inside.body)["error"]["message"]) == (200, "inside")
    assert (page.status, page.body) == (502, b"<html>Bad gateway</html>")
    assert page.headers["content-type"] == "text/html"


def test_a_wait_is_told_in_milliseconds_and_further_headers_pass() -> None:
    be = fake().fail(503, retry_after=1.5, headers={"x-should-retry": "true"})
    answer = reply(be)
    assert answer.headers["retry-after-ms"] == "1500"
    assert answer.headers["x-should-retry"] == "true"


def test_json_can_be_cut_in_the_middle() -> None:
    be = fake().cut_line(after=0)
    cut = b"".join(frame.data for frame in reply(be).body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)


def test_deltas_can_be_slow() -> None:
    be = fake().pace(first=0.2, between=0.1)
    delays = [frame.delay for frame in reply(be, stream=True).body if b"delta" in frame.data]
    assert delays == [0.2, 0.1]
    turn = be.reply("x y z")
    turn.pace = (0.5, 0.0)
    delays = [frame.delay for frame in reply(be, stream=True).body if b"delta" in frame.data]
    assert delays == [0.5, 0.0, 0.0]


def test_an_unknown_switch_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'strict_pairs'"):
        Backend().configure(strict_pair=False)
