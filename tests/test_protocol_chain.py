"""Stamps: a response is continued only while it is exactly what the messages in front of us say."""

from __future__ import annotations

from typing import Any

import pytest

from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.chain import Entry, Ledger, Plan, stamp_key
from responses_adapters.protocol.verdict import Expectation, expect, judge, usage_tokens

KEY = stamp_key("sk-test")


def ledger(entries: list[Entry], **options: Any) -> Ledger:
    return Ledger(entries, **{"key": KEY, "chain": "agent", "scope": "https://a/v1"} | options)


def said(text: str) -> Entry:
    return Entry(text.encode())


def answered(
    before: list[Entry], text: str, response_id: str, *, anchor: bool = True, **options: Any
) -> Entry:
    stamp = ledger(before, **options).seal(
        text.encode(), response_id=response_id, anchor=anchor, facts={"sent": len(before)}
    )
    return Entry(text.encode(), stamp)


def thread() -> list[Entry]:
    """user, answer, user, answer, user"""
    entries = [said("one")]
    entries.append(answered(entries, "first", "resp_1"))
    entries.append(said("two"))
    entries.append(answered(entries, "second", "resp_2"))
    return [*entries, said("three")]


def test_the_newest_response_is_continued_with_what_came_after_it() -> None:
    plan = ledger(thread()).plan()
    assert (plan.how, plan.previous_response_id, plan.start) == ("delta", "resp_2", 4)


def test_a_first_turn_sends_everything() -> None:
    assert ledger([said("one")]).plan() == Plan(
        how="replay", start=0, previous_response_id=None, why="first turn"
    )


def test_a_fork_continues_the_older_response() -> None:
    plan = ledger([*thread()[:2], said("other")]).plan()
    assert (plan.previous_response_id, plan.start) == ("resp_1", 2)


def test_nothing_is_continued_with_an_empty_input() -> None:
    plan = ledger(thread()[:4]).plan()
    assert (plan.previous_response_id, plan.start) == ("resp_1", 2)
    assert ledger(thread()[:2]).plan().how == "replay"


@pytest.mark.parametrize("index", range(4))
def test_removing_any_message_the_server_holds_forces_what_is_left_to_be_sent(index: int) -> None:
    entries = thread()
    del entries[index]
    plan = ledger(entries).plan()
    assert plan.previous_response_id != "resp_2"
    assert plan.start <= index


@pytest.mark.parametrize("index", range(4))
def test_editing_any_message_the_server_holds_forces_it_to_be_sent_again(index: int) -> None:
    entries = thread()
    entries[index] = Entry(b"edited", entries[index].stamp)
    plan = ledger(entries).plan()
    assert plan.previous_response_id != "resp_2"
    assert plan.start <= index


def test_two_messages_are_not_mistaken_for_one() -> None:
    entries = [said("ab")]
    entries.append(answered(entries, "first", "resp_1"))
    assert ledger([said("a"), said("b"), entries[1], said("x")]).plan().how == "replay"


@pytest.mark.parametrize(
    "forged",
    [
        {"id": "resp_of_someone_else"},
        {"anchor": True},
        {"input_tokens": 1},
        {"instructions": None, "why": "x"},
    ],
)
def test_a_stamp_with_any_field_changed_is_not_continued(forged: dict[str, Any]) -> None:
    entries = [said("one")]
    real = answered(entries, "first", "resp_1", anchor=forged.get("anchor") is None)
    assert real.stamp is not None
    entries += [Entry(real.fingerprint, {**real.stamp, **forged}), said("two")]
    assert ledger(entries).plan().how == "replay"


def test_a_stamp_made_with_another_key_is_not_continued() -> None:
    entries = [said("one")]
    entries.append(answered(entries, "first", "resp_1", key=stamp_key("other")))
    assert ledger([*entries, said("two")]).plan().how == "replay"


@pytest.mark.parametrize("other", [{"chain": "b"}, {"scope": "https://b/v1"}])
def test_another_agent_or_server_does_not_continue_our_response(other: dict[str, Any]) -> None:
    assert ledger(thread(), **other).plan().how == "replay"


@pytest.mark.parametrize("stamp", [{}, {"v": 1}, {"v": 1, "digest": 3}, {"v": 2, "id": None}])
def test_a_malformed_stamp_is_ignored(stamp: dict[str, Any]) -> None:
    stamp = {"chain": "agent", "scope": "https://a/v1", **stamp}
    assert ledger([said("one"), Entry(b"x", stamp), said("two")]).plan().how == "replay"


def test_an_answer_that_is_no_anchor_is_passed_over_for_an_older_one() -> None:
    entries = thread()[:3]
    entries.append(answered(entries, "unstored", "resp_2", anchor=False))
    plan = ledger([*entries, said("x")]).plan()
    assert (plan.previous_response_id, plan.start) == ("resp_1", 2)


def test_where_the_server_inherits_instructions_they_are_not_repeated_and_removing_them_replays() -> (
    None
):
    entries = [said("one")]
    entries.append(answered(entries, "first", "resp_1", instructions="be brief"))
    entries.append(said("two"))

    def plan(instructions: str | None) -> Plan:
        return ledger(entries, instructions=instructions).plan(inherits_instructions=True)

    assert (plan("be brief").how, plan("be brief").repeat_instructions) == ("delta", False)
    assert (plan("be long").how, plan("be long").repeat_instructions) == ("delta", True)
    assert plan(None).how == "replay"


