"""Did the server have the response it was to continue? Where its echo lies, its count of input tokens tells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openai.types import responses
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import CompactionPart, ModelMessage, ModelResponse, ThinkingPart
from pydantic_ai.models import ModelRequestParameters

from ..protocol.dialect import FORGOTTEN

__all__ = ["SETUP", "Anchor", "Memory", "setup_of"]

SETUP: Final = "setup"
"""Key of the details that hold the digest of what a response was asked with beside the messages."""

_SHRINKING: Final = ("openai_truncation", "openai_context_management")
"""Settings with which a server may count less than it was sent."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The response that a request is to continue.

    Attributes:
        response_id: Its id.
        least: What it and its input were counted as; a server that has both counts them again.
    """

    response_id: str
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

        With other tools or instructions nothing follows from the counts; nor with reasoning, which is counted once
        and may be gone from the next input.
        """
        compacted = any(settings.get(name) for name in _SHRINKING)
        thought = any(
            isinstance(part, CompactionPart | ThinkingPart)
            for message in messages
            for part in message.parts
        )
        usage = answer.usage
        if compacted or thought or usage.details.get("reasoning_tokens"):
            return None
        if (answer.provider_details or {}).get(SETUP) != setup or not usage.input_tokens:
            return None
        return cls(answer.provider_response_id or "", usage.input_tokens + usage.output_tokens)


@dataclass(slots=True)
class Memory:
    """What one model, and each of its copies, has learnt about its server."""

    forgets: bool = False

    def check(
        self, response: responses.Response, anchor: Anchor | None, model_name: str, server: str
    ) -> None:
        """Refuse an answer that was given without the response it claims to continue, and remember that.

        Raises:
            ModelAPIError: Fewer input tokens were counted than that response and its input have.
        """
        if anchor is None or response.previous_response_id != anchor.response_id:
            return
        counted = response.usage.input_tokens if response.usage else None
        if counted and counted < anchor.least:
            self.forgets = True
            raise ModelAPIError(
                model_name,
                f'server "{server}" says that response {response.id} continues {anchor.response_id}, but counted'
                f" {counted} input tokens where at least {anchor.least} were before: it has forgotten the conversation;"
                " from now on this model sends it in full",
                body=FORGOTTEN,
                provider_error_code=FORGOTTEN["error"]["code"],
            )


def setup_of(parameters: ModelRequestParameters) -> str:
    """Digest of instructions, tools and output format."""
    return hashlib.sha256(repr(parameters).encode()).hexdigest()[:16]
