"""Decide how a turn is sent, and build the request: full history or delta, never something in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final

from ..errors import (
    ConfigurationError,
    ContextMismatchError,
    DanglingToolCallError,
    UnsupportedByServerError,
)
from ..profiles import ServerProfile
from .chain import Entry, Plan
from .dialect import ENCRYPTED, inexpressible_parts, normalize_request
from .items import CALL_OUTPUTS, Item, open_calls, portable, prune_compacted, repair, unstored
from .recovery import Concessions, as_learnt
from .turn import Turn
from .verdict import Expectation, expect

__all__ = [
    "Setup",
    "build_request",
    "choose_plan",
    "conversation_id",
    "describe_setup",
    "may_stream",
]

_CALL_ITEMS: Final = frozenset({*CALL_OUTPUTS, *CALL_OUTPUTS.values()})
_NOTHING: Final = Concessions()
_READ: Final = ("arguments", "content", "input", "name", "output", "text")
_FRAME: Final = 12
"""Bytes that the frame of an item stands for."""

_OUTWEIGHS: Final = 2
"""How much longer than a proving delta must be what it is to prove: bytes have more or fewer tokens."""
_SOON: Final = frozenset({None, "soonest"})


@dataclass(frozen=True, slots=True)
class Setup:
    """What goes out beside the conversation: its digest, and its size in characters."""

    digest: str
    size: int


def describe_setup(turn: Turn) -> Setup:
    """Digest of instructions, tools, format and model; size of the first three."""
    body = turn.body
    model = str(body.get("model"))
    digest, size = turn.ledger.digest_of(
        [turn.instructions, body.get("tools"), body.get("text"), model]
    )
    return Setup(digest=digest, size=size - len(model))


def choose_plan(turn: Turn, setup: Setup) -> tuple[Plan, Expectation | None, bool]:
    """Delta or replay, the token counts to expect of a delta, and whether this turn proves the server.

    A server of unknown kind gets everything until its own token count can tell whether it remembers; that one
    turn is then a proof, whose answer nobody sees before it has been judged.

    Raises:
        ContextMismatchError: The turn goes to a conversation object that holds what the messages no longer say.
        ConfigurationError: It does, and would send everything again or continue a response as well.
    """
    ledger, profile, memory = turn.ledger, turn.profile, turn.memory
    if ledger.conversation is not None:
        plan = _resume(turn, ledger.conversation)
        return plan, _expect(turn, plan, setup), False
    if turn.chaining == "never":
        return ledger.replay("chaining is off"), None, False
    if turn.chaining == "auto":
        if profile.state == "replay":
            return ledger.replay("this server keeps no conversations"), None, False
        if memory.kind == "lost":
            return ledger.replay("this server was found to forget"), None, False
    plan = ledger.plan(inherits_instructions=profile.inherits_instructions)
    if plan.how == "delta" and not profile.keeps_tool_items and _has_calls(turn, plan.start):
        return ledger.replay("this server keeps no tool calls"), None, False
    if plan.how == "replay" or turn.chaining == "always":
        return plan, None, False
    expectation = _expect(turn, plan, setup)
    if profile.state == "server" or memory.kind == "held":
        return plan, expectation, False
    separable = expectation is not None and expectation.separable
    if separable and memory.may_prove() and _outweighs(turn, plan):
        return plan, expectation, True
    return ledger.replay("this server has not yet proven that it remembers"), None, False


def _expect(turn: Turn, plan: Plan, setup: Setup) -> Expectation | None:
    """The token counts to expect, unless the server may leave out some of what it holds."""
    if turn.body.get("truncation", "disabled") != "disabled" or turn.body.get("context_management"):
        return None
    return expect(plan, turn.ledger.entries, setup=setup.digest, overhead=setup.size)


def _outweighs(turn: Turn, plan: Plan) -> bool:
    """Whether a model reads much more in what the server is to hold than in what this delta sends.

    Otherwise a server that has only the delta may count as much as one that has both. The messages' sizes do not tell:
    half of a short call is ids, which no model reads; and an output made up for a call without one is no message.
    """
    before = zip(turn.ledger.entries[: plan.start], turn.groups(0), strict=False)
    groups = prune_compacted([[] if entry.ephemeral else group for entry, group in before])
    held = portable(item for group in groups for item in group)
    sent = _input(replace(turn, on_dangling="output"), plan, _NOTHING)
    weight = _FRAME * len(held) + _length(held, unread=0)
    return weight >= _OUTWEIGHS * (_FRAME * len(sent) + _length(sent, unread=inf))


def _length(value: Any, *, unread: float) -> float:
    """Bytes that a model reads of this; `unread` where its text does not tell, as of a picture or a file."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        read = [value[key] for key in _READ if key in value]
        return sum(_length(each, unread=unread) for each in read) if read else unread
    return sum(_length(each, unread=unread) for each in value or ())


