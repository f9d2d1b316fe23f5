"""What `$ref` names inside one schema document: JSON pointers, `$id`, `$anchor`, and their older spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

from ...errors import ToolConversionError

__all__ = ["References", "Resource"]

_ID_DRAFT: Final = re.compile(r"json-schema\.org/draft-0[34]/")

_NOT_SCHEMAS: Final = frozenset({"enum", "const", "default", "example", "examples", "required"})
_NAMED_SCHEMAS: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions", "dependencies"}
)


@dataclass(frozen=True, slots=True)
class Resource:
    """The part of a document that a `$id` makes a document of its own."""

    node: Any
    uri: str


class References:
    """Gives every referenced node one name under `$defs`, and hands the nodes out to be read.

    Attributes:
        pending: `(name, node, resource)` of each definition that was named and not read yet.
    """

    def __init__(self, document: Any, dialect: str) -> None:
        self._document = document
        self._id = "id" if _ID_DRAFT.search(dialect) else "$id"
        self._names: dict[int, str] = {}
        self._taken: dict[str, int] = {}
        self._index: dict[str, Resource] | None = None
        self.pending: list[tuple[str, Any, Resource]] = []

    def enter(self, raw: dict[str, Any], home: Resource) -> Resource:
        """The resource that `raw` lies in, given the one around it."""
        own = raw.get(self._id)
        if not isinstance(own, str) or own.startswith("#"):
            return home
        return Resource(raw, urljoin(home.uri, own.rstrip("#")))

    def name(self, ref: str, at: str, home: Resource) -> str:
        """The canonical form of a reference: `#`, or `#/$defs/<name>`."""
        target, target_home, label = self._find(ref, at, home)
        if target is self._document:
            return "#"
        name = self._names.get(id(target))
        if name is None:
            name = self._names[id(target)] = self._new_name(label)
            self.pending.append((name, target, target_home))
        return f"#/$defs/{name}"

    def _new_name(self, label: str) -> str:
        clean = re.sub(r"[^a-zA-Z0-9_-]+", "_", label).strip("_") or "schema"
        count = self._taken[clean] = self._taken.get(clean, 0) + 1
        if count == 1:
            return clean
        return self._new_name(f"{clean}_{count}")

    def _find(self, ref: str, at: str, home: Resource) -> tuple[Any, Resource, str]:
        address, fragment = urldefrag(ref)
        fragment = unquote(fragment)
        if address:
            found = self._resources().get(urljoin(home.uri, address))
            if found is None:
                raise ToolConversionError(
                    f"{at or '#'}: $ref {ref!r} lies outside the schema and is not fetched;"
                    " put the definition under $defs"
                )
            home = found
        label = (fragment or address).rstrip("/").rsplit("/", 1)[-1]
        if fragment and not fragment.startswith("/"):
            anchor = self._resources().get(f"{home.uri}#{fragment}")
            if anchor is None:
                raise ToolConversionError(f"{at or '#'}: no $anchor answers to $ref {ref!r}")
            return anchor.node, home, label
        node = home.node
        for token in fragment.split("/")[1:]:
            token = token.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and token in node:
                node = node[token]
            elif isinstance(node, list) and token.isdecimal() and int(token) < len(node):
                node = node[int(token)]
            else:
                raise ToolConversionError(f"{at or '#'}: nothing answers to $ref {ref!r}")
        return node, home, label

    def _resources(self) -> dict[str, Resource]:
        """Every `$id` and `$anchor` of the document; built for the first reference that needs it."""
        if self._index is None:
            self._index = {}
            self._collect(self._document, Resource(self._document, ""), self._index)
        return self._index

    def _collect(self, raw: Any, home: Resource, index: dict[str, Resource]) -> None:
        if isinstance(raw, list):
            for item in raw:
                self._collect(item, home, index)
        if not isinstance(raw, dict):
            return
        own = raw.get(self._id)
        if isinstance(own, str):
            home = self.enter(raw, home)
            index[home.uri + own if own.startswith("#") else home.uri] = Resource(raw, home.uri)
        for key in ("$anchor", "$dynamicAnchor"):
            if isinstance(raw.get(key), str):
                index[f"{home.uri}#{raw[key]}"] = Resource(raw, home.uri)
        for key, value in raw.items():
            if key in _NAMED_SCHEMAS and isinstance(value, dict):
                for child in value.values():
                    self._collect(child, home, index)
            elif key not in _NOT_SCHEMAS:
                self._collect(value, home, index)
