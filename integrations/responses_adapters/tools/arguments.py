"""A function's parameters as one Pydantic model: the schema the model sees, and the way back into a call."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from ..errors import ToolConversionError
from .pydantic_schema import explain, json_schema_of
from .source import InvalidArgumentsError, ToolContext

__all__ = ["Arguments", "Parameter"]

_EMPTY: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a tool.

    Attributes:
        name: As the function calls it.
        annotation: Its type, with its description.
        default: Its default, or `inspect.Parameter.empty`.
        optional: It may be left out although it has no default.
        injected: The model never sees it: it gets the `ToolContext`, or the bare context value.
        holder: The `**name` it belongs to.
    """

    name: str
    annotation: Any
    default: Any = _EMPTY
    optional: bool = False
    injected: Literal["context", "value"] | None = None
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
        self._open = next((p for p in parameters if p.is_open), None)
        shown = [p for p in parameters if not p.injected and not p.is_open]
        self._fields = {f"p{index}": parameter for index, parameter in enumerate(shown)}

    @cached_property
    def _model(self) -> type[BaseModel]:
        config = ConfigDict(extra="forbid", protected_namespaces=())
        base = BaseModel if self._open is None else _open_model(self._open.annotation)
        fields: dict[str, Any] = {name: _field(p) for name, p in self._fields.items()}
        try:
            if base is BaseModel:
                return create_model(self._tool, __config__=config, **fields)
            return create_model(self._tool, __base__=base, **fields)
        except (PydanticUserError, NameError) as error:
            raise ToolConversionError(f"{self._tool}: {str(error).partition(chr(10))[0]}") from None

    @cached_property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments.

        Raises:
            ToolConversionError: A parameter has no JSON form.
        """
        return json_schema_of(self._model, self._tool)

    def bind(self, given: dict[str, Any], context: ToolContext[Any]) -> inspect.BoundArguments:
        """The call's arguments, validated, with defaults and what the context fills in.

        Raises:
            InvalidArgumentsError: They do not fit, or a framework's parameter cannot be filled here.
        """
        try:
            model = self._model.model_validate_json(json.dumps(given))
        except ValidationError as error:
            raise InvalidArgumentsError(explain(error)) from None
        bound = self._signature.bind_partial()
        bound.apply_defaults()
        for field, parameter in self._fields.items():
            if field in model.model_fields_set or isinstance(parameter.default, FieldInfo):
                target = bound.arguments
                if parameter.holder is not None:
                    target = bound.arguments[parameter.holder]
                target[parameter.name] = getattr(model, field)
        if self._open is not None:
            bound.arguments[self._open.name].update(model.model_extra or {})
        for parameter in self._injected:
            own = parameter.injected == "context"
            bound.arguments[parameter.name] = context if own else context.value
        return bound


def _field(parameter: Parameter) -> tuple[Any, Any]:
    if isinstance(parameter.default, FieldInfo):  # limit: int = Field(10, ge=1)
        field: Any = FieldInfo.merge_field_infos(parameter.default, alias=parameter.name)
    elif parameter.default is not _EMPTY:
        field = Field(default=parameter.default, alias=parameter.name)
    elif parameter.optional:
        field = Field(default_factory=lambda: None, alias=parameter.name)
    else:
        field = Field(alias=parameter.name)
    return parameter.annotation, field


def _open_model(annotation: Any) -> type[BaseModel]:
    """A model that takes any further keyword of one type."""
    return type(
        "Open",
        (BaseModel,),
        {
            "__module__": __name__,
            "__annotations__": {"__pydantic_extra__": dict[str, annotation]},
            "model_config": ConfigDict(extra="allow", protected_namespaces=()),
        },
    )
