"""OpenAPI operations as tools: parameters and body become one object of arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..errors import ToolConversionError
from .source import Source

__all__ = ["is_openapi", "read_openapi"]

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_JSON_BODY: Final = re.compile(r"application/(?:[\w.+-]*\+)?json|\*/\*|application/\*")
_PARAMETER_KEYS: Final = ("type", "format", "items", "enum", "default", "minimum", "maximum")
"""Swagger 2 writes a parameter's schema into the parameter."""


_FLAT_KEYS: Final = frozenset(
    {"type", "properties", "required", "title", "description", "additionalProperties", "example"}
)
"""Keywords of a body that can be taken apart into arguments."""


def is_openapi(tool: Mapping[str, Any]) -> bool:
    """Whether a dict is an OpenAPI document, an operation, or `{path, method, operation, components}`."""
    return (
        isinstance(tool.get("operation"), Mapping)
        or isinstance(tool.get("paths"), Mapping)
        or "operationId" in tool
    )


def read_openapi(tool: Mapping[str, Any]) -> Iterator[Source]:
    """One tool for each operation.

    Raises:
        ToolConversionError: A reference leads nowhere, or two arguments of one operation share a name.
    """
    if isinstance(tool.get("paths"), Mapping):
        for path, item in tool["paths"].items():
            for method in _METHODS:
                if isinstance(item, Mapping) and isinstance(item.get(method), Mapping):
                    yield _Operation(tool, path, method, item[method], item).source()
    elif isinstance(tool.get("operation"), Mapping):
        path, method = str(tool.get("path", "")), str(tool.get("method", ""))
        yield _Operation(tool, path, method, tool["operation"], {}).source()
    else:
        yield _Operation(tool, "", "", tool, {}).source()


class _Operation:
    def __init__(
        self,
        document: Mapping[str, Any],
        path: str,
        method: str,
        operation: Mapping[str, Any],
        item: Mapping[str, Any],
    ) -> None:
        self._document = document
        self._operation = operation
        self._item = item
        self._name = operation.get("operationId") or f"{method} {path}".strip()
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []

    def source(self) -> Source:
        for parameter in self._parameters():
            self._add_parameter(parameter)
        if "requestBody" in self._operation:
            self._add_body(self._resolve(self._operation["requestBody"]))
        texts = (self._operation.get("summary"), self._operation.get("description"))
        return Source(
            name=self._name,
            description="\n\n".join(text for text in texts if isinstance(text, str)),
            schema={
                "type": "object",
                "properties": self._properties,
                "required": self._required,
                "components": self._document.get("components", {}),
                "definitions": self._document.get("definitions", {}),
                "parameters": self._document.get("parameters", {}),
            },
        )

    def _parameters(self) -> list[Mapping[str, Any]]:
        """The operation's parameters; its own replace the path's of the same name and place."""
        merged: dict[tuple[Any, Any], Mapping[str, Any]] = {}
        for raw in (*self._item.get("parameters", ()), *self._operation.get("parameters", ())):
            parameter = self._resolve(raw)
            merged[parameter.get("name"), parameter.get("in")] = parameter
        return list(merged.values())

    def _add_parameter(self, parameter: Mapping[str, Any]) -> None:
        if parameter.get("in") == "body":  # Swagger 2
            self._add_schema(parameter.get("schema"), required=parameter.get("required") is True)
            return
        schema = parameter.get("schema")
        if schema is None and isinstance(parameter.get("content"), Mapping):
            schema = next((c.get("schema") for c in parameter["content"].values()), None)
        if schema is None:
            schema = {key: parameter[key] for key in _PARAMETER_KEYS if key in parameter}
        about = {key: parameter[key] for key in ("description", "deprecated") if key in parameter}
        if about and isinstance(schema, Mapping):
            schema = {"allOf": [schema], **about} if "$ref" in schema else {**schema, **about}
        self._add(str(parameter.get("name")), schema, required=parameter.get("required") is True)

    def _add_body(self, body: Mapping[str, Any]) -> None:
        content = body.get("content", {})
        kind = next((k for k in content if _JSON_BODY.match(k)), next(iter(content), None))
        if kind is not None:
            schema = content[kind].get("schema")
            self._add_schema(schema, required=body.get("required") is True)

    def _add_schema(self, schema: Any, *, required: bool) -> None:
        """A body's properties stand beside the parameters where names allow, else the body is one argument."""
        shape = self._resolve(schema) if isinstance(schema, Mapping) else {}
        properties = shape.get("properties", {})
        is_flat = "properties" in shape and shape.keys() <= _FLAT_KEYS
        is_flat = is_flat and shape.get("additionalProperties", False) is False
        if not (is_flat and required) or properties.keys() & self._properties.keys():
            self._add("body", schema, required=required)
            return
        for name, child in properties.items():
            self._add(name, child, required=name in shape.get("required", ()))

    def _add(self, name: str, schema: Any, *, required: bool) -> None:
        if name in self._properties:
            raise ToolConversionError(f"{self._name}: two arguments are called {name!r}")
        self._properties[name] = {} if schema is None else schema
        if required:
            self._required.append(name)

    def _resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """The node itself, or the one that its `$ref` names in the document."""
        for _ in range(10):
            ref = node.get("$ref")
            if not isinstance(ref, str):
                return node
            found: Any = self._document
            for token in ref.removeprefix("#/").split("/"):
                token = token.replace("~1", "/").replace("~0", "~")
                found = found.get(token) if isinstance(found, Mapping) else None
            if not isinstance(found, Mapping):
                raise ToolConversionError(f"{self._name}: nothing answers to $ref {ref!r}")
            node = found
        raise ToolConversionError(f"{self._name}: references only name one another")
