"""Whatever is done to the messages, the model sees exactly them: the promise of the whole package."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.protocol.chain import Entry, Ledger, Plan
from responses_adapters.protocol.exchange import exchange
from responses_adapters.protocol.turn import Reply, Send, Turn
from responses_adapters.protocol.verdict import Memory
from responses_adapters.testing import Backend, Request

OPENAI, GENERIC = SERVERS["openai"], SERVERS["generic"]
SEEDS, TURNS = 40, 25


class Message:
    """One message of a local history: a wire item, and a stamp if it is an answer."""

    def __init__(self, item: dict[str, Any], stamp: Any = None) -> None:
        self.item, self.stamp = item, stamp

    @property
    def shown(self) -> tuple[str, str]:
        content = self.item["content"]
        return self.item["role"], content if isinstance(content, str) else content[0]["text"]

    def edited(self, text: str) -> Message:
        content: Any = text
        if isinstance(self.item["content"], list):
            content = [{**self.item["content"][0], "text": text}]
        return Message({**self.item, "content": content}, self.stamp)

    @property
    def entry(self) -> Entry:
        return Entry(json.dumps(self.shown).encode(), self.stamp)


def user(rng: random.Random) -> Message:
    text = " ".join(f"word{rng.randrange(1000)}" for _ in range(rng.randint(3, 30)))
    return Message({"type": "message", "role": "user", "content": text})


def send(backend: Backend, command: Send) -> Reply:
    body = json.dumps(command.body).encode() if command.body else b""
    reply = backend.handle(Request(command.method, f"/v1{command.path}", body=body))
    assert isinstance(reply.body, bytes)
    error = ValueError(reply.body.decode()) if reply.status >= 400 else None
    return Reply(reply.status, json.loads(reply.body), sent=len(body), error=error)


def ask(
    backend: Backend,
    history: list[Message],
    *,
    profile: ServerProfile,
    memory: Memory,
    chain: str,
    instructions: str,
) -> Message:
    ledger = Ledger(
        [message.entry for message in history],
        key=b"key",
        chain=chain,
        scope="here",
        instructions=instructions,
    )
    steps = exchange(
        Turn(
            body={"model": "m"},
            ledger=ledger,
            groups=lambda start: [[message.item] for message in history[start:]],
            profile=profile,
            memory=memory,
            instructions=instructions,
        )
    )
    answer: Any = None
    while True:
        try:
            command = steps.send(answer)
        except StopIteration as stop:
            message = Message(stop.value.response["output"][0])
            message.stamp = stop.value.seal(message.entry.fingerprint)
            return message
        answer = send(backend, command) if isinstance(command, Send) else None


def stress(
    backend: Backend, profile: ServerProfile, seed: int, disturb: Callable[[random.Random], None]
) -> tuple[int, int, int]:
    """Run one thread that is edited, cut, forked and trimmed: turns, mismatches, items sent of items held."""
    rng = random.Random(seed)
    memory = Memory()
    checkpoints: list[list[Message]] = [[]]
    mismatches = held = 0
    for _ in range(TURNS):
        history = list(checkpoints[-1])
        match rng.randrange(12):
            case 0 if history:
                index = rng.randrange(len(history))
                history[index] = history[index].edited(f"edited {rng.random()}")
            case 1 if history:
                del history[rng.randrange(len(history))]
            case 2:
                history = list(rng.choice(checkpoints))
            case 3 if len(history) > 4:
                history = history[-3:]
            case 4:
                disturb(rng)
        history.append(user(rng))
        chain, instructions = rng.choice("ab"), f"You are number {rng.randrange(2)}."
        history.append(
            ask(
                backend,
                history,
                profile=profile,
                memory=memory,
                chain=chain,
                instructions=instructions,
            )
        )
        checkpoints.append(history)
        context = backend.contexts[-1]
        seen = [Message(item).shown for item in context]
        wanted = [message.shown for message in history[:-1]]
        mismatches += seen != wanted or context.instructions != instructions
        held += len(history) - 1
    sent = sum(len(request.input) for request in backend.requests if request.method == "POST")
    return mismatches, sent, held


def total(
    profile: ServerProfile, prepare: Callable[[Backend], Callable[[random.Random], None]]
) -> tuple[int, int, int]:
    results = []
    for seed in range(SEEDS):
        answers = count(1)
        backend = Backend(seed=seed, brain=lambda _, next_=answers: f"answer {next(next_)}")
        results.append(stress(backend, profile, seed, prepare(backend)))
    mismatches, sent, held = (sum(column) for column in zip(*results, strict=True))
    return mismatches, sent, held


def steady(backend: Backend) -> Callable[[random.Random], None]:
    return lambda _: None


def losing(backend: Backend) -> Callable[[random.Random], None]:
    return lambda _: backend.forget() and None


def forgetful(backend: Backend) -> Callable[[random.Random], None]:
    backend.ignore_previous_id()
    return lambda _: None


def lying(backend: Backend) -> Callable[[random.Random], None]:
    backend.ignore_previous_id(echo=True)
    return lambda _: None


STATELESS = replace(GENERIC, name="stateless", state="replay")


@pytest.mark.parametrize(
    ("profile", "prepare", "share"),
    [
        (OPENAI, steady, 0.45),
        (OPENAI, losing, 0.6),
        (OPENAI, forgetful, 1.02),
        (STATELESS, steady, 1.0),
        (GENERIC, steady, 0.5),
        (GENERIC, losing, 0.65),
        (GENERIC, forgetful, 1.02),
        (GENERIC, lying, 1.02),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", str(value))),
)
def test_the_model_sees_exactly_the_local_messages_in_a_thousand_rough_turns(
    profile: ServerProfile, prepare: Any, share: float
) -> None:
    mismatches, sent, held = total(profile, prepare)
    assert mismatches == 0
    assert sent <= share * held


def test_the_test_notices_a_plan_that_always_sends_a_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    def newest(self: Ledger, **_: Any) -> Plan:
        for index in range(len(self.entries) - 2, -1, -1):
            if stamp := self.entries[index].stamp:
                return Plan(
                    how="delta",
                    start=index + 1,
                    previous_response_id=stamp["id"],
                    why="blind",
                    anchor=stamp,
                )
        return self.replay("first turn")

    monkeypatch.setattr(Ledger, "plan", newest)
    mismatches, _, _ = total(OPENAI, steady)
    assert mismatches > 100
