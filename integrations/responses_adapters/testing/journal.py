"""What was asked of the backend, and assertions about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from .context import CALL_OUTPUTS, Context, Item, as_items, text_of
from .wire import Request

__all__ = ["Journal", "Recorded"]


@dataclass
class Recorded:
    """One request the backend received, kept as it was.

    Attributes:
        status: HTTP status of the answer.
        response_id: The response that was created, if one was.
        disconnected: The client closed the stream before its end.
    """

    request: Request
    status: int = 0
    response_id: str | None = None
    disconnected: bool = False

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.request.method

    @property
    def path(self) -> str:
        """Path, with its prefix."""
        return self.request.path

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, names in lower case."""
        return self.request.headers

    @property
    def body(self) -> bytes:
        """Raw body."""
        return self.request.body

    @cached_property
    def json(self) -> Any:
        """The body as JSON, `None` where it is none."""
        try:
            return json.loads(self.request.body)
        except ValueError:
            return None

    @property
    def input(self) -> Any:
        """The `input` that was sent: a string or a list of items."""
        return self._field("input")

    @property
    def previous_response_id(self) -> str | None:
        """The response this request continues."""
        value = self._field("previous_response_id")
        return value if isinstance(value, str) else None

    @property
    def tools(self) -> dict[str, Item]:
        """The tools that were offered, by name, or by type where they have none."""
        return {tool.get("name", tool.get("type")): tool for tool in self._field("tools") or ()}

    @property
    def creates(self) -> bool:
        """Whether this is a `POST …/responses`."""
        return self.method == "POST" and self.path.rstrip("/").endswith("/responses")

    def _field(self, name: str) -> Any:
        return self.json.get(name) if isinstance(self.json, dict) else None


class Journal:
    """Requests and model contexts in order, and what tests want to know of them.

    Attributes:
        requests: Every request, newest last.
        contexts: What the model saw, one for each turn it took, newest last.
    """

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.contexts: list[Context] = []
        self._outputs: dict[str, tuple[Context, list[Item]]] = {}

    @property
    def creates(self) -> list[Recorded]:
        """The `POST …/responses` among the requests: what is paid for."""
        return [recorded for recorded in self.requests if recorded.creates]

    def turns(self) -> list[tuple[Context, list[Item]]]:
        """What the model saw and said, oldest turn first."""
        return list(self._outputs.values())

    def record_turn(
        self, recorded: Recorded, context: Context, response: Mapping[str, Any]
    ) -> None:
        """Note what the model saw and said."""
        recorded.response_id = response["id"]
        self.contexts.append(context)
        self._outputs[response["id"]] = (context, response["output"])

    def trim(self, newest: int) -> None:
        """Forget all but the newest requests and turns."""
        del self.requests[:-newest], self.contexts[:-newest]
        while len(self._outputs) > newest:
            del self._outputs[next(iter(self._outputs))]

    def assert_chain(self, *responses: Any) -> None:
        """Each response was asked for with `previous_response_id` of the one before.

        Args:
            *responses: Response ids, or objects with an `id`, oldest first; none: all that were created.
        """
        made = {each.response_id: each for each in self.creates if each.response_id}
        ids = [getattr(each, "id", each) for each in responses] or list(made)
        for before, after in pairwise(ids):
            if after not in made:
                raise AssertionError(f"no request created {after}; created: {list(made)}")
            sent = made[after].previous_response_id
            if sent != before:
                raise AssertionError(
                    f"{after} was asked for with previous_response_id={sent!r}, expected {before!r}"
                )

    def assert_replayed(self, items_of: Any = None, *, verbatim: bool = True) -> None:
        """The newest create request sent the history itself: no id, and the earlier items in order.

        Args:
            items_of: The response (or its id) whose context and output must be in the input;
                `None`: the last one created before.
            verbatim: Output items must come back exactly; `False` looks past `id` and `status`.
        """
        last = self.creates[-1]
        if last.previous_response_id is not None:
            raise AssertionError(f"not a replay: it continues {last.previous_response_id}")
        earlier = [each.response_id for each in self.creates[:-1] if each.response_id]
        wanted = getattr(items_of, "id", items_of) or (earlier[-1] if earlier else None)
        if wanted not in self._outputs:
            raise AssertionError(f"there is no earlier response {wanted or ''} to replay")
        context, output = self._outputs[wanted]
        sent = as_items(last.input)
        rest = iter(sent)
        for item in (*context, *output):
            strict = verbatim and item in output
            if not any(_same(item, each, verbatim=strict) for each in rest):
                raise AssertionError(f"the replay lacks, in its place, {item}\nsent: {sent}")

    def assert_tool_result(self, name: str, *, contains: str | None = None) -> None:
        """The model was given an output of the tool `name`, with the text `contains` in it."""
        found = [
            text_of(output)
            for context in self.contexts
            for call, output in context.calls(name)
            if output is not None
        ]
        if not found:
            called = sorted({str(call["name"]) for c in self.contexts for call, _ in c.calls()})
            raise AssertionError(f"no output of {name!r} reached the model; tools called: {called}")
        if contains is not None and not any(contains in text for text in found):
            raise AssertionError(f"no output of {name!r} contains {contains!r}: {found}")


def _same(one: Item, other: Item, *, verbatim: bool) -> bool:
    return one == other if verbatim else _essence(one) == _essence(other)


def _essence(item: Item) -> Any:
    kind = item.get("type")
    if kind == "message":
        return kind, item.get("role"), text_of(item)
    if kind in CALL_OUTPUTS or kind in CALL_OUTPUTS.values():
        return kind, item.get("call_id"), text_of(item)
    return {name: value for name, value in item.items() if name not in {"id", "status"}}
