"""orq.ai's `/v3/agents/{key}/schedules`: when an agent is run, without a client."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .checks import parse_body
from .context import Item
from .journal import Recorded
from .problems import ApiError
from .wire import Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = [
    "create_schedule", "delete_schedule", "list_schedules", "retrieve_schedule", "run_schedule",
    "update_schedule",
]  # fmt: skip


def create_schedule(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`POST /agents/{key}/schedules`."""
    body = parse_body(recorded.body)
    _check(body.get("type"), body.get("expression"))
    if not (body.get("payload") or {}).get("input"):
        raise ApiError(400, "payload.input is required", code="invalid_payload")
    now = _time(backend)
    made = {
        "_id": backend.ids.ulid(),
        "agent_key": path[0],
        "type": body["type"],
        "expression": body["expression"],
        "is_active": True,
        "generation": 1,
        "payload": body["payload"],
        "created": now,
        "updated": now,
        "trigger_count": 0,
    }
    backend.store.schedules[made["_id"]] = made
    return Reply.json(201, made)


def list_schedules(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`GET /agents/{key}/schedules`, newest first."""
    mine = [each for each in backend.store.schedules.values() if each["agent_key"] == path[0]]
    return Reply.json(200, {"data": mine[::-1]})


def retrieve_schedule(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`GET /agents/{key}/schedules/{id}`."""
    return Reply.json(200, _find(backend, path))


def update_schedule(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`PATCH /agents/{key}/schedules/{id}`: what is left out stays; a new cadence is a new generation."""
    found, body = _find(backend, path), parse_body(recorded.body)
    kind, expression = body.get("type", found["type"]), body.get("expression", found["expression"])
    _check(kind, expression)
    woken = body.get("is_active", found["is_active"]) and not found["is_active"]
    if woken or (kind, expression) != (found["type"], found["expression"]):
        found["generation"] += 1
    found.update(type=kind, expression=expression, updated=_time(backend))
    found.update((name, body[name]) for name in _CHANGEABLE if name in body)
    return Reply.json(200, found)


def run_schedule(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`POST /agents/{key}/schedules/{id}/execution`: run it now, whatever its cadence; the run itself is not shown."""
    found = _find(backend, path)
    if not found["is_active"]:
        raise ApiError(400, "Schedule is inactive", code="schedule_inactive")
    return Reply.json(202, {"status": "triggered", "schedule_id": found["_id"]})


def delete_schedule(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`DELETE /agents/{key}/schedules/{id}`."""
    del backend.store.schedules[_find(backend, path)["_id"]]
    return Reply(204, {}, b"")


def _find(backend: Backend, path: list[str]) -> Item:
    found = backend.store.schedules.get(path[1])
    if found is None or found["agent_key"] != path[0]:
        raise ApiError(404, "Schedule not found", code="schedule_not_found")
    return found


def _time(backend: Backend) -> str:
    return datetime.fromtimestamp(backend.clock.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_CHANGEABLE = ("payload", "is_active", "agent_tag")
_CRON = re.compile(r"0 0 (\*|\*/\d+|\d+(?:[,-]\d+)*) (\*|[\d,*/-]+) (\*|[\d,*/-]+) (\*|[\w,-]+)")
_NAMED = {"@hourly", "@daily", "@weekly", "@monthly", "@yearly"}


def _check(kind: Any, expression: Any) -> None:
    """Kind and expression agree, and no more often than hourly."""
    text = expression if isinstance(expression, str) else ""
    if kind == "interval":
        found = re.fullmatch(r"@every (\d+)h", text)
        right = found is not None and int(found[1]) >= 1
    elif kind == "cron":
        right = text in _NAMED or _CRON.fullmatch(text) is not None
    elif kind == "once":
        right = re.fullmatch(r"@at \d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", text) is not None
    else:
        raise ApiError(400, f"invalid schedule type: {kind!r}", code="invalid_type")
    if not right:
        raise ApiError(400, f"invalid expression: {expression!r}", code="invalid_expression")
