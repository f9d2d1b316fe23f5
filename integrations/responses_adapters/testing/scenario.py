"""A script written as data, as YAML files hold it: what to say, when, and on which server."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .behaviour import Refusal
from .damage import WireVerbs
from .names import check_names
from .script import Turn, Verbs

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["play"]

_TOP = ("server", "seed", "brain", "configure", "background", "turns", "rules")
_ON_BACKEND = ("fail", "refuse_connection")
_ON_TURN = ("times", "time_out", "in_background")
_CONDITIONS = ("text", "tool", "offers", "model", "instructions", "previous")


def play(backend: Backend, script: Mapping[str, Any]) -> None:
    """Script a backend from data.

    Args:
        backend: What is scripted.
        script: `turns` is a list of turns, each a text, a mapping of verbs to their arguments, or a list of
            those; `rules` is a list of conditions with `say`, a list of turns, and `times` or `always`.

    Raises:
        ConfigurationError: A name is unknown or an argument does not fit; it says which.
    """
    check_names(script, _TOP, "script")
    try:
        _play(backend, script)
    except ConfigurationError:
        raise
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the script is not made as scripts are ({type(error).__name__}: {error})"
        ) from error


def _play(backend: Backend, script: Mapping[str, Any]) -> None:
    changes = script.get("configure") or {}
    backend.configure(**{name: _setting(backend, name, changes[name]) for name in changes})
    if script.get("background") is not None:
        _call(backend.background, script["background"], "background")
    for turn in script.get("turns") or ():
        _say(backend, turn)
    for rule in script.get("rules") or ():
        _rule(backend, rule)


def _setting(backend: Backend, name: str, value: Any) -> Any:
    """A value of `Behaviour` from data, where sets and sequences are lists."""
    if not isinstance(value, list):
        return value
    if name == "refusals":
        return tuple(Refusal(**{key: _tuple(each[key]) for key in each}) for each in value)
    return (
        frozenset(value)
        if isinstance(getattr(backend.behaviour, name, ()), frozenset)
        else _tuple(value)
    )


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _rule(backend: Backend, rule: Mapping[str, Any]) -> None:
    check_names(rule, (*_CONDITIONS, "say", "times", "always"), "rule")
    conditions = {name: _pattern(rule[name]) for name in _CONDITIONS if name in rule}
    line = backend.on(**conditions)
    turns = rule.get("say")
    for turn in turns if isinstance(turns, list) else [turns]:
        _say(line, turn)
    if rule.get("always"):
        line.always()
    elif "times" in rule:
        line.times(rule["times"])


def _pattern(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == "/":
        return re.compile(value[1:-1])
    return value


def _say(speaker: Verbs, turn: Any) -> None:
    """One turn: its first verb opens it, the others add to it."""
    if isinstance(turn, str):
        speaker.reply(turn)
        return
    said: Any = speaker
    for part in turn if isinstance(turn, list) else [turn]:
        if not isinstance(part, Mapping):
            raise ConfigurationError(f"a turn is a text or a mapping of verbs, not {part!r}")
        for verb, arguments in part.items():
            check_names([verb], _verbs(said), "turn")
            said = _call(getattr(said, verb), arguments, verb)


def _verbs(speaker: Any) -> list[str]:
    names = [name for name in vars(Verbs) if not name.startswith("_")]
    if isinstance(speaker, (Turn, WireVerbs)):
        names += [name for name in vars(WireVerbs) if not name.startswith("_")]
    return [*names, *(_ON_TURN if isinstance(speaker, Turn) else _ON_BACKEND)]


def _call(verb: Callable[..., Any], arguments: Any, name: str) -> Any:
    """Call a verb with arguments given by name, in order, or alone."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    if isinstance(arguments, Mapping):
        named = dict(arguments)
        parameters = inspect.signature(verb).parameters.values()
        leading = [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]
        positional = [named.pop(each) for each in leading if each in named]
    elif isinstance(arguments, list):
        positional = [tuple(each) if isinstance(each, list) else each for each in arguments]
    elif arguments is not None:
        positional = [arguments]
    try:
        return verb(*positional, **named)
    except TypeError as error:
        raise ConfigurationError(f"{name}: {error}") from error
