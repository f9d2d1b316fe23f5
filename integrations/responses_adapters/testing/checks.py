"""What a server checks before it runs the model: that calls, outputs, ids and reasoning add up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .context import CALL_OUTPUTS, Item
from .problems import ApiError

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["check_input", "check_pairs", "check_unique", "parse_body"]


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        ApiError: It is not JSON, or not an object.
    """
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(
            400,
            "We could not parse the JSON body of your request. The API expects a JSON object.",
        )
    return value


def check_input(backend: Backend, kept: list[Item], sent: list[Item]) -> None:
    """That the input fits what is stored, and itself.

    Args:
        backend: Knows what it stored and sealed.
        kept: Items the server holds for this turn.
        sent: Items of this request.

    Raises:
        ApiError: The first contradiction.
    """
    behaviour = backend.behaviour
    if behaviour.strict_ids:
        check_unique(kept, sent)
    if behaviour.strict_pairs:
        check_pairs(kept, sent)
    if behaviour.strict_reasoning:
        _check_reasoning(backend, kept, sent)
    _check_seals(backend, sent)
    _check_approvals(kept, sent)


def _check_reasoning(backend: Backend, kept: list[Item], sent: list[Item]) -> None:
    """A reasoning item goes with the item that followed it, and is known or sealed."""
    present = {item["id"] for item in (*kept, *sent) if item.get("id")}
    for index, item in enumerate(sent):
        item_id = item.get("id")
        if not item_id:
            continue
        if item.get("type") == "reasoning":
            if not item.get("encrypted_content") and item_id not in backend.store.items:
                raise ApiError(
                    404,
                    f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to"
                    " false. Try again with `store` set to true, or remove this item from your input.",
                    param="input",
                )
            following = sent[index + 1] if index + 1 < len(sent) else {}
            if following.get("role", "assistant") != "assistant" or not following:
                raise ApiError(
                    400,
                    f"Item '{item_id}' of type 'reasoning' was provided without its required following item.",
                    param="input",
                )
        needed = backend.store.reasoned.get(item_id)
        if needed is not None and needed not in present:
            raise ApiError(
                400,
                f"Item '{item_id}' of type '{item.get('type')}' was provided without its required"
                f" 'reasoning' item: '{needed}'.",
                param="input",
            )


def _check_seals(backend: Backend, sent: list[Item]) -> None:
    """Encrypted content comes back as it was given out."""
    for item in sent:
        blob = item.get("encrypted_content")
        if blob and backend.behaviour.strict_seals and blob not in backend.store.sealed:
            raise ApiError(
                400,
                f"The encrypted content {blob[:4]}...{blob[-4:]} could not be verified."
                " [Reason: Encrypted content could not be decrypted or parsed.]",
                code="invalid_encrypted_content",
            )


def _check_approvals(kept: list[Item], sent: list[Item]) -> None:
    asked = {i.get("id") for i in (*kept, *sent) if i.get("type") == "mcp_approval_request"}
    for item in sent:
        wanted = item.get("approval_request_id")
        if item.get("type") == "mcp_approval_response" and wanted not in asked:
            raise ApiError(
                400, f"No approval request found for approval response: {wanted}.", param="input"
            )


def check_pairs(kept: Iterable[Item], sent: Iterable[Item]) -> None:
    """Every call has its output, every output its call.

    Args:
        kept: Items the server holds.
        sent: Items of this request.

    Raises:
        ApiError: The first call or output that stands alone.
    """
    open_calls: dict[str, str] = {}
    seen: set[str] = set()
    for item in (*kept, *sent):
        kind = item.get("type", "message")
        call_id = item.get("call_id")
        if kind in CALL_OUTPUTS:
            open_calls[call_id or ""] = _spoken(kind)
            seen.add(call_id or "")
        elif kind in _OUTPUT_TYPES:
            if call_id not in seen:
                called = _spoken(_OUTPUT_TYPES[kind])
                raise ApiError(
                    400,
                    f"No tool call found for {called} output with call_id {call_id}.",
                    param="input",
                )
            open_calls.pop(call_id, None)
    for call_id, called in open_calls.items():
        raise ApiError(400, f"No tool output found for {called} {call_id}.", param="input")


_OUTPUT_TYPES = {output: call for call, output in CALL_OUTPUTS.items()}


def _spoken(kind: str) -> str:
    return kind.replace("_", " ")


def check_unique(kept: Iterable[Item], sent: Iterable[Item]) -> None:
    """No item id occurs twice.

    Raises:
        ApiError: The first id that does.
    """
    seen = {item["id"] for item in kept if item.get("id")}
    for item in sent:
        item_id = item.get("id")
        if not item_id or item.get("type") == "item_reference":
            continue
        if item_id in seen:
            raise ApiError(
                400,
                f"Duplicate item found with id {item_id}."
                " Remove duplicate items from your input and try again.",
                param="input",
            )
        seen.add(item_id)
