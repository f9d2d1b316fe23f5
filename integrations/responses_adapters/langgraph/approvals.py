"""Approvals that a server asks for before it runs a tool, decided by a person through LangGraph's `interrupt`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.types import interrupt

from ..protocol.items import Item
from .parts import unwrap

__all__ = ["ask_for_approval", "pending_approvals"]


def pending_approvals(messages: Sequence[BaseMessage]) -> list[Item]:
    """The approval requests of the newest answer, where nothing but outputs of its other calls has followed."""
    last = next((each for each in reversed(messages) if not isinstance(each, ToolMessage)), None)
    if not isinstance(last, AIMessage) or isinstance(last.content, str):
        return []
    return [
        block
        for block in map(unwrap, last.content)
        if isinstance(block, dict) and block.get("type") == "mcp_approval_request"
    ]


def ask_for_approval(requests: Sequence[Item]) -> HumanMessage:
    """Park the graph until somebody decides, and say the decision as a message.

    The graph is interrupted with `{"type": "approval", "requests": [...]}`, the requests as the server wrote them.
    Resume it with `True` or `False` for all of them, or with a dict by request id whose values are bools or
    `{"approve": bool, "reason": str}`. A decision that leaves one open is asked for again, with what is wrong as
    `"problem"`: LangGraph keeps every resume value, so raising would make the thread raise for ever.
    """
    question: dict[str, Any] = {"type": "approval", "requests": list(requests)}
    while True:
        decision = interrupt(question)
        responses = [_response(request, decision) for request in requests]
        decided = [response for response in responses if response is not None]
        if len(decided) == len(requests):
            return HumanMessage([*decided])
        question["problem"] = (
            f"{decision!r} does not decide every request: resume with True, False, or"
            ' {request id: {"approve": bool, "reason": str}}'
        )


def _response(request: Item, decision: Any) -> Item | None:
    request_id = request.get("id")
    chosen = decision.get(request_id, decision) if isinstance(decision, Mapping) else decision
    if isinstance(chosen, bool):
        chosen = {"approve": chosen}
    if not isinstance(chosen, Mapping) or not isinstance(chosen.get("approve"), bool):
        return None
    reason = {"reason": chosen["reason"]} if chosen.get("reason") else {}
    return {
        "type": "mcp_approval_response",
        "approval_request_id": request_id,
        "approve": chosen["approve"],
        **reason,
    }
