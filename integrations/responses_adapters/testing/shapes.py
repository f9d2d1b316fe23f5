"""The form of input items and tools: required fields, their types, what may stand where."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .behaviour import Behaviour
from .context import Item
from .problems import ApiError
from .strict import check_strict_schema

__all__ = ["check_items", "check_tool_choice", "check_tools", "check_type", "missing"]

Kind = type | tuple[type, ...]

_JSON_NAMES = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string"}
_JSON_NAMES |= {list: "an array", dict: "an object"}

_WORDS: dict[Kind, str] = {
    str: "a string",
    list: "an array",
    dict: "an object",
    bool: "a boolean",
    (str, list): "one of an array of objects or string",
}

_FIELDS: dict[str, dict[str, Kind]] = {
    "message": {"role": str, "content": (str, list)},
    "function_call": {"call_id": str, "name": str, "arguments": str},
    "function_call_output": {"call_id": str, "output": (str, list)},
    "custom_tool_call": {"call_id": str, "name": str, "input": str},
    "custom_tool_call_output": {"call_id": str, "output": (str, list)},
    "reasoning": {"summary": list},
    "item_reference": {"id": str},
    "compaction": {"encrypted_content": str},
    "mcp_approval_response": {"approval_request_id": str, "approve": bool},
    "mcp_approval_request": {"id": str, "name": str, "arguments": str, "server_label": str},
    "mcp_call": {"id": str, "name": str, "arguments": str, "server_label": str},
    "mcp_list_tools": {"id": str, "server_label": str, "tools": list},
}
"""Required fields of the input items whose form is checked, by type."""

_OPAQUE = {
    "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "computer_call",
    "computer_call_output", "file_search_call", "image_generation_call", "local_shell_call",
    "local_shell_call_output", "program", "program_output", "shell_call", "shell_call_output",
    "tool_search_call", "tool_search_output", "web_search_call", "additional_tools",
    "compaction_trigger",
}  # fmt: skip
"""Input item types that are taken as they are, as are all with a `slug:` prefix."""

_OPTIONAL = {
    "id", "type", "status", "phase", "encrypted_content", "content", "namespace", "caller", "created_by",
    "async", "output", "error", "approval_request_id", "reason", "tools", "server_label", "annotations",
    "object",
}  # fmt: skip
"""Fields that some known item has besides its required ones."""

_OUTPUT_ONLY = {"reasoning": {"status"}}
"""Fields that some items have only on the way out; OpenAI refuses them on the way in."""

_PARTS = {
    "assistant": ("output_text", "refusal"),
    "": ("input_text", "input_image", "input_file", "input_video", "computer_screenshot"),
}
"""Content part types by role; every role but the assistant's has the same."""

_PART_FIELDS = ("detail", "file_data", "file_id", "file_url", "filename", "image_url")

_PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs"}

HOSTED = {
    "apply_patch", "code_interpreter", "computer", "computer_use_preview", "custom", "file_search",
    "function", "image_generation", "local_shell", "mcp", "namespace", "programmatic_tool_calling",
    "shell", "tool_search", "web_search", "web_search_preview", "web_search_2025_08_26",
    "web_search_preview_2025_03_11",
}  # fmt: skip
"""Tool types that OpenAI has."""

_NAME = re.compile(r"^[a-zA-Z0-9_-]+$")


def check_type(name: str, value: Any, wanted: Kind, called: str | None = None) -> None:
    """Raise unless `value` is of the type `wanted`; a boolean is no number."""
    right = isinstance(value, wanted)
    if isinstance(value, bool) and wanted is not bool:
        right = False
    if not right:
        got = _JSON_NAMES.get(type(value), "null")
        raise ApiError(
            400,
            f"Invalid type for '{name}': expected {called or _WORDS[wanted]}, but got {got} instead.",
            param=name,
            code="invalid_type",
        )


def missing(name: str) -> ApiError:
    """The error for a required parameter that is not there."""
    return ApiError(
        400,
        f"Missing required parameter: '{name}'.",
        param=name,
        code="missing_required_parameter",
    )


def unsupported(name: str, value: Any, choices: Sequence[str]) -> ApiError:
    """The error for a value that is none of the choices."""
    *others, last = (f"'{choice}'" for choice in choices)
    listed = (
        f"{', '.join(others)}, and {last}" if len(others) > 1 else " and ".join([*others, last])
    )
    return ApiError(
        400,
        f"Invalid value: '{value}'. Supported values are: {listed}.",
        param=name,
        code="invalid_value",
    )


def too_long(name: str, limit: int, length: int) -> ApiError:
    """The error for a string over its limit."""
    return ApiError(
        400,
        f"Invalid '{name}': string too long. Expected a string with maximum length {limit},"
        f" but got a string with length {length} instead.",
        param=name,
        code="string_above_max_length",
    )


