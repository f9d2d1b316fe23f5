from __future__ import annotations

from typing import Any

from openai.types.conversations import Conversation, ConversationItemList

from asking import send
from responses_adapters.testing import Backend


def say(be: Backend, conversation: Any, text: str) -> tuple[int, Any]:
    body = {"model": "m", "input": text, "conversation": conversation}
    return send(be, "POST", "/v1/responses", body)


def test_a_conversation_shows_the_model_everything_said_in_it() -> None:
    be = Backend(brain=lambda context: "ok")
    _, made = send(
        be, "POST", "/v1/conversations", {"items": [{"role": "user", "content": "zero"}]}
    )
    Conversation.model_validate(made)
    _, first = say(be, made["id"], "one")
    _, second = say(be, {"id": made["id"]}, "two")
    assert first["conversation"] == second["conversation"] == {"id": made["id"]}
    assert be.contexts[-1].texts == ["zero", "one", "ok", "two"]
    _, listed = send(be, "GET", f"/v1/conversations/{made['id']}/items", order="asc")
    ConversationItemList.model_validate(listed)
    assert [item["role"] for item in listed["data"]] == [
        "user", "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    assert len({item["id"] for item in listed["data"]}) == 5


def test_an_unknown_conversation_is_not_found() -> None:
    be = Backend(brain=lambda context: "ok")
    status, body = say(be, "conv_x", "hi")
    message = "Conversation with id 'conv_x' not found."
    assert (status, body["error"]["message"]) == (404, message)
    assert send(be, "GET", "/v1/conversations/conv_x")[0] == 404


def test_conversations_can_be_changed_and_deleted() -> None:
    be = Backend()
    _, made = send(be, "POST", "/v1/conversations", {"metadata": {"a": "b"}})
    path = f"/v1/conversations/{made['id']}"
    assert send(be, "GET", path) == (200, made)
    _, changed = send(be, "POST", path, {"metadata": {"c": "d"}})
    assert changed["metadata"] == {"c": "d"}
    deleted = {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    assert send(be, "DELETE", path) == (200, deleted)
    assert send(be, "GET", path)[0] == 404


def test_items_can_be_added_read_and_taken_away() -> None:
    be = Backend(brain=lambda context: "ok")
    _, made = send(be, "POST", "/v1/conversations")
    path = f"/v1/conversations/{made['id']}/items"
    items = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    _, added = send(be, "POST", path, {"items": items})
    first, second = (item["id"] for item in added["data"])
    assert send(be, "GET", f"{path}/{first}")[1]["content"][0]["text"] == "a"
    assert send(be, "DELETE", f"{path}/{first}") == (200, made)
    assert send(be, "GET", f"{path}/{first}")[0] == 404
    assert [item["id"] for item in send(be, "GET", path)[1]["data"]] == [second]
    say(be, made["id"], "c")
    assert be.contexts[-1].texts == ["b", "c"]


def test_items_of_the_wrong_form_are_refused() -> None:
    be = Backend()
    _, made = send(be, "POST", "/v1/conversations")
    path = f"/v1/conversations/{made['id']}/items"
    status, body = send(be, "POST", path, {"items": [{"role": "tool", "content": ""}]})
    assert (status, body["error"]["param"]) == (400, "items[0]")
    assert send(be, "POST", path, {})[1]["error"]["param"] == "items"
    assert send(be, "POST", "/v1/conversations", {"items": "x"})[0] == 400
    assert send(be, "POST", "/v1/conversations", {"metadata": 1})[0] == 400


def test_an_unstored_answer_leaves_the_conversation_as_it_was() -> None:
    be = Backend(brain=lambda context: "ok")
    _, made = send(be, "POST", "/v1/conversations")
    body = {"model": "m", "input": "x", "conversation": made["id"], "store": False}
    assert send(be, "POST", "/v1/responses", body)[0] == 200
    assert send(be, "GET", f"/v1/conversations/{made['id']}/items")[1]["data"] == []
