"""When a token count says that the server forgot, and when it says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from playing import long_turn, message, play, response, turn, usage
from responses_adapters import ServerProfile
from responses_adapters.protocol.chain import Ledger
from responses_adapters.protocol.turn import Outcome, Turn
from responses_adapters.protocol.verdict import Memory

STATEFUL = ServerProfile(name="keeper", state="server")
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
SAID = message("!", "assistant")


def second_turn(
    output: list[Any],
    body: dict[str, Any] | None = None,
    *,
    texts: Sequence[str] = ("x" * 4000, "y" * 40, "z" * 40),
    counted: tuple[int, int] = (1000, 10),
    **details: int,
) -> Turn:
    """The second turn after a first one that was answered with this output and counted like this."""
    body = {"model": "m", **(body or {})}
    first = play(
        turn(texts[:1], profile=STATEFUL, body=body),
        response(
            "resp_1",
            output=output,
            usage={
                "input_tokens": counted[0],
                "output_tokens": counted[1],
                "output_tokens_details": details,
            },
        ),
    )
    assert isinstance(first.outcome, Outcome)
    stamp = first.outcome.seal(texts[1].encode())
    asked = turn(texts, profile=STATEFUL, body=body)
    entries = list(asked.ledger.entries)
    entries[1] = entries[1]._replace(stamp=stamp)
    asked.ledger = Ledger(entries, key=b"k", chain="c", scope="s")
    return asked


def test_a_server_that_counts_far_less_than_before_has_forgotten() -> None:
    played = play(second_turn([SAID]), response(**usage(12)), response(**usage(1012)))
    assert [len(body["input"]) for body in played.bodies] == [1, 3]


@pytest.mark.parametrize("output", [[SEARCH, SAID], [{"type": "compaction"}, SAID]])
def test_what_a_hosted_tool_found_or_a_compaction_took_away_is_not_missed(
    output: list[Any],
) -> None:
    played = play(second_turn(output), response(**usage(12)))
    assert played.outcome is not None
    assert played.outcome.how == "delta"


def test_reasoning_is_compared_only_where_it_is_counted_apart() -> None:
    assert play(second_turn([THOUGHT, SAID]), response(**usage(12))).outcome is not None
    told = second_turn([THOUGHT, SAID], reasoning_tokens=4)
    assert len(play(told, response(**usage(12)), response(**usage(1012))).bodies) == 2


@pytest.mark.parametrize(
    "body", [{"truncation": "auto"}, {"context_management": [{"type": "compaction"}]}]
)
def test_a_server_that_may_leave_messages_out_is_not_taken_for_forgetful(
    body: dict[str, Any],
) -> None:
    assert len(play(second_turn([SAID], body), response(**usage(12))).bodies) == 1


def test_what_a_hosted_tool_found_proves_no_memory() -> None:
    memory = Memory()
    searched = response(output=[SEARCH, SAID], **usage(125))
    play(long_turn(memory=memory), searched, response())
    assert (memory.kind, memory.undecided) == ("unknown", 1)


def call(number: int) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": f"call_{number:024}",
        "name": "add",
        "arguments": "{}",
    }


ASKED, ANSWERED, ASKS = message("x" * 400), message("y" * 40, "assistant"), message("z" * 40)
PICTURE = {**ASKS, "content": [{"type": "input_image", "image_url": "https://pictures.test/1.png"}]}


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([[ASKED], [call(i) for i in range(8)], [ASKS]], id="outputs made up"),
        pytest.param([[ASKED], [ANSWERED], [PICTURE]], id="a picture"),
        pytest.param([[call(1)], [ANSWERED], [ASKS]], id="mostly ids"),
    ],
)
def test_nothing_is_proven_by_what_may_count_as_much_as_the_messages_before_it(
    items: list[list[Any]],
) -> None:
    memory = Memory()
    played = play(long_turn(memory=memory, items=items), response(**usage(1000)))
    assert "previous_response_id" not in played.bodies[0]
    assert memory.kind == "unknown"


def test_a_message_for_one_turn_alone_that_is_sent_again_proves_nothing() -> None:
    asked = long_turn()
    first, *others = asked.ledger.entries
    note = first._replace(fingerprint=b"n" * 400, ephemeral=True)
    groups = [[message("n" * 400)], *asked.groups(0)]
    asked.ledger = Ledger([note, first, *others], key=b"k", chain="c", scope="s")
    asked.groups = lambda start: groups[start:]
    assert "previous_response_id" not in play(asked, response(**usage(1000))).bodies[0]


SHORT = ("My code word is heron-4711.", "Noted: heron-4711.", "What is my code word?")


def test_in_a_short_thread_too_what_was_counted_before_is_counted_again() -> None:
    short = second_turn([SAID], texts=SHORT, counted=(15, 8))
    assert len(play(short, response(**usage(12)), response(**usage(35))).bodies) == 2


def test_a_token_or_two_less_is_no_proof() -> None:
    short = second_turn([SAID], texts=SHORT, counted=(15, 8))
    assert len(play(short, response(**usage(20))).bodies) == 1


def test_more_tokens_than_were_written_are_thoughts_that_the_next_turn_may_lack() -> None:
    thoughtful = second_turn([SAID], counted=(1000, 900))
    assert len(play(thoughtful, response(**usage(12))).bodies) == 1
