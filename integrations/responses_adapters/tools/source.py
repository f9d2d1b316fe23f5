"""What every kind of tool is read into: a name, a description, a schema of any dialect, and a way to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

__all__ = ["InvalidArgumentsError", "Run", "Source", "ToolContext"]

ContextT = TypeVar("ContextT")


@dataclass(frozen=True, slots=True)
class ToolContext(Generic[ContextT]):
    """What a tool may know of its call; a parameter annotated with it is filled in and never shown to the model.

    Attributes:
        value: What `Toolbox.execute(..., context=...)` was given.
        call_id: The call's id.
        name: The tool's own name.
        approved: Whether somebody was asked for this call, and agreed.
    """

    value: ContextT
    call_id: str = ""
    name: str = ""
    approved: bool = False


Run = Callable[[dict[str, Any], ToolContext[Any]], Any]
"""Validates decoded arguments and runs the tool; returns its result, or an awaitable of it."""


class InvalidArgumentsError(Exception):
    """The arguments do not fit the tool; `str()` tells the model what to correct."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A tool of any kind, read.

    Attributes:
        name: Its own name, which servers may not take.
        description: What it does, for the model; empty where unknown.
        schema: JSON Schema of its arguments, in any dialect.
        run: How to run it; `None` where only its definition is known.
        is_async: Whether `run` returns at once with an awaitable; otherwise it may block and runs in a thread.
        is_type: Whether `run` validates and gives back the object, as a type's tool does.
        needs_approval: Whether the tool itself says that it must not run unasked.
        strict: What the tool itself says of strict mode; `None` where it says nothing.
        redescribed: The description was given by the caller, and replaces what the schema says too.
        origin: The foreign tool it was read from, where going back to it is worth more than wrapping it.
        extra: Fields of the definition that this package does not know and passes on.
    """

    name: str
    description: str = ""
    schema: Any = None
    run: Run | None = None
    is_async: bool = False
    is_type: bool = False
    needs_approval: bool = False
    strict: bool | None = None
    redescribed: bool = False
    origin: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
