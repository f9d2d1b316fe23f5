"""Misspelt names: what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..errors import ConfigurationError

__all__ = ["did_you_mean", "refuse_unknown"]


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise for the first option that does not exist, with the likely one.

    Raises:
        ConfigurationError: An option is unknown.
    """
    names = sorted(known)
    for name in given:
        if name not in names:
            raise ConfigurationError(f"{owner} has no option {name!r}{did_you_mean(name, names)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'x'?`, or a full stop."""
    near = difflib.get_close_matches(name, [*known], n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else "."
