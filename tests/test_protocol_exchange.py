"""One call, step by step and without I/O: what is sent, waited for, shown, and raised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from playing import (
    EVENTS,
    NOT_FOUND,
    OPENAI,
    Played,
    ended,
    long_turn,
    message,
    play,
    response,
    turn,
    usage,
)
from responses_adapters import (
    AmbiguousSubmitError,
    BackgroundTimeoutError,
    ChainLostError,
    ContextMismatchError,
    ResponseFailedError,
    ResponsesAdapterError,
    ServerProfile,
    StreamTruncatedError,
    UnsupportedByServerError,
)
from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.chain import Entry, Ledger
from responses_adapters.protocol.turn import (
    Emit,
    Reply,
    Send,
    Turn,
)
from responses_adapters.protocol.verdict import Memory


def test_a_stateful_server_gets_only_what_is_new() -> None:
    played = play(turn(), response(previous_response_id="resp_1"))
    assert played.bodies == [
        {
            "model": "m",
            "input": [message("two")],
            "previous_response_id": "resp_1",
            "stream": False,
        }
    ]
    assert played.outcome is not None
    assert (played.outcome.how, played.outcome.sent, played.outcome.bytes_sent) == ("delta", 1, 10)


def test_a_stateless_server_gets_everything_and_its_answer_is_no_anchor() -> None:
    played = play(turn(profile=SERVERS["otari"]), response())
    assert "previous_response_id" not in played.bodies[0]
    assert len(played.bodies[0]["input"]) == 3
    assert played.outcome is not None
    assert played.outcome.seal(b"x")["anchor"] is False


@pytest.mark.parametrize("status", [400, 404])
def test_a_lost_response_is_replaced_by_one_full_replay(status: int) -> None:
    played = play(turn(), Reply(status, NOT_FOUND, error=ValueError()), response())
    assert [len(body["input"]) for body in played.bodies] == [1, 3]
    assert "previous_response_id" not in played.bodies[1]
    assert played.outcome is not None
    assert played.outcome.how == "recovered"
    assert played.outcome.seal(b"x")["anchor"] is True


def test_a_lost_response_announced_by_a_stream_of_one_error_event_is_replayed() -> None:
    error = {"type": "error", "code": "404", "message": "Response with id resp_1 not found"}
    played = play(turn(stream=True), EVENTS, [error], EVENTS, [ended(response())])
    assert played.shown == ["responses_adapters.recovered", "response.completed"]


def test_a_seeded_conversation_that_is_lost_cannot_be_replaced() -> None:
    with pytest.raises(ChainLostError, match="no longer holds resp_0") as caught:
        play(turn(["one"], seed="resp_0"), Reply(404, NOT_FOUND, error=ValueError()))
    assert (caught.value.response_id, caught.value.server) == ("resp_0", "openai")


def test_a_null_echo_is_found_out_before_anything_is_shown() -> None:
    memory = Memory()
    created = {"type": "response.created", "response": response(previous_response_id=None)}
    delta = {"type": "response.output_text.delta", "delta": "wrong"}
    played = play(
        turn(stream=True, memory=memory), EVENTS, [created, delta], EVENTS, [ended(response())]
    )
    assert played.shown == ["responses_adapters.recovered", "response.completed"]
    assert memory.kind == "lost"
    again = play(turn(memory=memory), response())
    assert len(again.bodies[0]["input"]) == 3


def test_amnesia_found_out_after_the_answer_was_shown_is_an_error_and_not_an_answer() -> None:
    delta = {"type": "response.output_text.delta", "delta": "wrong"}
    final = ended(response(previous_response_id=None))
    with pytest.raises(ContextMismatchError, match="answer was discarded"):
        play(turn(stream=True), EVENTS, [delta], [final])


def test_with_chaining_always_amnesia_is_an_error() -> None:
    with pytest.raises(ContextMismatchError):
        play(turn(chaining="always"), response(previous_response_id=None))


def test_with_chaining_never_everything_is_sent() -> None:
    assert len(play(turn(chaining="never"), response()).bodies[0]["input"]) == 3


def test_an_unknown_server_gets_everything_until_its_count_can_tell() -> None:
    played = play(turn(profile=SERVERS["generic"]), response())
    assert len(played.bodies[0]["input"]) == 3


def test_an_unknown_server_that_remembers_is_chained_from_its_proving_turn_on() -> None:
    memory = Memory()
    played = play(long_turn(memory=memory), response(**usage(125)))
    assert played.bodies[0]["previous_response_id"] == "resp_1"
    assert memory.kind == "held"


def test_an_unknown_server_that_forgets_is_replayed_at_once_and_for_good() -> None:
    memory = Memory()
    played = play(long_turn(memory=memory), response(**usage(12)), response(**usage(125)))
    assert [len(body["input"]) for body in played.bodies] == [1, 3]
    assert memory.kind == "lost"
    assert len(play(long_turn(memory=memory), response()).bodies[0]["input"]) == 3


def test_nothing_of_a_proving_turn_is_shown_before_it_is_judged() -> None:
    delta = {"type": "response.output_text.delta", "delta": "wrong"}
    played = play(
        long_turn(stream=True),
        EVENTS,
        [delta],
        [ended(response(**usage(12)))],
        EVENTS,
        [delta | {"delta": "right"}],
        [ended(response(**usage(125)))],
    )
    emitted = [e for c in played.commands if isinstance(c, Emit) for e in c.events]
    assert [event.get("delta") for event in emitted] == [None, "right", None]


def test_a_server_that_does_not_count_is_asked_to_prove_itself_twice_at_most() -> None:
    memory = Memory()
    for _ in range(2):
        played = play(long_turn(memory=memory), response(), response())
        assert len(played.bodies) == 2
    assert len(play(long_turn(memory=memory), response()).bodies) == 1


def test_a_refused_connection_and_overload_are_tried_again_with_one_key() -> None:
    refused = Reply(None, error=ValueError(), delivery="refused")
    busy = Reply(429, {"error": {"code": "rate_limit_exceeded"}}, headers={"retry-after-ms": "5"})
    played = play(turn(idempotency_key="k"), refused, busy, response())
    keys = [command.headers for command in played.commands if isinstance(command, Send)]
    assert keys == [{"Idempotency-Key": "k"}] * 3
    assert played.slept[1] == 0.005


def test_what_the_server_asks_not_to_be_tried_again_is_not() -> None:
    error = ValueError("503")
    with pytest.raises(ValueError, match="503"):
        play(turn(), Reply(503, "", headers={"x-should-retry": "false"}, error=error))


def test_quota_is_not_tried_again() -> None:
    error = ValueError("quota")
    with pytest.raises(ValueError, match="quota"):
        play(turn(), Reply(429, {"error": {"code": "insufficient_quota"}}, error=error))


def test_a_connection_lost_after_the_request_was_sent_is_not_sent_again() -> None:
    with pytest.raises(AmbiguousSubmitError, match="may be running"):
        play(turn(), Reply(None, error=ValueError(), delivery="unknown"))


def test_where_the_server_honours_keys_a_lost_connection_is_sent_again() -> None:
    lost = Reply(None, error=ValueError(), delivery="unknown")
    assert play(turn(profile=SERVERS["valar"]), lost, response()).outcome is not None


def test_a_replay_has_a_key_of_its_own() -> None:
    played = play(turn(idempotency_key="k"), Reply(404, NOT_FOUND, error=ValueError()), response())
    sends = [command for command in played.commands if isinstance(command, Send)]
    assert [send.headers["Idempotency-Key"] for send in sends] == ["k", "k-replay-1"]


@pytest.mark.parametrize("cut", [None, ValueError("reset")])
def test_a_cut_stream_is_finished_by_id_where_the_server_stores(cut: Exception | None) -> None:
    created = {
        "type": "response.created",
        "response": {"id": "resp_9", "previous_response_id": "r"},
    }
    played = play(turn(stream=True), EVENTS, [created], cut, response())
    assert played.paths == ["/responses", "/responses/resp_9"]
    assert played.shown == ["response.created", "response.completed"]


def test_a_cut_stream_that_was_not_stored_is_an_error() -> None:
    created = {
        "type": "response.created",
        "response": {"id": "resp_9", "previous_response_id": "r"},
    }
    unstored = turn(stream=True, body={"model": "m", "store": False})
    with pytest.raises(StreamTruncatedError, match="before the answer was complete") as caught:
        play(unstored, EVENTS, [created], None)
    assert caught.value.response_id == "resp_9"


@pytest.mark.parametrize("running", ["queued", "in_progress", "pending", "running"])
def test_a_background_response_is_polled_and_its_final_id_counts(running: str) -> None:
    played = play(
        turn(body={"model": "m", "background": True}),
        response("req_1", status=running, previous_response_id="resp_1"),
        response("req_1", status=running),
        response("resp_2", previous_response_id="resp_1"),
    )
    assert played.paths == ["/responses", "/responses/req_1", "/responses/req_1"]
    assert played.outcome is not None
    assert played.outcome.seal(b"x")["id"] == "resp_2"


def test_polling_survives_trouble_but_not_the_time_limit() -> None:
    running = response(status="queued", previous_response_id="resp_1")
    trouble = Reply(503, "", error=ValueError())
    played = play(turn(), running, trouble, response(previous_response_id="resp_1"))
    assert len(played.slept) == 2
    with pytest.raises(BackgroundTimeoutError, match=r"still runs resp_9 after [34] s"):
        play(turn(poll_timeout=3), running, trouble, trouble)


def test_polls_are_spread_and_differ_from_job_to_job() -> None:
    def pauses(name: str) -> list[float]:
        running = response(name, status="queued", previous_response_id="resp_1")
        return play(turn(), *[running] * 9, response(previous_response_id="resp_1")).slept

    one, other = pauses("resp_8"), pauses("resp_9")
    assert all(1.5 <= pause <= 2 for pause in one + other)
    assert len(set(one)) > 1
    assert one != other


def test_a_server_may_say_when_it_is_to_be_asked_again() -> None:
    running = response(status="queued", previous_response_id="resp_1")
    hinted = Reply(200, running, headers={"retry-after": "7"})
    done = response(previous_response_id="resp_1")
    assert play(turn(), running, hinted, done).slept[1] == 7


def test_a_background_response_that_vanished_is_not_submitted_again() -> None:
    running = response(status="queued", previous_response_id="resp_1")
    with pytest.raises(ChainLostError, match="was not submitted again"):
        play(turn(), running, Reply(404, NOT_FOUND, error=ValueError()))


@pytest.mark.parametrize(("code", "retryable"), [("server_error", True), ("invalid_prompt", False)])
def test_a_failed_response_is_an_error_that_says_whether_to_try_again(
    code: str, retryable: bool
) -> None:
    failed = response(status="failed", previous_response_id="resp_1")
    failed["error"] = {"code": code, "message": "no"}
    with pytest.raises(ResponseFailedError, match="ended as failed: no") as caught:
        play(turn(), failed)
    assert (caught.value.retryable, caught.value.code) == (retryable, code)


def test_an_error_inside_a_200_is_an_error() -> None:
    with pytest.raises(ResponseFailedError, match="moderation"):
        play(turn(), {"error": {"code": 403, "message": "moderation"}})


def test_a_page_instead_of_json_is_an_error() -> None:
    with pytest.raises(ResponsesAdapterError, match="not JSON"):
        play(turn(), Reply(200, "<html>"))


@pytest.mark.parametrize("body", ["", None])
def test_an_empty_answer_is_an_error_that_tells_of_servers_that_only_stream(body: object) -> None:
    with pytest.raises(ResponsesAdapterError, match=r"answered 200 with nothing.*demands="):
        play(turn(), Reply(200, body))


@pytest.mark.parametrize(
    "fields",
    [{"status": "incomplete"}, {"store": False}, {"id": None}],
)
def test_only_a_finished_stored_response_with_an_id_is_an_anchor(fields: dict[str, Any]) -> None:
    played = play(turn(), response(previous_response_id="resp_1") | fields)
    assert played.outcome is not None
    assert played.outcome.seal(b"x")["anchor"] is False


def test_a_server_that_cannot_stream_is_asked_for_one_answer_and_the_caller_still_gets_events() -> (
    None
):
    played = play(turn(profile=SERVERS["valar"], stream=True), response())
    assert "stream" not in played.bodies[0]
    assert played.shown == ["response.completed"]


def test_instructions_become_a_leading_item_where_the_parameter_is_refused() -> None:
    played = play(turn(profile=SERVERS["valar"], instructions="be brief"), response())
    assert played.bodies[0]["input"][0] == message("be brief", "system")
    assert "instructions" not in played.bodies[0]


def test_inherited_instructions_are_not_sent_again() -> None:
    inherits = replace(OPENAI, inherits_instructions=True)
    prepared = turn(profile=inherits, instructions="be brief")
    first = Ledger([Entry(b"one")], key=b"k", chain="c", scope="s", instructions="be brief")
    stamp = first.seal(b"first", response_id="resp_1", anchor=True, facts={})
    entries = [Entry(b"one"), Entry(b"first", stamp), Entry(b"two")]
    prepared.ledger = Ledger(entries, key=b"k", chain="c", scope="s", instructions="be brief")
    assert "instructions" not in play(prepared, response(previous_response_id="r")).bodies[0]


@pytest.mark.parametrize(
    ("profile", "body", "named"),
    [
        (SERVERS["valar"], {"parallel_tool_calls": False}, "parallel_tool_calls"),
        (SERVERS["valar"], {"store": False}, "store=False"),
        (SERVERS["otari"], {"background": True}, "background"),
    ],
)
def test_what_the_profile_refuses_is_refused_before_anything_is_sent(
    profile: ServerProfile, body: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnsupportedByServerError, match=named):
        play(turn(profile=profile, body={"model": "m", **body}))


@pytest.mark.parametrize(
    ("server", "reasoning", "include"),
    [
        ("openai", {"effort": "low"}, ["reasoning.encrypted_content"]),
        ("openai", None, None),
        ("aleph-alpha", None, ["reasoning.encrypted_content"]),
    ],
)
def test_what_is_not_stored_asks_for_its_reasoning_sealed(
    server: str, reasoning: Any, include: Any
) -> None:
    body = {"model": "m", "store": False, "reasoning": reasoning}
    played = play(turn(profile=SERVERS[server], body=body), response(store=False))
    assert played.bodies[0].get("include") == include


def in_conversation(**options: Any) -> Turn:
    entries = [Entry(b"one")]
    place: dict[str, Any] = {"key": b"k", "chain": "c", "scope": "s", "conversation": "conv_1"}
    stamp = Ledger(entries, **place).seal(b"first", response_id="resp_1", anchor=True, facts={})
    ledger = Ledger([*entries, Entry(b"first", stamp), Entry(b"two")], **place)
    return turn(**{"ledger": ledger, "body": {"model": "m", "conversation": "conv_1"}, **options})


def test_a_conversation_gets_what_is_new_and_no_id_to_continue() -> None:
    echo = {"conversation": {"id": "conv_1"}, "previous_response_id": None}
    played = play(in_conversation(), response(**echo))
    assert played.bodies == [
        {"model": "m", "conversation": "conv_1", "input": [message("two")], "stream": False}
    ]
    assert played.outcome is not None
    assert played.outcome.how == "delta"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_the_conversation_is_discarded_and_nothing_sent_again(
    stream: bool,
) -> None:
    body = response(conversation=None)
    answers = [EVENTS, [{"type": "response.created", "response": body}]] if stream else [body]
    played = Played()
    with pytest.raises(ContextMismatchError, match="conv_1; the answer was discarded"):
        play(in_conversation(stream=stream), *answers, played=played)
    assert len(played.bodies) == 1
    assert played.shown == []


def test_what_a_conversation_holds_says_nothing_about_ids() -> None:
    given = in_conversation()
    play(given, response(conversation={"id": "conv_1"}))
    assert given.memory.kind == "unknown"
    assert given.memory.heads == {"conv_1": "resp_9"}
