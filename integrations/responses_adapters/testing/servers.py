"""The emulated servers: what each does, from its documentation; what is inferred says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from . import dialects
from .behaviour import Behaviour, Refusal

__all__ = ["BEHAVIOURS", "BLACKBOX_LEGACY", "VALAR_STREAMS"]

_OPENAI: Final = Behaviour(
    name="openai", headers={"openai-version": "2020-10-01"}, rate_limit=10_000
)

_PLAIN: Final = replace(
    _OPENAI,
    headers={},
    rate_limit=None,
    unknown_parameters="ignored",
    strict_reasoning=False,
    strict_seals=False,
    strict_form=False,
    strict_default=None,
    ranges={"max_output_tokens": (1, float("inf"))},
)
"""What servers have in common that follow OpenAI without checking as closely."""

_READ: Final = frozenset({"create", "retrieve", "models", "model"})

_VALAR: Final = replace(
    _PLAIN,
    name="valar",
    refusals=(
        Refusal("stream", (True,)),
        Refusal("store", (False,)),
        Refusal("previous_response_id"),
        Refusal("conversation"),
        Refusal("instructions"),
        Refusal("parallel_tool_calls"),
        Refusal("prompt"),
        Refusal("reasoning.summary"),
        Refusal("text.format.type", ("json_object",)),
        Refusal("truncation", only=("disabled",)),
        Refusal("service_tier", only=("auto",)),
        Refusal("tools[].type", only=("function", "custom")),
        Refusal("include[]", only=("message.output_text.logprobs",)),
    ),
    roles=("user", "system", "assistant", "tool", "function"),
    endpoints=_READ,
    store="always",
    idempotency=True,
    background_status=202,
    background_waits=("pending", "running"),
    webhooks=True,
    usage="valar",
    usage_while_waiting=True,
    echoes_input=True,
    before=(dialects.windows_are_known,),
)

VALAR_STREAMS: Final = tuple(each for each in _VALAR.refusals if each.path != "stream")
"""Refusals of the announced Valar version that streams: `configure(refusals=VALAR_STREAMS)`."""

_BLACKBOX: Final = replace(
    _PLAIN,
    name="blackbox",
    unknown=("previous_response_id", "conversation", "background", "prompt"),
    error_shape="int_code",
    failure_status=200,
    stream_error_shape="int_code",
    endpoints=frozenset({"create"}),
    store="never",
    usage="pair",
    event_lines=False,
    sequence_numbers=False,
    only_events={
        "response.created": ("type", "response"),
        "response.output_text.delta": ("type", "delta"),
        "response.output_text.done": ("type", "text"),
        "response.completed": ("type", "response"),
    },
    before=(dialects.call_ids_are_plain, dialects.conversation_is_whole),
    turned=(dialects.seal_reasoning,),
)

BLACKBOX_LEGACY: Final = (("stream", True), ("store", False), ("instructions", None))
"""What the first Blackbox version demanded: `configure(demands=BLACKBOX_LEGACY)`."""

_ORQ: Final = replace(
    _PLAIN,
    name="orq",
    strict_ids=False,
    lost_status=404,
    lost_code="response_not_found",
    unseen=dialects.is_silently_dropped,
    refusals=(Refusal("text.format.type", ("json_object",)),),
    unknown=("background",),
    endpoints=frozenset(
        {
            "create",
            "retrieve",
            "create_schedule",
            "list_schedules",
            "retrieve_schedule",
            "update_schedule",
            "run_schedule",
            "delete_schedule",
        }
    ),
    closed_paths={"/v3/responses": 405},
    id_style="ulid",
    usage="orq",
    echoes_input=True,
    tool_turn_status="requires_action",
    done_line=True,
    renames={
        "response.reasoning_text.delta": "response.reasoning.delta",
        "response.reasoning_text.done": "response.reasoning.done",
    },
    before=(dialects.agents_exist,),
    dressed=(dialects.hide_secrets,),
)

_OTARI: Final = replace(
    _PLAIN,
    name="otari",
    chaining="ignored",
    echo="null",
    strict_pairs=False,
    strict_ids=False,
    unseen=dialects.is_gateway_search,
    error_shape="detail",
    retry_header="retry-after",
    endpoints=frozenset({"create", "models", "tools", "health"}),
    store="never",
    background_waits=(),
    done_line=True,
    omits_nulls=True,
    keep_alive=": keepalive",
    rate_limit=10_000,
    rate_suffix="",
    headers={"x-correlation-id": "00000000-0000-4000-8000-000000000000"},
    failure_status=502,
    stream_error_shape="bare",
    guardrail_error=(403, "guardrail", "The request was blocked by a guardrail."),
    before=(dialects.owner_is_named, dialects.provider_has_responses),
)

_ALEPH_ALPHA: Final = replace(
    _PLAIN,
    name="aleph-alpha",
    inherits_instructions=True,
    lifts_system=True,
    strict_ids=False,
    lost_status=404,
    lost_code="response_not_found",
    lost_message="Response with ID '{id}' not found.",
    missing_message="Response with ID '{id}' not found.",
    missing_code="response_not_found",
    refusals=(
        Refusal("tools[].type", only=("function", "mcp")),
        Refusal("include[]", only=("message.output_text.logprobs", "reasoning.encrypted_content")),
    ),
    endpoints=_READ
    | {"delete", "restore", "check", "health"}
    | {f"{verb}_conversation" for verb in ("create", "retrieve", "update", "delete")}
    | {"list_items"},
    health_at_root=True,
    soft_delete=True,
    background_status=202,
    background_waits=("in_progress",),
    ticket_prefix="req",
    strict_default=True,
    usage="totals",
    event_lines=False,
    done_line=True,
    before=(dialects.flat_item_types, dialects.outputs_are_text),
    turned=(dialects.ask_for_approval,),
)

_VLLM: Final = replace(
    _PLAIN,
    name="vllm",
    forgets=frozenset({"function_call"}),
    strict_pairs=False,
    strict_ids=False,
    lost_status=404,
    lost_code=None,
    lost_message="Response with id '{id}' not found.",
    error_shape="int_code",
    endpoints=_READ | {"cancel", "health"},
    store="never",
    cancels_ended=False,
)

_OLLAMA: Final = replace(
    _PLAIN,
    name="ollama",
    chaining="ignored",
    echo="null",
    strict_pairs=False,
    strict_ids=False,
    endpoints=frozenset({"create", "models", "model"}),
    store="never",
    background_waits=(),
)

_LITELLM: Final = replace(
    _PLAIN,
    name="litellm",
    chaining="ignored",
    echo="foreign",
    strict_pairs=False,
    strict_ids=False,
    refusals=(Refusal("tool_choice.type", ("allowed_tools",)),),
    endpoints=_READ | {"health"},
    store="never",
    background_waits=(),
    event_lines=False,
    done_line=True,
)

_OPENROUTER: Final = replace(
    _PLAIN,
    name="openrouter",
    refusals=(Refusal("previous_response_id"), Refusal("store", (True,)), Refusal("conversation")),
    error_shape="int_code",
    endpoints=frozenset({"create", "models"}),
    store="never",
    unknown=("background",),
)

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    behaviour.name: behaviour
    for behaviour in (
        _OPENAI,
        replace(_OPENAI, name="azure"),
        replace(_OPENAI, name="generic", headers={}, rate_limit=None),
        _VALAR,
        _BLACKBOX,
        _ORQ,
        _OTARI,
        _ALEPH_ALPHA,
        _VLLM,
        _OLLAMA,
        _LITELLM,
        _OPENROUTER,
    )
}
