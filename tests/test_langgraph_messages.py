from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_openai.chat_models.base import _construct_responses_api_input
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph.answers import to_message
from responses_adapters.langgraph.fingerprint import fingerprint
from responses_adapters.langgraph.messages import conversation_items, lift_instructions, to_items
from responses_adapters.langgraph.state import as_messages

Item = dict[str, Any]


def message(text: str, **fields: Any) -> Item:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    fields = {"id": "msg_1", "status": "completed"} | fields
    return {"type": "message", "role": "assistant", "content": [part], **fields}


def call(arguments: str = '{"a":1}', call_id: str = "call_1", **fields: Any) -> Item:
    fields = {"id": f"fc_{call_id}", "status": "completed", "name": "add"} | fields
    return {"type": "function_call", "call_id": call_id, "arguments": arguments, **fields}


REASONING: Item = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hmm."}, {"type": "summary_text", "text": "Yes."}],
    "encrypted_content": "gAAA",
    "status": "completed",
}
OUTPUT_ITEMS: dict[str, Item] = {
    "message": message("Hello"),
    "message with phase and unknown fields": message("Hi", phase="commentary", channel="final"),
    "message without id": {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "x"}],
    },
    "message with citations": {
        **message("See"),
        "content": [
            {
                "type": "output_text",
                "text": "See",
                "annotations": [
                    {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 3},
                    {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0},
                    {"type": "acme:note", "note": 1},
                ],
            }
        ],
    },
    "message of several parts": {
        **message("one"),
        "content": [
            {"type": "output_text", "text": "one", "annotations": []},
            {"type": "refusal", "refusal": "no"},
            {"type": "acme:chart", "points": [1, 2], "index": 7},
            {"type": "output_text", "text": "two", "annotations": []},
        ],
    },
    "empty message": message("") | {"content": []},
    "message of another role": {**message("x"), "role": "system"},
    "reasoning with summary": REASONING,
    "raw reasoning": {
        "type": "reasoning",
        "id": "rs_2",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Let me think"}],
    },
    "raw reasoning of several parts": {
        "type": "reasoning",
        "id": "rs_3",
        "summary": [],
        "content": [
            {"type": "reasoning_text", "text": "one"},
            {"type": "reasoning_text", "text": "two"},
        ],
    },
    "unusual raw reasoning": {
        "type": "reasoning",
        "id": "rs_4",
        "content": [{"type": "acme:thought", "text": "one", "score": 2}],
    },
    "function call": call(),
    "function call with null arguments": call('{"a":1,"b":null}', name="add"),
    "malformed call": call('{"a": '),
    "call with a list": call("[1]"),
    "call without arguments": call(""),
    "custom call": {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "call_id": "call_9",
        "name": "sql",
        "input": "select 1",
    },
    "compaction": {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
    "web search": {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    },
    "image": {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": "iVBO",
    },
    "mcp approval": {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "arguments": "{}",
        "name": "delete",
        "server_label": "files",
    },
    "shell call": {"type": "shell_call", "id": "sh_1", "call_id": "c", "action": {"commands": []}},
    "extension item": {
        "type": "orq:current_date",
        "id": "msg_7",
        "call_id": "fc_7",
        "index": 4,
        "result": {"date": "today"},
    },
    "item without a type": {"id": "x_1", "text": "odd"},
}


@pytest.mark.parametrize("item", OUTPUT_ITEMS.values(), ids=OUTPUT_ITEMS.keys())
def test_every_output_item_replays_verbatim(item: Item) -> None:
    assert to_items(to_message({"output": [item]})) == [item]


def test_items_replay_in_raw_order_after_a_checkpoint() -> None:
    output = [
        item | {key: f"{item[key]}_{position}" for key in ("id", "call_id") if key in item}
        for position, item in enumerate(OUTPUT_ITEMS.values())
    ]
    serde = JsonPlusSerializer()
    restored = serde.loads_typed(serde.dumps_typed(to_message({"output": output})))
    assert to_items(restored) == output


def test_messages_of_one_response_stay_apart() -> None:
    output = [message("one"), message("two", id="msg_2")]
    assert to_items(to_message({"output": output})) == output


def test_leading_system_messages_become_instructions() -> None:
    history = [SystemMessage("Be brief."), SystemMessage([{"type": "text", "text": "Be kind."}])]
    user = HumanMessage("hi")
    assert lift_instructions([*history, user]) == ("Be brief.\n\nBe kind.", [user])


def test_a_system_message_that_holds_an_image_stays_in_the_conversation() -> None:
    image = SystemMessage([{"type": "image", "url": "https://a/b.png"}])
    assert lift_instructions([image, HumanMessage("hi")])[0] is None


