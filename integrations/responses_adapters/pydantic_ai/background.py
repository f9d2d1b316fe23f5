"""Waiting for a background response: how often it is asked for, until when, and how its stream is taken up again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic_ai.messages import ModelMessage, ModelResponse

from ..errors import BackgroundTimeoutError

__all__ = ["check_in_time", "from_the_start", "put_off", "running_job", "timed_out", "wait_of"]

_UPSTREAM_INTERVAL: Final = 2.0
_STARTED: Final = "poll_started"
_DEADLINE: Final = "poll_deadline"


def running_job(messages: list[ModelMessage], system: str) -> ModelResponse | None:
    """The background response at the end of the history that is still to be waited for."""
    last = messages[-1] if messages else None
    if not isinstance(last, ModelResponse) or last.provider_name != system:
        return None
    return last if last.state == "suspended" and last.provider_response_id else None


def wait_of(settings: Mapping[str, Any], job: ModelResponse | None) -> dict[str, Any]:
    """Since when, how often and until when a job is asked for: details kept with it, so that any worker can go on.

    A job that an earlier run has left in the history, as only those have the id of a run, is waited for anew.
    """
    details = (job.provider_details or {}) if job is not None and job.run_id is None else {}
    started = details.get(_STARTED, time.time())
    limit = settings.get("responses_poll_timeout")
    return {
        _STARTED: started,
        "poll_interval": settings.get("responses_poll_interval", _UPSTREAM_INTERVAL),
        _DEADLINE: None if limit is None else started + limit,
    }


def timed_out(job: ModelResponse, wait: Mapping[str, Any] | None = None) -> bool:
    """Whether a job has been waited for as long as the last request for it said, and as this one says, if given."""
    if job.run_id is not None:
        return False
    deadlines = [
        details.get(_DEADLINE)
        for details in (job.provider_details or {}, wait)
        if details is not None
    ]
    return all(deadline is not None and time.time() > deadline for deadline in deadlines)


def put_off(job: ModelResponse, wait: Mapping[str, Any]) -> ModelResponse:
    """The job, to be asked for again: this time, no answer came."""
    return replace(job, run_id=None, provider_details={**(job.provider_details or {}), **wait})


def check_in_time(answer: object, job: ModelResponse, server: str, base_url: str) -> None:
    """Stop waiting for a job whose time is over.

    Args:
        answer: What the last request for it gave.
        job: The job as it was before.
        server: Name of the server.
        base_url: Its address.

    Raises:
        BackgroundTimeoutError: The job is still running.
    """
    if not isinstance(answer, ModelResponse) or answer.state != "suspended":
        return
    details = dict(job.provider_details or {})
    waited = time.time() - details.pop(_STARTED)
    del details[_DEADLINE]
    raise BackgroundTimeoutError(
        f"response {job.provider_response_id} is still running after {waited:.0f} s, and goes on at {base_url}: to wait"
        " for it again, run the agent without a prompt on message_history=[*messages, error.response], the messages"
        " being those that it answers",
        response=replace(job, provider_details=details),
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
