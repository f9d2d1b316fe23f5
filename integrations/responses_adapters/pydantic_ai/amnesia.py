"""Did the server have the response it was to continue? Where its echo lies, its count of input tokens tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from openai.types import responses
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import (
    CompactionPart,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    is_multi_modal_content,
)
from pydantic_ai.models import ModelRequestParameters

from ..profiles import ServerProfile
from ..protocol.dialect import FORGOTTEN
from ..protocol.verdict import Expectation, Memory, hides_thoughts, is_shrunk, judge

__all__ = ["SETUP", "Anchor", "expect_input", "setup_of", "weigh"]

SETUP: Final = "setup"
"""Key of the details that hold the digest of what a response was asked with beside the messages."""

_MESSAGE_CAP: Final = 20_000
"""Bytes of one message that count: an inlined image has far more bytes than tokens."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The response that a request is to continue.

    Attributes:
        answer: The response.
        least: What it and its input were counted as; a server that has both counts them again.
    """

    answer: ModelResponse
    least: int

    @classmethod
    def of(
        cls,
        answer: ModelResponse,
        messages: Sequence[ModelMessage],
        setup: str,
        settings: Mapping[str, Any],
    ) -> Anchor | None:
        """The anchor, or `None` where its count cannot be compared with the next one.

        With another model, other tools or instructions nothing follows from the counts; nor with reasoning, told or
        hidden, or what a tool of the server found, which are counted once and may be gone from the next input.
        """
        details = answer.provider_details or {}
        kept = all(isinstance(part, TextPart | ToolCallPart) for part in answer.parts)
        if not kept or details.get("unmapped_items"):
            return None
        truncated = settings.get("openai_truncation") not in {None, "disabled"}
        compacted = truncated or settings.get("openai_context_management")
        thought = any(
            isinstance(part, CompactionPart | ThinkingPart)
            for message in messages
            for part in message.parts
        )
        usage = answer.usage
        if compacted or thought or usage.details.get("reasoning_tokens"):
            return None
        if hides_thoughts(usage.output_tokens, _shown(answer)):
            return None
        if details.get(SETUP) != setup or not usage.input_tokens:
            return None
        return cls(answer, usage.input_tokens + usage.output_tokens)


def expect_input(
    anchor: Anchor, messages: Sequence[ModelMessage], parameters: ModelRequestParameters
) -> Expectation:
    """How many input tokens a server counts that has the anchor, and one that has not, estimated from its own count."""
    place = next(i for i, message in enumerate(messages) if message is anchor.answer)
    sizes = [_size(message) for message in messages]
    overhead = _overhead(messages, parameters)
    rate = anchor.answer.usage.input_tokens / max(overhead + sum(sizes[:place]), 1)
    shown = any(map(_shows, messages[place + 1 :]))
    delta = inf if shown else rate * sum(sizes[place + 1 :])
    return Expectation(held=anchor.least + delta, lost=rate * overhead + delta, least=anchor.least)


def weigh(
    response: responses.Response,
    anchor: Anchor | None,
    memory: Memory,
    *,
    continued: str | None,
    expected: Expectation | None,
    server: ServerProfile,
    model_name: str,
) -> None:
    """Judge an answer by its input tokens, remember what it tells of the server, and refuse it if that forgot.

    Args:
        response: The answer.
        anchor: What it was to continue.
        memory: What is known of the server.
        continued: The response that the request named, if it did.
        expected: The counts to expect, if the server is put to the proof.
        server: The server.
        model_name: The model, for the error.

    Raises:
        ModelAPIError: Fewer tokens were counted than the anchor and its input have, or the proof is not conclusive.
    """
    if anchor is None or continued is None or continued != anchor.answer.provider_response_id:
        return
    counted = response.usage.input_tokens if response.usage else None
    usage = {"input_tokens": counted, "output_tokens": 0}
    output = [{"type": item.type} for item in response.output or ()]
    verdict = judge({"usage": usage, "output": output}, expected, server)
    if counted and (verdict == "lost" or is_shrunk(counted, anchor.least)):
        memory.kind = "lost"
        raise _forgotten(
            model_name,
            f'response {response.id} of server "{server.name}" was to continue {continued}, but counted {counted}'
            f" input tokens where at least {anchor.least} were before: it has forgotten the conversation; from now on"
            " this model sends it in full",
        )
    if expected is None:
        return
    if verdict == "held":
        memory.kind = "held"
        return
    memory.undecided += 1
    raise _forgotten(
        model_name,
        f'response {response.id} does not show whether server "{server.name}" remembered {continued}',
    )


def setup_of(model_name: str, parameters: ModelRequestParameters) -> str:
    """Digest of the model, instructions, tools and output format."""
    return hashlib.sha256(repr((model_name, parameters)).encode()).hexdigest()[:16]


def _forgotten(model_name: str, message: str) -> ModelAPIError:
    code = FORGOTTEN["error"]["code"]
    return ModelAPIError(model_name, message, body=FORGOTTEN, provider_error_code=code)


def _size(message: ModelMessage) -> int:
    """Bytes of a message that a model reads, roughly."""
    said = (getattr(part, "content", None) or getattr(part, "args", "") for part in message.parts)
    size = sum(
        len((each if isinstance(each, str) else repr(each)).encode("utf-8", "surrogatepass"))
        for each in said
    )
    return min(size, _MESSAGE_CAP)


def _shown(answer: ModelResponse) -> int:
    """Bytes that are to be seen of an answer, the names and ids of its calls included."""
    names = (
        part.tool_name + part.tool_call_id
        for part in answer.parts
        if isinstance(part, ToolCallPart)
    )
    return _size(answer) + len("".join(names))


def _shows(message: ModelMessage) -> bool:
    """Whether a message holds a picture or a file: its tokens have nothing to do with its size."""
    contents = (getattr(part, "content", None) for part in message.parts)
    return any(
        is_multi_modal_content(each)
        for content in contents
        for each in (content if isinstance(content, list | tuple) else [content])
    )


def _overhead(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> int:
    """Characters of instructions and tools, which every request holds."""
    newest = messages[-1]
    instructions = (newest.instructions or "") if isinstance(newest, ModelRequest) else ""
    tools = [*parameters.function_tools, *parameters.output_tools]
    return len(instructions) + sum(
        len(f"{tool.name}{tool.description or ''}{json.dumps(tool.parameters_json_schema)}")
        for tool in tools
    )
