"""The events of one streamed response in canonical form, each as soon as it arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ...profiles import ServerProfile
from .items import ANY_READER, EXTENSION, Json, Reader, normalize_item
from .responses import FORGOTTEN, forgotten, keep, normalize_response
from .streamed import Event, StreamedItem

__all__ = ["EventNormalizer", "normalize_events"]

_FAMILIES: Final = frozenset(
    """
    audio code_interpreter_call code_interpreter_call_code compaction completed content_part created
    custom_tool_call_input failed file_search_call function_call_arguments image_generation_call in_progress
    incomplete mcp_call mcp_call_arguments mcp_list_tools output_item output_text queued reasoning_summary_part
    reasoning_summary_text reasoning_text refusal shell_call_command shell_call_output_content web_search_call
    """.split()  # noqa: SIM905 - a list would take a line for each
)
"""What may stand after `response.` in the type of an event; OpenAI's SDK misreads any other."""

_TERMINAL: Final = {
    "response.completed": "response.completed",
    "response.incomplete": "response.incomplete",
    "response.failed": "response.failed",
    "response.cancelled": "response.failed",
    "response.requires_action": "response.completed",
    "response.done": "response.completed",
}
_RENAMED: Final = {
    "response.reasoning.delta": "response.reasoning_text.delta",
    "response.reasoning.done": "response.reasoning_text.done",
}
_OPENS: Final = {
    "response.content_part.added": "message",
    "response.content_part.done": "message",
    "response.output_text.delta": "message",
    "response.output_text.done": "message",
    "response.refusal.delta": "message",
    "response.refusal.done": "message",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_text.done": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_summary_text.done": "reasoning",
    "response.function_call_arguments.delta": "function_call",
    "response.function_call_arguments.done": "function_call",
}
"""Events that belong to an item, and the type of that item."""

_TRUNCATED: Final = "the stream ended before the response was complete, so the answer may be cut"
_GARBLED: Final = "what was streamed is not what the finished response says: an event was lost, repeated or out of order"


