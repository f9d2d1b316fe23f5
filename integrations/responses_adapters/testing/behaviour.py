"""How each emulated server behaves, as data; `ServerProfile`s say what clients should do, this is not shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

__all__ = ["BEHAVIOURS", "Behaviour"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What one server does; every field can be switched with `Backend.configure`.

    Attributes:
        name: The server.
        chaining: What `previous_response_id` does: `"server"` resolves it, `"ignored"` answers 200
            as if it had not been sent.
        echo: What the response says of it: the id itself, null, or some id that was never sent.
        inherits_instructions: A chained turn without `instructions` keeps those of the turn before.
        forgets: Item types missing from the stored context of a chained turn.
        strict_pairs: Whether a call without output, or an output without call, is refused.
        strict_reasoning: Whether reasoning must come with the item that followed it, and the other way round.
        strict_seals: Whether encrypted content must be some that this server gave out.
        strict_choice: Whether a scripted turn must keep to `tool_choice` and `parallel_tool_calls`.
        lost_status: HTTP status for an unknown previous response.
        lost_code: Error code for it.
        lost_message: Message for it; `{id}` is the id asked for.
        lost_shape: Error shape for it where it differs from `error_shape`.
        lost_in_stream: A streaming request gets HTTP 200 and one error event instead.
        missing_message: Message of the 404 for an unknown response; `{id}` is the id.
        missing_code: Its error code.
        error_shape: Key of `problems.SHAPES`.
        unknown_parameters: `"refused"` or `"ignored"`.
        event_lines: Whether streams carry `event:` lines.
        done_line: Whether streams end with `data: [DONE]`.
        store: `"default"` the caller may choose, `"always"` or `"never"` whatever is sent.
        background_status: HTTP status of an accepted background response.
        background_waits: Statuses a background response goes through.
        usage: Key of `resource.USAGES`.
        key: The only bearer key that is accepted; `None`: any, or none at all.
        context_window: Input tokens that fit; `None`: any number.
        models: The only models there are; empty: any.
    """

    name: str
    chaining: Literal["server", "ignored"] = "server"
    echo: Literal["id", "null", "foreign"] = "id"
    inherits_instructions: bool = False
    forgets: frozenset[str] = frozenset()
    strict_pairs: bool = True
    strict_reasoning: bool = True
    strict_seals: bool = True
    strict_choice: bool = True
    lost_status: int = 400
    lost_code: str | None = "previous_response_not_found"
    lost_message: str = "Previous response with id '{id}' not found."
    lost_shape: str | None = None
    lost_in_stream: bool = False
    missing_message: str = "Response with id '{id}' not found."
    missing_code: str | None = None
    error_shape: str = "openai"
    unknown_parameters: Literal["refused", "ignored"] = "refused"
    event_lines: bool = True
    done_line: bool = False
    store: Literal["default", "always", "never"] = "default"
    background_status: int = 200
    background_waits: tuple[str, ...] = ("queued", "in_progress")
    usage: str = "full"
    key: str | None = None
    models: tuple[str, ...] = ()
    context_window: int | None = None


_OPENAI: Final = Behaviour(name="openai")

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    behaviour.name: behaviour
    for behaviour in (
        _OPENAI,
        replace(_OPENAI, name="azure"),
        replace(_OPENAI, name="generic"),
        replace(
            _OPENAI,
            name="aleph-alpha",
            inherits_instructions=True,
            lost_status=404,
            lost_code="response_not_found",
            lost_message="Response with ID '{id}' not found.",
            missing_message="Response with ID '{id}' not found.",
            missing_code="response_not_found",
            unknown_parameters="ignored",
            event_lines=False,
            done_line=True,
            background_status=202,
            background_waits=("in_progress",),
            usage="totals",
        ),
    )
}
