"""Probes of what the server can do: streaming, tools, formats, background, and its other endpoints."""

from __future__ import annotations

from typing import Any, Final

from ..protocol.dialect import RUNNING
from .chart import (
    TERMINAL,
    Answer,
    Call,
    Chart,
    Probe,
    Steps,
    Verdict,
    create,
    parsed,
    quote,
    say,
)
from .state import NOTE

__all__ = ["EXTRAS", "FEATURES"]

_ABSENT: Final = frozenset({404, 405, 501})
"""How a server says that it has no such endpoint."""

_EVENTS: Final = (
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_item.done",
)
"""Events of a text answer that clients are written for."""

_SEEN: Final = 1
"""Number of the event after which a stream is resumed."""

_CITY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "capital": {"type": "boolean"}},
    "required": ["city", "capital"],
    "additionalProperties": False,
}


def _stream(chart: Chart) -> Steps:
    """Asks for events."""
    answer = yield create(chart, [say("user", "Count from one to five in words.")], stream=True)
    subject = "streaming"
    if answer.refused:
        chart.facts["streams"] = False
        evidence = f"stream=true: {quote(answer)}"
        return [Verdict(subject, "refused", good=False, evidence=evidence)]
    if answer.events is None:
        if answer.usable:
            chart.facts["streams"] = False
        evidence = f"stream=true: {quote(answer)}"
        finding = "ignored: the answer comes in one piece" if answer.usable else "unknown"
        return [Verdict(subject, finding, good=False, evidence=evidence)]
    kinds = [str(event.get("type")) for event in answer.events]
    ends = not TERMINAL.isdisjoint(kinds)
    chart.facts["streams"] = ends
    deltas = kinds.count("response.output_text.delta")
    evidence = (
        f"{len(kinds)} events in {answer.seconds:.1f} s, {deltas} of them text; longest gap"
        f" {answer.longest_gap:.1f} s; last {kinds[-1] if kinds else 'none'}"
    )
    finding = "works" if ends else "never ends as it should: no terminal event"
    if ends and deltas < 2:
        finding = "the text comes in one piece"
    return [
        Verdict(subject, finding, good=ends, evidence=evidence),
        _manners(answer, kinds),
    ]


def _manners(answer: Answer, kinds: list[str]) -> Verdict:
    """What the stream has and lacks, of what clients may expect."""
    numbers = [event.get("sequence_number") for event in answer.events or ()]
    has = {
        "event: lines": "event:" in answer.head,
        "sequence numbers": all(isinstance(number, int) for number in numbers),
        "[DONE]": "[DONE]" in answer.head,
        **{kind: kind in kinds for kind in _EVENTS},
    }
    missing = [name for name, there in has.items() if not there]
    return Verdict(
        "stream form",
        "complete" if set(missing) <= {"[DONE]"} else "incomplete; the adapters fill it in",
        good=None,
        evidence=f"without {', '.join(missing)}" if missing else "nothing is missing",
    )


def _json_schema(chart: Chart) -> Steps:
    form = {"type": "json_schema", "name": "city", "schema": _CITY, "strict": True}
    given = 'Describe the city "Paris": its name, and whether it is a capital.'
    answer = yield create(chart, [say("user", given)], text={"format": form})
    value = parsed(answer.text) or {}
    return _format(chart, "json_schema", answer, right=value.keys() == _CITY["properties"].keys())


def _json_object(chart: Chart) -> Steps:
    given = 'Describe the city "Paris" as a JSON object with the keys "city" and "capital".'
    form = {"type": "json_object"}
    answer = yield create(chart, [say("user", given)], text={"format": form})
    return _format(chart, "json_object", answer, right=parsed(answer.text) is not None)


def _format(chart: Chart, name: str, answer: Answer, *, right: bool) -> list[Verdict]:
    """Whether a format was accepted, and kept to."""
    subject = f"output as {name}"
    evidence = f"text.format {name}: {quote(answer)}"
    if not answer.usable and not answer.refused:
        return [Verdict(subject, "unknown", good=None, evidence=evidence)]
    chart.facts[name] = right
    finding = "works" if right else "refused" if answer.refused else "ignored"
    return [Verdict(subject, finding, good=right, evidence=evidence)]


