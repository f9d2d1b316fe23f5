"""One logical call as a generator without I/O: send, read, recover, poll, finish.

The generator yields what it needs and what the caller may see, and is resumed with the answers; sync and async
drivers differ only in how they carry that out.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from ..errors import (
    AmbiguousSubmitError,
    BackgroundTimeoutError,
    ChainLostError,
    ContextMismatchError,
    ResponseFailedError,
    ResponsesAdapterError,
    StreamTruncatedError,
)
from .failure import Failure, read_failure
from .request import build_request, choose_plan, describe_setup
from .turn import Command, Emit, Event, Outcome, Receive, Reply, Send, Sleep, Turn
from .verdict import judge

__all__ = ["exchange"]

Steps: TypeAlias = Generator[Command, Any, Any]

_RUNNING: Final = frozenset({"queued", "in_progress", "pending", "running"})
_CONTINUABLE: Final = frozenset({"completed", "requires_action"})
_TERMINAL: Final = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.requires_action",
        "response.done",
    }
)
_PRELUDE: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
_MAX_RECOVERIES: Final = 2
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 60.0


class _ContextLostError(Exception):
    """The server does not hold what the plan continues; `forgetful` if it accepted the id all the same."""

    def __init__(self, why: str, *, forgetful: bool) -> None:
        super().__init__(why)
        self.forgetful = forgetful


def exchange(turn: Turn) -> Generator[Command, Any, Outcome]:
    """Run one turn: at most two recoveries, and none after the caller has seen an event of the answer.

    Raises:
        ChainLostError: The conversation that was continued is gone, and there is no local history to replace it.
        ContextMismatchError: The server answered without the context, and a replay is not allowed (any more).
        ResponseFailedError: The response failed or was cancelled.
        StreamTruncatedError: The stream was cut and could not be finished by id.
        AmbiguousSubmitError: The connection was lost after the request had been sent.
        BackgroundTimeoutError: A background response is still running at `poll_timeout`.
        UnsupportedByServerError: The turn asks for something that the profile says is refused.
    """
    call = _Call(turn)
    for _ in range(_MAX_RECOVERIES + 1):
        try:
            reply = yield from call.submit()
            response = yield from call.read(reply)
            call.check_context(response)
        except _ContextLostError as lost:
            yield from call.recover(lost)
            continue
        yield from call.show_held_back()
        call.check_status(response)
        return call.outcome(response)
    raise call.error(
        ContextMismatchError,
        "kept losing the conversation; chaining='never' sends every turn in full",
    )


class _Call:
    """The state of one logical call, and its steps."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.profile = turn.profile
        self.setup = describe_setup(turn)
        self.plan, self.expectation, self.proving = choose_plan(turn, self.setup)
        self.requests = 0
        self.bytes_sent = 0
        self.sent = 0
        self.shown = False
        self.recovered: str | None = None
        self.held_back: list[Event] = []
        self.conversation = turn.ledger.conversation
        self.echo = "previous_response_id" if self.conversation is None else "conversation"

    def submit(self) -> Generator[Command, Any, Reply]:
        """Send the create request, again where that cannot pay twice; failures come back as replies."""
        stream = self.turn.stream and self.profile.streams
        body = build_request(self.turn, self.plan, stream=stream)
        self.sent = len(body["input"])
        headers = self._idempotency()
        attempt = 0
        while True:
            reply: Reply = yield Send("POST", "/responses", body, stream=stream, headers=headers)
            self.requests += 1
            self.bytes_sent += reply.sent
            if attempt >= self.turn.max_retries or not self._may_resend(reply):
                break
            yield Sleep(_backoff(reply, attempt, self.turn.idempotency_key))
            attempt += 1
        if reply.delivery == "unknown" or reply.status == 504:
            raise self.error(
                AmbiguousSubmitError,
                "lost the connection after the request was sent, so it may be running: look there before sending it"
                " again",
            ) from reply.error
        return reply

    def read(self, reply: Reply) -> Generator[Command, Any, dict[str, Any]]:
        """The final response of a reply: read the stream or the body, and wait where it runs in the background."""
        if reply.status is None or not 200 <= reply.status < 300:
            self._refused(read_failure(reply.status, reply.body), reply.error)
        if reply.events:
            return (yield from self._read_events())
        response = yield from self._settle(self._body(reply))
        if self.turn.stream:
            yield from self._show([{"type": "response.completed", "response": response}])
        return response

    def check_context(self, response: Mapping[str, Any]) -> None:
        """Raise if the server wrote this response without the messages that it was to hold."""
        if self.plan.how != "delta":
            return
        verdict = judge(response, self.expectation, self.profile, echo=self.echo)
        memory = self.turn.memory
        if verdict == "held" and self.conversation is None:
            memory.kind = "held"
        elif verdict == "lost":
            raise _ContextLostError("the server forgot the conversation", forgetful=True)
        elif self.proving:
            memory.undecided += 1
            raise _ContextLostError(
                "whether the server remembers could not be told", forgetful=False
            )

    def check_status(self, response: Mapping[str, Any]) -> None:
        """Raise unless the response ended in a way that holds an answer."""
        status = response.get("status")
        if status in _CONTINUABLE or status in {None, "incomplete"}:
            return
        failure = read_failure(200, response)
        said = f": {failure.message}" if failure.message else ""
        raise ResponseFailedError(
            f'response {response.get("id")} on server "{self.profile.name}" ended as {status}{said}',
            retryable=failure.transient,
            response_id=_id(response),
            status=str(status),
            server=self.profile.name,
            code=failure.code,
        )

    def recover(self, lost: _ContextLostError) -> Generator[Command, Any, None]:
        """Turn to a full replay, if the conversation is local and nothing of the answer has been seen."""
        if self.conversation is not None:
            raise self.error(
                ContextMismatchError,
                f"answered without the messages of conversation {self.conversation}; the answer was discarded:"
                " start a new conversation, or leave conversation= out to chain by response ids",
            )
        if lost.forgetful:
            self.turn.memory.kind = "lost"
        if self.plan.how == "replay":
            raise self.error(
                ChainLostError,
                f"no longer holds {self.plan.previous_response_id}, which this conversation continues, and there is"
                " no local history to replace it: start over without previous_response_id",
            )
        if self.shown or (lost.forgetful and self.turn.chaining == "always"):
            raise self.error(
                ContextMismatchError,
                f"answered without the conversation it was to continue ({lost}); the answer was discarded:"
                " run the turn again, or set chaining='never'",
            )
        self.recovered = str(lost)
        self.plan = self.turn.ledger.replay(self.recovered)
        self.proving = False
        self.held_back.clear()
        notice = {"type": "responses_adapters.recovered", "why": self.recovered}
        if self.turn.stream:
            yield Emit([notice])

    def show_held_back(self) -> Generator[Command, Any, None]:
        """Show the events of a proving turn, now that it has been judged."""
        if self.held_back:
            self.shown = True
            yield Emit(self.held_back)

    def outcome(self, response: dict[str, Any]) -> Outcome:
        """What the caller gets."""
        if self.conversation is not None and (response_id := _id(response)) is not None:
            self.turn.memory.note_head(self.conversation, response_id)
        return Outcome(
            response=response,
            how="recovered" if self.recovered else self.plan.how,
            why=self.recovered or self.plan.why,
            sent=self.sent,
            bytes_sent=self.bytes_sent,
            requests=self.requests,
            previous_response_id=self.plan.previous_response_id,
            anchor=self._anchors(response),
            stored=self._stored(response),
            setup=self.setup.digest,
            ledger=self.turn.ledger,
        )

    def error(
        self, kind: type[ResponsesAdapterError], message: str, *, response_id: str | None = None
    ) -> ResponsesAdapterError:
        """An error of this call; the message continues the server's name."""
        return kind(
            f'server "{self.profile.name}" {message}',
            response_id=response_id or self.plan.previous_response_id,
            server=self.profile.name,
        )

    def _idempotency(self) -> dict[str, str]:
        key = self.turn.idempotency_key
        if key is None:
            return {}
        return {"Idempotency-Key": f"{key}-replay" if self.recovered else key}

    def _may_resend(self, reply: Reply) -> bool:
        """Whether sending again cannot start a second response (or the server says that it may be done)."""
        if reply.delivery == "refused":
            return True
        if reply.delivery == "unknown" or reply.status in {408, 504}:
            return self.profile.honours_idempotency_key
        asked = reply.headers.get("x-should-retry")
        if asked in {"true", "false"}:
            return asked == "true"
        return (
            reply.status is not None
            and (reply.status == 429 or reply.status >= 500)
            and read_failure(reply.status, reply.body).transient
        )

    def _refused(self, failure: Failure, error: Exception | None) -> NoReturn:
        if failure.lost_response and self.plan.previous_response_id is not None:
            raise _ContextLostError("the server no longer had the response", forgetful=False)
        if error is not None:
            raise error
        raise ResponseFailedError(
            f'server "{self.profile.name}" answered with an error: {failure.message or failure.code}',
            retryable=failure.transient,
            status="failed",
            server=self.profile.name,
            code=failure.code,
        )

    def _body(self, reply: Reply) -> dict[str, Any]:
        body = reply.body
        if not isinstance(body, dict):
            raise self.error(
                ResponsesAdapterError,
                f"answered {reply.status} with a body that is not JSON ({str(body)[:80]!r}): is base_url the API's?",
            )
        if not body.get("id") and "output" not in body:
            self._refused(read_failure(200, body), reply.error)
        return body

    def _read_events(self) -> Generator[Command, Any, dict[str, Any]]:
        response_id: str | None = None
        while True:
            batch: list[Event] | Exception | None = yield Receive()
            if batch is None or isinstance(batch, Exception):
                return (yield from self._finish_cut(response_id, batch))
            final: dict[str, Any] | None = None
            for event in batch:
                kind, response = event.get("type"), event.get("response")
                if kind in _TERMINAL and isinstance(response, dict):
                    final = response
                elif kind == "error":
                    self._refused(read_failure(200, event), None)
                elif isinstance(response, dict):
                    response_id = response_id or _id(response)
                    self._check_echo(response)
            if final is not None:
                self._check_final(final)
                yield from self._show(batch)
                return (yield from self._settle(final))
            yield from self._show(batch)

    def _check_echo(self, response: Mapping[str, Any]) -> None:
        """Find a forgetful server out at its first event, before a token of its answer is shown."""
        if (
            self.plan.how == "delta"
            and judge(response, None, self.profile, echo=self.echo) == "lost"
        ):
            raise _ContextLostError("the server forgot the conversation", forgetful=True)

    def _check_final(self, response: Mapping[str, Any]) -> None:
        """A failed response may say that the conversation is lost; that is not yet an answer."""
        if response.get("status") == "failed" and not self.shown:
            failure = read_failure(200, response)
            if failure.lost_response and self.plan.previous_response_id is not None:
                self._refused(failure, None)

    def _show(self, events: list[Event]) -> Generator[Command, Any, None]:
        if self.proving:
            self.held_back.extend(events)
        else:
            self.shown = self.shown or any(event.get("type") not in _PRELUDE for event in events)
            yield Emit(events)

    def _finish_cut(
        self, response_id: str | None, cause: Exception | None
    ) -> Generator[Command, Any, dict[str, Any]]:
        """Fetch what a cut stream did not deliver, where the server keeps it."""
        if response_id is not None and self._stored({}) and self.profile.retrieves:
            reply: Reply = yield Send("GET", f"/responses/{response_id}")
            if reply.status == 200 and isinstance(reply.body, dict):
                response = yield from self._settle(reply.body)
                yield from self._show([{"type": "response.completed", "response": response}])
                return response
        raise self.error(
            StreamTruncatedError,
            "ended the stream before the answer was complete: run the turn again",
            response_id=response_id,
        ) from cause

    def _settle(self, response: dict[str, Any]) -> Generator[Command, Any, dict[str, Any]]:
        """Wait for a response that is still running; the finished one may carry another id."""
        waited = 0.0
        response_id = _id(response)
        while response.get("status") in _RUNNING:
            if self.turn.poll_timeout is not None and waited >= self.turn.poll_timeout:
                raise self.error(
                    BackgroundTimeoutError,
                    f"still runs {response_id} after {waited:.0f} s: raise poll_timeout, or retrieve it later by its id",
                    response_id=response_id,
                )
            pause = self.turn.poll_interval
            yield Sleep(pause)
            waited += pause
            reply: Reply = yield Send("GET", f"/responses/{response_id}")
            if reply.status == 200 and isinstance(reply.body, dict):
                response = reply.body
            elif reply.status in {404, 410}:
                raise self.error(
                    ChainLostError,
                    f"no longer knows the background response {response_id}; it was not submitted again",
                    response_id=response_id,
                ) from reply.error
            elif reply.error is not None and not _passes(reply):
                raise reply.error
        return response

    def _anchors(self, response: Mapping[str, Any]) -> bool:
        """Only a finished, stored response of a server that is not known to forget can be continued."""
        return (
            response.get("status", "completed") in _CONTINUABLE
            and _id(response) is not None
            and self._stored(response)
            and (self.profile.state != "replay" or self.turn.chaining == "always")
            and self.turn.memory.kind != "lost"
        )

    def _stored(self, response: Mapping[str, Any]) -> bool:
        """Whether the server keeps this response, as far as anyone said; some do not echo `store`."""
        asked, echoed = self.turn.body.get("store"), response.get("store")
        return self.profile.store != "never" and asked is not False and echoed is not False


def _id(response: Mapping[str, Any]) -> str | None:
    value = response.get("id")
    return value if isinstance(value, str) and value else None


def _passes(reply: Reply) -> bool:
    """Whether the trouble is likely to be over at the next try."""
    return reply.status is None or read_failure(reply.status, reply.body).transient


def _backoff(reply: Reply, attempt: int, key: str | None) -> float:
    """Seconds until the next attempt: what the server asks for, else doubling, spread by the call's own key."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(max(float(reply.headers[header]) * unit, 0.0), _LONGEST_BACKOFF)
        except (KeyError, ValueError):
            continue
    spread = (sum(key.encode()) % 64) / 256 if key else 0.0
    return _FIRST_BACKOFF * float(1 << attempt) * (1 - spread)
