"""When a scripted rule applies, and why it did not."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .context import CALL_OUTPUTS, Context
from .script import Line, Turn

__all__ = ["Rule", "contradicts", "make_rule"]

Pattern: TypeAlias = str | re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition of a rule: what it wants, and whether a context has it."""

    wants: str
    holds: Callable[[Context], bool]
    found: Callable[[Context], Any]


class Rule(Line):
    """Turns that are said whenever every predicate holds, once unless told otherwise."""

    def __init__(self, predicates: list[Predicate]) -> None:
        super().__init__()
        self.predicates = predicates
        self.rounds: int | None = 1
        self.used: int = 0

    def repeat(self, turn: Turn, n: int | None) -> None:  # noqa: ARG002 - a rule repeats as a whole
        """Say the whole sequence `n` times, `None` for ever."""
        self.rounds = n

    def always(self) -> Rule:
        """Apply for ever."""
        self.rounds = None
        return self

    def times(self, n: int) -> Rule:
        """Say the whole sequence `n` times."""
        self.rounds = n
        return self

    def take(self, context: Context) -> Turn | None:
        """The next turn of the sequence, if the rule applies and has one left."""
        if not self.steps or self.spent or self.misses(context):
            return None
        turn = self.steps[self.used % len(self.steps)]
        self.used += 1
        assert isinstance(turn, Turn)  # noqa: S101 - a rule holds nothing else
        return turn

    @property
    def spent(self) -> bool:
        """Whether everything it has to say was said."""
        return self.rounds is not None and self.used >= self.rounds * len(self.steps)

    def misses(self, context: Context) -> list[str]:
        """What the context lacks, one sentence for each predicate that fails."""
        return [
            f"wanted {each.wants}, found {each.found(context)!r}"
            for each in self.predicates
            if not each.holds(context)
        ]

    def __str__(self) -> str:
        return "on(" + ", ".join(each.wants for each in self.predicates) + ")"


def make_rule(
    *,
    text: Pattern | None = None,
    tool: str | None = None,
    offers: str | None = None,
    model: str | None = None,
    instructions: Pattern | None = None,
    previous: bool | str | None = None,
    predicate: Callable[[Context], bool] | None = None,
) -> Rule:
    """A rule from its conditions; all that are given must hold."""
    predicates = []
    if text is not None:
        predicates.append(
            Predicate(f"text={_show(text)}", lambda c: _matches(text, c.user_text), _user_text)
        )
    if tool is not None:
        predicates.append(
            Predicate(f"tool={tool!r} just answered", lambda c: tool in _answered(c), _answered)
        )
    if offers is not None:
        predicates.append(Predicate(f"offers={offers!r}", lambda c: offers in _names(c), _names))
    if model is not None:
        predicates.append(
            Predicate(
                f"model={model!r}",
                lambda c: fnmatch.fnmatchcase(c.model, model),
                lambda c: c.model,
            )
        )
    if instructions is not None:
        predicates.append(
            Predicate(
                f"instructions={_show(instructions)}",
                lambda c: _matches(instructions, c.instructions or ""),
                lambda c: c.instructions,
            )
        )
    if previous is not None:
        predicates.append(
            Predicate(
                f"previous={previous!r}",
                lambda c: (
                    bool(_previous(c)) is previous
                    if isinstance(previous, bool)
                    else _previous(c) == previous
                ),
                _previous,
            )
        )
    if predicate is not None:
        name = getattr(predicate, "__name__", "predicate")
        predicates.append(Predicate(f"predicate={name}", predicate, lambda c: c.texts[-1:]))
    return Rule(predicates)


def _matches(pattern: Pattern, text: str) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.search(text) is not None
    return pattern.casefold() in text.casefold()


def _show(pattern: Pattern) -> str:
    return f"/{pattern.pattern}/" if isinstance(pattern, re.Pattern) else repr(pattern)


def _user_text(context: Context) -> str:
    return context.user_text


def _answered(context: Context) -> list[str]:
    return [str(call.get("name")) for call, _ in context.answered]


def _names(context: Context) -> list[str]:
    return [str(tool.get("name", tool.get("type"))) for tool in context.tools]


def _previous(context: Context) -> Any:
    return context.request.get("previous_response_id")


def contradicts(turn: Turn, context: Context) -> str | None:
    """Why a server would not have let a model say this, `None` where it would."""
    if turn.status != "completed":
        return None
    calls = [part for part in turn.parts if part["type"] in CALL_OUTPUTS]
    names = [str(call["name"]) for call in calls]
    if len(calls) > 1 and context.request.get("parallel_tool_calls") is False:
        return f"The turn calls {names}, and the request says parallel_tool_calls=false."
    choice = context.request.get("tool_choice")
    if choice == "none" and calls:
        return f"The turn calls {names}, and the request says tool_choice='none'."
    if choice == "required" and not calls and all(p["type"] == "message" for p in turn.parts):
        return "The turn calls no tool, and the request says tool_choice='required'."
    if not isinstance(choice, dict):
        return None
    if choice.get("type") == "allowed_tools":
        allowed = [tool.get("name") for tool in choice.get("tools") or ()]
        must = choice.get("mode") == "required"
    else:
        allowed, must = [choice.get("name")], choice.get("type") in {"function", "custom"}
    if must and not calls:
        return f"The turn calls no tool, and the request demands one of {allowed}."
    wrong = [name for name in names if name not in allowed]
    return f"The turn calls {wrong}, and the request allows {allowed} only." if wrong else None
