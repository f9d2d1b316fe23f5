"""The names that users may import: a change here is a change for them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import responses_adapters

PUBLIC = {
    "responses_adapters": [
        "AmbiguousSubmitError",
        "BackgroundTimeoutError",
        "ChainLostError",
        "ConfigurationError",
        "ContextLengthError",
        "ContextMismatchError",
        "DanglingToolCallError",
        "MaxIterationsError",
        "MissingExtraError",
        "NotStrictError",
        "ResponseFailedError",
        "ResponseIncompleteError",
        "ResponseTooLargeError",
        "ResponsesAdapterError",
        "ServerProfile",
        "StreamTruncatedError",
        "ToolConversionError",
        "ToolError",
        "UnknownServerError",
        "UnsupportedByServerError",
        "find_server",
        "known_servers",
    ],
    "responses_adapters.doctor": [
        "Diagnosis",
        "Request",
        "UnusableServerError",
        "Verdict",
        "diagnose",
        "run",
    ],
    "responses_adapters.langgraph": [
        "Background",
        "ChatResponses",
        "ResponsesMiddleware",
        "ResponsesNode",
        "ResponsesState",
        "add_responses",
        "aexplain_turns",
        "ephemeral",
        "explain_turns",
        "last_response_id",
        "responses_condition",
        "responses_retry_on",
    ],
    "responses_adapters.pydantic_ai": [
        "ResponsesModel",
        "ResponsesModelSettings",
        "ResponsesProvider",
        "ResponsesServers",
    ],
    "responses_adapters.testing": [
        "BEHAVIOURS",
        "Backend",
        "Behaviour",
        "Context",
        "Frame",
        "NetworkBlockedError",
        "PatchedTransports",
        "Recorded",
        "Refusal",
        "Replay",
        "Reply",
        "Request",
        "ResponsesServer",
        "Turn",
        "async_openai_client",
        "make_transport",
        "openai_client",
    ],
    "responses_adapters.tools": [
        "DecodedCall",
        "Namespace",
        "NotStrictError",
        "OutputFormat",
        "Tool",
        "ToolCall",
        "ToolContext",
        "ToolConversionError",
        "ToolError",
        "Toolbox",
        "clean_name",
        "to_responses_tool",
    ],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_room_offers_these_names_in_order_and_each_exists(name):
    room = importlib.import_module(name)
    assert room.__all__ == PUBLIC[name] == sorted(PUBLIC[name])
    assert [public for public in room.__all__ if not hasattr(room, public)] == []


def test_every_room_is_listed_here():
    house = Path(responses_adapters.__file__).parent
    packages = {f"responses_adapters.{init.parent.name}" for init in house.glob("*/__init__.py")}
    assert packages - {"responses_adapters.protocol"} == PUBLIC.keys() - {"responses_adapters"}
