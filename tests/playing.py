"""Play a call without I/O: a turn to send, and the server's answers one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.chain import Entry, Ledger
from responses_adapters.protocol.exchange import exchange
from responses_adapters.protocol.turn import (
    Command,
    Emit,
    Event,
    Outcome,
    Receive,
    Reply,
    Send,
    Sleep,
    Turn,
)

OPENAI = SERVERS["openai"]
NOT_FOUND = {"error": {"code": "previous_response_not_found", "message": "not found"}}


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


def response(response_id: str = "resp_9", **fields: Any) -> dict[str, Any]:
    return {
        "id": response_id,
        "status": "completed",
        "output": [message("!", "assistant")],
        **fields,
    }


def turn(texts: Sequence[str] = ("one", "first", "two"), **options: Any) -> Turn:
    """A conversation whose every second message is an answer of ours, `resp_1` the first.

    Args:
        texts: The messages, oldest first.
        options: Of `Turn`; `seed` and `conversation` of the ledger, `facts` of every stamp, `items` of each message on the wire.
    """
    seed, conversation = options.pop("seed", None), options.pop("conversation", None)
    facts = options.pop("facts", {})
    entries: list[Entry] = []
    for index, text in enumerate(texts):
        ledger = Ledger(entries, key=b"k", chain="c", scope="s", seed=seed)
        answer = index % 2 == 1
        stamp = (
            ledger.seal(
                text.encode(), response_id=f"resp_{index // 2 + 1}", anchor=True, facts=facts
            )
            if answer
            else None
        )
        entries.append(Entry(text.encode(), stamp))
    groups = options.pop("items", None) or [
        [message(text, "assistant" if i % 2 else "user")] for i, text in enumerate(texts)
    ]
    return Turn(
        **{
            "body": {"model": "m"},
            "ledger": Ledger(
                entries, key=b"k", chain="c", scope="s", seed=seed, conversation=conversation
            ),
            "groups": lambda start: groups[start:],
            "profile": OPENAI,
            **options,
        }
    )


def usage(tokens: int) -> dict[str, Any]:
    return {"usage": {"input_tokens": tokens, "output_tokens": 10}}


def long_turn(**options: Any) -> Turn:
    """A thread on a server of unknown kind, long enough for its token count to tell."""
    texts = ["x" * 400, "y" * 40, "z" * 40]
    prepared = turn(texts, profile=SERVERS["generic"], **options)
    ledger = Ledger(prepared.ledger.entries[:1], key=b"k", chain="c", scope="s")
    setup, _ = ledger.digest_of([None, None, None, "m"])
    facts = {"setup": setup, "input_tokens": 104, "output_tokens": 10}
    return turn(texts, profile=SERVERS["generic"], facts=facts, **options)


@dataclass
class Played:
    """What a call did when it got these answers."""

    outcome: Outcome | None = None
    commands: list[Command] = field(default_factory=list)

    @property
    def bodies(self) -> list[Any]:
        return [
            command.body for command in self.commands if isinstance(command, Send) and command.body
        ]

    @property
    def paths(self) -> list[str]:
        return [command.path for command in self.commands if isinstance(command, Send)]

    @property
    def slept(self) -> list[float]:
        return [command.seconds for command in self.commands if isinstance(command, Sleep)]

    @property
    def shown(self) -> list[str]:
        emits = [command for command in self.commands if isinstance(command, Emit)]
        return [event["type"] for emit in emits for event in emit.events]


def play(turn: Turn, *answers: Any, played: Played | None = None) -> Played:
    """Answer each `Send` and `Receive` with the next answer; dicts are 200 bodies, lists are event batches."""
    played = played or Played()
    steps, queue, answer = exchange(turn), list(answers), None
    while True:
        try:
            command = steps.send(answer)
        except StopIteration as stop:
            assert not queue, f"{len(queue)} answers were never asked for"
            played.outcome = stop.value
            return played
        played.commands.append(command)
        answer = None
        if isinstance(command, Send):
            answer = queue.pop(0)
            if isinstance(answer, dict):
                answer = Reply(200, answer, sent=10)
        elif isinstance(command, Receive):
            answer = queue.pop(0)


EVENTS = Reply(200, events=True)


def ended(final: dict[str, Any]) -> Event:
    return {"type": "response.completed", "response": final}
