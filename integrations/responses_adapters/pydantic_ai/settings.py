"""Settings of a request: upstream's own, and what a Responses server takes beyond them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic_ai.exceptions import UserError
from pydantic_ai.models.openai import OpenAIResponsesModelSettings

__all__ = ["ResponsesModelSettings", "check_names"]


class ResponsesModelSettings(OpenAIResponsesModelSettings, total=False):
    """Everything `OpenAIResponsesModelSettings` takes, and the settings of this package, prefixed `responses_`."""

    responses_chaining: Literal["auto", "always", "never"]
    """`"auto"` continues the last response where the server is known to keep it, `"always"` without that
    knowledge, `"never"` sends everything on every request."""

    responses_on_lost_state: Literal["replay", "raise"]
    """What to do when the server no longer has the response to continue: send the history in full, once
    (the default), or raise."""

    responses_on_unmapped: Literal["keep", "raise"]
    """What to do with items that PydanticAI has no part for. They are always kept in
    `provider_details["unmapped_items"]`; by default those that ask the client to act (custom tool calls, approval
    requests) raise, `"raise"` makes every one an error, `"keep"` none."""

    responses_poll_interval: float
    """Seconds between polls of a background response; 2 by default."""

    responses_poll_timeout: float
    """Seconds after which waiting for a background response raises; it keeps running on the server."""

    responses_idempotency: bool
    """Send an `Idempotency-Key` with each new request, the same for its retries; on by default."""


_KNOWN: Final = frozenset(ResponsesModelSettings.__annotations__)
_OURS: Final = ("responses_", "openai_")


def check_names(settings: Mapping[str, Any]) -> None:
    """Refuse a misspelt setting instead of ignoring it; settings of other providers pass.

    Raises:
        UserError: A name that only this model could know is unknown, or a name is nearly a known one.
    """
    for name in settings:
        if name in _KNOWN:
            continue
        near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.85)
        if near or name.startswith("responses_"):
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{name!r} is not a setting of ResponsesModel.{hint}")