class EventNormalizer:
    """Feed it a server's events; it gives back canonical ones, the same objects where nothing has to change.

    What a server leaves out is put in: the opening event, ids, items that were never announced, deltas of
    text that came in one piece or only in the final response; such items come after those that were streamed,
    whatever their place in the response. Items and events of unknown type are kept in the final response. A stream
    that ends without a terminal event, or said something else than the final response does, ends with an error.

    Args:
        request: The create request; `None` for the stream of a retrieved response, which may begin anywhere.
        reader: The client.
        profile: The server, to notice that it ignored `previous_response_id`.
    """

    def __init__(
        self,
        request: Mapping[str, Any] | None = None,
        reader: Reader = ANY_READER,
        *,
        profile: ServerProfile | None = None,
    ) -> None:
        self.forgotten: bool = False
        self._request = request
        self._profile = profile
        self._reader = reader
        self._opened = request is None
        self._ended = False
        self._response: Json = {}
        self._items: dict[int, StreamedItem] = {}
        self._unmapped: dict[object, Json] = {}
        self._events: list[Event] = []

    def feed(self, event: Event) -> list[Event]:
        """The canonical events for the next event of the server."""
        response = event.get("response")
        if isinstance(response, dict) and forgotten(response, self._request, self._profile):
            self.forgotten = self._ended = True
            return [FORGOTTEN]
        kind = str(event.get("type") or "")
        kind = _RENAMED.get(kind, kind)
        if kind == "error" or ("error" in event and not kind.startswith("response.")):
            self._ended = True
            return [event]
        if kind in _TERMINAL:
            return self._finish(event, kind)
        if not self._is_known(kind):
            self._events.append(event)
            return []
        if kind in {"response.created", "response.in_progress", "response.queued"}:
            return self._status(event, kind)
        opening = [] if self._opened else self._open({})
        if kind in {"response.output_item.added", "response.output_item.done"}:
            return [*opening, *self._whole_item(event, kind)]
        if kind in _OPENS:
            return [*opening, *self._piece(event, kind)]
        return [*opening, event]

    def finish(self) -> list[Event]:
        """What must still follow when the server has said all it says: an error, unless the response ended.

        The stream of a background response may end before the response does; whoever reads it asks again.
        """
        if self._ended or self._request is None or self._response.get("background"):
            return []
        return [_error("stream_truncated", _TRUNCATED)]

    # Opening and ending

    def _is_known(self, kind: str) -> bool:
        head, _, rest = kind.partition(".")
        return head == "response" and rest.partition(".")[0] in _FAMILIES

    def _status(self, event: Event, kind: str) -> list[Event]:
        response = event.get("response")
        if kind == "response.created" and self._opened and self._request is not None:
            return []
        if not isinstance(response, dict):
            return self._open({}) if not self._opened else []
        normal = normalize_response(response, self._request, self._reader)
        self._response = normal
        opening = [] if self._opened or kind == "response.created" else self._open(response)
        self._opened = True
        return [*opening, event if normal is response else {**event, "response": normal}]

    def _open(self, response: Json) -> list[Event]:
        self._opened = True
        skeleton = {
            "id": "",
            "object": "response",
            "created_at": 0,
            "model": (self._request or {}).get("model", ""),
            "status": "in_progress",
            "output": [],
            **response,
        }
        self._response = normalize_response(skeleton, self._request)
        return [{"type": "response.created", "sequence_number": 0, "response": self._response}]

    def _finish(self, event: Event, kind: str) -> list[Event]:
        self._ended = True
        response = event.get("response")
        if not isinstance(response, dict):
            status = kind.removeprefix("response.")
            response = {**self._response, "status": "completed" if status == "done" else status}
        kind = _TERMINAL[kind]
        if response.get("status") in ("failed", "cancelled"):
            kind = "response.failed"
        elif response.get("status") == "incomplete":
            kind = "response.incomplete"
        normal = normalize_response(response, self._request, self._reader)
        before = (
            [] if self._opened else self._open({**response, "status": "in_progress", "output": []})
        )
        told = dict(self._items)
        for item in normal["output"]:
            before += self._backfill(_take(told, item), item)
        if self._request is not None and any(item.garbled for item in self._items.values()):
            return [_error("stream_garbled", _GARBLED)]
        normal = self._completed(normal, kind)
        if normal is event.get("response") and kind == event.get("type"):
            return [*before, event]
        return [*before, {**event, "type": kind, "response": normal}]

    def _completed(self, normal: Json, kind: str) -> Json:
        """The final response with what only the stream has said."""
        full = dict(normal)
        if not full["output"] and self._items:
            full["output"] = [self._items[index].json for index in sorted(self._items)]
        keep(full, events=self._events)
        if self._unmapped and not (full.get(EXTENSION) or {}).get("unmapped"):
            keep(full, unmapped=list(self._unmapped.values()))
        if kind == "response.failed" and not full.get("error"):
            status = full.get("status")
            full["error"] = {
                "code": "cancelled" if status == "cancelled" else "server_error",
                "message": f"the response ended as {status} without a reason",
            }
        return normal if full == normal else full

    # Items

    def _whole_item(self, event: Event, kind: str) -> list[Event]:
        raw = event.get("item")
        index = self._index(event, raw)
        item = normalize_item(
            raw, index, self._reader, response_id=str(self._response.get("id") or "")
        )
        if item is None or not isinstance(raw, dict):
            entry = raw if isinstance(raw, dict) else {"value": raw}
            self._unmapped[str(entry.get("id") or "") or index] = entry
            return []
        known = self._items.get(index)
        if known is not None and not raw.get("id"):
            item["id"] = known.json["id"]
        if kind.endswith("added") and item["type"] == "function_call" and not raw.get("arguments"):
            item["arguments"] = ""
        same = item == raw and event.get("output_index") == index
        normal = event if same else {**event, "type": kind, "output_index": index, "item": item}
        if kind.endswith("added"):
            opened = self._start(index, item)
            if item.get("arguments"):
                opened.texts["function_call_arguments", 0].append(item["arguments"])
            return [normal]
        before: list[Event] = []
        if known is None:
            known = self._start(index, item)
            before.append(known.announcement())
        known.json = item
        before += known.missing(item)
        known.done = True
        return [*before, normal]

    def _start(self, index: int, item: Json) -> StreamedItem:
        streamed = StreamedItem(index, item, mirrors=self._reader.mirror_reasoning)
        self._items[index] = streamed
        return streamed

    def _index(self, event: Event, raw: object) -> int:
        """Which item an event is about: ids say it, since some servers give every item of a turn the same index."""
        identifier = raw.get("id") if isinstance(raw, Mapping) else None
        for index, item in self._items.items():
            if identifier and item.json.get("id") == identifier:
                return index
        announces = str(event.get("type")).endswith("added")
        given = event.get("output_index")
        if isinstance(given, int) and not (announces and identifier and given in self._items):
            return given
        if not announces and not identifier:
            for index, item in self._items.items():
                if not item.done:
                    return index
        return max(self._items, default=-1) + 1

    def _backfill(self, known: StreamedItem | None, item: Json) -> list[Event]:
        if known is None:
            index = max(self._items, default=-1) + 1
            known = self._start(index, item)
            events = [known.announcement(), *known.missing(item)]
        elif known.done:
            return []
        else:
            item = {**item, "id": known.json["id"]}
            events = known.missing(item)
        known.done = True
        return [*events, known.event("output_item.done", item=item)]

    # Pieces of items

    def _piece(self, event: Event, kind: str) -> list[Event]:
        if self._belongs_to_unmapped(event):
            return []
        before: list[Event] = []
        known = self._owner(event, _OPENS[kind])
        if known is None and self._request is None:
            return [event]  # a resumed stream begins in the middle of an item
        if known is None and _OPENS[kind] == "function_call":
            return []  # a call without a name; the finished item has both
        if known is None:
            index = event.get("output_index")
            if not isinstance(index, int):
                index = max(self._items, default=-1) + 1
            item = _blank(_OPENS[kind], event.get("item_id"), index)
            known = self._start(index, item)
            before.append(known.announcement())
        part = "summary_index" if "reasoning_summary" in kind else "content_index"
        number = event[part] if isinstance(event.get(part), int) else 0
        position = {} if "function_call" in kind else {part: number}
        place = {"item_id": known.json["id"], "output_index": known.index, **position}
        changed = kind != event.get("type") or any(event.get(k) != v for k, v in place.items())
        normal = {**event, "type": kind, **place} if changed else event
        family, _, step = kind.removeprefix("response.").rpartition(".")
        at = (family, next(iter(position.values()), 0))
        if step == "delta":
            return [*before, normal, *known.hear(at, event.get("delta"))]
        if step == "done":
            whole = event.get("text", event.get("arguments", event.get("refusal")))
            before += known.rest(at, whole)
        return [*before, normal]

    def _owner(self, event: Event, kind: str) -> StreamedItem | None:
        for item in self._items.values():
            if event.get("item_id") and item.json.get("id") == event["item_id"]:
                return item
        index = event.get("output_index")
        if isinstance(index, int):
            return self._items.get(index)
        waiting = [i for i in self._items.values() if i.json.get("type") == kind and not i.done]
        return waiting[-1] if waiting else None

    def _belongs_to_unmapped(self, event: Event) -> bool:
        place = (event.get("item_id"), event.get("output_index"))
        return any(key in place for key in self._unmapped)


def normalize_events(
    events: Iterable[Event], request: Mapping[str, Any] | None = None, reader: Reader = ANY_READER
) -> Iterator[Event]:
    """All events of one stream in canonical form; see `EventNormalizer`."""
    normalizer = EventNormalizer(request, reader)
    for event in events:
        yield from normalizer.feed(event)
    yield from normalizer.finish()


def _error(code: str, message: str) -> Event:
    return {"error": {"code": code, "type": "server_error", "message": message}}


def _take(told: dict[int, StreamedItem], item: Json) -> StreamedItem | None:
    """The streamed item that is this item of the final response: the same id, else the first of its type."""
    same = [index for index, known in told.items() if known.json.get("id") == item.get("id")]
    alike = [index for index, known in told.items() if known.json.get("type") == item.get("type")]
    found = same or alike
    return told.pop(found[0]) if found else None


def _blank(kind: str, identifier: object, index: int) -> Json:
    item = normalize_item({"type": kind, "id": identifier}, index, ANY_READER) or {}
    return {**item, "status": "in_progress"}
