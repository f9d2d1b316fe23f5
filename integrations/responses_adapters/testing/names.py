"""Names people write, held against those there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..errors import ConfigurationError

__all__ = ["check_names"]


def check_names(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise for a name that is not known, with the one that was probably meant."""
    known = list(known)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(
                f"{name!r} is unknown in a {where}.{hint} Known: {', '.join(known)}."
            )
