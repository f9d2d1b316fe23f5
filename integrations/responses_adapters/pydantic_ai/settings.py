"""Settings of a request: upstream's own, and what a Responses server takes beyond them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from pydantic_ai.exceptions import UserError
from pydantic_ai.models.openai import OpenAIResponsesModelSettings

from ..profiles import ServerProfile
from ..protocol.verdict import Memory

__all__ = [
    "CHAIN",
    "ResponsesModelSettings",
    "chain_of",
    "check_settings",
    "move_to_body",
    "refuse_unsupported",
]

CHAIN: Final = "openai_previous_response_id"
"""Upstream's setting for what a request continues."""

Chaining: TypeAlias = Literal["auto", "always", "never"]
OnLostState: TypeAlias = Literal["replay", "raise"]
OnUnmapped: TypeAlias = Literal["keep", "raise"]


class ResponsesModelSettings(OpenAIResponsesModelSettings, total=False):
    """Everything `OpenAIResponsesModelSettings` takes, and the settings of this package, prefixed `responses_`."""

    responses_chaining: Chaining
    """`"auto"` continues the last response where the server is known to keep it or has shown that it does,
    `"always"` without that knowledge, `"never"` sends everything on every request."""

    responses_on_lost_state: OnLostState
    """What to do when the server no longer has the response to continue: send the history in full, once
    (the default), or raise."""

    responses_on_unmapped: OnUnmapped
    """What to do with items that PydanticAI has no part for. They are always kept in
    `provider_details["unmapped_items"]`; by default those that ask the client to act (custom tool calls, approval
    requests) raise, `"raise"` makes every one an error, `"keep"` none."""

    responses_poll_interval: float
    """Seconds between polls of a background response; 2 by default."""

    responses_poll_timeout: float
    """Seconds after which waiting for a background response raises, once it has been asked for a last time. It keeps
    running on the server; a run that begins with it waits as long again."""

    responses_idempotency: bool
    """Send an `Idempotency-Key` with each new request, the same for its retries; on by default."""

    responses_metadata: Mapping[str, str]
    """Key-value pairs kept with the response; values are sent as strings."""

    responses_completion_window: str
    """How soon the answer is wanted (`"asap"`, `"standard"`, `"flex"`), where the server sells time."""

    responses_include: Sequence[str]
    """Further output to include, by the API's names, such as `"computer_call_output.output.image_url"`; added to
    what upstream's `openai_include_*` ask for."""

    responses_max_tool_calls: int
    """Most calls of built-in tools in one response."""

    responses_prompt: Mapping[str, Any]
    """A prompt template kept at the server: `{"id": ..., "version": ..., "variables": {...}}`."""

    responses_variables: Mapping[str, Any]
    """Template variables. Settings are written to histories and traces: secret ones belong to
    `ResponsesProvider(variables=...)`."""

    responses_memory: Mapping[str, Any]
    """Long-term memory to use, such as `{"entity_id": "user-7"}`."""

    responses_thread: Mapping[str, Any]
    """The thread this belongs to in the server's own records: `{"id": ..., "tags": [...]}`."""

    responses_identity: Mapping[str, Any]
    """For whom the request is made: `{"id": ...}`."""

    responses_safety_identifier: str
    """A stable, hashed name of the end user, for abuse detection."""

    responses_stop: Sequence[str]
    """Texts at which the model stops."""

    responses_presence_penalty: float
    """-2 to 2: how much to avoid what was already mentioned."""

    responses_frequency_penalty: float
    """-2 to 2: how much to avoid what was mentioned often."""

    responses_access_programs: Mapping[str, Any]
    """Access programs of a domain to use for the request."""

    responses_background_options: Mapping[str, Any]
    """How a background response is run, such as `{"completion_window": "8h"}`, which needs a longer
    `responses_poll_timeout`."""

    responses_image: Mapping[str, Any]
    """Options of the images in the request."""

    responses_stream_options: Mapping[str, Any]
    """Options of the event stream, such as `{"include_obfuscation": False}`."""


_BODY: Final = {
    f"responses_{name}": name
    for name in (
        "access_programs",
        "background_options",
        "frequency_penalty",
        "identity",
        "image",
        "max_tool_calls",
        "memory",
        "metadata",
        "presence_penalty",
        "prompt",
        "safety_identifier",
        "stop",
        "stream_options",
        "thread",
        "variables",
    )
}
"""Settings that are parameters of the request, under its own names."""

_INCLUDES: Final = {
    "code_interpreter_call.outputs": "openai_include_code_execution_outputs",
    "file_search_call.results": "openai_include_file_search_results",
    "message.output_text.logprobs": "openai_logprobs",
    "web_search_call.action.sources": "openai_include_web_search_sources",
}
"""What may be included, and upstream's setting for it."""

_ENCRYPTED: Final = "reasoning.encrypted_content"

_INSTEAD: Final = {
    "background": "leave it out and wait for the answer",
    "conversation": "pass the earlier messages as message_history=",
    "parallel_tool_calls": "leave it out; several calls in one answer are all run",
    "previous_response_id": "pass the earlier messages as message_history=",
    "prompt": "pass the text as instructions=",
    "store": "leave it out, or choose a server that need not store",
}

