"""What to send instead when a server refuses a request: the next step, and what the request then goes without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from ..profiles import ServerProfile
from .dialect import ENCRYPTED, has_no_effect
from .failure import Failure
from .items import CALL_OUTPUTS, Item

__all__ = ["Concessions", "Step", "as_learnt", "next_step", "unsupported_parameter"]

_LACKS_OUTPUT: Final = re.compile(
    r"output found for [\w ]*?(call )?(id )?['\"`]?(?P<id>[A-Za-z0-9]+[_-][\w-]+)", re.IGNORECASE
)
_PLACE: Final = re.compile(r"(?:body\.)?input[.\[](?P<index>\d+)\]?(?:\.(?P<field>\w+))?")

_REPEATABLE: Final = frozenset({"message", "reasoning", *CALL_OUTPUTS, *CALL_OUTPUTS.values()})
"""Items that mean the same without their id; of the others it is a part (references, approvals, hosted calls)."""

_TRANSLATED: Final = frozenset({"instructions", "stream", "strict"})
"""A server that refuses these gets a leading system item, is asked for one piece, and the tools' own schema decides."""


@dataclass(frozen=True, slots=True)
class Concessions:
    """What the items of a request go without, because the server refused them with it.

    Attributes:
        ids: No item has an id where that adds nothing, and none is sent that its id stands for.
        reasoning: No reasoning at all.
        turns: Ids of items; the answers that hold one of them go without their reasoning, and without ids.
        unanswered: Calls that only the server knows of: they get an output that says so.
        orphans: Outputs whose call is not in the messages are said in messages: the server does not know it either.
    """

    ids: bool = False
    reasoning: bool = False
    turns: frozenset[str] = frozenset()
    unanswered: tuple[Item, ...] = ()
    orphans: bool = False

    def apply(self, group: Sequence[Item]) -> list[Item]:
        """The items of one message, without what is conceded."""
        bare = self.reasoning or not self.turns.isdisjoint(_ids(group))
        kept = [item for item in group if not (bare and item.get("type") == "reasoning")]
        return (
            [_nameless(item) for item in kept if _has_content(item)] if bare or self.ids else kept
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of recovery.

    Attributes:
        why: The reason, for people.
        replay: Whether everything is sent, and no response continued.
        forgetful: Whether the server is not to be trusted with a conversation any more.
        concessions: What to go without.
        learnt: A parameter (or `"id"`, of items) that this server is not to be sent again.
    """

    why: str
    replay: bool = True
    forgetful: bool = False
    concessions: Concessions = Concessions()
    learnt: str | None = None


def next_step(
    failure: Failure,
    body: Mapping[str, Any],
    *,
    delta: bool,
    conceded: Concessions,
    stateful: bool,
) -> Step | None:
    """What may help against this refusal, if anything has not been tried yet.

    Args:
        failure: What the server said.
        body: The request that it refused.
        delta: Whether the request continued a response that the messages can replace.
        conceded: What the request went without.
        stateful: Whether the server is known to keep conversations.

    First everything is sent again, as it is or without ids; then without what only the server itself can read. A
    compaction item is never left out: nothing else stands for what it replaced.
    """
    sent: Sequence[Item] = body["input"]
    lost = failure.lost_response
    if delta and (lost or failure.unsupported(["previous_response_id"])):
        why = "no longer had the response" if lost else "does not continue responses"
        return Step(why=f"the server {why}", forgetful=not lost, concessions=conceded)
    if failure.duplicate_items:
        return _without_ids(conceded, "the server had an item twice", sent, delta=delta)
    if failure.unpaired_reasoning:
        return _pair_reasoning(failure, sent, conceded, delta=delta)
    if failure.unpaired_calls:
        return _pair_calls(failure, sent, conceded, delta=delta, forgetful=not stateful)
    blamed = _blames_items(failure, sent)
    if failure.unusable_items or blamed:
        learnt = "id" if blamed or not stateful else None
        why = "the server could not use items by their ids"
        return _without_ids(conceded, why, sent, delta=delta, learnt=learnt) or _without_reasoning(
            conceded, "the server could not read its own reasoning", sent
        )
    name = unsupported_parameter(failure, body)
    if name is None or not _can_go(name, body.get(name)):
        return None
    return Step(why=f"the server refuses {name}", replay=False, concessions=conceded, learnt=name)


def unsupported_parameter(failure: Failure, body: Mapping[str, Any]) -> str | None:
    """The parameter of this request that the server says it does not take."""
    names = set(body) - {"input", "model"}
    tools = body.get("tools")
    if isinstance(tools, list) and any("strict" in tool for tool in tools):
        names.add("strict")
    return failure.unsupported(sorted(names))


def as_learnt(profile: ServerProfile, refused: Set[str]) -> ServerProfile:
    """The profile with what the server has refused so far, for the dialect to translate or leave out."""
    if not refused:
        return profile
    streams = "stream" not in refused
    return replace(
        profile,
        refuses=profile.refuses | refused,
        streams=profile.streams and streams,
        streams_background=profile.streams_background and streams,
        strict=profile.strict and "strict" not in refused,
        encrypted_reasoning="never" if "include" in refused else profile.encrypted_reasoning,
    )


def _pair_reasoning(
    failure: Failure, sent: Sequence[Item], conceded: Concessions, *, delta: bool
) -> Step | None:
    """Send the raw items in their order; where they are, without the reasoning of the turn that is named."""
    if delta:
        return Step(why="the server missed reasoning, or what it led to", concessions=conceded)
    named = conceded.turns | {name for name in _ids(sent) if name in failure.message}
    why = "the server could not place a turn's reasoning"
    if named == conceded.turns:
        return _without_reasoning(conceded, why, sent)
    return Step(why=why, concessions=replace(conceded, turns=named))


def _pair_calls(
    failure: Failure, sent: Sequence[Item], conceded: Concessions, *, delta: bool, forgetful: bool
) -> Step | None:
    """Send calls and outputs side by side; answer the call that only the server knows of."""
    if delta:
        why = "the server missed a call or its output"
        return Step(why=why, forgetful=forgetful, concessions=conceded)
    found = _LACKS_OUTPUT.search(failure.message)
    if found is None and not conceded.orphans and _has_orphans(sent):
        return Step(
            why="the server did not know the call of an output",
            replay=False,
            concessions=replace(conceded, orphans=True),
        )
    if found is None or any(found["id"] == item.get("call_id") for item in sent):
        return None
    kind = "custom_tool_call" if "custom" in found[0] else "function_call"
    call = {"type": kind, "call_id": found["id"], "arguments": "{}"}
    return Step(
        why="the server waited for the output of a call that is not in the messages",
        replay=False,
        concessions=replace(conceded, unanswered=(*conceded.unanswered, call)),
    )


def _has_orphans(sent: Sequence[Item]) -> bool:
    """Whether these items hold an output without its call."""
    calls = {item.get("call_id") for item in sent if item.get("type") in CALL_OUTPUTS}
    outputs = {item.get("call_id") for item in sent if item.get("type") in CALL_OUTPUTS.values()}
    return not outputs <= calls


def _without_ids(
    conceded: Concessions,
    why: str,
    sent: Sequence[Item],
    *,
    delta: bool,
    learnt: str | None = None,
) -> Step | None:
    changes = delta or any(_nameless(item) != item or not _has_content(item) for item in sent)
    if conceded.ids or not changes:
        return None
    return Step(why=why, concessions=replace(conceded, ids=True), learnt=learnt)


def _without_reasoning(conceded: Concessions, why: str, sent: Sequence[Item]) -> Step | None:
    if conceded.reasoning or all(item.get("type") != "reasoning" for item in sent):
        return None
    return Step(why=why, concessions=replace(conceded, ids=True, reasoning=True))


def _can_go(name: str, value: object) -> bool:
    if name == "include":
        return value == [ENCRYPTED]  # reasoning that came unsealed is then not sent again
    return name in _TRANSLATED or has_no_effect(name, value)


def _blames_items(failure: Failure, sent: Sequence[Item]) -> bool:
    """Whether the error names the place of a reasoning item, or the id or status of any item."""
    found = _PLACE.match(failure.param or "")
    if found is None or int(found["index"]) >= len(sent):
        return False
    item = sent[int(found["index"])]
    return found["field"] in {"id", "status"} or item.get("type") == "reasoning"


def _ids(items: Iterable[Item]) -> set[str]:
    return {item["id"] for item in items if isinstance(item.get("id"), str)}


def _has_content(item: Item) -> bool:
    """Whether the item says something by itself: unsealed reasoning without text only refers to the server's own."""
    if item.get("type") != "reasoning":
        return True
    return bool(item.get("encrypted_content") or item.get("content"))


def _nameless(item: Item) -> Item:
    if item.get("type", "message") not in _REPEATABLE:
        return item
    return {key: value for key, value in item.items() if key not in {"id", "status"}}
