"""How an emulated server behaves, as data; `ServerProfile`s say what clients should do, this is not shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .context import Item

if TYPE_CHECKING:
    from .engine import Backend
    from .journal import Recorded
    from .script import Turn

__all__ = ["DEFAULT_MAX_BODY", "Behaviour", "Refusal"]

Before: TypeAlias = "Callable[[Backend, Recorded, dict[str, Any]], None]"
"""Looks at a create request before anything else does; may change it or raise."""

Turned: TypeAlias = "Callable[[Backend, Turn, dict[str, Any]], Turn]"
"""Changes what the model says, knowing the request."""

Dressed: TypeAlias = "Callable[[Backend, dict[str, Any], dict[str, Any]], None]"
"""Changes the response, knowing the request."""


DEFAULT_MAX_BODY: Final = 128 * 2**20
"""Bytes of a request body: 50 MB of files, OpenAI's limit, are 67 MB in base64."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A parameter that a server does not take.

    Attributes:
        path: Where: `stream`, `text.format.type`, `tools[].type`.
        values: The values at fault; empty: any but null.
        only: The values that pass instead.
    """

    path: str
    values: tuple[Any, ...] = ()
    only: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What one server does; every field can be switched with `Backend.configure`.

    Attributes:
        name: The server.
        chaining: What `previous_response_id` does: `"server"` resolves it, `"ignored"` answers 200
            as if it had not been sent.
        echo: What the response says of it: the id itself, null, or some id that was never sent.
        inherits_instructions: A chained turn without `instructions` keeps those of the turn before.
        default_instructions: Instructions in force where there are no others.
        prompts: Instructions of prompt templates, by id.
        lifts_system: A leading system message becomes the instructions.
        forgets: Item types missing from the stored context of a chained turn.
        unseen: Which input items are accepted and kept from the model.
        strict_pairs: Whether a call without output, or an output without call, is refused.
        strict_ids: Whether an item id that occurs twice is refused.
        strict_reasoning: Whether reasoning must come with the item that followed it, and the other way round.
        strict_seals: Whether encrypted content must be some that this server gave out.
        strict_choice: Whether a scripted turn must keep to `tool_choice` and `parallel_tool_calls`.
        strict_form: Whether message parts, item ids and the choices of parameters are checked.
        roles: Roles that messages may have.
        refusals: Parameters answered with 400.
        ignores: Parameters that have no effect.
        unknown: Parameters whose effect no source tells: answered with 501, not with a guess.
        demands: Parameters that must be there, with the value they must have, `None` any.
        unknown_parameters: `"refused"` or `"ignored"`.
        lost_status: HTTP status for an unknown previous response.
        lost_code: Error code for it.
        lost_message: Message for it; `{id}` is the id asked for.
        lost_shape: Error shape for it where it differs from `error_shape`.
        lost_in_stream: A streaming request gets HTTP 200 and one error event instead.
        missing_message: Message of the 404 for an unknown response; `{id}` is the id.
        missing_code: Its error code.
        error_shape: Key of `problems.SHAPES`.
        failure_status: A failed turn is an error body with this status, not a response; `None`: a response.
        stream_error_shape: Error shape of the event that then ends a stream.
        retry_header: Header that says how long to wait.
        endpoints: The endpoints there are, by name; `None`: all.
        closed_paths: Path prefixes that answer with a status of their own.
        health_at_root: `/health` is at the root alone.
        store: `"default"` the caller may choose, `"always"` or `"never"` whatever is sent.
        soft_delete: Deleting hides a response, answers 200 for unknown ids and 425 for unfinished ones.
        cancels_ended: Cancelling a background response that has ended gives it as it is; else 400.
        idempotency: The same `Idempotency-Key` never starts a second response.
        background_status: HTTP status of an accepted background response.
        background_waits: Statuses a background response goes through; none: `background` has no effect.
        ticket_prefix: Prefix of the id of an unfinished response, which the finished one does not keep.
        id_style: How ids look, as in `store.Ids`.
        usage: Key of `resource.USAGES`.
        usage_while_waiting: Usage is there, all zero, before the end.
        echoes_input: The response holds the `input`.
        tool_turn_status: Status of a response whose function calls wait for their outputs.
        strict_default: What `strict` of a function tool is where it was not given.
        event_lines: Whether streams carry `event:` lines.
        done_line: Whether streams end with `data: [DONE]`; after an error they never do.
        sequence_numbers: Whether events are numbered.
        only_events: The events that are sent, with the fields they have; `None`: all.
        renames: Event types that this server calls otherwise.
        omits_nulls: Null fields are left out of events.
        keep_alive: A comment line before the events.
        webhooks: `metadata.completion_webhook` is called when a response has ended.
        ranges: Ranges of number parameters that differ from OpenAI's.
        rate_limit: Create requests a virtual minute; told in headers, and kept.
        rate_suffix: How the names of those headers end.
        headers: Headers of every successful reply.
        guardrails: Patterns that input must not match.
        guardrail_error: Status, code and message for input that does.
        agents: The agents there are, for models named `agent/<key>`; `None`: any.
        lacks: Fields missing from every response object.
        reuses_ids: Every response has the same id.
        renames_on_retrieve: A retrieved response has another id than when it was created.
        before: Looks at a create request first.
        turned: Changes what the model says.
        dressed: Changes the response.
        key: The only bearer key that is accepted; `None`: any, or none at all.
        models: The only models there are; empty: any.
        context_window: Input tokens that fit; `None`: any number.
        max_body: Bytes that a request, or a WebSocket message, may have; more is a 413. 134,217,728
            (128 MiB) unless set; `None`: any number.
    """

    name: str
    chaining: Literal["server", "ignored"] = "server"
    echo: Literal["id", "null", "foreign"] = "id"
    inherits_instructions: bool = False
    default_instructions: str | None = None
    prompts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lifts_system: bool = False
    forgets: frozenset[str] = frozenset()
    unseen: Callable[[Item], bool] | None = None
    strict_pairs: bool = True
    strict_ids: bool = True
    strict_reasoning: bool = True
    strict_seals: bool = True
    strict_choice: bool = True
    strict_form: bool = True
    roles: tuple[str, ...] = ("assistant", "system", "developer", "user")
    refusals: tuple[Refusal, ...] = ()
    ignores: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    demands: tuple[tuple[str, Any], ...] = ()
    unknown_parameters: Literal["refused", "ignored"] = "refused"
    lost_status: int = 400
    lost_code: str | None = "previous_response_not_found"
    lost_message: str = "Previous response with id '{id}' not found."
    lost_shape: str | None = None
    lost_in_stream: bool = False
    missing_message: str = "Response with id '{id}' not found."
    missing_code: str | None = None
    error_shape: str = "openai"
    failure_status: int | None = None
    stream_error_shape: str = "openai"
    retry_header: str = "retry-after-ms"
    endpoints: frozenset[str] | None = None
    closed_paths: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    health_at_root: bool = False
    store: Literal["default", "always", "never"] = "default"
    soft_delete: bool = False
    cancels_ended: bool = True
    idempotency: bool = False
    background_status: int = 200
    background_waits: tuple[str, ...] = ("queued", "in_progress")
    ticket_prefix: str | None = None
    id_style: Literal["hex", "ulid"] = "hex"
    usage: str = "full"
    usage_while_waiting: bool = False
    echoes_input: bool = False
    tool_turn_status: str = "completed"
    strict_default: bool | None = True
    event_lines: bool = True
    done_line: bool = False
    sequence_numbers: bool = True
    only_events: Mapping[str, tuple[str, ...]] | None = None
    renames: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    omits_nulls: bool = False
    keep_alive: str | None = None
    webhooks: bool = False
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    rate_limit: int | None = None
    rate_suffix: str = "-requests"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    guardrails: tuple[str, ...] = ()
    guardrail_error: tuple[int, str, str] = (400, "guardrail_violation", "A guardrail refused it.")
    agents: tuple[str, ...] | None = None
    lacks: frozenset[str] = frozenset()
    reuses_ids: bool = False
    renames_on_retrieve: bool = False
    before: tuple[Before, ...] = ()
    turned: tuple[Turned, ...] = ()
    dressed: tuple[Dressed, ...] = ()
    key: str | None = None
    models: tuple[str, ...] = ()
    context_window: int | None = None
    max_body: int | None = DEFAULT_MAX_BODY
