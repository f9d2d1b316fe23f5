from __future__ import annotations

import json
from typing import Any

import pytest

from responses_adapters.testing import Backend, Request


def send(be: Backend, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
    raw = b"" if body is None else json.dumps(body).encode()
    reply = be.handle(Request(method, f"/v1{path}", query, {}, raw))
    if isinstance(reply.body, bytes):
        return reply.status, json.loads(reply.body)
    lines = b"".join(frame.data for frame in reply.body).decode().splitlines()
    return reply.status, [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def submit(be: Backend, **fields: Any) -> Any:
    body = {"model": "m", "input": "hi", "background": True, **fields}
    status, response = send(be, "POST", "/responses", body)
    assert status == 200
    return response


def statuses(be: Backend, response_id: str, polls: int) -> list[str]:
    return [send(be, "GET", f"/responses/{response_id}")[1]["status"] for _ in range(polls)]


def test_a_background_response_goes_on_with_every_poll() -> None:
    be = Backend(brain=lambda context: "done")
    response = submit(be)
    assert (response["status"], response["output"], response["usage"]) == ("queued", [], None)
    assert response["completed_at"] is None
    assert statuses(be, response["id"], 3) == ["in_progress", "completed", "completed"]
    final = send(be, "GET", f"/responses/{response['id']}")[1]
    assert final["output"][0]["content"][0]["text"] == "done"
    assert len(be.creates) == 1


@pytest.mark.parametrize(("polls", "seen"), [(1, ["completed"]), (3, ["in_progress"] * 2)])
def test_how_many_polls_it_takes_is_set_on_the_backend_or_the_turn(
    polls: int, seen: list[str]
) -> None:
    be = Backend(brain=lambda context: "done").background(polls=polls)
    assert statuses(be, submit(be)["id"], len(seen)) == seen
    be.background(polls=5).reply("x").in_background(polls)
    assert statuses(be, submit(be)["id"], len(seen)) == seen


def test_a_background_response_can_wait_for_virtual_time() -> None:
    be = Backend(brain=lambda context: "done").background(seconds=60)
    response = submit(be)
    assert statuses(be, response["id"], 5) == ["in_progress"] * 5
    be.clock.advance(60)
    final = send(be, "GET", f"/responses/{response['id']}")[1]
    assert (final["status"], final["completed_at"]) == ("completed", be.clock.now)
    assert final["completed_at"] == final["created_at"] + 60


def test_a_background_response_can_fail() -> None:
    be = Backend()
    be.fail_turn("server_error", "It broke.").in_background(1)
    response = submit(be)
    assert response["error"] is None
    final = send(be, "GET", f"/responses/{response['id']}")[1]
    assert (final["status"], final["error"]["message"]) == ("failed", "It broke.")


def test_cancelling_stops_it_for_good_and_twice_is_as_good_as_once() -> None:
    be = Backend(brain=lambda context: "done")
    response_id = submit(be)["id"]
    for _ in range(2):
        status, cancelled = send(be, "POST", f"/responses/{response_id}/cancel")
        assert (status, cancelled["status"], cancelled["output"]) == (200, "cancelled", [])
    assert statuses(be, response_id, 2) == ["cancelled", "cancelled"]
    chained = {"model": "m", "input": "x", "previous_response_id": response_id}
    assert send(be, "POST", "/responses", chained)[0] == 400
    _, events = send(be, "GET", f"/responses/{response_id}", stream="true")
    assert [event["type"] for event in events][-1] == "response.in_progress"


def test_cancelling_a_finished_one_gives_it_as_it_is() -> None:
    be = Backend(brain=lambda context: "done").background(polls=1)
    response_id = submit(be)["id"]
    statuses(be, response_id, 1)
    assert send(be, "POST", f"/responses/{response_id}/cancel")[1]["status"] == "completed"


def test_a_foreground_response_cannot_be_cancelled() -> None:
    be = Backend(brain=lambda context: "done")
    _, response = send(be, "POST", "/responses", {"model": "m", "input": "hi"})
    status, body = send(be, "POST", f"/responses/{response['id']}/cancel")
    message = "Cannot cancel a synchronous response."
    assert (status, body["error"]["message"]) == (400, message)


def test_an_unfinished_response_cannot_be_continued() -> None:
    be = Backend(brain=lambda context: "done")
    chained = {"model": "m", "input": "x", "previous_response_id": submit(be)["id"]}
    status, body = send(be, "POST", "/responses", chained)
    assert (status, body["error"]["code"]) == (400, "previous_response_not_finished")


def test_background_needs_the_store() -> None:
    be = Backend(brain=lambda context: "done")
    body = {"model": "m", "input": "x", "background": True, "store": False}
    status, body = send(be, "POST", "/responses", body)
    assert (status, body["error"]["param"]) == (400, "store")


def test_a_background_stream_begins_queued_and_can_be_resumed_anywhere() -> None:
    be = Backend(brain=lambda context: "one two three")
    _, log = send(
        be, "POST", "/responses", {"model": "m", "input": "x", "background": True, "stream": True}
    )
    assert [event["type"] for event in log][:3] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    path = f"/responses/{log[0]['response']['id']}"
    assert send(be, "GET", path)[1] == log[-1]["response"]
    for after in range(len(log)):
        _, rest = send(be, "GET", path, stream="true", starting_after=str(after))
        assert log[: after + 1] + rest == log


def test_a_stream_that_was_left_early_can_be_polled_to_its_end() -> None:
    be = Backend(brain=lambda context: "one two three")
    body = b'{"model": "m", "input": "x", "background": true, "stream": true}'
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert not isinstance(reply.body, bytes)
    first = json.loads(next(reply.body).data.decode().split("data: ")[1])
    reply.body.close()  # type: ignore[attr-defined]
    assert statuses(be, first["response"]["id"], 2) == ["in_progress", "completed"]


def test_cancelling_ends_a_stream_that_is_open() -> None:
    be = Backend(brain=lambda context: "one two three")
    body = b'{"model": "m", "input": "x", "background": true, "stream": true}'
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert not isinstance(reply.body, bytes)
    first = json.loads(next(reply.body).data.decode().split("data: ")[1])
    response_id = first["response"]["id"]

    send(be, "POST", f"/responses/{response_id}/cancel")

    assert list(reply.body) == []
    reply.body.close()  # type: ignore[attr-defined]
    assert statuses(be, response_id, 2) == ["cancelled", "cancelled"]
    assert not be.requests[0].disconnected


def test_an_odd_cursor_is_refused() -> None:
    be = Backend(brain=lambda context: "done")
    path = f"/responses/{submit(be)['id']}"
    status, body = send(be, "GET", path, stream="true", starting_after="x")
    assert (status, body["error"]["param"]) == (400, "starting_after")
    assert send(be, "GET", f"{path}/input_items", limit="0")[0] == 400


def test_a_background_stream_that_was_cut_is_finished_by_polling() -> None:
    be = Backend()
    be.reply("one two three").truncate(after=4)
    body = {"model": "m", "input": "x", "background": True, "stream": True}
    _, events = send(be, "POST", "/responses", body)
    assert len(events) == 4
    response_id = events[0]["response"]["id"]
    assert statuses(be, response_id, 2) == ["in_progress", "completed"]
    _, rest = send(be, "GET", f"/responses/{response_id}", stream="true", starting_after="3")
    assert rest[-1]["type"] == "response.completed"
