"""What each Responses server stores, accepts and calls things: servers differ as data, never as code."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from .errors import ConfigurationError, UnknownServerError

__all__ = [
    "SERVERS",
    "ServerProfile",
    "dump_profile",
    "find_server",
    "known_servers",
    "load_profile",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProfile:
    """Facts about one server; make your own with `dataclasses.replace` or the constructor.

    Attributes:
        name: What users write as `server=`.
        base_url: Public address of the API, `None` where every customer has their own.
        hosts: Host names (or `.suffixes`) by which an address is recognised as this server.
        base_url_env: Environment variable that holds the address.
        api_key_env: Environment variable that holds the key.
        needs_key: Whether the server refuses requests without a key.
        state: Whether it keeps conversations: `"server"` it does, `"replay"` it does not (send
            everything, every turn), `"unknown"` trust nothing until proven.
        store: `"default"` the caller may choose, `"always"` responses are stored whatever is sent and
            `store=False` is refused, `"never"` nothing is stored.
        inherits_instructions: A chained turn without `instructions` keeps those of the turn before.
        echoes_previous_id: The response echoes `previous_response_id`, so a null echo proves it lost.
        keeps_tool_items: The stored context holds function calls and outputs.
        honours_idempotency_key: The same `Idempotency-Key` never starts a second response.
        streams: `stream=true` is accepted.
        retrieves: `GET /responses/{id}` works.
        cancels: `POST /responses/{id}/cancel` works.
        background: `background=true` is honoured.
        streams_background: `stream=true` goes with `background=true`, and `GET /responses/{id}?stream=true` gives its
            events again, from the one after `starting_after` on (OpenAI's background guide).
        encrypted_reasoning: Whether `include=["reasoning.encrypted_content"]` may be asked for:
            `"on_request"`, `"always"` (sent unasked), `"never"` (refused), or `"by_model"` where that is up to the model.
        json_schema: `text.format` of type `json_schema` is supported.
        json_object: `text.format` of type `json_object` is supported.
        strict: Function tools may carry `strict`.
        allowed_tools: A `tool_choice` of type `allowed_tools` is enforced.
        reasoning_summary: What the field of `reasoning` that asks for a summary is called.
        input_items: `"easy"` takes messages without `type` and assistant text as a plain string, `"typed"` needs
            every item's `type` and assistant text as `output_text` parts.
        tool_output: The output of a function call: `"parts"` takes text, pictures and files, `"text"` a string alone.
        message_parts: What user messages take beside text.
        conversation: `"id"` takes `conversation` as a plain id too, `"object"` only as `{"id": ...}`.
        health: Path of its health check, from the root of the host.
        refuses: Request parameters answered with an error.
        demands: Request parameters that must be there: `"stream"` as true, `"store"` as false, `"instructions"` with
            any text.
        reference: It is the server that the SDK and the frameworks' own classes are made for: it understands all they
            send, and may be sent the SDK's own headers.
        retention: Seconds a stored response is kept, `None` where unknown.
    """

    name: str
    base_url: str | None = None
    hosts: tuple[str, ...] = ()
    base_url_env: str | None = None
    api_key_env: str | None = None
    needs_key: bool = True
    state: Literal["server", "replay", "unknown"] = "unknown"
    store: Literal["default", "always", "never"] = "default"
    inherits_instructions: bool = False
    echoes_previous_id: bool = False
    keeps_tool_items: bool = True
    honours_idempotency_key: bool = False
    streams: bool = True
    retrieves: bool = True
    cancels: bool = True
    background: bool = True
    streams_background: bool = False
    encrypted_reasoning: Literal["on_request", "always", "never", "by_model"] = "by_model"
    json_schema: bool = True
    json_object: bool = True
    strict: bool = True
    allowed_tools: bool = False
    reasoning_summary: str = "summary"
    input_items: Literal["easy", "typed"] = "easy"
    tool_output: Literal["parts", "text"] = "parts"
    message_parts: frozenset[Literal["input_audio", "input_file", "input_image"]] = frozenset(
        {"input_audio", "input_file", "input_image"}
    )
    conversation: Literal["id", "object"] = "id"
    health: str | None = None
    refuses: frozenset[str] = frozenset()
    demands: frozenset[Literal["instructions", "store", "stream"]] = frozenset()
    reference: bool = False
    retention: int | None = None


_THIRTY_DAYS: Final = 30 * 24 * 3600

_PROFILES: Final = (
    ServerProfile(
        name="openai",
        base_url="https://api.openai.com/v1",
        hosts=("api.openai.com",),
        base_url_env="OPENAI_BASE_URL",
        api_key_env="OPENAI_API_KEY",
        reference=True,
        state="server",
        echoes_previous_id=True,
        streams_background=True,
        allowed_tools=True,
        retention=_THIRTY_DAYS,
    ),
    ServerProfile(
        name="azure",
        hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
        base_url_env="AZURE_OPENAI_BASE_URL",
        api_key_env="AZURE_OPENAI_API_KEY",
        state="server",
        echoes_previous_id=True,
        streams_background=True,
        allowed_tools=True,
        retention=_THIRTY_DAYS,
    ),
    ServerProfile(
        name="aleph-alpha",
        base_url_env="ALEPH_ALPHA_BASE_URL",
        api_key_env="ALEPH_ALPHA_API_KEY",
        state="server",
        inherits_instructions=True,
        echoes_previous_id=True,
        cancels=False,
        encrypted_reasoning="on_request",
        input_items="typed",
        tool_output="text",
        message_parts=frozenset(),
        conversation="object",
        health="/health",
    ),
    ServerProfile(
        name="valar",
        base_url="https://api.valarhq.ai/v1",
        hosts=("api.valarhq.ai",),
        base_url_env="VALAR_BASE_URL",
        api_key_env="VALAR_API_KEY",
        state="replay",
        store="always",
        honours_idempotency_key=True,
        streams=False,
        cancels=False,
        encrypted_reasoning="never",
        json_object=False,
        tool_output="text",
        message_parts=frozenset({"input_image"}),
        reasoning_summary="generate_summary",
        refuses=frozenset(
            {
                "previous_response_id",
                "conversation",
                "instructions",
                "parallel_tool_calls",
                "prompt",
                "truncation",
            }
        ),
    ),
    ServerProfile(
        name="blackbox",
        base_url="https://enterprise.blackbox.ai/v1",
        hosts=("enterprise.blackbox.ai", "api.blackbox.ai"),
        base_url_env="BLACKBOX_BASE_URL",
        api_key_env="BLACKBOX_API_KEY",
        state="replay",
        store="never",
        retrieves=False,
        cancels=False,
        background=False,
        encrypted_reasoning="always",
        refuses=frozenset({"previous_response_id", "conversation", "background"}),
    ),
    ServerProfile(
        name="orq",
        base_url="https://api.orq.ai/v3/router",
        hosts=("api.orq.ai",),
        base_url_env="ORQ_BASE_URL",
        api_key_env="ORQ_API_KEY",
        state="server",
        cancels=False,
        json_object=False,
        input_items="typed",
        tool_output="text",
        message_parts=frozenset({"input_file", "input_image"}),
    ),
    ServerProfile(
        name="otari",
        base_url="http://localhost:8000/v1",
        hosts=("api.otari.ai",),
        base_url_env="OTARI_BASE_URL",
        api_key_env="OTARI_API_KEY",
        health="/health",
        state="replay",
        retrieves=False,
        cancels=False,
        background=False,
    ),
    ServerProfile(
        name="vllm",
        base_url="http://localhost:8000/v1",
        base_url_env="VLLM_BASE_URL",
        api_key_env="VLLM_API_KEY",
        needs_key=False,
        keeps_tool_items=False,
    ),
    ServerProfile(
        name="ollama",
        base_url="http://localhost:11434/v1",
        base_url_env="OLLAMA_BASE_URL",
        api_key_env="OLLAMA_API_KEY",
        needs_key=False,
        state="replay",
        store="never",
        retrieves=False,
        cancels=False,
        background=False,
    ),
    ServerProfile(
        name="litellm",
        base_url="http://localhost:4000/v1",
        base_url_env="LITELLM_BASE_URL",
        api_key_env="LITELLM_API_KEY",
        needs_key=False,
    ),
    ServerProfile(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        hosts=("openrouter.ai",),
        base_url_env="OPENROUTER_BASE_URL",
        api_key_env="OPENROUTER_API_KEY",
        state="replay",
        store="never",
        retrieves=False,
        cancels=False,
        background=False,
        refuses=frozenset({"previous_response_id", "conversation"}),
    ),
    ServerProfile(name="generic", needs_key=False),
)

SERVERS: Final[dict[str, ServerProfile]] = {profile.name: profile for profile in _PROFILES}

_ALIASES: Final = {"any-llm": "otari", "anyllm": "otari", "alephalpha": "aleph-alpha"}


def known_servers() -> list[str]:
    """The names that `server=` accepts, sorted."""
    return sorted(SERVERS)


def find_server(
    server: str | ServerProfile | None = None, *, base_url: str | None = None
) -> ServerProfile:
    """The profile of a server, by name or by the host of its address; never asks the network.

    Args:
        server: A known name (`"aleph-alpha"`, `"orq"`, `"orq.ai"` …), a profile, a file that holds one
            (`"gateway.toml"`, see `load_profile`), or `None` to go by `base_url`.
        base_url: Address of the API. An unknown host gives the `generic` profile.

    Raises:
        UnknownServerError: No server has that name.
        ConfigurationError: The file is not there or holds no profile, or a value of the profile is not of its type.
    """
    if isinstance(server, ServerProfile):
        return _checked(server)
    if server is not None and server.endswith(".toml"):
        return load_profile(server)
    if server is not None:
        return _by_name(server)
    if base_url is None:
        return SERVERS["openai"]
    return _by_host(base_url)


def _by_name(name: str) -> ServerProfile:
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    wanted = wanted.removesuffix(".ai").removesuffix(".com")
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in SERVERS:
        return SERVERS[wanted]
    near = difflib.get_close_matches(wanted, SERVERS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownServerError(
        f"server={name!r} is not a known server.{hint} Known: {', '.join(known_servers())};"
        " any other server works with base_url= alone, or with a ServerProfile."
    )


def _by_host(base_url: str) -> ServerProfile:
    host = (urlsplit(base_url).hostname or "").lower()
    for profile in _PROFILES:
        for known in profile.hosts:
            if host == known or (known.startswith(".") and host.endswith(known)):
                return profile
    return SERVERS["generic"]


def dump_profile(profile: ServerProfile) -> str:
    """The profile as TOML, which `load_profile` reads; fields without a value are left out."""
    lines = []
    for field in fields(profile):
        value = getattr(profile, field.name)
        if isinstance(value, frozenset):
            value = sorted(value)
        if value is not None:
            lines.append(
                f"{field.name} = {json.dumps(value)}\n"
            )  # JSON of such values is TOML, too
    return "".join(lines)


def load_profile(path: str | os.PathLike[str]) -> ServerProfile:
    """The profile in a TOML file: the fields of `ServerProfile`, of which only `name` must be there.

    Raises:
        ConfigurationError: The file cannot be read, a field is misspelt, or a value is not of its type.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"server profile {path}: {error}") from error
    kinds = _kinds()
    for name, value in found.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"server profile {path}: unknown field {name!r}.{hint}")
        wanted = _misfit(value, kinds[name], collection="list")
        if wanted is not None:
            raise ConfigurationError(f"server profile {path}: {name} = {value!r}, but {wanted}")
        origin = get_origin(kinds[name])
        found[name] = origin(value) if origin in _COLLECTIONS else value
    if "name" not in found:
        raise ConfigurationError(f"server profile {path}: 'name' is missing")
    return ServerProfile(**found)


