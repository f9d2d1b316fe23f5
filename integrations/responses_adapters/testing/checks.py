"""What a server checks before it runs the model, with the field's own error texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .context import CALL_OUTPUTS, Item
from .problems import ApiError

__all__ = ["check_pairs", "check_parameters", "check_unique", "parse_body"]

_NUMBER = (int, float)

PARAMETERS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "access_programs": (dict, "an object"),
    "background": (bool, "a boolean"),
    "context_management": (list, "an array of objects"),
    "conversation": ((str, dict), "one of an object or string"),
    "frequency_penalty": (_NUMBER, "a decimal"),
    "image": (dict, "an object"),
    "include": (list, "an array of strings"),
    "input": ((str, list), "one of an array of objects or string"),
    "instructions": (str, "a string"),
    "max_output_tokens": (int, "an integer"),
    "max_tool_calls": (int, "an integer"),
    "metadata": (dict, "an object"),
    "model": (str, "a string"),
    "moderation": (dict, "an object"),
    "parallel_tool_calls": (bool, "a boolean"),
    "presence_penalty": (_NUMBER, "a decimal"),
    "previous_response_id": (str, "a string"),
    "prompt": (dict, "an object"),
    "prompt_cache_key": (str, "a string"),
    "prompt_cache_options": (dict, "an object"),
    "prompt_cache_retention": (str, "a string"),
    "reasoning": (dict, "an object"),
    "safety_identifier": (str, "a string"),
    "service_tier": (str, "a string"),
    "store": (bool, "a boolean"),
    "stream": (bool, "a boolean"),
    "stream_options": (dict, "an object"),
    "temperature": (_NUMBER, "a decimal"),
    "text": (dict, "an object"),
    "tool_choice": ((str, dict), "one of an object or string"),
    "tools": (list, "an array of objects"),
    "top_logprobs": (int, "an integer"),
    "top_p": (_NUMBER, "a decimal"),
    "truncation": (str, "a string"),
    "user": (str, "a string"),
}
"""Parameters of a create request: their types, and how error texts call those."""

_RANGES: dict[str, tuple[float, float]] = {
    "frequency_penalty": (-2, 2),
    "max_output_tokens": (16, float("inf")),
    "max_tool_calls": (1, float("inf")),
    "presence_penalty": (-2, 2),
    "temperature": (0, 2),
    "top_logprobs": (0, 20),
    "top_p": (0, 1),
}

_CHOICES = {
    "service_tier": ("auto", "default", "flex", "scale", "priority"),
    "truncation": ("auto", "disabled"),
}

_JSON_NAMES = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string"}
_JSON_NAMES |= {list: "an array", dict: "an object"}


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


def check_parameters(body: Mapping[str, Any], *, refuse_unknown: bool = True) -> None:
    """Names, types and ranges of a create request.

    Raises:
        ApiError: The first parameter at fault.
    """
    for name, value in body.items():
        known = PARAMETERS.get(name)
        if known is None:
            if refuse_unknown:
                raise ApiError(
                    400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
                )
            continue
        if value is not None:
            check_type(name, value, *known)
            _check_range(name, value)
    if not body.get("model") and not body.get("prompt"):
        raise ApiError(
            400,
            "Missing required parameter: 'model'.",
            param="model",
            code="missing_required_parameter",
        )
    _check_objects(body, "input")
    _check_objects(body, "tools")
    if body.get("previous_response_id") and body.get("conversation"):
        raise ApiError(
            400,
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Provide only one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )


def check_type(name: str, value: Any, wanted: type | tuple[type, ...], called: str) -> None:
    """Raise unless `value` is of the type `wanted`; a boolean is no number."""
    right = isinstance(value, wanted)
    if isinstance(value, bool) and wanted is not bool:
        right = False
    if not right:
        got = _JSON_NAMES.get(type(value), "null")
        raise ApiError(
            400,
            f"Invalid type for '{name}': expected {called}, but got {got} instead.",
            param=name,
            code="invalid_type",
        )


def _check_range(name: str, value: Any) -> None:
    choices = _CHOICES.get(name)
    if choices is not None and value not in choices:
        supported = ", ".join(f"'{choice}'" for choice in choices)
        raise ApiError(
            400,
            f"Invalid value: '{value}'. Supported values are: {supported}.",
            param=name,
            code="invalid_value",
        )
    low, high = _RANGES.get(name, (value, value))
    if name in _RANGES and not low <= value <= high:
        called = "integer" if PARAMETERS[name][0] is int else "decimal"
        below = value < low
        side, bound = ("minimum", low) if below else ("maximum", high)
        comparison = "greater" if below else "less"
        raise ApiError(
            400,
            f"Invalid '{name}': {called} {side} value exceeded."
            f" Expected a value {comparison} than or equal to {bound:g}, but got {value} instead.",
            param=name,
            code=f"{called}_{'below_min' if below else 'above_max'}_value",
        )


def _check_objects(body: Mapping[str, Any], name: str) -> None:
    value = body.get(name)
    if not isinstance(value, list):
        return
    for index, each in enumerate(value):
        check_type(f"{name}[{index}]", each, dict, "an object")


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
