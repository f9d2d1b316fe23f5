"""Take back what a visit has left on the server: it is stored in somebody's account, and may be billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .chart import Answer, Call, Chart, Probe, Steps, Verdict, quote

__all__ = ["CLEAN_UP", "note_made"]

_SUBJECT: Final = "clean-up"

_PATIENCE: Final = 2
"""Refusals in a row, after which the server is taken to delete nothing; one alone may be a response never stored."""


def note_made(chart: Chart, call: Call, answer: Answer) -> None:
    """Note where on the server an answer has left something."""
    body: Mapping[str, Any] = answer.body if isinstance(answer.body, dict) else {}
    made = answer.status is not None and answer.status < 300 and call.method == "POST"
    if made and call.path == "/responses" and answer.id:
        chart.left[f"/responses/{answer.id}"] = (call.body or {}).get("store") is not False
    elif made and call.path == "/conversations" and body.get("id"):
        chart.left[f"/conversations/{body['id']}"] = True


def _clean_up(chart: Chart) -> Steps:
    """Deletes what is there, and says what stays."""
    if chart.facts.get("store") == "never":
        evidence = "this server keeps nothing"
        return [Verdict(_SUBJECT, "nothing to delete", good=None, evidence=evidence)]
    disobeys = chart.facts.get("store") == "always"
    left = [path for path, asked in chart.left.items() if asked or disobeys]
    deleted, refused, evidence = 0, 0, ""
    for path in left:
        answer = yield Call(method="DELETE", path=path)
        if answer.status is not None and answer.status < 300:
            deleted, refused = deleted + 1, 0
            continue
        refused += 1
        evidence = f"DELETE {path[:24]}…: {quote(answer, 60)}"
        if refused == _PATIENCE:
            break
    if deleted == len(left):
        evidence = f"{deleted} responses and conversations of this visit"
        return [Verdict(_SUBJECT, "everything deleted", good=True, evidence=evidence)]
    finding = f"{len(left) - deleted} of {len(left)} responses and conversations stay"
    return [Verdict(_SUBJECT, finding, good=False, evidence=evidence)]


CLEAN_UP: Final = Probe(_SUBJECT, _clean_up)
"""The last probe, outside of the budget: what was made has to go, however much was asked."""