def test_a_seed_counts_only_while_no_message_is_stamped() -> None:
    assert ledger([said("one")], seed="resp_0").plan().previous_response_id == "resp_0"
    assert ledger(thread(), seed="resp_0").plan().previous_response_id == "resp_2"


def test_a_replay_of_a_seeded_conversation_still_continues_its_base() -> None:
    entries = [said("one")]
    entries.append(answered(entries, "first", "resp_1", seed="resp_0"))
    edited = [said("ONE"), *entries[1:], said("two")]
    assert ledger(edited).plan() == Plan(
        how="replay", start=0, previous_response_id="resp_0", why="the history was edited"
    )


def test_a_forged_base_is_not_continued() -> None:
    entries = thread()
    assert entries[1].stamp is not None
    entries[1] = Entry(b"x", {**entries[1].stamp, "base": "resp_of_someone_else"})
    entries[3] = Entry(b"y", entries[3].stamp)
    assert ledger(entries).plan().previous_response_id is None


def test_the_key_does_not_show_the_secret_it_comes_from() -> None:
    assert b"sk-test" not in KEY
    assert stamp_key("sk-test") == stamp_key(b"sk-test") != stamp_key("sk-other")


def proof(counted: int | None, *, overhead: int = 100, setup: str = "s") -> Expectation | None:
    entries = [said("x" * 400)]
    stamp = ledger(entries).seal(
        b"y" * 40,
        response_id="resp_1",
        anchor=True,
        facts={"setup": "s", "input_tokens": counted, "output_tokens": 10},
    )
    entries += [Entry(b"y" * 40, stamp), said("z" * 40)]
    return expect(ledger(entries).plan(), entries, setup=setup, overhead=overhead)


def test_what_is_expected_of_a_server_that_remembers_or_forgets_is_calibrated_on_its_own_count() -> (
    None
):
    expectation = proof(125)
    assert expectation == Expectation(held=125 + 10 + 10, lost=25 + 10, least=125 + 10)
    assert expectation.separable


def test_nothing_is_expected_without_a_count_or_with_other_tools() -> None:
    assert proof(None) is None
    assert proof(125, setup="other") is None


def test_a_short_conversation_under_long_instructions_cannot_be_told_apart() -> None:
    expectation = proof(125, overhead=100_000)
    assert expectation is not None
    assert not expectation.separable


@pytest.mark.parametrize(
    ("counted", "verdict"),
    [(145, "held"), (160, "held"), (35, "lost"), (60, "lost"), (90, "unknown")],
)
def test_the_nearer_expectation_wins_and_the_middle_decides_nothing(
    counted: int, verdict: str
) -> None:
    response = {"usage": {"input_tokens": counted, "output_tokens": 1}}
    assert judge(response, proof(125), SERVERS["generic"]) == verdict


def test_a_count_that_covers_the_anchor_and_its_answer_never_proves_loss() -> None:
    rough = Expectation(held=400, lost=250, least=200)
    assert (
        judge({"usage": {"input_tokens": 260, "output_tokens": 1}}, rough, SERVERS["generic"])
        == "unknown"
    )
    assert (
        judge({"usage": {"input_tokens": 190, "output_tokens": 1}}, rough, SERVERS["generic"])
        == "lost"
    )


def test_a_count_below_that_of_the_anchor_and_its_answer_never_proves_memory() -> None:
    mostly_unseen = Expectation(held=1200, lost=480, least=1020)
    assert mostly_unseen.separable
    for counted, verdict in (1005, "unknown"), (1030, "held"):
        response = {"usage": {"input_tokens": counted, "output_tokens": 1}}
        assert judge(response, mostly_unseen, SERVERS["generic"]) == verdict


def test_a_long_delta_of_more_tokens_than_it_looks_proves_nothing() -> None:
    long = Expectation(held=400, lost=250, least=220)
    assert long.apart
    assert not long.separable
    response = {"usage": {"input_tokens": 380, "output_tokens": 1}}
    assert judge(response, long, SERVERS["generic"]) == "unknown"


def test_a_null_echo_proves_loss_only_where_the_server_echoes() -> None:
    assert judge({"previous_response_id": None}, None, SERVERS["openai"]) == "lost"
    assert judge({"previous_response_id": None}, None, SERVERS["generic"]) == "unknown"
    assert judge({}, None, SERVERS["openai"]) == "unknown"
    assert judge({"previous_response_id": "chatcmpl-1"}, None, SERVERS["openai"]) == "unknown"


def test_reasoning_tokens_do_not_count_as_visible_output() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 9}
    assert usage_tokens({"usage": usage}) == (7, 9)
    usage = {
        "input_tokens": 7,
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
    }
    assert usage_tokens({"usage": usage}) == (7, 5)
    assert usage_tokens({"usage": None}) is None
    assert usage_tokens({"usage": {"input_tokens": "7"}}) is None