def _checked(profile: ServerProfile) -> ServerProfile:
    for name, kind in _kinds().items():
        value = getattr(profile, name)
        wanted = _misfit(value, kind)
        if wanted is not None:
            raise ConfigurationError(
                f"ServerProfile {profile.name!r}: {name}={value!r}, but {wanted}"
            )
    return profile


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(ServerProfile)


_COLLECTIONS: Final = (tuple, frozenset)


def _misfit(value: Any, kind: Any, *, collection: str | None = None) -> str | None:
    """What a field has to be where it is not; its type is the only description of it."""
    origin, choices = get_origin(kind), get_args(kind)
    if origin in _COLLECTIONS:
        known = get_args(choices[0])
        if isinstance(value, (*_COLLECTIONS, list, set)) and all(
            each in known if known else isinstance(each, str) for each in value
        ):
            return None
        wanted = f"a {collection or origin.__name__} of " + (
            ", ".join(map(repr, known)) if known else "strings"
        )
    elif origin is Literal:
        if value in choices:
            return None
        wanted = " or ".join(map(repr, choices))
    else:
        allowed = choices or (kind,)
        if type(value) in allowed:
            return None
        wanted = " or ".join(each.__name__ for each in allowed if each is not NoneType)
    return f"it has to be {wanted}"
