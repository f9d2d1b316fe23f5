"""A function's parameters as one Pydantic model: the schema the model sees, and the way back into a call."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from ..errors import ToolConversionError
from .injections import fill
from .pydantic_schema import explain, json_schema_of
from .source import InvalidArgumentsError, ToolContext

__all__ = ["Arguments", "Injection", "Parameter"]

Injection = Literal["context", "graph", "value"]
"""What fills in a parameter: the `ToolContext`, what LangGraph would take from it, or the bare context value."""

_EMPTY: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a tool.

    Attributes:
        name: As the function calls it.
        annotation: Its type, with its description.
        default: Its default, or `inspect.Parameter.empty`.
        optional: It may be left out although it has no default.
        injected: The model never sees it, and this is what it gets.
        holder: The `**name` it belongs to.
    """

    name: str
    annotation: Any
    default: Any = _EMPTY
    optional: bool = False
    injected: Injection | None = None
    holder: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it stands for keywords that are not known beforehand."""
        return self.holder == self.name


class Arguments:
    """The parameters of one function; model fields have names of their own, so any parameter name works."""

    def __init__(
        self, tool: str, signature: inspect.Signature, parameters: list[Parameter]
    ) -> None:
        self._tool = tool
        self._signature = signature
        self._injected = [p for p in parameters if p.injected]
        shown = [p for p in parameters if not p.injected]
        self._fields = {f"p{index}": parameter for index, parameter in enumerate(shown)}
        self._open = next((p.name for p in shown if p.is_open), None)

    @cached_property
    def _model(self) -> type[BaseModel]:
        # No further configuration: nested typed dicts and dataclasses would inherit it.
        config = ConfigDict(protected_namespaces=())
        fields: dict[str, Any] = {name: _field(p) for name, p in self._fields.items()}
        try:
            return create_model(self._tool, __config__=config, **fields)
        except (PydanticUserError, NameError) as error:
            raise ToolConversionError(f"{self._tool}: {str(error).partition(chr(10))[0]}") from None

    @cached_property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments.

        Raises:
            ToolConversionError: A parameter has no JSON form.
        """
        schema = json_schema_of(self._model, self._tool)
        schema["additionalProperties"] = False
        if self._open is not None:
            keywords = schema["properties"].pop(self._open)
            schema["additionalProperties"] = keywords["additionalProperties"]
        return schema

    def bind(self, given: dict[str, Any], context: ToolContext[Any]) -> inspect.BoundArguments:
        """The call's arguments, validated, with defaults and what the context fills in.

        Raises:
            InvalidArgumentsError: They do not fit.
        """
        names = {p.name for p in self._fields.values() if not p.is_open}
        unknown = {name: value for name, value in given.items() if name not in names}
        if unknown:
            if self._open is None:
                raise InvalidArgumentsError(f"{', '.join(unknown)}: there is no such argument")
            given = {**given, self._open: unknown}
        try:
            model = self._model.model_validate_json(json.dumps(given))
        except ValidationError as error:
            raise InvalidArgumentsError(explain(error)) from None
        bound = self._signature.bind_partial()
        bound.apply_defaults()
        for field, parameter in self._fields.items():
            if field not in model.model_fields_set and not isinstance(parameter.default, FieldInfo):
                continue
            value = getattr(model, field)
            if parameter.is_open:
                bound.arguments[parameter.name].update(value)
            elif parameter.holder is not None:
                bound.arguments[parameter.holder][parameter.name] = value
            else:
                bound.arguments[parameter.name] = value
        for parameter in self._injected:
            bound.arguments[parameter.name] = self._fill(parameter, context)
        return bound

    def _fill(self, parameter: Parameter, context: ToolContext[Any]) -> Any:
        if parameter.injected == "context":
            return context
        if parameter.injected == "value":
            return context.value
        try:
            return fill(parameter.name, parameter.annotation, context)
        except ToolConversionError:
            if parameter.default is _EMPTY:
                raise
            return parameter.default


def _field(parameter: Parameter) -> tuple[Any, Any]:
    annotation, default = parameter.annotation, parameter.default
    if isinstance(default, FieldInfo):  # limit: int = Field(10, ge=1)
        return Annotated[annotation, default], Field(alias=parameter.name)
    if default is not _EMPTY:
        return annotation, Field(default=default, alias=parameter.name)
    if parameter.optional:
        return annotation, Field(default_factory=lambda: None, alias=parameter.name)
    return annotation, Field(alias=parameter.name)
