"""Wait for a response that runs on the server: look at it now and then, and follow its events where it has any."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

from ..errors import BackgroundTimeoutError, ChainLostError, ResponsesAdapterError
from .retry import passes, poll_pause
from .turn import Command, Event, Receive, Reply, Send, Sleep, Turn

__all__ = ["RUNNING", "TERMINAL", "Wait", "newest_of", "response_of"]

RUNNING: Final = frozenset({"queued", "in_progress", "pending", "running"})
TERMINAL: Final = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.requires_action",
        "response.done",
    }
)


class Wait:
    """Waits for one response, whose finished form may carry another id.

    Args:
        turn: The turn that it answers.
        newest: Number of the newest event that was read; `None` if there was none, or it had no number.
        follows: Whether its events may be shown: nothing was shown, or `newest` says where to go on.
        check: Raises if a body shows that the response is not what was asked for.
        show: Lets the caller see events.
        error: Makes an error of this call.
    """

    def __init__(
        self,
        turn: Turn,
        *,
        newest: int | None,
        follows: bool,
        check: Callable[[Mapping[str, Any]], None],
        show: Callable[[list[Event]], Generator[Command, Any, None]],
        error: Callable[..., ResponsesAdapterError],
    ) -> None:
        self._turn = turn
        self._newest = newest
        self._follows = follows and turn.stream and turn.profile.streams_background
        self._check = check
        self._show = show
        self._error = error

    def until_done(self, response: dict[str, Any]) -> Generator[Command, Any, dict[str, Any]]:
        """The finished response.

        Raises:
            BackgroundTimeoutError: It still runs at `poll_timeout`.
            ChainLostError: The server no longer knows it.
        """
        waited, polls = 0.0, 0
        response_id = response.get("id")
        last: Reply | None = None
        while response.get("status") in RUNNING:
            limit = self._turn.poll_timeout
            if limit is not None and waited >= limit:
                raise self._error(
                    BackgroundTimeoutError,
                    f"still runs {response_id} after {waited:.0f} s: raise poll_timeout, or retrieve it later by its id",
                    response_id=response_id,
                )
            pause = poll_pause(last, self._turn.poll_interval, polls, str(response_id))
            yield Sleep(pause)
            reply: Reply = yield Send("GET", f"/responses/{response_id}")
            waited += pause + reply.seconds
            last, polls = reply, polls + 1
            if (found := response_of(reply)) is not None:
                response = found
            elif reply.status in {404, 410}:
                raise self._error(
                    ChainLostError,
                    f"no longer knows the background response {response_id}; it was not submitted again",
                    response_id=response_id,
                ) from reply.error
            elif reply.error is not None and not passes(reply):
                raise reply.error
            if self._follows and response.get("status") in RUNNING:
                self._check(response)
                response = (yield from self._follow(str(response_id))) or response
        return response

    def _follow(self, response_id: str) -> Generator[Command, Any, dict[str, Any] | None]:
        """Show the events of a running response; its final form, `None` if the stream ended without it."""
        after = "" if self._newest is None else f"&starting_after={self._newest}"
        reply: Reply = yield Send(
            "GET", f"/responses/{response_id}?stream=true{after}", stream=True
        )
        self._follows = reply.events or passes(reply)
        while reply.events:
            batch: list[Event] | Exception | None = yield Receive()
            if batch is None or isinstance(batch, Exception):
                break
            self._newest = newest_of(batch, self._newest)
            self._follows = self._newest is not None
            yield from self._show(batch)
            for event in batch:
                if event.get("type") in TERMINAL and isinstance(event.get("response"), dict):
                    final: dict[str, Any] = event["response"]
                    return final
        return None


def response_of(reply: Reply) -> dict[str, Any] | None:
    """The response that was asked for; `None` where the answer, whatever its status, holds none."""
    body = reply.body
    answered = (
        reply.status == 200 and isinstance(body, dict) and (body.get("id") or "output" in body)
    )
    return body if answered else None


def newest_of(batch: list[Event], newest: int | None) -> int | None:
    """The number of the newest event, after this batch was read; `None` where events have no numbers."""
    number = batch[-1].get("sequence_number") if batch else newest
    return number if isinstance(number, int) else None
