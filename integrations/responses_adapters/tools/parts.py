"""What a tool returned, as the `output` of a `function_call_output`: text, or input parts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

__all__ = ["Output", "cap", "data_part", "to_output"]

Part = dict[str, Any]
Output = str | list[Part]

_PART_TYPES: Final = frozenset({"input_text", "input_image", "input_file"})
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def to_output(result: Any) -> Output:
    """A tool's result for the model.

    Text stays text. Input parts (`input_text`, `input_image`, `input_file`), alone or in a list, stay parts;
    image and PDF bytes, and objects that show themselves as PNG (as PIL images do), become parts. Everything else
    becomes JSON where it can, and its `repr` where it cannot.
    """
    if isinstance(result, str):
        return _clean(result)
    part = _as_part(result)
    if part is not None:
        return [part]
    if isinstance(result, (list, tuple)):
        parts = [_as_part(item) for item in result]
        if any(part is not None for part in parts):
            return [
                part if part is not None else {"type": "input_text", "text": _to_text(item)}
                for part, item in zip(parts, result, strict=True)
            ]
    return _to_text(result)


def data_part(data: str, media_type: str, *, filename: str | None = None) -> Part:
    """An image or file part from base64 data."""
    url = f"data:{media_type};base64,{data}"
    if media_type.startswith("image/"):
        return {"type": "input_image", "image_url": url}
    name = filename or f"file.{media_type.rpartition('/')[2]}"
    return {"type": "input_file", "filename": name, "file_data": url}


def cap(output: Output, limit: int) -> Output:
    """`output` with at most `limit` characters of text, and a note where it was cut; images and files stay whole."""
    if isinstance(output, str):
        (part,) = _cap_parts([{"type": "input_text", "text": output}], limit)
        text: str = part["text"]
        return text
    return _cap_parts(output, limit)


def _cap_parts(parts: list[Part], limit: int) -> list[Part]:
    total = sum(len(part["text"]) for part in parts if part.get("type") == "input_text")
    if total <= limit:
        return parts
    note = f"… [cut: {total:,} characters]"[:limit]
    left = limit - len(note)
    capped: list[Part] = []
    for part in parts:
        if part.get("type") != "input_text":
            capped.append(part)
        elif left >= 0:
            text = part["text"]
            is_whole = len(text) <= left
            capped.append(part if is_whole else {**part, "text": text[:left] + note})
            left = left - len(text) if is_whole else -1  # the note speaks for all that follow
    return capped


def _as_part(value: Any) -> Part | None:
    if isinstance(value, Mapping):
        return dict(value) if value.get("type") in _PART_TYPES else None
    if isinstance(value, (bytes, bytearray)):
        media_type = _media_type(bytes(value[:16]))
        if media_type is None:
            return None
        return data_part(base64.b64encode(value).decode(), media_type)
    show = getattr(value, "_repr_png_", None)
    png = show() if callable(show) and not isinstance(value, type) else None
    return _as_part(png) if isinstance(png, bytes) else None


def _media_type(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _MAGIC if head.startswith(magic)), None)


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    try:
        return to_json(value, fallback=repr, bytes_mode="base64", inf_nan_mode="strings").decode()
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        return _clean(repr(value))


def _clean(text: str) -> str:
    """Text that can be sent: a lone surrogate has no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
