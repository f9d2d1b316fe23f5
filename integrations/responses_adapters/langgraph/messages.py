"""LangChain messages as Responses items, without loss: what a message means on the wire, and what decides it.

Answers keep the server's items: as `responses/v1` content blocks (the vocabulary of ChatOpenAI, so either can read
the other's messages), and everything that vocabulary does not know as `{"type": "non_standard", "value": item}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from ..errors import ConfigurationError
from ..protocol.chain import Entry
from ..protocol.items import Item
from .fingerprint import fingerprint, role_of, without_index
from .parts import input_part, is_item_type, joined_text, output_part, unwrap
from .replay import STAMP, answer_items
from .standard import as_sent

__all__ = ["conversation_items", "ephemeral", "ledger_entry", "lift_instructions", "to_items"]

MessageT = TypeVar("MessageT", bound=BaseMessage)

_EPHEMERAL: Final = "ephemeral"
_CALLERS: Final = frozenset({"user", "system", "developer"})
"""Roles of the messages that the caller writes."""


def ephemeral(message: MessageT) -> MessageT:
    """A copy of a message for one turn only, such as the time or what a search found: sent, and not to be saved.

        model.invoke([*state["messages"], ephemeral(HumanMessage("It is Friday."))])

    The next turn, whose messages lack it, still sends only what is new; the server keeps it until a turn sends
    everything. What is to be forgotten at once needs `chaining="never"`.
    """
    kwargs = {**message.additional_kwargs, STAMP: {**_marks(message), _EPHEMERAL: True}}
    return message.model_copy(update={"additional_kwargs": kwargs})


def lift_instructions(messages: Sequence[BaseMessage]) -> tuple[str | None, list[BaseMessage]]:
    """Split the leading system messages off, as the text of `instructions`.

    A leading system message that holds more than text stays in the conversation, and so do all behind it.
    """
    texts: list[str] = []
    for message in messages:
        text = joined_text(message.content) if role_of(message) == "system" else None
        if text is None:
            break
        texts.append(text)
    return "\n\n".join(filter(None, texts)) or None, list(messages[len(texts) :])


def ledger_entry(message: BaseMessage) -> Entry:
    """What the ledger keeps of a message; made of every message on every turn."""
    stamp = message.response_metadata.get(STAMP)
    if stamp is not None and type(stamp) is not dict and not isinstance(stamp, Mapping):
        stamp = None
    marked = STAMP in message.additional_kwargs and _marks(message).get(_EPHEMERAL) is True
    said = as_sent(message) if isinstance(message, AIMessage) else message
    return Entry(fingerprint(said), stamp, role_of(message) in _CALLERS, marked)


def _marks(message: BaseMessage) -> Mapping[str, Any]:
    found = message.additional_kwargs.get(STAMP)
    return found if isinstance(found, Mapping) else {}


def conversation_items(messages: Sequence[BaseMessage], start: int = 0) -> list[list[Item]]:
    """The items of each message from `start` on; earlier messages only say which calls were custom ones."""
    sent = messages[start:]
    custom: set[str] = set()
    if any(isinstance(message, ToolMessage) for message in sent):
        custom = {call_id for message in messages for call_id in _custom_call_ids(message)}
    return [to_items(message, custom_calls=custom) for message in sent]


def to_items(message: BaseMessage, *, custom_calls: Iterable[str] = ()) -> list[Item]:
    """The wire items of one message.

    Args:
        message: Any LangChain message; an AIMessage may come from any provider.
        custom_calls: Ids of calls to custom tools, whose outputs have a type of their own.

    Raises:
        ConfigurationError: The message holds something that the Responses API cannot express.
    """
    if isinstance(message, AIMessage):
        return answer_items(message)
    if isinstance(message, ToolMessage):
        return [_tool_output(message, custom_calls)]
    role = role_of(message)
    if role == "assistant":
        return answer_items(AIMessage(message.content))
    if role not in _CALLERS:
        raise ConfigurationError(
            f"a {type(message).__name__} cannot be sent to a Responses server:"
            " use user, system, developer, assistant and tool messages"
        )
    if isinstance(message.content, str):
        return [{"type": "message", "role": role, "content": message.content}]
    items: list[Item] = []
    parts: list[Item] = []
    for block in message.content:
        value = unwrap(block)
        if isinstance(value, dict) and is_item_type(value.get("type")):
            items.append(value)
        else:
            parts.append(input_part(value, where=f"a {role} message"))
    if parts:
        items.insert(0, {"type": "message", "role": role, "content": parts})
    return items


def _custom_call_ids(message: BaseMessage) -> Iterator[str]:
    if isinstance(message, AIMessage) and isinstance(message.content, list):
        for block in map(unwrap, message.content):
            if isinstance(block, dict) and block.get("type") == "custom_tool_call":
                yield block.get("call_id", "")


def _tool_output(message: ToolMessage, custom_calls: Iterable[str]) -> Item:
    call_id = message.tool_call_id
    content = message.content
    special = message.additional_kwargs.get("type")
    if isinstance(content, list):
        for block in content:
            value = unwrap(block)
            if isinstance(value, dict) and str(value.get("type")).endswith("_output"):
                # The output of a local shell has no call_id, but the id of its call.
                answered = {"call_id": call_id} if call_id else {}
                return answered | without_index(value)
        if (
            special == "computer_call_output"
        ):  # ChatOpenAI's way: one image, flagged in additional_kwargs
            part = input_part(content[0], where="a computer call output")
            return {
                "type": special,
                "call_id": call_id,
                "output": {**part, "type": "computer_screenshot"},
            }
    text = joined_text(content)
    return {
        "type": "custom_tool_call_output" if call_id in custom_calls else "function_call_output",
        "call_id": call_id,
        "output": text if text is not None else [output_part(block) for block in content],
    }
