"""What a response holds beyond what PydanticAI reads: kept as details, or an error where it must not be passed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from openai.types import responses
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.models import ModelRequestParameters

from ..protocol.dialect import EXTENSION, ITEM_TYPES, RUNNING, Reader

__all__ = [
    "INSTRUCTED",
    "READER",
    "check_usable",
    "had_instructions",
    "kept_details",
    "sends_instructions",
]

INSTRUCTED: Final = "instructed"
"""Key of the details of a response that was asked for with instructions, where the next one would inherit them."""

_REQUESTS: Final = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    }
)
"""Items that ask the client to act and that PydanticAI drops; an agent that goes on without them goes astray."""

READER: Final = Reader(item_types=ITEM_TYPES - _REQUESTS, mirror_reasoning=True)

_KNOWN: Final = RUNNING | {"cancelled", "completed", "failed", "incomplete", None}


def kept_details(response: responses.Response) -> dict[str, Any]:
    """Details for the message: unknown items and events, the server's own status, and that it was not stored."""
    raw = response.model_extra or {}
    extension = raw.get(EXTENSION) or {}
    details = {
        "status": extension.get("status"),
        "unmapped_events": extension.get("events"),
        "unmapped_items": extension.get("unmapped"),
    }
    kept = {name: value for name, value in details.items() if value}
    return {**kept, "store": False} if raw.get("store") is False else kept


def check_usable(
    response: responses.Response, model_name: str, settings: Mapping[str, Any], server: str
) -> None:
    """Refuse what PydanticAI would take for an answer, or for an empty one.

    Raises:
        ModelAPIError: The response failed or was cancelled, has a status that nobody knows, asks the client to do
            what PydanticAI cannot, or holds unknown items where the settings want that to be an error.
    """
    if response.status not in _KNOWN:
        raise ModelAPIError(
            model_name,
            f'response {response.id} of server "{server}" has the status {response.status!r}, which is neither'
            " running nor ended",
            provider_error_code="unknown_status",
        )
    if response.status in {"failed", "cancelled"} and not response.error:
        raise ModelAPIError(
            model_name,
            f'response {response.id} of server "{server}" ended as {response.status} without a reason',
            provider_error_code=response.status,
        )
    wish = settings.get("responses_on_unmapped")
    unmapped = ((response.model_extra or {}).get(EXTENSION) or {}).get("unmapped") or ()
    for item in unmapped:
        kind = item.get("type") if isinstance(item, Mapping) else type(item).__name__
        if wish == "raise" or (wish is None and kind in _REQUESTS):
            raise ModelAPIError(
                model_name,
                f'response {response.id} of server "{server}" holds {kind} {item.get("name", "")!r}, which PydanticAI'
                ' cannot answer; responses_on_unmapped="keep" puts it into provider_details["unmapped_items"]',
                provider_error_code="unmapped_item",
            )


def sends_instructions(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters
) -> bool:
    """Whether a request says how to answer; prompted output does that in words."""
    own = bool(messages) and isinstance(messages[-1], ModelRequest) and messages[-1].instructions
    return bool(parameters.instruction_parts or own or parameters.output_mode == "prompted")


def had_instructions(answer: ModelResponse, messages: Sequence[ModelMessage]) -> bool:
    """Whether a response was asked for with instructions, which a server may go on with."""
    if (answer.provider_details or {}).get(INSTRUCTED):
        return True
    return any(
        isinstance(asked, ModelRequest) and bool(asked.instructions)
        for asked, message in pairwise(messages)
        if message is answer
    )
