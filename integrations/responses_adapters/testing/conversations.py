"""`/conversations`: conversation objects and their items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .checks import parse_body
from .context import Item, as_items
from .create import find_conversation
from .endpoints import listing
from .journal import Recorded
from .problems import ApiError
from .resource import kept_items
from .shapes import check_items, check_type, missing
from .store import Conversation
from .wire import Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = [
    "add_items", "create_conversation", "delete_conversation", "delete_item", "list_items",
    "retrieve_conversation", "retrieve_item", "update_conversation",
]  # fmt: skip


def create_conversation(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """`POST /conversations`."""
    body = parse_body(recorded.body)
    items = _given(backend, body.get("items") or [])
    made: Item = {
        "id": backend.ids.new("conv"),
        "object": "conversation",
        "created_at": backend.clock.now,
        "metadata": _metadata(body),
    }
    backend.store.conversations[made["id"]] = Conversation(made, items)
    return Reply.json(200, made)


def retrieve_conversation(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`GET /conversations/{id}`."""
    return Reply.json(200, find_conversation(backend, path[0]).body)


def update_conversation(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`POST /conversations/{id}`: new metadata."""
    found = find_conversation(backend, path[0])
    found.body = {**found.body, "metadata": _metadata(parse_body(recorded.body))}
    return Reply.json(200, found.body)


def delete_conversation(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`DELETE /conversations/{id}`."""
    find_conversation(backend, path[0])
    del backend.store.conversations[path[0]]
    return Reply.json(200, {"id": path[0], "object": "conversation.deleted", "deleted": True})


def list_items(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`GET /conversations/{id}/items`, newest first."""
    return listing(find_conversation(backend, path[0]).items, recorded)


def add_items(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`POST /conversations/{id}/items`."""
    found = find_conversation(backend, path[0])
    body = parse_body(recorded.body)
    if "items" not in body:
        raise missing("items")
    added = _given(backend, body["items"])
    found.items += added
    ids: Item = {"first_id": None, "last_id": None}
    if added:
        ids = {"first_id": added[0]["id"], "last_id": added[-1]["id"]}
    return Reply.json(200, {"object": "list", "data": added, **ids, "has_more": False})


def retrieve_item(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`GET /conversations/{id}/items/{item_id}`."""
    return Reply.json(200, _item(find_conversation(backend, path[0]), path[1]))


def delete_item(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`DELETE /conversations/{id}/items/{item_id}`; answers with the conversation."""
    found = find_conversation(backend, path[0])
    found.items.remove(_item(found, path[1]))
    return Reply.json(200, found.body)


def _item(conversation: Conversation, item_id: str) -> Item:
    for item in conversation.items:
        if item["id"] == item_id:
            return item
    raise ApiError(404, f"Item with id '{item_id}' not found.")


def _given(backend: Backend, items: Any) -> list[Item]:
    check_type("items", items, list)
    check_items(items, backend.behaviour, name="items")
    return kept_items(as_items(items), backend.ids)


def _metadata(body: dict[str, Any]) -> Any:
    metadata = body.get("metadata") or {}
    check_type("metadata", metadata, dict)
    return metadata
