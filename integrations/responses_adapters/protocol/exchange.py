"""One logical call as a generator without I/O: send, read, recover, poll, finish.

The generator yields what it needs and what the caller may see, and is resumed with the answers; sync and async
drivers differ only in how they carry that out.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from ..errors import (
    AmbiguousSubmitError,
    ChainLostError,
    ContextMismatchError,
    ResponseFailedError,
    ResponsesAdapterError,
    ResponseTooLargeError,
    StreamTruncatedError,
    UnsupportedByServerError,
)
from .failure import Failure, read_failure
from .recovery import Concessions, Step, as_learnt, next_step, unsupported_parameter
from .request import asked_digest, build_request, choose_plan, describe_setup, may_stream
from .retry import backoff, may_resend
from .turn import (
    CONTINUABLE,
    Command,
    Earlier,
    Emit,
    Event,
    Outcome,
    Receive,
    Reply,
    Send,
    Sleep,
    Turn,
    id_of,
)
from .verdict import judge
from .waiting import TERMINAL, Wait, newest_of, response_of

__all__ = ["exchange"]

Steps: TypeAlias = Generator[Command, Any, Any]

_PRELUDE: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
_MAX_RECOVERIES: Final = 2
_FORGOT: Final = Step(why="the server forgot the conversation", forgetful=True)


class _SetbackError(Exception):
    """The attempt came to nothing that anybody has seen; `step` is what to do instead."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.why)
        self.step = step


