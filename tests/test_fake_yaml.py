from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from responses_adapters.errors import ConfigurationError, UnknownServerError
from responses_adapters.testing import Backend, Request
from responses_adapters.testing.replay import load_script

SCRIPT = """
server: aleph-alpha
seed: 3
configure: {background_status: 200}
background: 1
turns:
  - Hello.
  - {reason: {text: let me see}, call_tool: {name: check_room, room: Birch, call_id: call_1}}
  - - call_tool: [a, {x: 1}]
    - call_tool: b
  - fail: {status: 503, times: 2}
  - reply: {text: Again.}
    times: 2
  - {reply: lost, truncate: 2}
rules:
  - {text: weather, say: Sunny., always: true}
  - {text: /^who/, model: "gpt-*", say: [Me., {reply: Still me.}], times: 2}
"""


def ask(be: Backend, text: str = "hi", **fields: Any) -> Any:
    body = json.dumps({"model": "m", "input": text, **fields}).encode()
    return be.handle(Request("POST", "/v1/responses", body=body))


def said(reply: Any) -> list[str]:
    return [
        item["content"][0]["text"] if item["type"] == "message" else item.get("name", item["type"])
        for item in json.loads(reply.body)["output"]
    ]


def test_a_script_can_be_written_as_data() -> None:
    be = Backend.from_script(yaml.safe_load(SCRIPT))
    assert be.behaviour.name == "aleph-alpha"
    assert (be.polls, be.behaviour.background_status) == (1, 200)
    assert said(ask(be)) == ["Hello."]
    thought = json.loads(ask(be).body)["output"]
    assert [item["type"] for item in thought] == ["reasoning", "function_call"]
    assert (thought[1]["arguments"], thought[1]["call_id"]) == ('{"room":"Birch"}', "call_1")
    assert said(ask(be)) == ["a", "b"]
    assert [ask(be).status for _ in range(2)] == [503, 503]
    assert [said(ask(be)) for _ in range(2)] == [["Again."], ["Again."]]
    assert len(list(ask(be, stream=True).body)) == 2
    assert said(ask(be, "the weather")) == said(ask(be, "weather")) == ["Sunny."]
    answers = [said(ask(be, "who", model="gpt-5"))[0] for _ in range(4)]
    assert answers == ["Me.", "Still me.", "Me.", "Still me."]
    be.verify()


def test_a_script_may_have_a_brain_and_the_caller_may_overrule_it() -> None:
    assert said(ask(Backend.from_script({"brain": True}), "hello")) == ["You said: hello"]
    assert ask(Backend.from_script({"brain": True}, brain=False)).status == 400


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"turn": []}, "'turn' is unknown in a script. Did you mean 'turns'?"),
        ({"turns": [{"replay": "x"}]}, "'replay' is unknown in a turn. Did you mean 'reply'?"),
        ({"turns": [{"reply": {"txt": "x"}}]}, "reply: "),
        ({"turns": [3]}, "a turn is a text or a mapping of verbs, not 3"),
        ({"rules": [{"txt": "x", "say": "y"}]}, "'txt' is unknown in a rule. Did you mean 'text'?"),
        ({"configure": {"strict_pair": True}}, "Did you mean 'strict_pairs'?"),
        ({"configure": [1]}, "the script is not made as scripts are (IndexError: "),
    ],
)
def test_a_script_that_is_wrong_says_where(script: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Backend.from_script(script)
    assert message in str(caught.value)


SETTINGS = """
configure:
  background_waits: [pending]
  forgets: [function_call]
  ignores: [metadata]
  refusals: [{path: stream, values: [true]}, {path: user}]
  demands: [[instructions, null]]
"""


def test_switches_of_every_kind_can_be_written_as_data() -> None:
    be = Backend.from_script({**yaml.safe_load(SETTINGS), "brain": True})
    assert ask(be, stream=True).status == ask(be, user="me").status == 400
    assert ask(be).status == 400
    response = json.loads(ask(be, instructions="x", metadata=3, background=True).body)
    assert (response["status"], response["metadata"]) == ("pending", {})


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just("/(/"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["reply", "call_tool", "fail", "truncate", "say", "text", "times", "status", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["server", "turns", "rules", "configure", "background", "seed", "brain"]),
        values,
    )
)
def test_any_data_is_a_script_or_refused_as_one(script: Any) -> None:
    with contextlib.suppress(ConfigurationError, UnknownServerError):
        Backend.from_script(script)


@pytest.mark.parametrize(
    "content",
    [
        "[1, 2]",
        "turns: [",
        "turns: &a [*a]",
        "\x00",
        "turns: !!python/object/apply:os.getcwd []",
        "a: " + "[" * 5000,
    ],
)
def test_a_file_that_is_no_script_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError):
        load_script(file)
