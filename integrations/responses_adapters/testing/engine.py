"""The backend itself: requests in, replies out; no I/O, no sleep, no randomness, no wall clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

from ..errors import ConfigurationError
from ..profiles import ServerProfile, find_server
from .brain import RuleBrain
from .context import Context
from .damage import WIRE_FAULTS, Damage, WireVerbs
from .journal import Journal, Recorded
from .limits import check_size
from .names import check_names
from .problems import FAILURES, ApiError, error_reply
from .routes import ENDPOINTS, route
from .rules import Pattern, Rule, contradicts, make_rule
from .scenario import play
from .script import Failure, Line, Turn, Verbs, describe
from .state import ServerState
from .webhooks import deliver
from .websocket import SocketSession
from .wire import Reply, Request

__all__ = ["Backend", "Brain"]

Brain: TypeAlias = Callable[[Context], "str | Turn | None"]
"""What answers when nothing is scripted: text, a turn, or `None` to leave the request unanswered."""

_INVALID = "invalid_request_error"


class Backend(Verbs, WireVerbs, ServerState, Journal):
    """A Responses server in memory: stateful, scriptable, the same in every run.

    What it says next: queued turns first, then the newest rule that applies, then the brain; a request that
    none of them answers is an error, for the client and again in `verify()`.

    Args:
        server: Whose behaviour to show: a known name or a profile.
        seed: Ids are a function of it.
        brain: What answers when nothing is scripted: `True` for a rule-based stand-in that picks tools and
            remembers, or your own callable; `False`: nothing does.
    """

    def __init__(
        self, server: str | ServerProfile = "openai", *, seed: int = 0, brain: bool | Brain = False
    ) -> None:
        Journal.__init__(self)
        ServerState.__init__(self, find_server(server).name, seed=seed)
        self._brain: Brain | None = RuleBrain() if brain is True else brain or None
        self._queue = Line()
        self._rules: list[Rule] = []
        self._failures: dict[str, list[Failure]] = {}
        self._unscripted: list[str] = []

    @classmethod
    def from_script(cls, script: Mapping[str, Any], *, brain: bool | Brain | None = None) -> Self:
        """A backend from a script written as data, as a YAML file holds it; `scenario.play` says how.

        Args:
            script: `server`, `seed`, `brain`, `configure`, `background`, `turns`, `rules`.
            brain: Instead of what the script says.

        Raises:
            ConfigurationError: A name is unknown or an argument does not fit.
        """
        server = script.get("server", "openai")
        if not isinstance(server, str):
            raise ConfigurationError(f"server: {server!r} is not the name of a server")
        backend = cls(
            server,
            seed=script.get("seed", 0),
            brain=script.get("brain", False) if brain is None else brain,
        )
        play(backend, script)
        return backend

    def _open(self) -> Turn:
        return self._queue._open()

    def on(
        self,
        *,
        text: Pattern | None = None,
        tool: str | None = None,
        offers: str | None = None,
        model: str | None = None,
        instructions: Pattern | None = None,
        previous: bool | str | None = None,
        predicate: Callable[[Context], bool] | None = None,
    ) -> Rule:
        """A rule: what to say whenever all of this holds; once, unless `.times(n)` or `.always()`.

        Args:
            text: Part of the newest user message, whatever its case, or a compiled pattern.
            tool: The function whose output came just now.
            offers: A tool that the request offers.
            model: The model asked for, with shell wildcards.
            instructions: Part of the instructions in force, or a compiled pattern.
            previous: Whether, or with which id, the request continues a response.
            predicate: Any other condition on the model's context.
        """
        rule = make_rule(
            text=text,
            tool=tool,
            offers=offers,
            model=model,
            instructions=instructions,
            previous=previous,
            predicate=predicate,
        )
        self._rules.append(rule)
        return rule

    def damage(self, *damages: Damage) -> Self:
        """Disturb the reply to the next create request; with `after=None` that request is never processed."""
        self._queue.steps.extend(damages)
        return self

    def refuse_connection(self) -> Self:
        """Refuse the connection of the next create request."""
        return self.damage(Damage("refuse"))

    def fail(
        self,
        status: int | str = 500,
        message: str | None = None,
        *,
        code: str | None = None,
        param: str | None = None,
        times: int = 1,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
        body: str | None = None,
        endpoint: str = "create",
    ) -> Self:
        """Answer the next requests with an HTTP error.

        Args:
            status: HTTP status, or a known failure by name: `"context_length_exceeded"`,
                `"rate_limit_exceeded"`, `"insufficient_quota"`, `"conversation_locked"` …
            message: The message; a plausible one where absent.
            code: Error code.
            param: Parameter at fault.
            times: How many requests fail.
            retry_after: Seconds to wait, sent as `retry-after-ms`; 5 ms with a 429, so that tests stay fast.
            headers: Further headers, such as `x-should-retry`.
            body: The raw body instead of an error object, such as a gateway's HTML page.
            endpoint: Which requests: `"create"`, `"retrieve"`, `"delete"`, `"cancel"` … as named in `routes`.

        Raises:
            ConfigurationError: There is no such failure or endpoint.
        """
        if isinstance(status, str):
            check_names([status], [name for name in FAILURES if isinstance(name, str)], "failure")
        check_names([endpoint], ENDPOINTS, "fail(endpoint=)")
        known = FAILURES.get(status)
        default = known or (int(status), "The server had an error.", None)
        extra = dict(headers or {})
        wait = 0.005 if retry_after is None and default[0] == 429 else retry_after
        if wait is not None:
            header = self.behaviour.retry_header
            extra.setdefault(header, f"{wait * (1000 if header.endswith('-ms') else 1):g}")
        failure = Failure(
            default[0],
            message or default[1],
            code or default[2],
            param=param,
            headers=extra,
            body=body,
            times=times,
        )
        if endpoint == "create":
            self._queue.steps.append(failure)
        else:
            self._failures.setdefault(endpoint, []).append(failure)
        return self

    def socket(
        self, *, path: str = "/v1/responses", headers: Mapping[str, str] | None = None
    ) -> SocketSession:
        """One WebSocket connection, without its transport: `receive` takes a message, gives the answers."""
        return SocketSession(self, path=path, headers=headers)

    def deliver_webhooks(self, post: Callable[[str, Request], int]) -> list[str]:
        """Call the webhook of every response that has ended, as `webhooks.deliver` says."""
        with self.locked:
            return deliver(self, post)

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        with self.locked:
            recorded = Recorded(request)
            self.requests.append(recorded)
            try:
                check_size(request.body, self.behaviour.max_body)
                reply = (recorded.creates and self.meet_failure()) or route(self, recorded)
            except ApiError as error:
                reply = error_reply(error, self.behaviour.error_shape)
            recorded.status = reply.status
            if self.remembers is not None:
                self.trim(self.remembers)
                self.store.trim(self.remembers)
            return reply

    def check_access(self, recorded: Recorded, endpoint: str) -> None:
        """Raise what this request meets before it is looked at: a wrong key, a scripted failure.

        Raises:
            ApiError: It may not pass.
        """
        key = self.behaviour.key
        if key is not None and recorded.headers.get("authorization") != f"Bearer {key}":
            raise ApiError(
                401, "Incorrect API key provided.", type=_INVALID, code="invalid_api_key"
            )
        queue = self._failures.get(endpoint)
        if queue:
            failure = queue[0]
            failure.times -= 1
            if failure.times <= 0:
                queue.pop(0)
            raise failure.as_error()

    def meet_failure(self) -> Reply | None:
        """The scripted failure standing first in line: raised, or given back where no reply is sent.

        Raises:
            ApiError: The failure.
        """
        step = self._queue.take_failure()
        if isinstance(step, Damage):
            return Reply(0, {}, b"", WIRE_FAULTS[step.kind])
        if isinstance(step, Failure):
            raise step.as_error()
        return None

    def answer(self, context: Context) -> tuple[Turn, list[Damage]]:
        """The turn that is said next, and what happens to it on the wire.

        Raises:
            ApiError: Nothing scripted applies, and there is no brain.
        """
        damages = self._queue.take_damages()
        turn = self._queue.take_turn()
        if turn is None:
            rules = (rule.take(context) for rule in reversed(self._rules))
            turn = next((taken for taken in rules if taken is not None), None)
        if turn is not None and self.behaviour.strict_choice:
            contradiction = contradicts(turn, context)
            if contradiction is not None:
                raise self._unscripted_error(contradiction)
        if turn is None and self._brain is not None:
            said = self._brain(context)
            turn = Turn().reply(said) if isinstance(said, str) else said
        if turn is None:
            raise self._unanswered(context)
        return turn, [*damages, *turn.damages]

    def next_turn(self, turn: Turn) -> None:
        """Put a turn first in line."""
        self._queue.steps.appendleft(turn)

    def _unanswered(self, context: Context) -> ApiError:
        asked = context.texts[-1] if context.texts else "an empty context"
        near = [f"  {rule}: {'; '.join(rule.misses(context)) or 'used up'}" for rule in self._rules]
        text = "\n".join(
            [
                f"Nothing is scripted for this request, whose newest text is {asked[:200]!r}.",
                *(["Rules that did not apply:", *near] if near else ["No rule is registered."]),
                "Add .reply(...), .call_tool(...) or .on(...).reply(...), or make the backend with brain=True.",
            ]
        )
        return self._unscripted_error(text)

    def _unscripted_error(self, text: str) -> ApiError:
        self._unscripted.append(text)
        return ApiError(
            400,
            text,
            type="unscripted_request",
            code="unscripted_request",
            headers={"x-should-retry": "false"},
        )

    def verify(self) -> None:
        """Check that everything scripted was said, and everything asked was scripted.

        Raises:
            AssertionError: It lists what was left over and what was not answered.
        """
        left = [describe(step) for step in self._queue.steps]
        for name, failures in self._failures.items():
            left += [f"{describe(failure)} of {name}" for failure in failures]
        left += [
            f"{rule} -> {', '.join(map(describe, rule.steps)) or 'nothing'}"
            for rule in self._rules
            if rule.rounds is not None and not rule.spent
        ]
        lines = ["Scripted, but never asked for:", *(f"  {each}" for each in left)] if left else []
        lines += self._unscripted
        if lines:
            raise AssertionError("\n".join(lines))
