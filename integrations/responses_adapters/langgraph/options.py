"""Request parameters of the Responses API as options: typed, documented, and refused when misspelt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel

from ..errors import ConfigurationError
from ..tools import OutputFormat
from .background import Background
from .bound_tools import BoundTools, tool_choice
from .hints import refuse_unknown

__all__ = [
    "ALIASES",
    "CALL_OPTIONS",
    "RequestOptions",
    "create_body",
    "given_options",
    "text_format",
]


class RequestOptions(BaseModel):
    """Parameters of a create request; `None` leaves a parameter to the server.

    Each can be set on the model, per call (`model.invoke(messages, temperature=0)`, `model.bind(…)`) and per run of
    a node (`model_settings=`).
    """

    temperature: float | None = None
    """Sampling temperature, 0 to 2."""
    top_p: float | None = None
    """Nucleus sampling, 0 to 1."""
    max_output_tokens: int | None = None
    """Limit on visible and reasoning tokens together; `max_tokens` is accepted as another name."""
    max_tool_calls: int | None = None
    """Limit on calls of hosted tools in one response."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may hold several tool calls."""
    tool_choice: Any = None
    """`"auto"`, `"none"`, `"required"` (or `"any"`), the name of a tool, or the wire form."""
    reasoning: dict[str, Any] | None = None
    """Reasoning options, such as `{"effort": "low", "summary": "auto"}`."""
    text: dict[str, Any] | None = None
    """Text options in their wire form; `response_format` and `verbosity` are the easy way."""
    response_format: Any = None
    """Schema of the answer: a Pydantic model, TypedDict, JSON schema, or a format dict of either OpenAI API."""
    verbosity: Literal["low", "medium", "high"] | None = None
    """How long answers should be."""
    presence_penalty: float | None = None
    """Penalty on tokens that already appeared, -2 to 2."""
    frequency_penalty: float | None = None
    """Penalty by how often tokens appeared, -2 to 2."""
    top_logprobs: int | None = None
    """Alternatives per token to report, 0 to 20; needs `include=["message.output_text.logprobs"]` at OpenAI."""
    truncation: Literal["auto", "disabled"] | None = None
    """What the server does when the context is too long."""
    store: bool | None = None
    """Whether the server keeps the response; without it there is nothing to chain on and every turn replays."""
    service_tier: str | None = None
    """Processing tier, such as `"auto"`, `"flex"`, `"priority"`."""
    user: str | None = None
    """End-user id (older servers; `safety_identifier` and `prompt_cache_key` replace it)."""
    safety_identifier: str | None = None
    """Stable, anonymous end-user id for abuse detection."""
    prompt_cache_key: str | None = None
    """Routing hint for the prompt cache."""
    prompt_cache_retention: str | None = None
    """How long the prompt cache is kept, such as `"24h"`."""
    prompt_cache_options: dict[str, Any] | None = None
    """Where the prompt cache may break, such as `{"mode": "explicit"}`."""
    request_metadata: dict[str, str] | None = None
    """The request's `metadata`; LangChain's `metadata=` stays what it is, a note for traces."""
    include: list[str] | None = None
    """Extra output to return, such as `"reasoning.encrypted_content"`."""
    conversation: str | dict[str, Any] | None = None
    """Id of a conversation object of the server, or `{"id": …}`: it gets what is new in place of a chain of responses.

    What was sent to it stays in it. Messages edited or removed since, or a fork, raise `ContextMismatchError`; a fork
    made in another process cannot be noticed.
    """
    prompt: dict[str, Any] | None = None
    """A prompt template of the server: `{"id": …, "version": …, "variables": {…}}`."""
    context_management: list[dict[str, Any]] | None = None
    """What the server does as the context grows, such as `[{"type": "compaction", "compact_threshold": 100_000}]`."""
    moderation: dict[str, Any] | None = None
    """How the server moderates input and output."""
    image: dict[str, Any] | None = None
    """What holds for all images of the request."""
    access_programs: dict[str, Any] | None = None
    """Access programmes of the server that the request makes use of."""
    background: bool | Background | None = None
    """Run on the server in the background, and return when the response has finished; see `Background`."""
    background_options: dict[str, Any] | None = None
    """How a background response is run, such as `{"completion_window": "8h"}`, which needs a longer `poll_timeout`."""
    stream_options: dict[str, Any] | None = None
    """Options of the event stream, such as `{"include_obfuscation": False}`."""
    stop: list[str] | str | None = None
    """Stop sequences, for servers that know them (OpenAI's Responses API does not)."""
    extra_body: dict[str, Any] | None = None
    """Further body fields, sent as they are (`variables`, `memory`, `thread` …)."""

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Refuse options that do not exist or cannot mean what was meant.

        Raises:
            ConfigurationError: One is misspelt, or of another meaning here.
        """
        refuse_unknown(cls.__name__, options, [*cls.model_fields, *ALIASES])
        _refuse_contradictions(options)

    @classmethod
    def check_call(cls, options: Mapping[str, Any]) -> None:
        """Refuse options that a single call cannot have.

        Raises:
            ConfigurationError: One is misspelt, belongs to the model, or has no such value.
        """
        if not options.keys() <= CALL_OPTIONS:
            refuse_unknown(cls.__name__, options, CALL_OPTIONS, lasting=cls.model_fields)
        if (chaining := options.get("chaining") or "auto") not in _CHAINING:
            raise ConfigurationError(
                f"chaining={chaining!r} is none of {', '.join(map(repr, _CHAINING))}"
            )


ALIASES: Final = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "stop_sequences": "stop",
}
"""Names that other chat models have for the same option."""
CALL_OPTIONS: Final = frozenset(
    {
        *RequestOptions.model_fields,
        *ALIASES,
        "chain",
        "chaining",
        "extra_headers",
        "instructions",
        "ls_structured_output_format",
        "model",
        "previous_response_id",
        "stream",
        "strict",
        "tools",
    }
)
"""What `ChatResponses` takes with a call; there it wins over the option of the model."""
_CHAINING: Final = ("auto", "always", "never")
_NAMES: Final = frozenset(RequestOptions.model_fields)
_RENAMED: Final = {"request_metadata": "metadata"}
_MERGED: Final = frozenset(
    {"text", "response_format", "verbosity", "tool_choice", "extra_body", "background"}
)


def _refuse_contradictions(options: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other, or that mean something else elsewhere in LangChain or LangGraph.

    Raises:
        ConfigurationError: Some do.
    """
    given = any(options.get(name) is not None for name in ("async_client", "http_async_client"))
    if given and (http := options.get("http", "httpx")) != "httpx":
        raise ConfigurationError(
            f"http={http!r} says what to make a client of, and one was given already: leave out one of the two"
        )
    if options.get("output_version") not in {None, "responses/v1", "v1"}:
        raise ConfigurationError(
            'output_version= is "responses/v1" (content as the server sent it, the default) or "v1" (LangChain\'s'
            " standard blocks in content, with the server's items kept beside them)"
        )
    store = options.get("store")
    if store is not None and not isinstance(store, bool):
        raise ConfigurationError(
            "store= is the Responses flag (a bool); pass a BaseStore to compile(store=…)"
        )