def test_later_system_and_developer_messages_stay_in_place() -> None:
    later = SystemMessage("now")
    assert to_items(later) == [{"type": "message", "role": "system", "content": "now"}]
    developer = SystemMessage("dev", additional_kwargs={"__openai_role__": "developer"})
    assert lift_instructions([developer])[0] is None
    assert to_items(developer)[0]["role"] == "developer"
    assert to_items(ChatMessage("dev", role="developer"))[0]["role"] == "developer"


USER_BLOCKS: list[tuple[Any, Item]] = [
    ("plain", {"type": "input_text", "text": "plain"}),
    ({"type": "text", "text": "a"}, {"type": "input_text", "text": "a"}),
    ({"type": "text-plain", "text": "a"}, {"type": "input_text", "text": "a"}),
    (
        {"type": "image_url", "image_url": {"url": "https://a", "detail": "low"}},
        {"type": "input_image", "image_url": "https://a", "detail": "low"},
    ),
    (
        {"type": "image_url", "image_url": "https://a"},
        {"type": "input_image", "image_url": "https://a"},
    ),
    ({"type": "image", "url": "https://a"}, {"type": "input_image", "image_url": "https://a"}),
    (
        {"type": "image", "base64": "QQ==", "mime_type": "image/jpeg"},
        {"type": "input_image", "image_url": "data:image/jpeg;base64,QQ=="},
    ),
    ({"type": "image", "file_id": "file_1"}, {"type": "input_image", "file_id": "file_1"}),
    (
        {"type": "image", "source_type": "base64", "data": "QQ==", "mime_type": "image/png"},
        {"type": "input_image", "image_url": "data:image/png;base64,QQ=="},
    ),
    ({"type": "image", "source_type": "id", "id": "f"}, {"type": "input_image", "file_id": "f"}),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "QQ=="}},
        {"type": "input_image", "image_url": "data:image/gif;base64,QQ=="},
    ),
    ({"type": "file", "url": "https://a.pdf"}, {"type": "input_file", "file_url": "https://a.pdf"}),
    (
        {
            "type": "file",
            "base64": "QQ==",
            "mime_type": "application/pdf",
            "extras": {"filename": "a.pdf"},
        },
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,QQ==",
            "filename": "a.pdf",
        },
    ),
    (
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
    ),
    ({"type": "file", "file_id": "file_1"}, {"type": "input_file", "file_id": "file_1"}),
    (
        {"type": "audio", "base64": "QQ==", "mime_type": "audio/mpeg"},
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
    ),
    (
        {"type": "input_image", "image_url": "https://a", "detail": "high"},
        {"type": "input_image", "image_url": "https://a", "detail": "high"},
    ),
    (
        {"type": "non_standard", "value": {"type": "input_video", "url": "https://v"}},
        {"type": "input_video", "url": "https://v"},
    ),
]


@pytest.mark.parametrize(("block", "part"), USER_BLOCKS)
def test_user_blocks_of_every_generation_become_parts(block: Any, part: Item) -> None:
    assert to_items(HumanMessage([block])) == [
        {"type": "message", "role": "user", "content": [part]}
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "acme:note", "text": "x"},
    ],
)
def test_whole_items_travel_in_user_messages(item: Item) -> None:
    assert to_items(HumanMessage([item])) == [item]
    assert to_items(HumanMessage([{"type": "non_standard", "value": item}, "hi"]))[1] == item


def test_a_user_block_without_a_wire_form_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="a user message holds a block of type 'video'"):
        to_items(HumanMessage([{"type": "video", "url": "https://v"}]))


def test_a_function_message_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="FunctionMessage cannot be sent"):
        to_items(FunctionMessage("x", name="add"))


def test_a_tool_message_answers_its_call() -> None:
    expected = {"type": "function_call_output", "call_id": "c", "output": "3"}
    assert to_items(ToolMessage("3", tool_call_id="c")) == [expected]
    assert to_items(ToolMessage([{"type": "text", "text": "3"}], tool_call_id="c")) == [expected]


def test_a_tool_message_with_an_image_answers_in_parts() -> None:
    blocks = ["see", {"type": "image", "url": "https://a"}, {"type": "json", "x": 1}]
    (item,) = to_items(ToolMessage(blocks, tool_call_id="c"))
    assert item["output"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "https://a"},
        {"type": "input_text", "text": '{"type": "json", "x": 1}'},
    ]


