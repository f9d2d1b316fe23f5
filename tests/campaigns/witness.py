"""A model that testifies to what it has read, and the check of its testimony against the local conversation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from responses_adapters.testing import Context, Turn

__all__ = ["book", "flaws", "graph_texts", "history_texts", "question", "witness"]

_TESTIMONY = "I have read "


def question(thread: int, turn: int) -> str:
    """What the user says on a turn; every third time it takes a tool to answer."""
    wish = "book a room" if turn % 3 == 1 else "tell me more"
    return f"Thread {thread}, turn {turn}: {wish}."


def book(room: str) -> str:
    """Book a room."""
    return f"Booked, {room}."


def witness(context: Context) -> Turn:
    """Calls `book` where it is asked to; else says how many texts it has read, and their digest."""
    if "book a room" in context.user_text and not context.answered:
        return Turn().call_tool("book", room=context.user_text.partition(":")[0])
    return Turn().reply(_testimony(context.texts))


def _testimony(texts: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    return f"{_TESTIMONY}{len(texts)}: {digest}"


def flaws(thread: int, turns: int, texts: Sequence[str]) -> list[str]:
    """What is wrong with a conversation: turns that are missing, and answers to something else than stands there.

    Args:
        thread: Its number.
        turns: How many turns it has to have.
        texts: Its texts, oldest first.
    """
    found = []
    said = [text for text in texts if text.startswith("Thread ")]
    if said != [question(thread, turn) for turn in range(turns)]:
        found.append(f"thread {thread}: the user said {said}")
    answers = [index for index, text in enumerate(texts) if text.startswith(_TESTIMONY)]
    if len(answers) != turns:
        found.append(f"thread {thread}: {len(answers)} answers to {turns} turns")
    expected = {index: _testimony(texts[:index]) for index in answers}
    found += [
        f"thread {thread}: {texts[index]!r}, where {text!r} was to be"
        for index, text in expected.items()
        if texts[index] != text
    ]
    return found


def graph_texts(messages: Iterable[Any]) -> list[str]:
    """The texts of a graph's messages, as the model reads them."""
    texts = []
    for message in messages:
        calls = [_call(each["name"], each["args"]) for each in getattr(message, "tool_calls", ())]
        texts += [text for text in (message.text, *calls) if text]
    return texts


def history_texts(history: Iterable[Any]) -> list[str]:
    """The texts of a PydanticAI history, as the model reads them."""
    texts = []
    for part in (part for message in history for part in message.parts):
        if part.part_kind == "tool-call":
            texts.append(_call(part.tool_name, part.args_as_dict()))
        elif part.part_kind != "thinking":
            texts.append(str(part.content))
    return [text for text in texts if text]


def _call(name: str, arguments: Any) -> str:
    return f"{name}({json.dumps(arguments, separators=(',', ':'))})"