def _items(chart: Chart) -> Steps:
    """Sends messages the short way, without a type, and looks whether the model saw the assistant's."""
    secret = chart.word[::-1]
    said = f"My secret word is {secret}. {NOTE}"
    given: list[dict[str, Any]] = [
        {"role": "user", "content": "Let us play a game. You think of a secret word."},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "What was your secret word? Reply with that word alone."},
    ]
    answer = yield create(chart, given)
    subject = "short messages"
    evidence = f"messages without type, the assistant's as plain text: {quote(answer)}"
    if answer.refused:
        chart.facts["input_items"] = "typed"
        return [Verdict(subject, "refused", good=False, evidence=evidence)]
    seen = _seen(chart, answer, secret)
    if seen is None:
        if answer.usable:
            chart.facts["input_items"] = "typed"  # what every server takes
        return [Verdict(subject, "unknown: not used", good=None, evidence=evidence)]
    chart.facts["input_items"] = "easy" if seen else "typed"
    finding = "understood" if seen else "the assistant's text is silently dropped"
    counted = f"; {answer.tokens[0]} input tokens" if answer.tokens else ""
    return [Verdict(subject, finding, good=seen, evidence=evidence + counted)]


def _seen(chart: Chart, answer: Answer, secret: str) -> bool | None:
    """Whether the assistant's message was read: with it, this is longer than the first request was."""
    if not answer.usable:
        return None
    if secret.lower() in answer.text.lower():
        return True
    if answer.tokens is None or chart.first.tokens is None:
        return None
    return answer.tokens[0] >= chart.first.tokens[0]


def _background(chart: Chart) -> Steps:
    """Starts a response in the background and cancels it, or looks at it again where that is not possible."""
    answer = yield create(
        chart, [say("user", "Write a short poem about the sea.")], background=True
    )
    started = answer.usable and answer.body.get("status") in RUNNING
    evidence = f"background=true: {quote(answer, 60)}"
    chart.tried["background"] = answer.refused
    target = answer.id if started else chart.first.id
    cancel = yield Call(method="POST", path=f"/responses/{target}/cancel")
    verdicts = [_cancels(chart, cancel)]
    if not started:
        if answer.usable or answer.refused:
            chart.facts["background"] = False
        finding = "refused" if answer.refused else "unknown"
        if answer.usable:
            finding = "ignored: the answer comes at once"
        return [Verdict("background", finding, good=False, evidence=evidence), *verdicts]
    again = cancel
    if not cancel.response:
        again = yield Call(method="GET", path=f"/responses/{answer.id}")
    found = bool(again.response)
    if again.status is not None:
        chart.facts["background"] = found
    return [
        Verdict(
            "background",
            "works" if found else "accepted, but cannot be fetched",
            good=found,
            evidence=f"{evidence}; asked again: {_outcome(again)}",
        ),
        *verdicts,
    ]


def _cancels(chart: Chart, cancel: Answer) -> Verdict:
    evidence = f"POST …/cancel: {_outcome(cancel)}"
    if cancel.status is None:
        return Verdict("cancel", "unknown", good=None, evidence=evidence)
    stops = cancel.status not in _ABSENT and cancel.status < 500
    chart.facts["cancels"] = stops
    finding = "available" if stops else "not available"
    return Verdict("cancel", finding, good=stops, evidence=evidence)


def _outcome(answer: Answer) -> str:
    status = answer.response.get("status")
    return f"{answer.status} {status}" if status else quote(answer, 60)


