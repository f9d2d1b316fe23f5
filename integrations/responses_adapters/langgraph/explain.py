"""What each turn of a thread sent, and why: read from the stamps that the answers carry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from .replay import STAMP

__all__ = ["SentTurn", "TurnTable", "aexplain_turns", "explain_turns"]


class SentTurn(NamedTuple):
    """One turn.

    Attributes:
        turn: Its number among the answers of the thread, from 1.
        chain: Whose conversation it belongs to.
        how: `"delta"`, `"replay"`, or `"recovered"` (a replay after the server had lost the conversation).
        why: The reason, for people.
        sent: Items of input.
        bytes: Bytes of all request bodies.
        input_tokens: As the server counted them, `None` if it did not.
        output_tokens: Visible ones.
        continuable: Whether a later turn may continue it.
        response_id: The response.
    """

    turn: int
    chain: str
    how: str
    why: str
    sent: int
    bytes: int
    input_tokens: int | None
    output_tokens: int | None
    continuable: bool
    response_id: str


class TurnTable(list[SentTurn]):
    """The turns of a thread, oldest first; as text, a table."""

    def __str__(self) -> str:
        head = tuple(SentTurn._fields)
        rows = [head, *(tuple(_cell(value) for value in turn) for turn in self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)


def explain_turns(
    graph: Any, config: RunnableConfig, *, messages_key: str = "messages"
) -> TurnTable:
    """A table of the turns of a thread, as its messages tell them.

        print(explain_turns(graph, {"configurable": {"thread_id": "1"}}))

    Args:
        graph: The compiled graph, with its checkpointer.
        config: The thread, or one checkpoint of it.
        messages_key: State key of the messages.
    """
    return _table(_messages(graph.get_state(config).values, messages_key))


async def aexplain_turns(
    graph: Any, config: RunnableConfig, *, messages_key: str = "messages"
) -> TurnTable:
    """`explain_turns` for graphs with an asynchronous checkpointer."""
    return _table(_messages((await graph.aget_state(config)).values, messages_key))


def _messages(values: Any, key: str) -> Sequence[Any]:
    found = values.get(key) if isinstance(values, dict) else getattr(values, key, None)
    return found or ()


def _table(messages: Iterable[Any]) -> TurnTable:
    table = TurnTable()
    number = 0
    for message in messages:
        if not isinstance(message, AIMessage):
            continue
        number += 1
        stamp = message.response_metadata.get(STAMP)
        if isinstance(stamp, dict):
            table.append(
                SentTurn(
                    turn=number,
                    chain=stamp.get("chain", ""),
                    how=stamp.get("how", ""),
                    why=stamp.get("why", ""),
                    sent=stamp.get("sent", 0),
                    bytes=stamp.get("bytes", 0),
                    input_tokens=stamp.get("input_tokens"),
                    output_tokens=stamp.get("output_tokens"),
                    continuable=stamp.get("anchor") is True,
                    response_id=stamp.get("id", ""),
                )
            )
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
