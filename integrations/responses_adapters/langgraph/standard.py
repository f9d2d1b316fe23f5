"""Answers in LangChain's standard blocks, which say less than the server's items: those are kept beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk

from .fingerprint import essence

__all__ = ["StandardEvents", "as_sent", "chunk_to_translate", "in_standard_blocks"]

_SERVER_CONTENT: Final = "responses_content"
"""Key of the server's own blocks in `response_metadata`."""

_SAID_ELSEWHERE: Final = frozenset(
    {"reasoning", "tool_call", "tool_call_chunk", "invalid_tool_call"}
)
"""Blocks that are compared otherwise, or whose meaning on the wire `tool_calls` decides."""


def in_standard_blocks(message: AIMessage) -> AIMessage:
    """An answer with LangChain's standard blocks as content, and the server's items beside them for replay."""
    metadata = {
        **message.response_metadata,
        "output_version": "v1",
        _SERVER_CONTENT: message.content,
    }
    return message.model_copy(
        update={"content": message.content_blocks, "response_metadata": metadata}
    )


def chunk_to_translate(chunk: AIMessageChunk) -> AIMessageChunk:
    """A chunk that LangChain can translate: it would lose calls of custom tools, and calls that end with the stream."""
    # LangChain says so itself once it has translated a chunk, and does not translate one that says so.
    metadata = {k: v for k, v in chunk.response_metadata.items() if k != "output_version"}
    content = chunk.content
    if chunk.tool_call_chunks:
        blocks = [block for block in content if isinstance(block, dict)]
        calls = [block for block in blocks if block["type"] == "function_call"]
        ids = {block["index"]: block["id"] for block in calls if "id" in block}
        content = [block for block in blocks if block not in calls]
        for call in chunk.tool_call_chunks:
            item_id = ids.get(call["index"])
            content.append({**call, "extras": {"item_id": item_id}} if item_id else {**call})
    return chunk.model_copy(update={"content": content, "response_metadata": metadata})


def as_sent(message: AIMessage) -> AIMessage:
    """The answer with the server's own blocks as content, if its standard blocks still say the same."""
    metadata = message.response_metadata
    raw = metadata.get(_SERVER_CONTENT)
    if raw is None or metadata.get("output_version") != "v1":
        return message
    own = {key: value for key, value in metadata.items() if key != "output_version"}
    original = message.model_copy(update={"content": raw, "response_metadata": own})
    said = [message.content] if isinstance(message.content, str) else message.content
    same = (
        _sealed(said) == _sealed(raw)
        and _thoughts(said) in _possible_thoughts(raw)
        and _says(said) == _says(original.content_blocks)
    )
    return original if same else message


def _says(blocks: Iterable[Any]) -> tuple[str, list[Any]]:
    """What blocks say beside thoughts and calls; the same wherever LangChain cut the text of a stream."""
    text: list[str] = []
    others: list[Any] = []
    for block in blocks:
        kind = "text" if isinstance(block, str) else block.get("type")
        if kind in {"text", "refusal"}:
            text.append(block if isinstance(block, str) else block.get(kind) or "")
        elif kind not in _SAID_ELSEWHERE:
            others.append(essence(block))
    return "".join(text), others


def _sealed(blocks: Iterable[Any]) -> set[str | None]:
    """Sealed thoughts, and None where there are any thoughts at all."""
    found: set[str | None] = set()
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "reasoning":
            extras = block.get("extras") or {}
            found |= {None, block.get("encrypted_content", extras.get("encrypted_content"))}
    return found


def _thoughts(blocks: Iterable[Any]) -> str:
    return "".join(
        block.get("reasoning") or ""
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "reasoning"
    )


def _possible_thoughts(raw: Iterable[Any]) -> set[str]:
    """What LangChain makes of reasoning: of a whole one the summary or else the text, of a streamed one both."""
    pairs = [
        (
            "".join(part.get("text") or "" for part in block.get("summary") or ()),
            block.get("reasoning") or "",
        )
        for block in raw
        if isinstance(block, dict) and block.get("type") == "reasoning"
    ]
    return {
        "".join(summary or text for summary, text in pairs),
        "".join(summary + text for summary, text in pairs),
        "".join(text + summary for summary, text in pairs),
    }


class StandardEvents(BaseChatModel):
    """A chat model whose `version="v3"` events, which are standard blocks, carry the server's items too."""


def _standard(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def through(self: BaseChatModel, *args: Any, version: str = "v2", **kwargs: Any) -> Any:
        model = self.model_copy(update={"output_version": "v1"}) if version == "v3" else self
        return method(model, *args, version=version, **kwargs)

    return through


# To type checkers both stay upstream's, with all their overloads.
for _name in ("stream_events", "astream_events"):
    setattr(StandardEvents, _name, _standard(getattr(BaseChatModel, _name)))
