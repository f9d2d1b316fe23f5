"""Random lives of a backend, against a model of what it must hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from responses_adapters.testing import Backend, Context, Request, Turn

PATH = "/v1/responses"
TEXTS = st.text("ab \n", max_size=12)


@dataclass
class Expected:
    """What the model of the server knows of one response."""

    texts: list[str]
    answer: str
    background: bool = False
    ended: bool = True
    cancelled: bool = False
    polls: int = 0
    log: list[Any] = field(default_factory=list)


def answer(context: Context) -> Turn:
    return Turn().reason(summary="so").reply(f"{len(context)} {context.user_text}")


class Lives(RuleBasedStateMachine):
    responses = Bundle("responses")

    def __init__(self) -> None:
        super().__init__()
        self.be = Backend(brain=answer)
        self.expected: dict[str, Expected] = {}
        self.deleted: set[str] = set()
        self.transcript: list[tuple[Request, int, bytes, int]] = []

    def call(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, bytes]:
        raw = b"" if body is None else json.dumps(body).encode()
        request = Request(method, path, query, {}, raw)
        reply = self.be.handle(request)
        data = (
            reply.body
            if isinstance(reply.body, bytes)
            else b"".join(frame.data for frame in reply.body)
        )
        self.transcript.append((request, reply.status, data, self.be.clock.now))
        return reply.status, data

    def events(self, data: bytes) -> list[Any]:
        lines = data.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def usable(self, response_id: str) -> bool:
        known = self.expected[response_id]
        return response_id not in self.deleted and known.ended and not known.cancelled

    def continued(self, text: str, previous: str | None) -> list[str]:
        before = self.expected[previous] if previous else Expected([], "")
        said = [*before.texts, "so", before.answer] if previous else []
        return [each for each in (*said, text) if each]

    @rule(target=responses, text=TEXTS, stream=st.booleans(), background=st.booleans())
    def create(self, text: str, stream: bool, background: bool) -> str:
        return self.start(text, None, stream=stream, background=background)

    @rule(target=responses, text=TEXTS, previous=responses, stream=st.booleans())
    def chain(self, text: str, previous: str, stream: bool) -> str:
        if self.usable(previous):
            return self.start(text, previous, stream=stream, background=False)
        body = {"model": "m", "input": text, "previous_response_id": previous, "stream": stream}
        turns = len(self.be.contexts)
        assert self.call("POST", PATH, body)[0] == 400
        assert len(self.be.contexts) == turns
        return previous

    def start(self, text: str, previous: str | None, *, stream: bool, background: bool) -> str:
        body = {"model": "m", "input": text, "stream": stream, "background": background}
        status, data = self.call("POST", PATH, {**body, "previous_response_id": previous})
        assert status == 200
        first = self.events(data)[0]["response"] if stream else json.loads(data)
        response_id = str(first["id"])
        assert response_id not in self.expected
        texts = self.continued(text, previous)
        assert self.be.contexts[-1].texts == texts
        said = f"{len(self.be.contexts[-1])} {text}"
        ended = stream or not background
        polls = 0 if ended else self.be.polls
        self.expected[response_id] = Expected(texts, said, background, ended, polls=polls)
        if stream:
            self.check_log(response_id, self.events(data))
        return response_id

    def check_log(self, response_id: str, log: list[Any]) -> None:
        assert [event["sequence_number"] for event in log] == list(range(len(log)))
        deltas = "".join(e["delta"] for e in log if e["type"] == "response.output_text.delta")
        done = [e["text"] for e in log if e["type"] == "response.output_text.done"]
        final = log[-1]["response"]["output"][-1]["content"][0]["text"]
        assert [deltas] == done == [final] == [self.expected[response_id].answer]
        assert json.loads(self.call("GET", f"{PATH}/{response_id}")[1]) == log[-1]["response"]

    @rule(response_id=responses)
    def poll(self, response_id: str) -> None:
        status, data = self.call("GET", f"{PATH}/{response_id}")
        if response_id in self.deleted:
            assert status == 404
            return
        known = self.expected[response_id]
        if not known.ended:
            known.polls -= 1
            known.ended = known.polls <= 0
        wanted = "completed" if known.ended else "in_progress"
        assert json.loads(data)["status"] == ("cancelled" if known.cancelled else wanted)

    @rule(response_id=responses)
    def cancel(self, response_id: str) -> None:
        status, data = self.call("POST", f"{PATH}/{response_id}/cancel")
        if response_id in self.deleted:
            assert status == 404
            return
        known = self.expected[response_id]
        assert status == (200 if known.background else 400)
        if known.background and not known.ended:
            known.cancelled = known.ended = True
            assert json.loads(data)["output"] == []

    @rule(response_id=consumes(responses))
    def delete(self, response_id: str) -> None:
        status, _ = self.call("DELETE", f"{PATH}/{response_id}")
        assert status == (404 if response_id in self.deleted else 200)
        self.deleted.add(response_id)

    @rule(response_id=responses, after=st.integers(0, 30))
    def resume(self, response_id: str, after: int) -> None:
        if response_id in self.deleted or not self.expected[response_id].ended:
            return
        path = f"{PATH}/{response_id}"
        _, whole = self.call("GET", path, stream="true")
        _, rest = self.call("GET", path, stream="true", starting_after=str(after))
        assert self.events(whole)[: after + 1] + self.events(rest) == self.events(whole)

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        self.be.clock.advance(seconds)

    @invariant()
    def every_turn_is_recorded_once(self) -> None:
        made = [recorded.response_id for recorded in self.be.creates if recorded.response_id]
        assert made == list(self.expected)
        assert len(self.be.contexts) == len(made)

    def teardown(self) -> None:
        again = Backend(brain=answer)
        for request, status, data, now in self.transcript:
            again.clock.now = now
            reply = again.handle(request)
            body = (
                reply.body
                if isinstance(reply.body, bytes)
                else b"".join(f.data for f in reply.body)
            )
            assert (reply.status, body) == (status, data)


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def test_a_socket_a_stream_and_a_poll_tell_the_same() -> None:
    results = []
    for how in ("socket", "stream", "poll"):
        be = Backend(brain=answer)
        if how == "socket":
            message = {"type": "response.create", "model": "m", "input": "hi"}
            results.append(
                json.loads(list(be.socket().receive(json.dumps(message)))[-1])["response"]
            )
            continue
        body = {"model": "m", "input": "hi", "stream": how == "stream", "background": how == "poll"}
        reply = be.handle(Request("POST", PATH, body=json.dumps(body).encode()))
        if isinstance(reply.body, bytes):
            path = f"{PATH}/{json.loads(reply.body)['id']}"
            polled = [be.handle(Request("GET", path)).body for _ in range(2)][-1]
            assert isinstance(polled, bytes)
            results.append({**json.loads(polled), "background": False})
        else:
            last = list(reply.body)[-1].data.decode()
            results.append(json.loads(last.split("data: ")[1])["response"])
    assert results[0] == results[1] == results[2]
