"""Whatever is done to a thread and to its servers, the model sees exactly the messages that the graph holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase

from responses_adapters.protocol.chain import Ledger, Plan
from rough_threads import (
    FORGETFUL,
    KEEPS_NOTHING,
    LYING,
    OPENAI,
    STATEFUL,
    TURNS,
    UNKNOWN,
    Move,
    Server,
    Tally,
    Thread,
    play,
)

SHORT, DEEP = 4, 40
"""Threads for each pair of servers; the short ones are the same every time, the deep ones never."""


@pytest.mark.parametrize(
    "threads", [SHORT, pytest.param(DEEP, marks=pytest.mark.deep)], ids=["short", "deep"]
)
@pytest.mark.parametrize(
    ("home", "away", "share"),
    [
        pytest.param(STATEFUL, STATEFUL, 0.4, id="stateful"),
        pytest.param(STATEFUL, LYING, 0.6, id="stateful, away lying"),
        pytest.param(UNKNOWN, UNKNOWN, 0.6, id="unknown but stateful"),
        pytest.param(FORGETFUL, FORGETFUL, 1.1, id="unknown and forgetful"),
        pytest.param(LYING, LYING, 1.1, id="unknown and lying"),
        pytest.param(FORGETFUL, STATEFUL, 1.1, id="forgetful, away stateful"),
        pytest.param(KEEPS_NOTHING, KEEPS_NOTHING, 1.0, id="stateless"),
    ],
)
def test_the_model_sees_exactly_the_messages_of_the_graph_in_rough_threads(
    home: Server, away: Server, share: float, threads: int, request: pytest.FixtureRequest
) -> None:
    tally = play(home, away, number=threads, derandomize=threads == SHORT)
    print(f"\n{request.node.callspec.id}: {tally}", end=" ")
    assert tally.turns >= threads * TURNS
    assert tally.sent <= share * tally.whole


@pytest.mark.parametrize(
    "threads", [SHORT, pytest.param(DEEP, marks=pytest.mark.deep)], ids=["short", "deep"]
)
@pytest.mark.parametrize("kept", [(True,), (True, False)], ids=["always", "now and then"])
@pytest.mark.parametrize(
    ("home", "away"),
    [
        pytest.param(STATEFUL, STATEFUL, id="stateful"),
        pytest.param(FORGETFUL, LYING, id="forgetful, away lying"),
    ],
)
def test_a_conversation_object_holds_exactly_the_messages_or_the_turn_is_refused(
    home: Server,
    away: Server,
    kept: tuple[bool, ...],
    threads: int,
    request: pytest.FixtureRequest,
) -> None:
    tally = play(home, away, number=threads, kept=kept, derandomize=threads == SHORT)
    print(f"\n{request.node.callspec.id}: {tally}", end=" ")
    assert tally.turns >= threads * TURNS
    assert 0 < tally.refused < tally.turns / 3


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param([Move(calls=3), Move("fork", where=2)], id="calls without outputs"),
        pytest.param(
            [Move(calls=2), Move(agent="b", words=8), Move(words=29)], id="short calls, long words"
        ),
    ],
)
def test_what_a_forgetful_server_counts_of_a_delta_proves_no_memory(moves: list[Move]) -> None:
    thread, tally = Thread(FORGETFUL, STATEFUL), Tally()
    for move in moves:
        thread.play(move, tally)


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
    server = Server(OPENAI, lambda backend: backend.configure(strict_pairs=False))
    with pytest.raises(AssertionError, match=r"the model saw .*, the graph held"):
        play(server, server, number=SHORT, derandomize=True, phases=[Phase.generate])