def check_items(items: Sequence[Any], behaviour: Behaviour, *, name: str = "input") -> None:
    """The form of every input item.

    Args:
        items: What was sent.
        behaviour: How closely the server looks.
        name: The parameter they stand in.

    Raises:
        ApiError: The first field at fault.
    """
    for index, item in enumerate(items):
        at = f"{name}[{index}]"
        check_type(at, item, dict)
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference"
        check_type(f"{at}.type", kind, str)
        if kind in _OPAQUE or ":" in kind:
            continue
        if kind not in _FIELDS:
            raise unsupported(f"{at}.type", kind, sorted([*_FIELDS, *_OPAQUE]))
        _check_fields(at, item, _FIELDS[kind])
        if behaviour.strict_form:
            _check_id(at, kind, item)
        if behaviour.unknown_parameters == "refused":
            _check_names(at, item, _FIELDS[kind], _OUTPUT_ONLY.get(kind, ()))
        if kind == "message":
            if item["role"] not in behaviour.roles:
                raise unsupported(at, item["role"], behaviour.roles)
            if behaviour.strict_form and not isinstance(item["content"], str):
                _check_parts(at, item)


def _check_fields(at: str, item: Item, fields: Mapping[str, Kind]) -> None:
    for name, wanted in fields.items():
        if name not in item:
            raise missing(f"{at}.{name}")
        check_type(f"{at}.{name}", item[name], wanted)
    call_id = item.get("call_id", "")
    if len(call_id) > 64:
        raise too_long(f"{at}.call_id", 64, len(call_id))
    for name in ("content", "output", "summary"):
        for number, part in enumerate(item[name] if isinstance(item.get(name), list) else ()):
            check_type(f"{at}.{name}[{number}]", part, dict)


def _check_names(at: str, item: Item, fields: Mapping[str, Kind], never: Collection[str]) -> None:
    for name in item:
        if name in never or (name not in fields and name not in _OPTIONAL):
            name = f"{at}.{name}"
            raise ApiError(
                400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )


def _check_id(at: str, kind: str, item: Item) -> None:
    item_id, prefix = item.get("id"), _PREFIXES.get(kind)
    if item_id is None:
        return
    check_type(f"{at}.id", item_id, str)
    if prefix is not None and not item_id.startswith(prefix):
        raise ApiError(
            400,
            f"Invalid '{at}.id': '{item_id}'. Expected an ID that begins with '{prefix}'.",
            param=f"{at}.id",
            code="invalid_value",
        )


def _check_parts(at: str, item: Item) -> None:
    allowed = _PARTS["assistant" if item["role"] == "assistant" else ""]
    for number, part in enumerate(item["content"]):
        name = f"{at}.content[{number}]"
        if "type" not in part:
            raise missing(f"{name}.type")
        if part["type"] not in allowed:
            raise unsupported(name, part["type"], allowed)
        field = {"refusal": "refusal", "output_text": "text", "input_text": "text"}.get(
            part["type"]
        )
        if field is not None:
            _check_fields(name, part, {field: str})
        for extra in _PART_FIELDS:
            if part.get(extra) is not None:
                check_type(f"{name}.{extra}", part[extra], str)


def check_tools(tools: Sequence[Any]) -> None:
    """The form of every tool.

    Raises:
        ApiError: The first field at fault.
    """
    for index, tool in enumerate(tools):
        at = f"tools[{index}]"
        check_type(at, tool, dict)
        kind = tool.get("type")
        if kind is None:
            raise missing(f"{at}.type")
        check_type(f"{at}.type", kind, str)
        if kind not in HOSTED and ":" not in kind:
            raise unsupported(f"{at}.type", kind, sorted(HOSTED))
        if kind in {"function", "custom"}:
            _check_name(at, tool)
        if kind == "function":
            _check_function(at, tool)


def _check_name(at: str, tool: Item) -> None:
    if "name" not in tool:
        raise missing(f"{at}.name")
    check_type(f"{at}.name", tool["name"], str)
    if len(tool["name"]) > 64:
        raise too_long(f"{at}.name", 64, len(tool["name"]))
    if not _NAME.match(tool["name"]):
        raise ApiError(
            400,
            f"Invalid '{at}.name': string does not match pattern."
            " Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            param=f"{at}.name",
            code="invalid_value",
        )


def _check_function(at: str, tool: Item) -> None:
    parameters, strict = tool.get("parameters"), tool.get("strict")
    if strict is not None:
        check_type(f"{at}.strict", strict, bool)
    if tool.get("description") is not None:
        check_type(f"{at}.description", tool["description"], str)
    if parameters is None:
        return
    check_type(f"{at}.parameters", parameters, dict)
    if strict:
        check_strict_schema(
            parameters,
            subject=f"function '{tool['name']}'",
            param=f"{at}.parameters",
            code="invalid_function_parameters",
        )


def check_tool_choice(choice: Any, tools: Sequence[Item]) -> None:
    """That the tools it names are offered.

    Raises:
        ApiError: One is not.
    """
    if isinstance(choice, str):
        if choice not in {"auto", "none", "required"}:
            raise unsupported("tool_choice", choice, ("none", "auto", "required"))
        return
    wanted = choice.get("tools") if choice.get("type") == "allowed_tools" else [choice]
    check_type("tool_choice.tools", wanted, list)
    for each in wanted:
        check_type("tool_choice", each, dict)
        check_type("tool_choice.type", each.get("type"), str)
        if each["type"] not in {"function", "custom"}:
            continue
        if "name" not in each:
            raise missing("tool_choice.name")
        offered = [(tool.get("type"), tool.get("name")) for tool in tools]
        if (each["type"], each["name"]) not in offered:
            raise ApiError(
                400,
                f"Tool choice '{each['type']}' not found in 'tools' parameter.",
                param="tool_choice",
            )
