"""Names, types and ranges of request parameters, with the field's own error texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .behaviour import Behaviour
from .problems import ApiError
from .shapes import (
    check_items,
    check_tool_choice,
    check_tools,
    check_type,
    missing,
    too_long,
    unsupported,
)
from .strict import check_strict_schema

__all__ = ["PARAMETERS", "check_form", "check_presence"]

_NUMBER = (int, float)

PARAMETERS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "access_programs": (dict, "an object"),
    "background": (bool, "a boolean"),
    "background_options": (dict, "an object"),
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

_LONGEST = 10_485_760
"""Characters of a text, by the specification."""

_AT_ONCE = "soonest"
"""The completion window of a background response that may be streamed."""

_SOURCES = ("input", "previous_response_id", "prompt", "conversation")

_CHOICES = {
    "service_tier": ("auto", "default", "flex", "scale", "priority"),
    "truncation": ("auto", "disabled"),
}


def check_form(body: Mapping[str, Any], behaviour: Behaviour) -> None:
    """Names, types and ranges of a create request, and the form of its items and tools.

    Raises:
        ApiError: The first parameter at fault.
    """
    refuse_unknown = behaviour.unknown_parameters == "refused"
    for name, value in body.items():
        known = PARAMETERS.get(name)
        if known is None:
            if refuse_unknown:
                raise ApiError(
                    400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
                )
        elif value is not None:
            check_type(name, value, *known)
            if behaviour.strict_form and value not in _CHOICES.get(name, (value,)):
                raise unsupported(name, value, _CHOICES[name])
            _check_range(name, value, behaviour.ranges.get(name, _RANGES.get(name)))
    if behaviour.strict_form:
        _check_id("previous_response_id", body.get("previous_response_id") or "")
    if isinstance(body.get("input"), str) and len(body["input"]) > _LONGEST:
        raise too_long("input", _LONGEST, len(body["input"]))
    if isinstance(body.get("input"), list):
        check_items(body["input"], behaviour)
    check_tools(body.get("tools") or ())
    _check_metadata(body.get("metadata") or {})
    _check_format(body.get("text") or {})
    if body.get("tool_choice") is not None:
        check_tool_choice(body["tool_choice"], body.get("tools") or ())


def check_presence(body: Mapping[str, Any]) -> None:
    """What must be there, and what must not be there together.

    Raises:
        ApiError: The first parameter at fault.
    """
    if not body.get("model") and not body.get("prompt"):
        raise missing("model")
    if not any(body.get(name) is not None for name in _SOURCES):
        raise ApiError(
            400,
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.",
            param="input",
            code="missing_required_parameter",
        )
    if body.get("background") and body.get("store") is False:
        raise ApiError(400, "Background mode requires 'store' to be true.", param="store")
    window = (body.get("background_options") or {}).get("completion_window", _AT_ONCE)
    if window != _AT_ONCE and (body.get("stream") or not body.get("background")):
        raise ApiError(
            400,
            f"Completion window '{window}' requires 'background' to be true and 'stream' to be false.",
            param="background_options.completion_window",
        )
    if body.get("previous_response_id") and body.get("conversation"):
        raise ApiError(
            400,
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Provide only one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )


def _check_id(name: str, value: str) -> None:
    if re.search(r"[^A-Za-z0-9_-]", value):
        raise ApiError(
            400,
            f"Invalid '{name}': '{value}'. Expected an ID that contains letters, numbers, underscores, or"
            " dashes, but this value contained additional characters.",
            param=name,
            code="invalid_value",
        )


def _check_range(name: str, value: Any, bounds: tuple[float, float] | None) -> None:
    low, high = bounds or (value, value)
    if bounds is not None and not low <= value <= high:
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


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    """At most 16 pairs, keys of 64 and values of 512 characters."""
    if len(metadata) > 16:
        raise ApiError(
            400,
            "Invalid 'metadata': too many properties. Expected an object with at most 16 properties,"
            f" but got an object with {len(metadata)} properties instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for name, value in metadata.items():
        if len(name) > 64:
            raise too_long("metadata", 64, len(name))
        check_type(f"metadata.{name}", value, str)
        if len(value) > 512:
            raise too_long(f"metadata.{name}", 512, len(value))


def _check_format(text: Mapping[str, Any]) -> None:
    form = text.get("format")
    if form is None:
        return
    check_type("text.format", form, dict)
    kinds = ("json_object", "json_schema", "text")
    if form.get("type") not in kinds:
        raise unsupported("text.format.type", form.get("type"), kinds)
    if form["type"] != "json_schema":
        return
    for name, kind in (("name", str), ("schema", dict)):
        if name not in form:
            raise missing(f"text.format.{name}")
        check_type(f"text.format.{name}", form[name], kind)
    if form.get("strict"):
        subject = f"response_format '{form['name']}'"
        check_strict_schema(form["schema"], subject=subject, param="text.format.schema", code=None)
