"""What a response holds beyond what PydanticAI reads: kept as details, or an error where it must not be passed over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from openai.types import responses
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse

from ..errors import BackgroundTimeoutError
from ..protocol.dialect import EXTENSION, ITEM_TYPES, RUNNING, Reader

__all__ = [
    "READER",
    "check_deadline",
    "check_usable",
    "from_the_start",
    "kept_details",
    "lost_instructions",
    "poll_details",
    "running_job",
    "timed_out",
]

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
_UPSTREAM_INTERVAL: Final = 2.0


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


def running_job(messages: list[ModelMessage], system: str) -> ModelResponse | None:
    """The background response at the end of the history that is still to be waited for."""
    last = messages[-1] if messages else None
    if not isinstance(last, ModelResponse) or last.provider_name != system:
        return None
    return last if last.state == "suspended" and last.provider_response_id else None


def lost_instructions(messages: list[ModelMessage]) -> bool:
    """Whether the last request has no instructions although the one before had: a chained turn would inherit them."""
    requests = [message for message in messages if isinstance(message, ModelRequest)]
    return len(requests) > 1 and not requests[-1].instructions and bool(requests[-2].instructions)


def poll_details(
    response: responses.Response, settings: Mapping[str, Any], job: ModelResponse | None
) -> dict[str, Any]:
    """How long to wait between polls and until when, kept with a running job so that any worker can go on."""
    if response.status not in RUNNING or not response.background:
        return {}
    started = ((job.provider_details or {}) if job else {}).get("poll_started") or time.time()
    details = {
        "poll_started": started,
        "poll_interval": settings.get("responses_poll_interval", _UPSTREAM_INTERVAL),
    }
    if (limit := settings.get("responses_poll_timeout")) is not None:
        details["poll_deadline"] = started + limit
    return details


def timed_out(job: ModelResponse) -> bool:
    """Whether the job has run longer than its caller wanted to wait."""
    deadline = (job.provider_details or {}).get("poll_deadline")
    return deadline is not None and time.time() > deadline


def check_deadline(
    job: ModelResponse, settings: Mapping[str, Any], server: str, base_url: str
) -> None:
    """Stop waiting for a job that has run longer than its caller wanted to wait.

    Raises:
        BackgroundTimeoutError: It has.
    """
    if timed_out(job):
        raise BackgroundTimeoutError(
            f"response {job.provider_response_id} is still running after"
            f" {settings.get('responses_poll_timeout')} s; it goes on at {base_url}, and running the agent on the"
            " same messages waits again",
            response_id=job.provider_response_id,
            server=server,
        )


def from_the_start(messages: list[ModelMessage], job: ModelResponse | None) -> list[ModelMessage]:
    """The messages with a cut background stream set back to its beginning.

    Upstream replaces the parts it has by those of the resumed stream, so that must hold all of them.
    """
    if job is None or "last_sequence_number" not in (job.provider_details or {}):
        return messages
    details = {**(job.provider_details or {}), "last_sequence_number": 0}
    return [*messages[:-1], replace(job, provider_details=details)]