def _has_calls(turn: Turn, end: int) -> bool:
    """Whether a tool was called in the messages before `end`."""
    return any(item.get("type") in _CALL_ITEMS for group in turn.groups(0)[:end] for item in group)


def _resume(turn: Turn, conversation: str) -> Plan:
    """What to add to a conversation object: it is the caller's word that the server keeps it."""
    ledger, name = turn.ledger, turn.profile.name
    contradictions = {
        "chaining='never'": turn.chaining == "never",
        "store=False": turn.body.get("store") is False,
        "previous_response_id=": ledger.base is not None,
    }
    for option, given in contradictions.items():
        if given:
            raise ConfigurationError(
                f"conversation= keeps what is sent to it, so {option} cannot go with it: leave one of the two out",
                server=name,
            )
    head = turn.memory.heads.get(conversation)
    plan = ledger.resume(head=head)
    if plan is None:
        raise ContextMismatchError(
            f'conversation {conversation} on server "{name}" holds messages that were since edited, removed or forked'
            " here, and sending the others again would repeat them there: start a new conversation, or leave"
            " conversation= out to chain by response ids",
            response_id=head,
            server=name,
        )
    if plan.start == len(ledger.entries):
        raise ConfigurationError(
            f"conversation {conversation} already holds every message: add one", server=name
        )
    return plan


def asked_digest(body: Mapping[str, Any]) -> str:
    """Digest of what a request says beside the conversation."""
    told = {name: body.get(name) for name in ("instructions", "model", "text", "tools")}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def conversation_id(body: Mapping[str, Any]) -> str | None:
    """The conversation object that a request names, by id or as an object with its id.

    Raises:
        ConfigurationError: It has no id.
    """
    value = body.get("conversation")
    if isinstance(value, Mapping):
        value = value.get("id", "")
    if value is None or (isinstance(value, str) and value):
        return value
    raise ConfigurationError('conversation= is the id of a conversation, or {"id": …}')


def build_request(
    turn: Turn, plan: Plan, conceded: Concessions = _NOTHING, *, stream: bool
) -> dict[str, Any]:
    """The body of the create request for this plan, as this server takes it, without what it has refused.

    Raises:
        UnsupportedByServerError: The turn asks for something that the profile says is refused.
        DanglingToolCallError: A call has no output and the turn asks for that to be an error.
    """
    profile = as_learnt(turn.profile, turn.memory.refused)
    body = {key: value for key, value in turn.body.items() if value is not None}
    try:
        body["input"] = _input(turn, plan, conceded)
    except DanglingToolCallError as error:
        error.server, error.response_id = profile.name, turn.ledger.newest_id
        raise
    if turn.instructions and plan.repeat_instructions:
        body["instructions"] = turn.instructions
    if plan.previous_response_id is not None:
        body["previous_response_id"] = plan.previous_response_id
    if body.get("store") is False and _asks_for_reasoning(body, profile):
        include = body.get("include") or []
        body["include"] = include if ENCRYPTED in include else [*include, ENCRYPTED]
    body["stream"] = stream
    if not profile.reference or turn.memory.refused:
        body = normalize_request(body, profile)
    _refuse(turn, body)
    return body