def _conversations(chart: Chart) -> Steps:
    """Makes a conversation and names it by its plain id; without one to make, names one that never was."""
    made = yield Call(method="POST", path="/conversations", body={})
    body = made.body if isinstance(made.body, dict) else {}
    there = made.status is not None and made.status < 300 and bool(body.get("id"))
    name = str(body["id"]) if there else "conv_doctor00000000000000"
    answer = yield create(chart, [say("user", "Hello")], conversation=name)
    evidence = f"POST /conversations: {made.status if there else quote(made, 60)}"
    evidence += f"; conversation as a plain id: {quote(answer, 60)}"
    if there:
        chart.tried["conversation"] = False
        if answer.usable or answer.refused:
            chart.facts["conversation"] = "object" if answer.refused else "id"
        finding = "works, named by an object" if answer.refused else "works"
        return [Verdict("conversations", finding, good=True, evidence=evidence)]
    missing = answer.status in {400, 404} and "not found" in answer.failure.message.lower()
    chart.tried["conversation"] = answer.refused and not missing
    return [Verdict("conversations", "not available", good=False, evidence=evidence)]


def _compact(chart: Chart) -> Steps:
    body = {"model": chart.model, "input": [say("user", "Hello"), say("assistant", "Hello!")]}
    answer = yield Call(method="POST", path="/responses/compact", body=body)
    works = isinstance(answer.body, dict) and isinstance(answer.body.get("output"), list)
    evidence = f"POST /responses/compact: {answer.status if works else quote(answer, 60)}"
    finding = "works" if works else "not available"
    return [Verdict("compaction", finding, good=works, evidence=evidence)]


def _key(chart: Chart) -> Steps:
    """Sends an empty request without the key: who it is gets asked before what is wanted."""
    if not chart.keyed:
        chart.facts["needs_key"] = False
        evidence = "every request went without one"
        return [Verdict("key", "not needed", good=None, evidence=evidence)]
    answer = yield Call(method="POST", path="/responses", body={}, with_key=False)
    evidence = f"an empty request without the key: {quote(answer, 60)}"
    if answer.status is None or answer.accident:
        return [Verdict("key", "unknown: taken for needed", good=None, evidence=evidence)]
    needed = answer.status in {401, 403}
    chart.facts["needs_key"] = needed
    return [Verdict("key", "needed" if needed else "not needed", good=None, evidence=evidence)]


def _health(chart: Chart) -> Steps:
    path = chart.profile.health or "/health"
    answer = yield Call(method="GET", path=path, from_root=True)
    works = answer.status is not None and 200 <= answer.status < 300
    if works:
        chart.facts["health"] = path
    evidence = f"GET {path} at the root: {answer.status if works else quote(answer, 60)}"
    finding = path if works else "none at the usual place"
    return [Verdict("health check", finding, good=works or None, evidence=evidence)]


FEATURES: Final = (
    Probe("streaming", _stream),
    Probe("output as json_schema", _json_schema),
    Probe("background", _background),
    Probe("short messages", _items),
    Probe("output as json_object", _json_object),
    Probe("conversations", _conversations),
    Probe("key", _key),
)
"""What the server can do, the most useful first."""


def _streamed_background(chart: Chart) -> Steps:
    """Starts a response in the background as a stream, and asks for the rest of its events once more."""
    subject = "streamed background"
    if not (chart.facts.get("background") and chart.facts.get("streams")):
        return []
    answer = yield create(chart, [say("user", "Say hello.")], background=True, stream=True)
    evidence = f"background=true with stream=true: {quote(answer, 60)}"
    if answer.events is None or not answer.id:
        if answer.refused or answer.usable:
            chart.facts["streams_background"] = False
        finding = "refused" if answer.refused else "not streamed"
        return [Verdict(subject, finding, good=False, evidence=evidence)]
    path = f"/responses/{answer.id}?stream=true&starting_after={_SEEN}"
    again = yield Call(method="GET", path=path)
    numbers = [event.get("sequence_number") for event in again.events or ()]
    resumes = bool(numbers) and all(isinstance(each, int) and each > _SEEN for each in numbers)
    if again.status is not None:
        chart.facts["streams_background"] = resumes
    evidence += f"; asked for what follows event {_SEEN}: {len(numbers)} events"
    finding = "works, and can be resumed" if resumes else "cannot be resumed"
    return [Verdict(subject, finding, good=resumes, evidence=evidence)]


EXTRAS: Final = (
    Probe("compaction", _compact),
    Probe("health check", _health),
    Probe("streamed background", _streamed_background),
)
"""Endpoints that the adapters can do without."""
