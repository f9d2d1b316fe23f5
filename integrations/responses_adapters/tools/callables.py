"""Functions, methods, partials and callable objects as tools."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import Field
from pydantic.fields import FieldInfo

from ..errors import ToolConversionError
from .arguments import Arguments, Injection, Parameter
from .docstrings import describe_parameters
from .source import Source, ToolContext

__all__ = ["injected_parameters", "is_async_callable", "is_injected", "read_callable"]

_INJECTED: Final[dict[tuple[str, str], Injection]] = {
    ("langchain_core", "InjectedToolArg"): "graph",
    ("langchain_core", "RunnableConfig"): "graph",
    ("langchain_core", "_DirectlyInjectedToolArg"): "graph",
    ("langgraph", "ToolRuntime"): "graph",
    ("pydantic_ai", "RunContext"): "value",
    ("agents", "RunContextWrapper"): "value",
    ("mcp", "Context"): "value",
    ("fastmcp", "Context"): "value",
}
"""Parameter types that a framework fills in, top-level package and class, and what they get."""


def read_callable(function: Callable[..., Any]) -> Source:
    """Read a callable: its signature becomes the schema, its docstring the descriptions.

    Raises:
        ToolConversionError: It has no signature, or a parameter has no JSON form.
    """
    target = _Target.of(function)
    prose, described = describe_parameters(target.documented)
    arguments = Arguments(target.name, target.signature, list(_parameters(target, described)))
    return Source(
        name=target.name,
        description=prose,
        schema=arguments.json_schema,
        run=functools.partial(_run, function, arguments),
        is_async=is_async_callable(function),
    )


def is_async_callable(function: Any) -> bool:
    """Whether calling it returns a coroutine or an asynchronous generator; partials, methods and objects included."""
    while isinstance(function, functools.partial):
        function = function.func
    call = function if inspect.isroutine(function) else type(function).__call__
    call = inspect.unwrap(call)
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)


def _run(
    function: Callable[..., Any],
    arguments: Arguments,
    given: dict[str, Any],
    context: ToolContext[Any],
) -> Any:
    bound = arguments.bind(given, context)
    return function(*bound.args, **bound.kwargs)


@dataclass(frozen=True, slots=True)
class _Target:
    """The function behind a callable, and what to leave out of its signature."""

    name: str
    signature: inspect.Signature
    hints: dict[str, Any]
    documented: Any

    @classmethod
    def of(cls, function: Callable[..., Any]) -> _Target:
        inner: Any = function
        bound: set[str] = set()
        while isinstance(inner, functools.partial):
            bound |= inner.keywords.keys()
            inner = inner.func
        if not inspect.isroutine(inner) and not inspect.isclass(inner):
            annotated = type(inner).__call__
            name = type(inner).__name__
            documented = annotated if annotated.__doc__ else inner
        else:
            annotated, name, documented = inner, inner.__name__, inner
        try:
            signature = inspect.signature(function)
        except (ValueError, TypeError):
            raise ToolConversionError(
                f"{name} has no signature that Python can read; wrap it in a function with annotations"
            ) from None
        kept = [p for p in signature.parameters.values() if p.name not in bound]
        if (
            kept
            and kept[0].name in ("self", "cls")
            and kept[0].annotation is inspect.Parameter.empty
        ):
            raise ToolConversionError(
                f"{name} is not bound to an object; pass the method of an instance"
            )
        return cls(name, signature.replace(parameters=kept), _hints(annotated, name), documented)


def _hints(function: Any, name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        pass
    except TypeError:
        return {}
    # One name that cannot be resolved (often only the return type's) must not hide the others.
    unwrapped = inspect.unwrap(function)
    scope = {**vars(sys.modules.get(unwrapped.__module__, typing)), **_closure(unwrapped)}
    hints: dict[str, Any] = {}
    for parameter, annotation in getattr(unwrapped, "__annotations__", {}).items():
        try:
            holder = type("holder", (), {"__annotations__": {parameter: annotation}})
            hints |= typing.get_type_hints(holder, scope, include_extras=True)
        except NameError as error:
            if parameter != "return":
                raise ToolConversionError(
                    f"{name}({parameter}: {annotation}): {error}; import the type outside TYPE_CHECKING and at module level"
                ) from None
    return hints


def _closure(function: Any) -> dict[str, Any]:
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


def _parameters(target: _Target, described: dict[str, str]) -> Iterator[Parameter]:
    for parameter in target.signature.parameters.values():
        name, kind = parameter.name, parameter.kind
        annotation = target.hints.get(name, Any)
        if kind is parameter.VAR_KEYWORD and _form(annotation) == "Unpack":
            yield from _unpacked(name, get_args(annotation)[0], described)
            continue
        bare = get_origin(_bare(annotation)) or _bare(annotation)
        injected: Injection | None = "context" if bare is ToolContext else _injected(annotation)
        if injected is not None:
            yield Parameter(name, annotation, default=parameter.default, injected=injected)
            continue
        if kind is parameter.VAR_KEYWORD:
            annotation = types.GenericAlias(dict, (str, annotation))
        if kind is parameter.VAR_POSITIONAL:
            annotation = types.GenericAlias(list, (annotation,))
        yield Parameter(
            name,
            _documented(annotation, described.get(name)),
            default=parameter.default,
            optional=kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD),
            holder=name if kind is parameter.VAR_KEYWORD else None,
        )


def _unpacked(holder: str, options: Any, described: dict[str, str]) -> Iterator[Parameter]:
    """`**options: Unpack[Options]` names its keywords."""
    for name, annotation in typing.get_type_hints(options, include_extras=True).items():
        form = _form(annotation)  # postponed annotations hide it from __required_keys__
        optional = form == "NotRequired" or (not form and name not in options.__required_keys__)
        if form in ("Required", "NotRequired"):
            (annotation,) = get_args(annotation)
        annotation = _documented(annotation, described.get(name))
        yield Parameter(name, annotation, optional=optional, holder=holder)


def _form(annotation: Any) -> str | None:
    """The name of a special form; typing and typing_extensions may each have their own."""
    return getattr(get_origin(annotation), "_name", None)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def injected_parameters(function: Any) -> dict[str, Any]:
    """The parameters of a function that a framework fills in, with their annotations."""
    try:
        hints = _hints(function, getattr(function, "__name__", "the tool"))
    except ToolConversionError:
        return {}
    return {name: hint for name, hint in hints.items() if name != "return" and is_injected(hint)}


def is_injected(annotation: Any) -> bool:
    """Whether a framework fills in parameters of this type, so that the model must not see them."""
    return _injected(annotation) is not None


def _injected(annotation: Any) -> Injection | None:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return next((found for each in get_args(annotation) if (found := _injected(each))), None)
    metadata = getattr(annotation, "__metadata__", ())
    for candidate in (_bare(annotation), *metadata):
        kind = get_origin(candidate) or candidate
        kind = kind if isinstance(kind, type) else type(kind)
        for base in kind.__mro__:
            found = _INJECTED.get((base.__module__.partition(".")[0], base.__name__))
            if found is not None:
                return found
    return None


def _documented(annotation: Any, description: str | None) -> Any:
    """`annotation` with a description: its own field's, else its own text, else the docstring's."""
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, FieldInfo) and item.description:
            return annotation
        own = item if isinstance(item, str) else getattr(item, "documentation", None)
        if isinstance(own, str):
            description = own
            break
    return Annotated[annotation, Field(description=description)] if description else annotation
