"""Options that cannot be meant as they were given: what is wrong, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from pydantic import ValidationError

from ..errors import ConfigurationError

__all__ = ["did_you_mean", "explain_invalid", "refuse_unknown"]

_ELSEWHERE: Final = {"system": "instructions", "system_prompt": "instructions"}
"""What other classes call an option, and its name here."""


def refuse_unknown(
    owner: str, given: Iterable[str], known: Collection[str], *, lasting: Collection[str] = ()
) -> None:
    """Raise for the first option that does not exist, with the likely one.

    Args:
        owner: Class whose options these are.
        given: What was passed.
        known: What may be.
        lasting: What may be where the owner is made, though not here.

    Raises:
        ConfigurationError: An option is unknown.
    """
    for name in given:
        if name in known:
            continue
        if name in lasting:
            raise ConfigurationError(
                f"{name}= holds for all calls: set it where the model is made, {owner}(..., {name}=...), and make one"
                " model for each value"
            )
        raise ConfigurationError(f"{owner} has no option {name!r}{did_you_mean(name, known)}")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`: did you mean 'x'?`, or a full stop."""
    near = [_ELSEWHERE.get(name, "")] if _ELSEWHERE.get(name) in known else []
    near += difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else "."


def explain_invalid(owner: str, error: ValidationError) -> str:
    """Which options have values of the wrong kind; the values themselves may be secret."""
    found = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
    return "; ".join(
        f"{owner}(..., {name}=...): {said}" if name else f"{owner}: {said}" for name, said in found
    )
