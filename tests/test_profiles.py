from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from responses_adapters import ConfigurationError, ServerProfile, find_server, known_servers
from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.protocol.transport import dialect_transport
from responses_adapters.pydantic_ai import ResponsesProvider

HALL = ServerProfile(name="hall", base_url="https://hall.example/v1", needs_key=False)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("state", "stateful", "it has to be 'server' or 'replay' or 'unknown'"),
        ("store", True, "it has to be 'default' or 'always' or 'never'"),
        ("streams", "yes", "it has to be bool"),
        ("retention", "30 days", "it has to be int"),
        ("retention", True, "it has to be int"),
        ("refuses", "stream", "it has to be a frozenset of strings"),
        ("hosts", "hall.example", "it has to be a tuple of strings"),
        ("demands", {"streem"}, "it has to be a frozenset of 'instructions', 'store', 'stream'"),
        (
            "message_parts",
            "input_image",
            "it has to be a frozenset of 'input_audio', 'input_file', 'input_image'",
        ),
    ],
)
def test_a_profile_with_a_value_that_means_nothing_is_refused(field: str, value: Any, words: str):
    with pytest.raises(ConfigurationError) as caught:
        find_server(replace(HALL, **{field: value}))

    assert str(caught.value) == f"ServerProfile 'hall': {field}={value!r}, but {words}"


@pytest.mark.parametrize(
    "use",
    [
        lambda profile: ResponsesNode("m", server=profile),
        lambda profile: ChatResponses("m", server=profile),
        lambda profile: ResponsesProvider(profile),
        lambda profile: dialect_transport(profile),
    ],
    ids=["node", "chat model", "provider", "transport"],
)
def test_every_room_refuses_such_a_profile(use: Any):
    with pytest.raises(ConfigurationError, match="state='stateful', but it has to be"):
        use(replace(HALL, state="stateful"))


def test_a_profile_that_fits_is_taken_as_it_is():
    fitting = replace(HALL, refuses={"stream"}, retention=60, message_parts=frozenset())

    assert find_server(fitting) is fitting
    for name in known_servers():
        assert find_server(find_server(name)) is find_server(name)
