"""Content blocks of LangChain (v1, v0, Chat Completions, Anthropic shapes) as parts of a Responses message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ..errors import ConfigurationError
from ..protocol.items import Item

__all__ = ["input_part", "is_item_type", "joined_text", "output_part", "unwrap"]

_ITEM_SUFFIXES: Final = ("_call", "_output", "_response", "_request", "_reference", "_list_tools")
_ITEM_TYPES: Final = frozenset(
    {
        "additional_tools",
        "compaction",
        "compaction_trigger",
        "configuration_update",
        "message",
        "program",
    }
)

_NEEDS: Final = {
    "text": "a text",
    "output_text": "a text",
    "text-plain": "text, url, base64 or file_id",
    "image_url": "image_url.url",
    "image": "url, base64 or file_id",
    "file": "url, base64 or file_id",
    "document": "a source of text, base64, url or file",
    "audio": "base64",
}
_CACHE_MARK: Final = "prompt_cache_breakpoint"


def is_item_type(kind: Any) -> bool:
    """Whether this type names a whole item (`web_search_call`, `item_reference`, `orq:search` …) rather than a part."""
    if not isinstance(kind, str) or kind in {"tool_call", "server_tool_call", "invalid_tool_call"}:
        return False
    return kind in _ITEM_TYPES or ":" in kind or kind.endswith(_ITEM_SUFFIXES)


def unwrap(block: Any) -> Any:
    """The raw JSON inside a `non_standard` block; any other block as it is."""
    if isinstance(block, dict) and block.get("type") == "non_standard":
        return block.get("value")
    return block


def joined_text(content: str | list[Any]) -> str | None:
    """The content as one string, `None` if it holds anything but text."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for block in content:
        if isinstance(block, str):
            texts.append(block)
        elif (
            block.get("type") in {"text", "input_text"}
            and isinstance(block.get("text"), str)
            and _cache_mark(block) is None
        ):
            texts.append(block["text"])
        else:
            return None
    return "\n".join(texts)


def output_part(block: Any) -> Item:
    """A block of a tool's output; what has no part of its own goes as JSON text, since the model can read that."""
    try:
        return input_part(unwrap(block), where="a tool output")
    except ConfigurationError:
        return {"type": "input_text", "text": json.dumps(block, default=str)}


def input_part(block: Any, *, where: str) -> Item:
    """The `input_*` part of one block.

    Args:
        block: A string, or a block of any LangChain generation.
        where: For the error message.

    Raises:
        ConfigurationError: The Responses API has no part for it.
    """
    if isinstance(block, str):
        return {"type": "input_text", "text": block}
    part = _part(block, where)
    if (mark := _cache_mark(block)) is not None:
        part[_CACHE_MARK] = mark
    return part


def _cache_mark(block: Mapping[str, Any]) -> Any:
    """Where the prompt cache is to be cut, which callers write into the block or its `extras`."""
    return block.get(_CACHE_MARK) or (block.get("extras") or {}).get(_CACHE_MARK)


def _part(block: Any, where: str) -> Item:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if kind in {"text", "output_text", "text-plain"} and isinstance(block.get("text"), str):
        return {"type": "input_text", "text": block["text"]}
    if isinstance(kind, str) and kind.startswith("input_"):
        return {key: value for key, value in block.items() if key != "index"}
    part = None
    if kind == "image_url":
        part = _image_url(block.get("image_url"))
    elif kind == "image":
        part = _image(block)
    elif kind in {"file", "document", "text-plain"}:
        part = _words(block) or _file(block)
    elif kind == "audio":
        part = _audio(block)
    if part is None and kind in _NEEDS:
        raise ConfigurationError(
            f"{where} holds a block of type {kind!r} without {_NEEDS[kind]}: add it, or leave the block out"
        )
    if part is None:
        raise ConfigurationError(
            f"{where} holds a block of type {kind!r}, which the Responses API cannot express here: use text, image,"
            ' file or audio blocks, or wrap raw wire JSON as {"type": "non_standard", "value": …}'
        )
    return part


def _image_url(value: Any) -> Item | None:
    image = value if isinstance(value, Mapping) else {"url": value}
    if not image.get("url"):
        return None
    part = {"type": "input_image", "image_url": image["url"]}
    if image.get("detail"):
        part["detail"] = image["detail"]
    return part


def _image(block: Mapping[str, Any]) -> Item | None:
    extras = block.get("extras") or {}
    detail = {"detail": extras["detail"]} if extras.get("detail") else {}
    if file_id := _file_id(block):
        return {"type": "input_image", "file_id": file_id, **detail}
    url = _url(block) or _data_url(block, default="image/png")
    return {"type": "input_image", "image_url": url, **detail} if url else None


def _words(block: Mapping[str, Any]) -> Item | None:
    """A document of Anthropic's that is text, with the title and context that its model reads too."""
    source = block.get("source")
    if not isinstance(source, Mapping) or source.get("type") not in {"text", "content"}:
        return None
    words = joined_text(source.get("data") or source.get("content") or [])
    if not words:
        return None
    return {
        "type": "input_text",
        "text": "\n\n".join(filter(None, [block.get("title"), block.get("context"), words])),
    }


def _file(block: Mapping[str, Any]) -> Item | None:
    inner = block.get("file")
    if isinstance(inner, Mapping):  # Chat Completions
        known = ("file_data", "file_id", "filename", "file_url")
        given = {key: inner[key] for key in known if inner.get(key)}
        return {"type": "input_file", **given} if given.keys() - {"filename"} else None
    extras = block.get("extras") or block.get("metadata") or {}
    name = (
        block.get("filename") or extras.get("filename") or extras.get("name") or block.get("title")
    )
    if file_id := _file_id(block):
        return {"type": "input_file", "file_id": file_id}
    if url := _url(block):
        return {"type": "input_file", "file_url": url}
    data = _data_url(block, default="application/pdf")
    # A file sent as data must have a name (OpenAI answers 400 without one).
    return {"type": "input_file", "file_data": data, "filename": name or "file"} if data else None


def _audio(block: Mapping[str, Any]) -> Item | None:
    data = block.get("base64") or block.get("data")
    if not data:
        return None
    mime = block.get("mime_type") or "audio/wav"
    audio_format = {"audio/mpeg": "mp3", "audio/x-wav": "wav"}.get(mime, mime.rpartition("/")[2])
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format}}


def _file_id(block: Mapping[str, Any]) -> str | None:
    if block.get("source_type") == "id":
        return block.get("id")
    source = block.get("source")  # Anthropic
    return block.get("file_id") or (source.get("file_id") if isinstance(source, Mapping) else None)


def _url(block: Mapping[str, Any]) -> str | None:
    source = block.get("source")
    if isinstance(source, Mapping):  # Anthropic
        return source.get("url")
    return block.get("url")


def _data_url(block: Mapping[str, Any], *, default: str) -> str | None:
    source = block.get("source")
    if isinstance(source, Mapping):  # Anthropic
        data, mime = source.get("data"), source.get("media_type")
    else:
        data, mime = block.get("base64") or block.get("data"), block.get("mime_type")
    return f"data:{mime or default};base64,{data}" if data else None
