"""Did the server really continue the conversation? Its echo and its token counts tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ..profiles import ServerProfile
from .chain import Entry, Plan

__all__ = [
    "Expectation",
    "Memory",
    "Verdict",
    "expect",
    "hides_thoughts",
    "is_comparable",
    "is_shrunk",
    "judge",
    "usage_tokens",
]

Verdict: TypeAlias = Literal["held", "lost", "unknown"]

_KEPT: Final = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
"""Output items whose tokens are counted once, and that the next turn's input holds (or whose count is told apart)."""

_MESSAGE_CAP: Final = 20_000
"""Characters of one message that count: an inlined image has far more characters than tokens."""

_MIN_SEPARATION: Final = 24
"""Tokens between the two expectations below which nothing is concluded."""

_MIN_SHARE: Final = 0.25
"""Share of the larger expectation that must separate them: estimates are rougher than that is wide."""

_SLACK: Final = 8
"""Tokens by which a server may count the same messages differently from turn to turn."""

_DENSITY: Final = 3
"""How often the estimated delta must fit between them: figures and code have more tokens a byte than prose."""

_DENSEST: Final = 2
"""Bytes a token at the least, of what is to be seen of an answer."""

_MAX_PROOFS: Final = 2
"""Proving turns that may come out undecided before a server of unknown kind is replayed for good."""

_MESSAGE_OVERHEAD: Final = 64
"""Tokens of an answer beside its text: its frame, the name and id of a call."""

_MAX_HEADS: Final = 10_000


@dataclass(slots=True)
class Memory:
    """What one client has learnt about its server; never shared between clients, lost with them.

    Attributes:
        kind: Whether it keeps conversations.
        undecided: Proving turns that did not tell.
        refused: Parameters that it has refused, and what else it does not take.
        heads: The newest response in each conversation object, by its id.
    """

    kind: Verdict = "unknown"
    undecided: int = 0
    refused: set[str] = field(default_factory=set)
    heads: dict[str, str] = field(default_factory=dict)

    def may_prove(self) -> bool:
        """Whether another proving turn is worth an answer that may have to be thrown away."""
        return self.kind == "unknown" and self.undecided < _MAX_PROOFS

    def note_head(self, conversation: str, response_id: str) -> None:
        """Remember the newest response of a conversation object, and forget the one longest untouched."""
        self.heads.pop(conversation, None)
        self.heads[conversation] = response_id
        if len(self.heads) > _MAX_HEADS:
            del self.heads[next(iter(self.heads))]


@dataclass(frozen=True, slots=True)
class Expectation:
    """Input tokens of a delta turn if the server held the prefix, and if it lost it.

    `least` is no estimate: what the anchor and its answer were counted as, which a server that holds them counts again.
    """

    held: float
    lost: float
    least: float = float("inf")

    @property
    def apart(self) -> bool:
        """Whether the two are far enough apart for a count to be near one of them."""
        gap = self.held - self.lost
        return gap >= _MIN_SEPARATION and gap >= _MIN_SHARE * self.held

    @property
    def separable(self) -> bool:
        """Whether a count can prove either of the two, whatever the new text is made of."""
        return self.apart and self.held - self.lost >= _DENSITY * (self.held - self.least)


def expect(
    plan: Plan, entries: Sequence[Entry], *, setup: str, overhead: int
) -> Expectation | None:
    """Estimate both input token counts of a delta, calibrated on the anchor's own count.

    Args:
        plan: The delta.
        entries: The whole local view.
        setup: Digest of instructions and tools now; with others than the anchor's, nothing can be compared.
        overhead: Characters of instructions, tools and format.
    """
    anchor = plan.anchor
    if anchor is None or anchor.get("setup") != setup or anchor.get("comparable") is False:
        return None
    counted, answered = anchor.get("input_tokens"), anchor.get("output_tokens")
    if not isinstance(counted, int) or not isinstance(answered, int) or counted <= 0:
        return None
    if hides_thoughts(answered, len(entries[plan.start - 1].fingerprint)):
        return None
    sizes = [min(len(entry.fingerprint), _MESSAGE_CAP) for entry in entries]
    before = overhead + sum(sizes[: plan.start - 1])
    rate = counted / max(before, 1)
    delta = rate * sum(sizes[plan.start :])
    least = counted + answered
    return Expectation(held=least + delta, lost=rate * overhead + delta, least=least)


def hides_thoughts(answered: int, shown: int) -> bool:
    """Whether an answer has more tokens than what is to be seen of it: thoughts that nobody counted apart.

    Args:
        answered: Its output tokens.
        shown: Bytes of it.
    """
    return _DENSEST * answered > shown + _MESSAGE_OVERHEAD


def is_shrunk(counted: float, least: float) -> bool:
    """Whether an input has fewer tokens than what it is to continue had."""
    return counted + _SLACK < least


def judge(
    response: Mapping[str, Any],
    expectation: Expectation | None,
    profile: ServerProfile,
    *,
    echo: str = "previous_response_id",
) -> Verdict:
    """Whether the server had the prefix when it wrote this response to a delta.

    Args:
        response: The body, or what is known of it so far.
        expectation: Token counts to expect.
        profile: Facts about the server.
        echo: The parameter that named the prefix.

    A null echo where the profile says that the server echoes is proof of loss; an echo that differs is not
    (gateways rename ids). Otherwise the token count decides: where the two expectations are far enough apart, the
    nearer one; else only whether fewer tokens were counted than the anchor had. Fewer than that never prove memory:
    what nobody sees, such as a server's own instructions, is counted without it, too.
    """
    if profile.echoes_previous_id and response.get(echo, "") is None:
        return "lost"
    tokens = usage_tokens(response)
    if expectation is None or tokens is None or not is_comparable(response):
        return "unknown"
    counted = tokens[0]
    if not expectation.apart:
        return "lost" if is_shrunk(counted, expectation.least) else "unknown"
    third = (expectation.held - expectation.lost) / 3
    if counted <= expectation.lost + third:
        return "lost" if counted < expectation.least else "unknown"
    enough = max(expectation.held - third, expectation.least)
    return "held" if expectation.separable and counted >= enough else "unknown"


def is_comparable(response: Mapping[str, Any]) -> bool:
    """Whether this response's token counts can be held against those of the turns beside it.

    They cannot where the server ran tools itself (what they found is counted, and not kept), where it compacted, or
    where it reasoned without counting that apart: reasoning is gone from the next input.
    """
    output = response.get("output")
    kinds = {
        item.get("type", "message")
        for item in (output if isinstance(output, list) else ())
        if isinstance(item, Mapping)
    }
    return kinds <= _KEPT and ("reasoning" not in kinds or _reasoning_tokens(response) > 0)


def usage_tokens(response: Mapping[str, Any]) -> tuple[int, int] | None:
    """Input tokens and visible output tokens (reasoning is not carried to the next turn), if counted."""
    usage = response.get("usage")
    if not isinstance(usage, Mapping):
        return None
    counted = usage.get("input_tokens", usage.get("prompt_tokens"))
    answered = usage.get("output_tokens", usage.get("completion_tokens"))
    if not isinstance(counted, int) or not isinstance(answered, int):
        return None
    return counted, answered - _reasoning_tokens(response)


def _reasoning_tokens(response: Mapping[str, Any]) -> int:
    usage = response.get("usage")
    details = usage.get("output_tokens_details") if isinstance(usage, Mapping) else None
    reasoning = details.get("reasoning_tokens") if isinstance(details, Mapping) else 0
    return reasoning if isinstance(reasoning, int) else 0
