"""One visit: every probe in turn, within the budget of requests."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..profiles import ServerProfile
from .chart import Answer, Call, Chart, Probe, Verdict
from .cleanup import CLEAN_UP, note_made
from .features import EXTRAS, FEATURES
from .parameters import PARAMETERS, REPEAT
from .state import STATE
from .tools import ALLOWED_TOOLS, TOOLS

__all__ = ["PROBES", "Diagnosis", "Request", "examine"]

PROBES: Final = (*STATE, PARAMETERS, REPEAT, TOOLS, *FEATURES, ALLOWED_TOOLS, *EXTRAS)
"""All probes, the ones that matter most first, in case the budget is small."""

_PATIENCE: Final = 2
"""Requests in a row without an answer in time, after which the visit ends."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call to make, and why.

    Attributes:
        number: Its number in this visit, from 1; `None` for the deletions at the end, which the budget leaves out.
        subject: What it is to find out.
        call: The call.
    """

    number: int | None
    subject: str
    call: Call


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a visit found out.

    Attributes:
        model: The model that was asked.
        requests: How many requests were made to find it out.
        verdicts: What was found, subject by subject.
        profile: The server as measured; what could not be measured is as the address, or the default, has it.
        measured: The fields of `profile` that were measured.
    """

    model: str
    requests: int
    verdicts: tuple[Verdict, ...]
    profile: ServerProfile
    measured: frozenset[str]


def examine(chart: Chart, *, budget: int) -> Generator[Request, Answer, Diagnosis]:
    """Run every probe: yields the requests to make, is resumed with their answers; after an accident, once again.

    Raises:
        UnusableServerError: No Responses server answers there.
    """
    verdicts: list[Verdict] = []
    made = late = 0
    for probe in PROBES:
        steps = probe.run(chart)
        answer: Any = None
        try:
            while True:
                call = steps.send(answer)
                if made == budget or late == _PATIENCE:
                    steps.close()
                    verdicts.append(_not_reached(probe, budget, gave_up=late == _PATIENCE))
                    break
                made += 1
                answer = yield Request(made, probe.subject, call)
                if answer.accident and made < budget:
                    made += 1
                    answer = yield Request(made, probe.subject, call)
                late = late + 1 if answer.late else 0
                _note_shape(chart, answer)
                note_made(chart, call, answer)
        except StopIteration as stop:
            verdicts += stop.value
    if late < _PATIENCE:
        verdicts += yield from _unbudgeted(chart, CLEAN_UP)
    verdicts.append(_error_shapes(chart.shapes))
    return Diagnosis(
        model=str(chart.model),
        requests=made,
        verdicts=tuple(verdicts),
        profile=chart.diagnosed(),
        measured=frozenset({*chart.facts, "refuses"} if chart.tried else chart.facts),
    )


def _unbudgeted(chart: Chart, probe: Probe) -> Generator[Request, Answer, list[Verdict]]:
    steps = probe.run(chart)
    answer: Any = None
    try:
        while True:
            answer = yield Request(None, probe.subject, steps.send(answer))
    except StopIteration as stop:
        found: list[Verdict] = stop.value
        return found


def _not_reached(probe: Probe, budget: int, *, gave_up: bool) -> Verdict:
    why = f"the budget of {budget} requests was used up"
    if gave_up:
        why = f"given up after {_PATIENCE} requests in a row without an answer in time"
    return Verdict(probe.subject, "not measured", good=None, evidence=why)


def _note_shape(chart: Chart, answer: Answer) -> None:
    if answer.status is None or answer.usable or answer.status < 400:
        return
    chart.shapes.setdefault(_shape(answer.body), answer.status)


def _shape(body: Any) -> str:
    """An error body by its form."""
    if not isinstance(body, Mapping):
        return "a web page" if "<html" in str(body).lower() else "plain text"
    for name in ("error", "detail"):
        value = body.get(name)
        if isinstance(value, Mapping):
            kind = " with an integer code" if isinstance(value.get("code"), int) else ""
            return f"{name}{{{', '.join(value)}}}{kind}"
        if value is not None:
            return f"{name}: {'a list' if isinstance(value, list) else 'a string'}"
    return f"{{{', '.join(map(str, body))}}}"


def _error_shapes(shapes: Mapping[str, int]) -> Verdict:
    seen = "; ".join(f"{status} as {shape}" for shape, status in shapes.items())
    return Verdict(
        "error shapes",
        f"{len(shapes)} seen" if shapes else "none seen",
        good=None,
        evidence=seen or "no request was answered with an error",
    )
