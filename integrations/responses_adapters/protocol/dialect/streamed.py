"""One output item while it is streamed, and the events that its server leaves out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from .items import Json

__all__ = ["Event", "Place", "StreamedItem"]

Event: TypeAlias = Json

Place: TypeAlias = tuple[str, int]
"""Which text of an item: the family of its events, such as `"output_text"`, and the number of the part."""

_TEXTS: Final = frozenset({"output_text", "reasoning_text", "refusal"})
"""Types of content parts that are streamed as text, each in events of its own name."""

_ANSWERS: Final = frozenset({"function_call_arguments", "output_text", "refusal"})
"""Texts that must not differ from what the server says in the end; of reasoning, some servers stream another form."""


@dataclass(slots=True)
class StreamedItem:
    """An output item as far as it has been streamed.

    Attributes:
        index: Its `output_index`.
        json: The item itself.
        mirrors: Raw reasoning is told once more as a summary, unless the server tells one.
        texts: What went out as deltas.
        garbled: What went out as deltas is not what the server says in the end.
        done: Its last event went out.
    """

    index: int
    json: Json
    mirrors: bool = False
    texts: dict[Place, list[str]] = field(default_factory=lambda: defaultdict(list))
    garbled: bool = False
    done: bool = False

    def event(self, name: str, **fields: object) -> Event:
        """An event about this item; `name` is its type after `response.`."""
        return {
            "type": f"response.{name}",
            "item_id": self.json["id"],
            "output_index": self.index,
            **fields,
        }

    def announcement(self) -> Event:
        """The event that opens it: the item with nothing in it yet."""
        started = {**self.json, "status": "in_progress"}
        if started["type"] == "message":
            started["content"] = []
        elif started["type"] == "function_call":
            started["arguments"] = ""
        elif started["type"] == "reasoning":
            started |= {"summary": [], "content": []}
        return {"type": "response.output_item.added", "output_index": self.index, "item": started}

    def hear(self, place: Place, delta: object) -> list[Event]:
        """Note a delta; the events that it calls for besides its own."""
        if not isinstance(delta, str):
            return []
        self.texts[place].append(delta)
        return self._mirrored(place, delta)

    def missing(self, item: Json) -> list[Event]:
        """Deltas for what the finished item says and no delta has said."""
        if item["type"] == "function_call":
            return self.rest(("function_call_arguments", 0), item["arguments"])
        events: list[Event] = []
        for family, parts in (
            ("reasoning_summary_text", item.get("summary")),
            ("", item.get("content")),
        ):
            for position, part in enumerate(parts if isinstance(parts, list) else ()):
                said = part if isinstance(part, Mapping) else {}
                name = family or str(said.get("type"))
                if family or name in _TEXTS:
                    events += self.rest((name, position), said.get("text", said.get("refusal")))
        return events

    def rest(self, place: Place, whole: object) -> list[Event]:
        """A delta for what is still to be said of a text, if it begins with what has been said."""
        family, position = place
        said = "".join(self.texts[place])
        if not isinstance(whole, str) or whole == said:
            return []
        if not whole.startswith(said):
            self.garbled |= family in _ANSWERS and whole.split() != said.split()
            return []
        self.texts[place] = [whole]
        delta = whole[len(said) :]
        fields: dict[str, Any] = {"delta": delta}
        if family != "function_call_arguments":
            summary = family == "reasoning_summary_text"
            fields["summary_index" if summary else "content_index"] = position
        return [self.event(f"{family}.delta", **fields), *self._mirrored(place, delta)]

    def _mirrored(self, place: Place, delta: str) -> list[Event]:
        family, position = place
        if family == "reasoning_summary_text":
            self.mirrors = False
        if not self.mirrors or family != "reasoning_text":
            return []
        self.texts["reasoning_summary_text", position].append(delta)
        return [self.event("reasoning_summary_text.delta", summary_index=position, delta=delta)]