_CHOICES: Final = {
    "responses_chaining": get_args(Chaining),
    "responses_on_lost_state": get_args(OnLostState),
    "responses_on_unmapped": get_args(OnUnmapped),
}

_KNOWN: Final = frozenset(ResponsesModelSettings.__annotations__)
_PREFIXES: Final = frozenset(name.partition("_")[0] for name in _KNOWN)


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a misspelt setting or choice instead of ignoring it; settings of other providers pass.

    Raises:
        UserError: A name that only this model could know is unknown, a name is nearly a known one, or a choice is none.
    """
    for name, value in settings.items():
        if name not in _KNOWN:
            _check_name(name)
        elif name in _CHOICES and value not in _CHOICES[name]:
            *first, last = map(repr, _CHOICES[name])
            raise UserError(f"{name}={value!r}: use {', '.join(first)} or {last}")


def _check_name(name: str) -> None:
    # What differs in its first word is another provider's, such as `xai_top_logprobs`.
    ours = difflib.get_close_matches(name.partition("_")[0], _PREFIXES, cutoff=0.7)
    near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.85) if ours else []
    if near or name.startswith("responses_"):
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"{name!r} is not a setting of ResponsesModel.{hint}")


def refuse_unsupported(settings: Mapping[str, Any], server: ServerProfile) -> None:
    """Refuse what the server would answer with an error, or worse, do otherwise than asked.

    Raises:
        UserError: It names the setting and what to do instead.
    """
    asked = {
        "background": settings.get("openai_background"),
        "conversation": settings.get("openai_conversation_id"),
        "parallel_tool_calls": settings.get("parallel_tool_calls") is False,
        "previous_response_id": settings.get("openai_previous_response_id") not in (None, "auto"),
        "prompt": settings.get("responses_prompt"),
    }
    refused = set(server.refuses) | (set() if server.background else {"background"})
    for name, wanted in asked.items():
        if wanted and name in refused:
            raise UserError(f'server "{server.name}" refuses {name}: {_INSTEAD[name]}')
    if settings.get("openai_store") is False and server.store == "always":
        raise UserError(f'server "{server.name}" stores every response: {_INSTEAD["store"]}')
    if settings.get("openai_transport") == "websocket" and not server.reference:
        raise UserError(
            f'server "{server.name}" is spoken to over HTTP only: leave out openai_transport="websocket"'
        )
    if settings.get("responses_completion_window") == "flex" and not asked["background"]:
        raise UserError(
            'responses_completion_window="flex" needs openai_background=True: such an answer takes minutes'
        )


def chain_of(
    settings: Mapping[str, Any], server: ServerProfile, memory: Memory, *, as_stock: bool
) -> str | None:
    """What a request with these settings is to continue: the caller's seed, `"auto"`, or nothing.

    Args:
        settings: All that apply.
        server: The server.
        memory: What is known of it beyond that.
        as_stock: Only the caller decides.
    """
    seed: str | None = settings.get(CHAIN)
    if settings.get("openai_conversation_id") is not None:
        return seed
    chaining = settings.get("responses_chaining", "auto")
    refused = "previous_response_id" in server.refuses or settings.get("openai_store") is False
    forgets = memory.kind == "lost" or (server.state == "replay" and not as_stock)
    if refused or (forgets and chaining == "auto") or chaining == "never":
        return None if seed == "auto" else seed
    wanted = chaining == "always" or not as_stock
    return "auto" if seed is None and wanted else seed


def move_to_body(settings: ResponsesModelSettings, *, encrypted: bool) -> None:
    """Put the settings that are parameters of the request into its body; an explicit `extra_body` wins.

    Args:
        settings: They are changed.
        encrypted: Whether upstream asks for encrypted reasoning.
    """
    found: dict[str, Any] = {
        name: settings[setting]  # type: ignore[literal-required]
        for setting, name in _BODY.items()
        if setting in settings
    }
    if (window := settings.get("responses_completion_window")) is not None:
        found["metadata"] = {**found.get("metadata", {}), "completion_window": window}
    if include := _include(settings, encrypted=encrypted):
        found["include"] = include
    if found:
        given = settings.get("extra_body")
        settings["extra_body"] = {**found, **(given if isinstance(given, Mapping) else {})}


def _include(settings: ResponsesModelSettings, *, encrypted: bool) -> list[str]:
    """The whole list, where it names what upstream has no setting for; the rest is left to upstream's settings."""
    wanted = list(settings.get("responses_include", ()))
    settings.update({_INCLUDES[name]: True for name in wanted if name in _INCLUDES})  # type: ignore[typeddict-item]
    upstream = [name for name, setting in _INCLUDES.items() if settings.get(setting)]
    upstream = [_ENCRYPTED, *upstream] if encrypted else upstream
    further = [name for name in wanted if name not in upstream]
    return [*upstream, *further] if further else []
