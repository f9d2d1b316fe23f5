"""Probes of request parameters that servers differ about, and of what becomes of them along a chain."""

from __future__ import annotations

from typing import Final

from .chart import Answer, Chart, Probe, Steps, Verdict, create, quote, say, tolerated

__all__ = ["PARAMETERS", "REPEAT"]

_ENCRYPTED: Final = "reasoning.encrypted_content"
_BADGE: Final = "48215"
_INSTRUCTIONS: Final = f"If you are asked for the badge number, say {_BADGE}."
_UNKNOWN: Final = "x_unknown_field"


def _parameters(chart: Chart) -> Steps:
    """Sends what servers differ about all at once, then leaves out what is blamed."""
    base = create(chart, [say("user", "Say hello.")])
    answer, refusals = yield from tolerated(
        base,
        {
            "instructions": {"instructions": _INSTRUCTIONS},
            "truncation": {"truncation": "auto"},
            "include": {"include": [_ENCRYPTED]},
            "reasoning.summary": {"reasoning": {"summary": "auto"}},
            _UNKNOWN: {_UNKNOWN: True},
        },
    )
    if not answer.usable:
        evidence = f"a request with the parameters in dispute: {quote(answer)}"
        return [Verdict("parameters", "unknown", good=None, evidence=evidence)]
    refused = sorted({"instructions", "truncation"} & refusals.keys())
    chart.tried |= {name: name in refused for name in ("instructions", "truncation")}
    verdicts = [_sealed(chart, answer, refusals.get("include"))]
    if "reasoning.summary" in refusals:
        asked = {"reasoning.generate_summary": {"reasoning": {"generate_summary": "auto"}}}
        _, again = yield from tolerated(base, asked)
        if not again:
            chart.facts["reasoning_summary"] = "generate_summary"
        verdicts.append(
            Verdict(
                "reasoning summaries",
                "refused for this model" if again else "called generate_summary",
                good=not again,
                evidence=f"reasoning.summary: {quote(refusals['reasoning.summary'])}",
            )
        )
    else:
        chart.facts["reasoning_summary"] = "summary"
    strict = _UNKNOWN in refusals
    came = quote(refusals[_UNKNOWN] if strict else answer)
    verdicts += [
        Verdict(
            "unknown fields",
            "refused" if strict else "ignored",
            good=None,
            evidence=f"sent {_UNKNOWN}: {came}",
        ),
        *(
            Verdict(name, "refused", good=False, evidence=f"sent {name}: {quote(refusals[name])}")
            for name in refused
        ),
    ]
    if "instructions" not in refused:
        verdicts += yield from _inheritance(chart, answer)
    return verdicts


def _sealed(chart: Chart, answer: Answer, refusal: Answer | None) -> Verdict:
    """Whether reasoning comes encrypted: refused, unasked, or when asked for."""
    subject = "encrypted reasoning"
    if refusal is not None:
        chart.facts["encrypted_reasoning"] = "never"
        evidence = f"include {_ENCRYPTED}: {quote(refusal)}"
        return Verdict(subject, "refused", good=False, evidence=evidence)
    if _is_sealed(chart.first):
        chart.facts["encrypted_reasoning"] = "always"
        evidence = "the first answer held encrypted reasoning that was not asked for"
        return Verdict(subject, "always there", good=True, evidence=evidence)
    if _is_sealed(answer):
        chart.facts["encrypted_reasoning"] = "on_request"
        evidence = f"include {_ENCRYPTED}: the answer held it"
        return Verdict(subject, "on request", good=True, evidence=evidence)
    chart.facts["encrypted_reasoning"] = "by_model"
    evidence = f"include {_ENCRYPTED}: accepted, but this model gave none"
    return Verdict(subject, "accepted", good=None, evidence=evidence)


def _is_sealed(answer: Answer) -> bool:
    output = answer.response.get("output", ())
    return any(item.get("type") == "reasoning" and item.get("encrypted_content") for item in output)


def _inheritance(chart: Chart, before: Answer) -> Steps:
    """Continues a response that had instructions without sending them again."""
    if not chart.stateful:
        return []
    question = "What is the badge number? Reply with the number alone, or with NONE if you were not told one."
    answer = yield create(chart, [say("user", question)], previous_response_id=before.id)
    if not answer.usable:
        evidence = f"continued without instructions: {quote(answer)}"
        return [Verdict("instructions", "unknown", good=None, evidence=evidence)]
    echoed = answer.response.get("instructions")
    inherits = _BADGE in answer.text or _BADGE in str(echoed or "")
    chart.facts["inherits_instructions"] = inherits
    shown = "echoed the earlier ones" if _BADGE in str(echoed or "") else f"echoed {echoed!r}"
    return [
        Verdict(
            "instructions",
            "inherited along the chain" if inherits else "not inherited: sent every turn",
            good=None,
            evidence=f"continued without instructions, asked for what they said: {quote(answer)}; {shown}",
        )
    ]


def _idempotency(chart: Chart) -> Steps:
    """Sends the first request again, key and all."""
    answer = yield chart.opening
    if not answer.usable:
        evidence = f"the first request again: {quote(answer)}"
        return [Verdict("Idempotency-Key", "unknown", good=None, evidence=evidence)]
    same = answer.id == chart.first.id
    chart.facts["honours_idempotency_key"] = same
    return [
        Verdict(
            "Idempotency-Key",
            "honoured" if same else "ignored: a repeated request is paid twice",
            good=same,
            evidence=f"the first request again, same key: {'the same' if same else 'another'} response",
        )
    ]


PARAMETERS: Final = Probe("parameters", _parameters)
REPEAT: Final = Probe("Idempotency-Key", _idempotency)
