"""JSON of a server into the SDK's own classes, without asking each value which of all classes it is.

The SDK holds an event against some sixty classes, and an item against twenty-five; `type` names the one. What comes
out is the same, also where the JSON does not fit: then the SDK takes what there is of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from openai import APIError
from openai.types import responses
from pydantic import BaseModel, ValidationError

__all__ = ["read_event", "read_response"]

Read: TypeAlias = Callable[[Any], Any]


def read_response(body: Mapping[str, Any]) -> responses.Response:
    """The response that `Response.construct(**body)` would make."""
    response: responses.Response = _built(responses.Response, body)
    return response


def read_event(data: Mapping[str, Any], request: Any) -> responses.ResponseStreamEvent:
    """The event that the SDK would make of the data of a frame.

    Args:
        data: The data.
        request: The HTTP request that it answers, for the error.

    Raises:
        APIError: The data is an error.
    """
    if error := data.get("error"):
        said = error.get("message") if isinstance(error, Mapping) else None
        message = said if said and isinstance(said, str) else "An error occurred during streaming"
        raise APIError(message, request=request, body=error)
    kind: type[BaseModel] = _EVENTS.get(str(data.get("type")), _OTHER)
    read = _built if "response" in data or "item" in data else _validated
    event: responses.ResponseStreamEvent = read(kind, data)
    return event


def _validated(kind: type[BaseModel], value: Any) -> Any:
    """The model, in one pass in C where the JSON fits."""
    try:
        return kind.model_validate(value)
    except ValidationError:
        return kind.construct(**value) if isinstance(value, Mapping) else value


def _built(kind: type[BaseModel], value: Any) -> Any:
    """The model, each of its parts read on its own: one that does not fit costs the others nothing."""
    if not isinstance(value, Mapping):
        return value
    blank, readers = _plan(kind)
    parts = dict(blank)
    for name, part in value.items():
        held = isinstance(part, dict) or (isinstance(part, list) and part)
        parts[name] = readers[name](part) if held and name in readers else part
    return _MAKE(kind, set(value), **parts)


@cache
def _plan(kind: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Read]]:
    """The fields of a model as they are when not given, and how the parts that are JSON objects or lists are read."""
    fields = kind.model_fields
    blank = {name: None if field.is_required() else field.default for name, field in fields.items()}
    return blank, {name: _reader(kind, name) for name in fields}


def _reader(kind: type[BaseModel], name: str) -> Read:
    def as_sdk(part: Any) -> Any:
        return getattr(kind.construct(**{name: part}), name)

    def each_as_sdk(part: Any) -> Any:
        return as_sdk([part])[0]

    members = _members(kind.model_fields[name].annotation)
    if len(members) == 1 and get_origin(members[0]) is list:
        read = _reader_of(_members(get_args(members[0])[0]), each_as_sdk)
        return lambda part: (
            [read(each) for each in part] if isinstance(part, list) else as_sdk(part)
        )
    return _reader_of(members, as_sdk)


def _reader_of(members: list[Any], as_sdk: Read) -> Read:
    """How a value of one of these types is read, by its `type` where there are several."""
    if len(members) == 1:
        [only] = members
        if isinstance(only, type) and issubclass(only, BaseModel):
            return partial(_built if only in _SELDOM_WHOLE else _validated, only)
        return _as_it_is if get_args(only) == (str, str) else as_sdk
    kinds = _by_type(members)

    def read(part: Any) -> Any:
        kind = kinds.get(str(part.get("type"))) if isinstance(part, Mapping) else None
        return as_sdk(part) if kind is None else _validated(kind, part)

    return read


def _as_it_is(part: Any) -> Any:
    return part


def _members(annotation: Any) -> list[Any]:
    """The types of a union, or the one type, without `None`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _members(arguments[0])
    if origin in (Union, UnionType):
        return [member for argument in arguments for member in _members(argument)]
    return [] if annotation is NoneType else [annotation]


def _by_type(members: Iterable[Any]) -> dict[str, type[BaseModel]]:
    """The models by what their `type` may be; where two claim the same, neither is in."""
    claims: dict[str, list[type[BaseModel]]] = {}
    for member in members:
        fields = getattr(member, "model_fields", {})
        annotation = fields["type"].annotation if "type" in fields else None
        for literal in _members(annotation):
            if get_origin(literal) is Literal:
                for name in get_args(literal):
                    claims.setdefault(name, []).append(member)
    return {name: kinds[0] for name, kinds in claims.items() if len(kinds) == 1}


_MAKE: Final = BaseModel.model_construct.__func__  # type: ignore[attr-defined]
"""Pydantic's own, which takes the parts as they are; the SDK's reads them again."""

_SELDOM_WHOLE: Final = (responses.Response, responses.ResponseUsage)
"""Models that want fields which many a server leaves out, so validating them is mostly in vain."""

_EVENTS: Final = _by_type(_members(responses.ResponseStreamEvent))
_OTHER: Final[type[BaseModel]] = _members(responses.ResponseStreamEvent)[0]
"""What the SDK makes of an event that it does not know."""
