"""The fake as a process of its own, on which a fixed share of requests goes wrong in every way there is.

Run: python tests/campaigns/faulty.py 0.01        # one request in a hundred, for each kind of fault

It prints its address. Asked for anything else than the API, it says what has gone wrong so far.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter

from witness import witness

from responses_adapters.testing import Backend, Context, Reply, Request, ResponsesServer, Turn
from responses_adapters.testing.damage import Damage
from responses_adapters.testing.wire import Fault

FAULTS = (
    "429", "500", "502 with a page", "refused", "closed before the request is read",  # not accepted
    "closed before the answer", "reset before the answer", "silence", "504", "the response has failed",
    "truncate", "half", "fin", "reset", "stall", "malformed", "error", "drop", "duplicate", "swap",
    "the previous response is lost", "a poll fails",
)  # fmt: skip
_ERROR = {"type": "error", "code": "server_error", "message": "Overloaded.", "param": None}
_KEPT = 40_000
"""Responses: those of as long as a turn with many losses may take, ten minutes or so."""


class FaultyBackend(Backend):
    """A witness to whom things happen.

    Args:
        share: Of the requests, disturbed by each fault.
    """

    def __init__(self, share: float) -> None:
        super().__init__("openai", brain=witness)
        self.remember(_KEPT).background(polls=2).pace(first=0.5).configure(rate_limit=None)
        self._share = share
        self.dealt: Counter[str] = Counter()
        self.turns_made = 0
        self._chance = random.Random(0)
        self._fault: str | None = None

    def handle(self, request: Request) -> Reply:
        """Answer, or do what chance has in store."""
        if not request.path.startswith("/v1/responses"):
            return Reply.json(200, {"dealt": self.dealt, "responses": self.turns_made})
        with self.locked:
            self._fault = self._draw(creates=request.method == "POST")
            before = self._before(request)
            if before is not None:
                return before
            reply = super().handle(request)
            return self._after() or reply

    def answer(self, context: Context) -> tuple[Turn, list[Damage]]:
        """What the witness says, and how it is disturbed on its way."""
        turn, damages = super().answer(context)
        self.turns_made += 1
        if self._fault == "the response has failed":
            return Turn().fail_turn("server_error"), damages
        if self._fault in {"truncate", "half", "fin", "reset", "stall", "malformed"}:
            damages.append(Damage(self._fault, self._chance.randrange(6)))  # type: ignore[arg-type]
        elif self._fault in {"drop", "duplicate", "swap"}:
            damages.append(Damage(self._fault, self._chance.randrange(2, 8)))  # type: ignore[arg-type]
        elif self._fault == "error":
            damages.append(Damage("error", self._chance.randrange(6), _ERROR))
        return turn, damages

    def _draw(self, *, creates: bool) -> str | None:
        kinds = FAULTS[:-1] if creates else FAULTS[-1:]
        drawn = self._chance.random()
        if drawn >= self._share * len(kinds):
            return None
        kind = kinds[int(drawn / self._share)]
        self.dealt[kind] += 1
        return kind

    def _before(self, request: Request) -> Reply | None:
        match self._fault:
            case "429" | "500" as status:
                headers = {"retry-after-ms": "50"} if status == "429" else {}
                return Reply.json(
                    int(status), {"error": {**_ERROR, "type": "server_error"}}, headers
                )
            case "502 with a page" | "a poll fails":
                return Reply(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>")
            case "refused":
                return _broken("refuse")
            case "closed before the request is read":
                return _broken("disconnect")
            case "the previous response is lost":
                self.store.drop(self._continued(request))
        return None

    def _after(self) -> Reply | None:
        match self._fault:
            case "closed before the answer":
                return _broken("disconnect")
            case "reset before the answer":
                return _broken("reset")
            case "silence":
                return _broken("stall")
            case "504":
                return Reply.json(504, {"error": {**_ERROR, "message": "Gateway time-out."}})
        return None

    def _continued(self, request: Request) -> str:
        return str(json.loads(request.body).get("previous_response_id"))


def _broken(fault: Fault) -> Reply:
    return Reply(0, {}, b"", fault)


def main() -> None:
    with ResponsesServer(FaultyBackend(float(sys.argv[1]))) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
