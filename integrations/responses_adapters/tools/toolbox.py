"""A set of tools: what to send, how to read the calls that come back, and how to answer them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ToolConversionError
from ..profiles import ServerProfile
from .approval import Approve
from .calls import function_calls
from .choice import ChoiceMode, choose, restrict
from .execute import Executor, OnError
from .handlers import run_handler
from .json_schema import Strictness
from .names import distinct_name
from .namespace import Namespace, members
from .running import run_blocking
from .source import InvalidArgumentsError
from .tool import Tool, make_tools, parse_arguments

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from pydantic_ai import Tool as PydanticAITool

__all__ = ["DecodedCall", "Toolbox"]


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """A function call in the user's own terms.

    Attributes:
        name: The tool's own name; the wire name where the toolbox does not know it.
        arguments: The tool's own arguments; `None` where what the model wrote is not a JSON object.
        error: What is wrong with it then, in words for the model.
    """

    name: str
    arguments: dict[str, Any] | None
    error: str | None = None


class Toolbox:
    """Tools of any kind, converted once, with everything that a tool loop needs.

    Args:
        tools: What `to_responses_tool` takes, in any mixture; also a `Namespace`, and toolsets and documents that
            hold several tools.
        handlers: Functions for tools that are only definitions, by the tool's own name.
        strict: See `to_responses_tool`; holds for each tool that does not say itself.
        max_parallel: How many calls run at once.
        timeout: Seconds that one call may take; `None` for no limit. A blocking tool's thread cannot be stopped
            and runs on, its result is dropped.
        max_output_chars: Characters of text that one output may have; the rest is cut with a note.
        on_error: Chooses the words that the model reads for a failure. Without it the model learns the type of an
            exception, never its message, which may hold secrets; a `ToolError` speaks for itself.
        approve: Asked before each call, also of the tools that `to_langchain` and `to_pydantic_ai` hand on; see
            `Approve`. Without it, a tool that says it needs approval (PydanticAI's `requires_approval`,
            openai-agents' `needs_approval`) is declined.

    Raises:
        ToolConversionError: Something is no tool, or a handler has no tool.
        NotStrictError: `strict=True`, and a tool has no faithful strict form.
    """

    def __init__(
        self,
        tools: Iterable[Any],
        *,
        handlers: Mapping[str, Callable[..., Any]] | None = None,
        strict: Strictness = "auto",
        max_parallel: int = 8,
        timeout: float | None = None,
        max_output_chars: int = 50_000,
        on_error: OnError | None = None,
        approve: Approve | None = None,
    ) -> None:
        if max_parallel < 1:
            raise ToolConversionError(f"max_parallel={max_parallel}: at least one call must run")
        self._handlers = dict(handlers or {})
        self._entries: list[Tool | Namespace | dict[str, Any]] = []
        self._tools: dict[str, Tool] = {}
        for given in tools:
            self._add(given, strict)
        self._by_any_name = dict(self._tools)
        for tool in self:
            self._by_any_name.setdefault(tool.name, tool)
        for tool in self:
            self._by_any_name.setdefault(tool.original_name, tool)
        own_names = [tool.original_name for tool in self]
        unknown = self._handlers.keys() - set(own_names)
        if unknown:
            raise ToolConversionError(
                f"handlers for tools that are not here: {', '.join(sorted(unknown))};"
                f" the tools are {', '.join(own_names) or 'none'}"
            )
        self._approve = approve
        self._executor = Executor(
            find=self.get,
            names=lambda: list(self._tools),
            max_parallel=max_parallel,
            timeout=timeout,
            max_output_chars=max_output_chars,
            on_error=on_error,
            approve=approve,
        )

    def _add(self, given: Any, strict: Strictness) -> None:
        if isinstance(given, Namespace):
            self._entries.append(given)
            self._add_members(given.name, given.tools)
            return
        for made in make_tools(given, strict=strict):
            if isinstance(made, Tool):
                self._add_tool(made)
                continue
            self._entries.append(made)
            if made.get("type") == "namespace":
                self._add_members(str(made.get("name")), members(made))

    def _add_members(self, namespace: str, tools: Iterable[Tool]) -> None:
        for tool in tools:
            self._tools[f"{namespace}.{tool.name}"] = self._with_handler(tool)

    def _add_tool(self, tool: Tool) -> None:
        content = _content(tool)
        while (known := self._tools.get(tool.name)) is not None:
            if _is_same(tool, known):
                return
            tool = dataclasses.replace(tool, name=distinct_name(tool.original_name, content))
            content += "+"
        tool = self._with_handler(tool)
        self._tools[tool.name] = tool
        self._entries.append(tool)

    def _with_handler(self, tool: Tool) -> Tool:
        handler = self._handlers.get(tool.original_name)
        return tool if handler is None else run_handler(tool, handler)

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The `tools` of a request, in the order given; hosted tools as they were. New dicts each time."""
        return [dict(e) if isinstance(e, dict) else e.definition() for e in self._entries]

    def get(self, name: str) -> Tool | None:
        """A function tool by its wire name, `namespace.name` in a namespace, else by its own name."""
        return self._by_any_name.get(name)

    def __getitem__(self, name: str) -> Tool:
        tool = self.get(name)
        if tool is None:
            raise KeyError(
                f"there is no tool {name!r}; the tools are {', '.join(self._tools) or 'none'}"
            )
        return tool

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def decode_call(self, name: str, arguments: Any) -> DecodedCall:
        """A function call as the user's own code knows it.

        Args:
            name: The name on the wire.
            arguments: What the model wrote: JSON text, `None` or empty for no arguments.
        """
        tool = self.get(name)
        own_name = tool.original_name if tool else name
        try:
            parsed = parse_arguments(arguments)
        except InvalidArgumentsError as error:
            return DecodedCall(own_name, None, str(error))
        return DecodedCall(own_name, tool.decode(parsed) if tool else parsed)

    def tool_choice(
        self, choice: str | Sequence[str], *, mode: ChoiceMode = "auto"
    ) -> str | dict[str, Any]:
        """The `tool_choice` of a request.

        Args:
            choice: `"auto"`, `"none"`, `"required"`, one tool by name (a hosted one by its type), or several, of
                which the model may call any.
            mode: `"required"`: one of several must be called.

        Raises:
            ToolConversionError: There is no such tool.
        """
        return choose(self.definitions, self._wire_names(choice), mode)

    def request(
        self,
        choice: str | Sequence[str] = "auto",
        *,
        mode: ChoiceMode = "auto",
        server: ServerProfile | None = None,
    ) -> dict[str, Any]:
        """`tools` and `tool_choice` of a request together.

        Args:
            choice: As for `tool_choice`.
            mode: As for `tool_choice`.
            server: Where its profile says that a selection is not enforced, only the selected tools are sent.
        """
        return restrict(self.definitions, self._wire_names(choice), mode, server)

    def _wire_names(self, choice: str | Sequence[str]) -> str | list[str]:
        if isinstance(choice, str):
            tool = self.get(choice)
            return tool.name if tool else choice
        return [tool.name if (tool := self.get(name)) else name for name in choice]

    def to_langchain(self) -> list[BaseTool]:
        """The tools as LangChain tools under their own names, for an unchanged `ToolNode`.

        Raises:
            ToolConversionError: A tool has no function here, or needs approval and there is no `approve=`.
        """
        from . import langchain

        return [
            langchain.to_langchain(tool, name, self._approve) for name, tool in self._tools.items()
        ]

    def to_pydantic_ai(self) -> list[PydanticAITool[Any]]:
        """The tools as PydanticAI tools that show the wire schema and decode inside.

        A tool that needs approval waits for the agent's own (`DeferredToolRequests`) where there is no `approve=`.

        Raises:
            ToolConversionError: A tool has no function here.
        """
        from . import pydantic_ai

        return [
            pydantic_ai.to_pydantic_ai(tool, name, self._approve)
            for name, tool in self._tools.items()
        ]

    async def execute(self, output: Iterable[Any], *, context: Any = None) -> list[dict[str, Any]]:
        """Run the function calls of a response and answer each one; nothing a tool does raises from here.

        Args:
            output: `response.output`, as dicts or the SDK's objects; other items are passed over.
            context: Handed to the tools that ask for it (`ToolContext`, a framework's own context).

        Returns:
            One `function_call_output` for each call, in the order of the calls: the input of the next turn.
        """
        return await self._executor.run(function_calls(output), context)

    def execute_sync(self, output: Iterable[Any], *, context: Any = None) -> list[dict[str, Any]]:
        """`execute` for synchronous code; also works where an event loop is running in this thread."""
        calls = function_calls(output)
        outputs: list[dict[str, Any]] = run_blocking(lambda: self._executor.run(calls, context))
        return outputs


def _content(tool: Tool) -> str:
    return json.dumps([tool.description, tool.wire.parameters])


def _is_same(tool: Tool, known: Tool) -> bool:
    """Whether a tool was given twice; two functions that only look alike are two tools."""
    if tool.source.run is None:
        return _content(tool) == _content(known)
    origin = tool.source.origin
    return tool.source is known.source or (origin is not None and origin is known.source.origin)
