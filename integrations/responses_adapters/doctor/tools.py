"""Probes of tools: calls, several at once, strict, their outputs, and the choice among them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from .chart import Answer, Call, Chart, Probe, Steps, Verdict, create, parsed, quote, say, tolerated
from .state import NOTE

__all__ = ["ALLOWED_TOOLS", "TOOLS"]

_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "name": "save_note",
    "description": "Save one note, word for word.",
    "parameters": {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The whole note."}},
        "required": ["text"],
        "additionalProperties": False,
    },
}
_FEWEST_TOKENS: Final = 24
"""Tokens of the calls below which their absence would not show."""

_DECOY: Final[dict[str, Any]] = {
    "type": "function",
    "name": "list_notes",
    "description": "List all notes.",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}


def _tools(chart: Chart) -> Steps:
    """Asks for two calls of one tool, and answers what comes."""
    other = "The ferry leaves at noon."
    user = say("user", f'Save these two notes, with one call each: "{NOTE}" and "{other}"')
    call = create(chart, [user], tools=[_TOOL])
    answer, refusals = yield from tolerated(
        call,
        {
            "strict": {"tools": [{**_TOOL, "strict": True}]},
            "tool_choice": {"tool_choice": "required"},
            "parallel_tool_calls": {"parallel_tool_calls": True},
        },
    )
    if not answer.usable:
        evidence = f"a function tool: {quote(answer)}"
        return [Verdict("tools", "not supported", good=False, evidence=evidence)]
    chart.facts["strict"] = "strict" not in refusals
    chart.tried["parallel_tool_calls"] = "parallel_tool_calls" in refusals
    calls = answer.calls
    sound = [each for each in calls if parsed(each.get("arguments")) is not None]
    works = bool(calls) and len(sound) == len(calls)
    evidence = f"asked for two calls: {len(calls)} came, {len(sound)} with arguments that parse"
    several = evidence
    if "parallel_tool_calls" in refusals:
        several += f"; parallel_tool_calls: {quote(refusals['parallel_tool_calls'])}"
    verdicts = [
        Verdict("tools", "works" if works else "unreliable", good=works, evidence=evidence),
        Verdict(
            "parallel calls",
            "several calls in one turn" if len(calls) > 1 else "one call in one turn",
            good=True if len(calls) > 1 else None,
            evidence=several,
        ),
        Verdict(
            "strict tools",
            "refused" if "strict" in refusals else "accepted",
            good="strict" not in refusals,
            evidence=f"strict=true: {quote(refusals.get('strict', answer), 60)}",
        ),
    ]
    if calls:
        verdicts.append((yield from _outputs(chart, user, answer)))
    return verdicts


def _allowed_tools(chart: Chart) -> Steps:
    """Allows one tool, and asks for the other."""
    only = {"type": "function", "name": _TOOL["name"]}
    answer = yield create(
        chart,
        [say("user", f'Call list_notes. If you cannot, save the note "{NOTE}"')],
        tools=[_TOOL, _DECOY],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [only]},
    )
    subject = "allowed_tools"
    evidence = f"allowed one tool of two, asked for the other: {quote(answer)}"
    if not answer.usable and not answer.refused:
        return [Verdict(subject, "unknown", good=None, evidence=evidence)]
    called = [str(each.get("name")) for each in answer.calls]
    enforced = bool(called) and set(called) == {_TOOL["name"]}
    chart.facts["allowed_tools"] = enforced
    if answer.usable:
        evidence = (
            f"allowed one tool of two, asked for the other: {', '.join(called) or 'none'} called"
        )
    finding = "enforced" if enforced else "refused" if answer.refused else "ignored"
    return [Verdict(subject, finding, good=enforced, evidence=evidence)]


def _outputs(chart: Chart, user: dict[str, Any], asked: Answer) -> Generator[Call, Answer, Verdict]:
    """Gives the calls their outputs: along the chain where there is one, else with everything before."""
    subject = "tool outputs"
    outputs = [
        {"type": "function_call_output", "call_id": each.get("call_id"), "output": "saved"}
        for each in asked.calls
    ]
    if not chart.stateful:
        raw = asked.body["output"]  # verbatim, unknown fields included
        said = raw if isinstance(raw, list) else asked.response["output"]
        given = [user, *said, *outputs]
        answer = yield create(chart, given, tools=[_TOOL], tool_choice="none")
        return Verdict(
            subject,
            "works with a full replay" if answer.usable else "refused",
            good=answer.usable,
            evidence=f"sent the turn, its calls and their outputs: {quote(answer)}",
        )
    answer = yield create(
        chart, outputs, tools=[_TOOL], tool_choice="none", previous_response_id=asked.id
    )
    evidence = f"continued with the outputs alone: {quote(answer)}"
    if answer.refused:
        chart.facts["keeps_tool_items"] = False
        return Verdict(subject, "the calls were forgotten", good=False, evidence=evidence)
    if answer.tokens is None or asked.tokens is None or asked.tokens[1] < _FEWEST_TOKENS:
        return Verdict(subject, "accepted", good=None, evidence=evidence)
    read, written = asked.tokens
    kept = answer.tokens[0] - read > written / 2
    chart.facts["keeps_tool_items"] = kept
    counted = f"{read} + {written} tokens before, {answer.tokens[0]} input tokens after"
    return Verdict(
        subject,
        "works along the chain" if kept else "the calls are missing from the chain",
        good=kept,
        evidence=f"{evidence}; {counted}",
    )


TOOLS: Final = Probe("tools", _tools)
ALLOWED_TOOLS: Final = Probe("allowed_tools", _allowed_tools)