def may_stream(body: Mapping[str, Any], profile: ServerProfile) -> bool:
    """Whether this server streams the answer to such a request; one that has hours is always polled for."""
    if not body.get("background"):
        return profile.streams
    options = body.get("background_options") or {}
    return profile.streams_background and options.get("completion_window") in _SOON


def _asks_for_reasoning(body: Mapping[str, Any], profile: ServerProfile) -> bool:
    """Unstored reasoning must come back sealed; models that do not reason refuse to be asked for it."""
    if profile.encrypted_reasoning == "by_model":
        return bool(body.get("reasoning"))
    return profile.encrypted_reasoning == "on_request"


def _input(turn: Turn, plan: Plan, conceded: Concessions) -> list[Item]:
    """The input items of the plan.

    A delta repeats ephemeral messages that stand before its anchor: they may be new since.
    """
    entries = turn.ledger.entries
    anchor = plan.start - 1
    if plan.how == "replay":
        groups = [conceded.apply(_sendable(turn, *pair)) for pair in _pairs(turn, plan.start)]
        elsewhere = plan.previous_response_id is not None or turn.ledger.conversation is not None
        return repair(
            prune_compacted(groups),
            pending=conceded.unanswered,
            on_dangling=turn.on_dangling,
            calls_elsewhere=elsewhere and not conceded.orphans,
        )
    again = [index for index, entry in enumerate(entries[:anchor]) if entry.ephemeral]
    first = again[0] if again else anchor
    groups = [_sendable(turn, *pair) for pair in _pairs(turn, first)]
    new = [
        conceded.apply(groups[index - first])
        for index in (*again, *range(plan.start, len(entries)))
    ]
    pending = [*conceded.unanswered, *open_calls(groups[anchor - first])]
    return repair(new, pending=pending, on_dangling=turn.on_dangling)


def _pairs(turn: Turn, start: int) -> Iterable[tuple[Entry, list[Item]]]:
    return zip(turn.ledger.entries[start:], turn.groups(start), strict=True)


def _sendable(turn: Turn, entry: Entry, group: list[Item]) -> list[Item]:
    """What another agent or server answered goes without what only they can read."""
    if entry.own:
        return group
    if entry.stamp is None or not turn.ledger.owns(entry.stamp):
        return portable(group)
    if entry.stamp.get("stored") is False and turn.profile.store == "default":
        return unstored(group)
    return group


def _refuse(turn: Turn, body: Mapping[str, Any]) -> None:
    """Raise if this body, or what was asked for and left out of it, is refused."""
    profile = turn.profile
    refused = sorted(key for key in body if key in profile.refuses)
    if turn.body.get("store") is False and profile.store == "always":
        refused.append("store=False")
    if body.get("background") and not profile.background:
        refused.append("background")
    form = ((body.get("text") or {}).get("format") or {}).get("type")
    for name, taken in (("json_object", profile.json_object), ("json_schema", profile.json_schema)):
        if form == name and not taken:
            refused.append(f"text.format of type {name}")
    if refused:
        raise UnsupportedByServerError(
            f'server "{profile.name}" refuses {", ".join(refused)}: leave it out, or use another server',
            server=profile.name,
        )
    for item, kind in inexpressible_parts(body["input"], profile):
        call_id = item.get("call_id")
        where = f"the output of the call {call_id}" if call_id else f"a {item.get('role')} message"
        raise UnsupportedByServerError(
            f'server "{profile.name}" takes no {kind}, which {where} holds: say it in text; or, if this deployment'
            f" takes it, pass server=dataclasses.replace(find_server({profile.name!r}),"
            f" message_parts=frozenset({{{kind!r}}}))",
            server=profile.name,
        )