def test_the_output_of_a_custom_call_has_its_own_type_even_in_a_delta() -> None:
    answer = to_message({"output": [OUTPUT_ITEMS["custom call"]]})
    history: list[BaseMessage] = [
        HumanMessage("q"),
        answer,
        ToolMessage("1", tool_call_id="call_9"),
    ]
    expected = {"type": "custom_tool_call_output", "call_id": "call_9", "output": "1"}
    assert conversation_items(history)[2] == [expected]
    assert conversation_items(history, 2) == [[expected]]


def test_a_raw_output_inside_a_tool_message_is_sent_as_it_is() -> None:
    raw = {"type": "shell_call_output", "output": [{"stdout": "x"}]}
    assert to_items(ToolMessage([raw], tool_call_id="c")) == [{**raw, "call_id": "c"}]


def test_a_custom_call_is_a_tool_call_with_its_text() -> None:
    answer = to_message({"output": [OUTPUT_ITEMS["custom call"]]})
    assert answer.tool_calls[0]["args"] == {"__arg1": "select 1"}
    answer.tool_calls[0]["args"] = {"__arg1": "select 2"}
    (item,) = to_items(answer)
    assert (item["type"], item["input"], "id" in item) == ("custom_tool_call", "select 2", False)


def test_edited_arguments_win_over_the_raw_call() -> None:
    answer = to_message({"output": [REASONING, call(), call('{"b":2}', "call_2")]})
    answer.tool_calls[0]["args"] = {"a": 5}
    reasoning, edited, kept = to_items(answer)
    assert reasoning == REASONING
    assert edited == {
        "type": "function_call",
        "call_id": "call_1",
        "name": "add",
        "arguments": '{"a": 5}',
    }
    assert kept == call('{"b":2}', "call_2")


def test_a_removed_call_is_not_replayed() -> None:
    answer = to_message({"output": [call(), call("{}", "call_2")]})
    del answer.tool_calls[0]
    assert [item["call_id"] for item in to_items(answer)] == ["call_2"]


def test_an_added_call_is_replayed() -> None:
    answer = to_message({"output": [message("wait")]})
    answer.tool_calls.append({"name": "add", "args": {}, "id": "c", "type": "tool_call"})
    assert to_items(answer)[1]["call_id"] == "c"


def test_nulls_that_only_the_wire_has_do_not_count_as_an_edit() -> None:
    raw = call('{"a":{"x":1,"y":null},"b":null}')
    answer = to_message({"output": [raw]})
    answer.tool_calls[0]["args"] = {"a": {"x": 1}}
    assert to_items(answer) == [raw]


def test_a_repaired_call_replaces_the_malformed_one() -> None:
    answer = to_message({"output": [call('{"a": ')]})
    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["args"] == '{"a": '
    answer.invalid_tool_calls.clear()
    answer.tool_calls.append({"name": "add", "args": {"a": 1}, "id": "call_1", "type": "tool_call"})
    assert to_items(answer)[0]["arguments"] == '{"a": 1}'


def test_empty_arguments_are_an_empty_object() -> None:
    assert to_message({"output": [call("")]}).tool_calls[0]["args"] == {}


def test_an_answer_of_chat_completions_replays_as_parts_and_calls() -> None:
    answer = AIMessage(
        "Sure",
        tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}],
        invalid_tool_calls=[{"name": "add", "args": "{", "id": "c2", "error": None}],
    )
    part = {"type": "output_text", "text": "Sure", "annotations": []}
    assert to_items(answer) == [
        {"type": "message", "role": "assistant", "content": [part]},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{"},
    ]


def test_an_answer_of_another_provider_loses_only_what_has_no_meaning_here() -> None:
    answer = AIMessage(
        [
            {"type": "thinking", "thinking": "…", "signature": "s"},
            {"type": "text", "text": "Sure", "citations": []},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}},
        ],
        tool_calls=[{"name": "add", "args": {"a": 1}, "id": "toolu_1"}],
        response_metadata={"model_provider": "anthropic"},
    )
    text, used = to_items(answer)
    assert text["content"][0]["text"] == "Sure"
    assert used["call_id"] == "toolu_1"


def test_standard_blocks_keep_their_order() -> None:
    answer = AIMessage(
        content_blocks=[
            {"type": "text", "text": "one"},
            {"type": "tool_call", "name": "add", "args": {}, "id": "c1"},
            {"type": "text", "text": "two"},
        ],
        response_metadata={"output_version": "v1"},
    )
    assert [item["type"] for item in to_items(answer)] == ["message", "function_call", "message"]


def test_chat_openai_reads_our_answers() -> None:
    answer = to_message({"output": [REASONING, message("Hello"), call()]})
    theirs = _construct_responses_api_input([answer])
    assert theirs[0]["encrypted_content"] == "gAAA"
    assert theirs[1]["content"][0]["text"] == "Hello"
    assert theirs[2] == call()