def exchange(turn: Turn) -> Generator[Command, Any, Outcome]:
    """Run one turn: at most two recoveries, and none after the caller has seen an event of the answer.

    Raises:
        ChainLostError: The conversation that was continued is gone, and there is no local history to replace it.
        ContextMismatchError: The server answered without the context, and a replay is not allowed (any more).
        ResponseFailedError: The response failed or was cancelled.
        StreamTruncatedError: The stream was cut and could not be finished by id.
        AmbiguousSubmitError: The connection was lost after the request had been sent.
        BackgroundTimeoutError: A background response is still running at `poll_timeout`.
        ContextLengthError: The input is longer than the model's context window.
        UnsupportedByServerError: The turn asks for something that the server refuses.
    """
    call = _Call(turn)
    for _ in range(_MAX_RECOVERIES + 1):
        try:
            reply = yield from call.submit()
            response = yield from call.read(reply)
            call.check_context(response)
        except _SetbackError as setback:
            yield from call.recover(setback.step)
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
        self.asked: str | None = self.setup.digest
        self.requests = 0
        self.bytes_sent = 0
        self.sent = 0
        self.shown = False
        self.newest: int | None = None
        self.background = bool(turn.body.get("background"))
        self.body: dict[str, Any] = {}
        self.recovered: list[str] = []
        self.conceded = Concessions(ids="id" in turn.memory.refused)
        self.held_back: list[Event] = []
        self.conversation = turn.ledger.conversation
        self.echo = "previous_response_id" if self.conversation is None else "conversation"

    def submit(self) -> Generator[Command, Any, Reply]:
        """Send the create request, again where that cannot pay twice; failures come back as replies."""
        profile = as_learnt(self.profile, self.turn.memory.refused)
        stream = self.turn.stream and may_stream(self.turn.body, profile)
        self.asked = self.setup.digest
        self.body = body = build_request(self.turn, self.plan, self.conceded, stream=stream)
        self.sent = len(body["input"])
        headers = self._idempotency()
        attempt = 0
        while True:
            reply: Reply = yield Send(
                "POST", "/responses", body, stream=bool(body.get("stream")), headers=headers
            )
            self.requests += 1
            self.bytes_sent += reply.sent
            if attempt >= self.turn.max_retries or not may_resend(reply, self.profile):
                break
            yield Sleep(backoff(reply, attempt, self.turn.idempotency_key))
            attempt += 1
        if reply.delivery == "unknown" or reply.status == 504:
            raise self.error(
                AmbiguousSubmitError,
                "lost the connection after the request was sent, so it may be running: look there before sending it"
                " again",
            ) from reply.error
        if reply.earlier is not None:
            self._adopt(reply.earlier)
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
            raise _SetbackError(_FORGOT)
        elif self.proving:
            memory.undecided += 1
            raise _SetbackError(Step(why="whether the server remembers could not be told"))

    def check_status(self, response: Mapping[str, Any]) -> None:
        """Raise unless the response ended in a way that holds an answer."""
        status = response.get("status")
        if status in CONTINUABLE or status in {None, "incomplete"}:
            return
        failure = read_failure(200, response)
        if failure.overflow:
            raise self._overflow(failure)
        said = f": {failure.message}" if failure.message else ""
        raise ResponseFailedError(
            f'response {response.get("id")} on server "{self.profile.name}" ended as {status}{said}',
            retryable=failure.transient,
            response_id=id_of(response),
            status=str(status),
            server=self.profile.name,
            code=failure.code,
        )

    def recover(self, step: Step) -> Generator[Command, Any, None]:
        """Take the step, if the conversation is local and nothing of the answer has been seen."""
        if step.replay and self.conversation is not None:
            raise self.error(
                ContextMismatchError,
                f"answered without the messages of conversation {self.conversation}; the answer was discarded:"
                " start a new conversation, or leave conversation= out to chain by response ids",
            )
        memory = self.turn.memory
        if step.forgetful:
            memory.kind = "lost"
        if self.shown or (step.forgetful and self.turn.chaining == "always"):
            raise self.error(
                ContextMismatchError,
                f"answered without the conversation it was to continue ({step.why}); the answer was discarded:"
                " run the turn again, or set chaining='never'",
            )
        if step.learnt is not None:
            memory.refused.add(step.learnt)
        if step.replay:
            self.plan = self.turn.ledger.replay(step.why)
        self.recovered.append(step.why)
        self.conceded = step.concessions
        self.proving = False
        self.held_back.clear()
        if self.turn.stream:
            yield Emit([{"type": "responses_adapters.recovered", "why": step.why}])

    def show_held_back(self) -> Generator[Command, Any, None]:
        """Show the events of a proving turn, now that it has been judged."""
        if self.held_back:
            self.shown = True
            yield Emit(self.held_back)

    def outcome(self, response: dict[str, Any]) -> Outcome:
        """What the caller gets."""
        if self.conversation is not None and (response_id := id_of(response)) is not None:
            self.turn.memory.note_head(self.conversation, response_id)
        return Outcome(
            response=response,
            how="recovered" if self.recovered else self.plan.how,
            why="; then ".join(self.recovered) or self.plan.why,
            sent=self.sent,
            bytes_sent=self.bytes_sent,
            requests=self.requests,
            previous_response_id=self.plan.previous_response_id,
            anchor=self.turn.may_continue(response),
            stored=self.turn.is_stored(response),
            setup=self.asked,
            ledger=self.turn.ledger,
        )

    def error(
        self,
        kind: type[ResponsesAdapterError],
        message: str,
        *,
        response_id: str | None = None,
        code: str | None = None,
    ) -> ResponsesAdapterError:
        """An error of this call; the message continues the server's name."""
        return kind(
            f'server "{self.profile.name}" {message}',
            response_id=response_id or self.plan.previous_response_id,
            server=self.profile.name,
            code=code,
        )

    def _adopt(self, earlier: Earlier) -> None:
        """Judge the answer by the request that it belongs to."""
        if earlier.get("asked") != asked_digest(self.body):
            self.asked, self.expectation = None, None
        continued = earlier["previous_response_id"]
        if continued != self.plan.previous_response_id:
            self.plan, self.expectation = self.turn.ledger.plan_of(continued), None
            self.proving = False

    def _idempotency(self) -> dict[str, str]:
        key = self.turn.idempotency_key
        if key is None:
            return {}
        attempts = len(self.recovered)
        return {"Idempotency-Key": f"{key}-replay-{attempts}" if attempts else key}

    def _next_step(self, failure: Failure) -> Step | None:
        """What may still be tried against a refusal; after the caller has seen a token, nothing."""
        if self.shown or len(self.recovered) == _MAX_RECOVERIES:
            return None
        step = next_step(
            failure,
            self.body,
            delta=self.plan.how == "delta" and self.conversation is None,
            conceded=self.conceded,
            stateful=self.profile.state == "server" or self.turn.memory.kind == "held",
        )
        if step is None or (step.replay and self.conversation is not None):
            return None
        return None if step.forgetful and self.turn.chaining == "always" else step

    def _refused(self, failure: Failure, error: Exception | None) -> NoReturn:
        if (step := self._next_step(failure)) is not None:
            raise _SetbackError(step) from error
        if failure.overflow:
            raise self._overflow(failure) from error
        base = self.plan.previous_response_id
        if failure.lost_response and base is not None:
            raise self.error(
                ChainLostError,
                f"no longer holds {base}, which this conversation continues, and there is no local history to replace"
                " it: start over without previous_response_id",
            ) from error
        if (name := unsupported_parameter(failure, self.body)) is not None:
            raise self.error(
                UnsupportedByServerError,
                f"refuses {name} ({failure.message}): leave it out, or use another server",
                code=failure.code,
            ) from error
        if isinstance(error, ResponseTooLargeError):
            error.server = self.profile.name
        if error is not None:
            raise error
        raise ResponseFailedError(
            f'server "{self.profile.name}" answered with an error: {failure.message or failure.code}',
            retryable=failure.transient,
            status="failed",
            server=self.profile.name,
            code=failure.code,
        )

    def _overflow(self, failure: Failure) -> ResponsesAdapterError:
        return self.error(
            self.turn.overflow_error,
            f"says that the conversation is longer than the model's context window ({failure.message}): trim,"
            " summarise or compact it, or use a model with a larger one",
            code=failure.code,
        )

    def _body(self, reply: Reply) -> dict[str, Any]:
        body = reply.body
        if not isinstance(body, dict):
            said = f"a body that is not JSON ({str(body)[:80]!r}): is base_url the API's?"
            if not body:
                said = "nothing: if it only streams, say so, ServerProfile(demands=frozenset({'stream'}))"
            raise self.error(ResponsesAdapterError, f"answered {reply.status} with {said}")
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
                if kind in TERMINAL and isinstance(response, dict):
                    final = response
                elif kind == "error":
                    self._refused(read_failure(200, event), None)
                elif isinstance(response, dict):
                    response_id = response_id or id_of(response)
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
            raise _SetbackError(_FORGOT)

    def _check_final(self, response: Mapping[str, Any]) -> None:
        """A failed response may say what can be helped; that is not yet an answer."""
        if response.get("status") == "failed" and not self.shown:
            failure = read_failure(200, response)
            if (step := self._next_step(failure)) is not None:
                raise _SetbackError(step)

    def _show(self, events: list[Event]) -> Generator[Command, Any, None]:
        self.newest = newest_of(events, self.newest)
        if self.proving:
            self.held_back.extend(events)
        else:
            self.shown = self.shown or any(event.get("type") not in _PRELUDE for event in events)
            yield Emit(events)

    def _finish_cut(
        self, response_id: str | None, cause: Exception | None
    ) -> Generator[Command, Any, dict[str, Any]]:
        """Fetch what a cut stream did not deliver, where the server keeps it."""
        if isinstance(cause, ResponseTooLargeError):
            cause.server, cause.response_id = self.profile.name, response_id
            raise cause
        found: dict[str, Any] | None = None
        if response_id is not None and self.background:
            found = {"id": response_id, "status": "in_progress"}
        elif response_id is not None and self.turn.is_stored({}) and self.profile.retrieves:
            found = response_of((yield Send("GET", f"/responses/{response_id}")))
        if found is not None:
            response = yield from self._settle(found)
            yield from self._show([{"type": "response.completed", "response": response}])
            return response
        raise self.error(
            StreamTruncatedError,
            "ended the stream before the answer was complete: run the turn again",
            response_id=response_id,
        ) from cause

    def _settle(self, response: dict[str, Any]) -> Generator[Command, Any, dict[str, Any]]:
        """Wait for a response that is still running; the finished one may carry another id."""
        wait = Wait(
            self.turn,
            newest=self.newest,
            follows=self.newest is not None or not self.shown,
            check=self._check_echo,
            show=self._show,
            error=self.error,
        )
        return (yield from wait.until_done(response))