def given_options(options: RequestOptions) -> dict[str, Any]:
    """The options that have a value."""
    given = options.model_fields_set & _NAMES
    return {name: value for name in sorted(given) if (value := getattr(options, name)) is not None}


def create_body(
    model: str, options: RequestOptions, overrides: Mapping[str, Any], *, tools: BoundTools | None
) -> dict[str, Any]:
    """The create body without what the conversation decides: input, instructions, previous id, stream.

    Args:
        model: Name of the model.
        options: Options of the model.
        overrides: Options of this call; they win.
        tools: Tools to offer.

    Raises:
        ConfigurationError: A format or tool choice cannot be expressed.
    """
    chosen = given_options(options)
    chosen |= {ALIASES.get(name, name): value for name, value in overrides.items()}
    body: dict[str, Any] = {"model": model}
    if tools is not None and tools.definitions:
        body["tools"] = tools.definitions
    for name, value in chosen.items():
        if value is not None and name not in _MERGED:
            body[_RENAMED.get(name, name)] = value
    if (choice := chosen.get("tool_choice")) is not None:
        body["tool_choice"] = tool_choice(choice, body.get("tools", ()))
    if chosen.get("background"):
        body["background"] = True
    text = dict(chosen.get("text") or {})
    if (schema := chosen.get("response_format")) is not None:
        text["format"] = text_format(schema)
    if (verbosity := chosen.get("verbosity")) is not None:
        text["verbosity"] = verbosity
    if text:
        body["text"] = text
    return body | (options.extra_body or {}) | (chosen.get("extra_body") or {})


def text_format(schema: Any) -> dict[str, Any]:
    """The `text.format` of a schema: any class or JSON schema, or the format dict of either OpenAI API."""
    if isinstance(schema, Mapping) and schema.get("type") == "json_schema":
        inner = schema.get("json_schema") or {k: v for k, v in schema.items() if k != "type"}
        return {"type": "json_schema", **inner}
    if isinstance(schema, Mapping) and schema.get("type") in {"text", "json_object", "grammar"}:
        return dict(schema)
    found: dict[str, Any] = OutputFormat(schema).text["format"]
    return found