def test_standard_content_blocks_show_text_reasoning_and_calls() -> None:
    answer = to_message({"output": [OUTPUT_ITEMS["raw reasoning"], message("Hello"), call()]})
    blocks = answer.content_blocks
    assert [block["type"] for block in blocks] == ["reasoning", "text", "tool_call"]
    assert blocks[0]["reasoning"] == "Let me think"  # type: ignore[typeddict-item]
    assert answer.text == "Hello"


def test_an_empty_answer_has_no_items() -> None:
    assert to_items(AIMessage("")) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HumanMessage("hi"), HumanMessage([{"type": "text", "text": "hi"}], id="7", name="x")),
        (HumanMessage(""), HumanMessage([])),
        (
            AIMessage("hi"),
            to_message(
                {"output": [message("hi") | {"content": [{"type": "output_text", "text": "hi"}]}]}
            ),
        ),
        (
            to_message({"output": [message("hi", id="msg_1")]}),
            to_message({"output": [message("hi", id="msg_2", status="in_progress")]}),
        ),
        (
            ToolMessage("3", tool_call_id="c"),
            ToolMessage("3", tool_call_id="c", artifact=1, name="t"),
        ),
    ],
)
def test_the_same_wire_form_has_the_same_fingerprint(one: BaseMessage, other: BaseMessage) -> None:
    assert fingerprint(one) == fingerprint(other)


DIFFERENT: list[BaseMessage] = [
    HumanMessage("hi"),
    HumanMessage("hi "),
    HumanMessage(["hi", "hi"]),
    HumanMessage([{"type": "image", "url": "https://a"}]),
    HumanMessage([{"type": "image", "url": "https://b"}]),
    HumanMessage([{"type": "item_reference", "id": "msg_1"}]),
    HumanMessage([{"type": "item_reference", "id": "msg_2"}]),
    SystemMessage("hi"),
    SystemMessage("hi", additional_kwargs={"__openai_role__": "developer"}),
    AIMessage("hi"),
    AIMessage("hi", tool_calls=[{"name": "add", "args": {}, "id": "c"}]),
    AIMessage("hi", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c"}]),
    AIMessage("hi", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "d"}]),
    AIMessage("hi", invalid_tool_calls=[{"name": "add", "args": "{", "id": "c", "error": ""}]),
    to_message({"output": [REASONING]}),
    to_message({"output": [{**REASONING, "encrypted_content": "gAAB"}]}),
    to_message({"output": [call()]}),
    ToolMessage("hi", tool_call_id="c"),
    ToolMessage("hi", tool_call_id="d"),
    ToolMessage("ho", tool_call_id="c"),
]


def test_every_edit_changes_the_fingerprint() -> None:
    assert len({fingerprint(message) for message in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize("original", DIFFERENT)
def test_fingerprints_survive_a_checkpoint(
    original: BaseMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")
    serde = JsonPlusSerializer()
    restored = serde.loads_typed(serde.dumps_typed(original))
    assert fingerprint(restored) == fingerprint(original)


def test_responses_items_as_plain_dicts_become_messages() -> None:
    raw: list[Any] = [
        {"type": "message", "role": "user", "content": "1+2?"},
        REASONING,
        call(),
        {"type": "function_call_output", "call_id": "call_1", "output": "3"},
        message("3"),
        ("user", "thanks"),
    ]
    messages = as_messages(raw)
    assert [m.type for m in messages] == ["human", "ai", "tool", "ai", "human"]
    assert messages[1].tool_calls[0]["id"] == "call_1"  # type: ignore[attr-defined]
    items = [item for m in messages for item in to_items(m)]
    assert items[1:5] == raw[1:5]


def test_usage_is_read_in_both_vocabularies() -> None:
    details = {"cached_tokens": 2}
    one = to_message({"output": [], "usage": {"input_tokens": 3, "output_tokens": 4}})
    other = to_message(
        {
            "output": [],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 4,
                "total_tokens": 9,
                "prompt_tokens_details": details,
                "completion_tokens_details": None,
            },
        }
    )
    assert one.usage_metadata == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert other.usage_metadata is not None
    assert other.usage_metadata["total_tokens"] == 9
    assert other.usage_metadata["input_token_details"] == {"cache_read": 2}
    assert to_message({"output": [], "usage": None}).usage_metadata is None


def test_a_response_without_output_is_an_empty_message() -> None:
    assert to_message({"id": "resp_1", "output": None}).content == []
