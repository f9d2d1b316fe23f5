"""Arguments and structured answers out of plain text, by the JSON Schema that asks for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .context import Item

__all__ = ["fill"]

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_MONTH = "|".join(month[:3] + f"(?:{month[3:]})?" for month in _MONTHS)
_DATE = re.compile(
    rf"\b\d{{4}}-\d{{2}}-\d{{2}}\b|\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}})?"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTH})\b(?: \d{{4}})?"
    r"|\b(?:today|tomorrow|tonight|(?:next |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b\d{1,2}(?::\d{2})? ?(?:am|pm)\b|\b\d{1,2}:\d{2}\b|\bnoon\b|\bmidnight\b", re.I
)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w:-])")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)")
_NAME = r"[A-Z][\w-]*(?: [A-Z][\w-]*)*"
_FORMATS = {
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "uri": re.compile(r"https?://[^\s)>\"']+"),
}
_HINTS = {
    "email": "email", "mail": "email", "recipient": "email", "url": "uri", "uri": "uri",
    "link": "uri", "website": "uri", "date": "date", "day": "date", "time": "time", "hour": "time",
}  # fmt: skip
_PLACES = {"city", "location", "place", "country", "destination", "origin", "where", "from", "to"}
_MISSING: Any = object()


def fill(
    schema: Mapping[str, Any],
    text: str,
    *,
    memory: Mapping[str, Any] | None = None,
    year: int = 2026,
) -> Any:
    """An instance of `schema` with what `text` says, then what was said before, then defaults.

    Args:
        schema: A JSON Schema; local references are followed.
        text: What the user wrote.
        memory: Arguments of earlier calls, by parameter name.
        year: The year of dates that name none.
    """
    return _Filler(schema, text, memory or {}, year).value(schema, "", required=True)


class _Filler:
    def __init__(
        self, root: Mapping[str, Any], text: str, memory: Mapping[str, Any], year: int
    ) -> None:
        self._root = root
        self._text = text
        self._memory = memory
        self._year = year
        self._open: set[int | None] = set()
        plain = _TIME.sub(" ", _DATE.sub(" ", text))
        self._numbers = [found.group() for found in _NUMBER.finditer(plain)]
        self._quoted = ["".join(groups) for groups in _QUOTED.findall(text)]

    def value(self, schema: Any, name: str, *, required: bool) -> Any:
        """A value for one place in the schema, `_MISSING` where an optional one was not mentioned."""
        schema = self._resolve(schema)
        kind = _kind(schema)
        if kind in {"object", "array"}:
            inside = _inside(schema)
            if inside in self._open:  # within itself it ends as soon as it may
                return None if _nullable(schema) else _MISSING
            self._open.add(inside)
            try:
                return self._container(schema, kind, name, required=required)
            finally:
                self._open.discard(inside)
        for found in (self._said(schema, kind, name), self._memory.get(name, _MISSING)):
            if found is not _MISSING and found is not None:
                return found
        if "default" in schema:
            return schema["default"] if required else _MISSING
        if not required:
            return _MISSING
        return None if _nullable(schema) else self._last_resort(schema, kind)

    def _resolve(self, schema: Any) -> Item:
        for _ in range(16):
            if not isinstance(schema, Mapping):
                return {}
            reference = schema.get("$ref")
            choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
            options = (
                [each for each in choices or () if isinstance(each, Mapping)]
                if isinstance(choices, list)
                else []
            )
            if isinstance(reference, str):
                beside = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._target(reference), **beside}
            elif options:
                real = [each for each in options if each.get("type") != "null"] or options
                nullable = len(real) < len(options)
                real = [each for each in real if not self._is_open(each)] or real
                rest = {key: value for key, value in schema.items() if not key.endswith("Of")}
                schema = {**real[0], **rest, **({"nullable": True} if nullable else {})}
            else:
                break
        return dict(schema)

    def _target(self, reference: str) -> Item:
        target: Any = self._root
        for key in filter(None, reference.removeprefix("#").split("/")):
            target = target.get(key, {}) if isinstance(target, Mapping) else {}
        return dict(target) if isinstance(target, Mapping) else {}

    def _is_open(self, option: Mapping[str, Any]) -> bool:
        reference = option.get("$ref")
        target = self._target(reference) if isinstance(reference, str) else option
        return _inside(target) in self._open

    def _container(self, schema: Item, kind: str, name: str, *, required: bool) -> Any:
        if kind == "object":
            return self._object(schema)
        each = self.value(schema.get("items") or {}, _singular(name), required=required)
        return [] if each is _MISSING else [each]

    def _object(self, schema: Item) -> Item:
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        properties = schema.get("properties")
        found = {
            name: self.value(each, name, required=name in needed)
            for name, each in (properties if isinstance(properties, Mapping) else {}).items()
        }
        return {name: value for name, value in found.items() if value is not _MISSING}

    def _said(self, schema: Item, kind: str, name: str) -> Any:
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list):
            return self._mentioned(schema["enum"])
        if kind in {"integer", "number"}:
            return self._number(kind)
        if kind == "boolean":
            said = name and re.search(rf"\b{re.escape(_spaced(name))}\b", self._text, re.I)
            return True if said else _MISSING
        return self._string(schema, name)

    def _mentioned(self, choices: list[Any]) -> Any:
        for choice in choices:
            if re.search(rf"\b{re.escape(_spaced(str(choice)))}\b", self._text, re.I):
                return choice
        return _MISSING

    def _number(self, kind: str) -> Any:
        while self._numbers:
            text = self._numbers.pop(0)
            if kind == "number":
                return float(text)
            if "." not in text:
                return int(text)
        return _MISSING

    def _string(self, schema: Item, name: str) -> Any:
        words = _spaced(name).split()
        form = next((_HINTS[word] for word in words if word in _HINTS), None)
        if isinstance(schema.get("format"), str):
            form = schema["format"]
        wants_iso = "format" in schema or re.search(
            r"iso|yyyy|hh:mm|24.?h",
            str(schema.get("description", "")) + str(schema.get("pattern", "")),
            re.I,
        )
        if form in {"date", "time", "date-time"}:
            return self._moment(form, iso=bool(wants_iso))
        if form in _FORMATS:
            found = _FORMATS[form].search(self._text)
            return found.group() if found else _MISSING
        return self._named(name, words)

    def _moment(self, form: str, *, iso: bool) -> Any:
        date, time = _DATE.search(self._text), _TIME.search(self._text)
        day = (_iso_date(date.group(), self._year) if iso else date.group()) if date else None
        hour = (_iso_time(time.group()) if iso else time.group()) if time else None
        if form == "date-time":
            return f"{day}T{hour or '00:00'}:00" if day else _MISSING
        found = day if form == "date" else hour
        return found or _MISSING

    def _named(self, name: str, words: list[str]) -> Any:
        spoken = re.escape(_spaced(name))
        before = re.search(rf"({_NAME}) {spoken}\b", self._text)
        after = re.search(rf"\b{spoken} (?:is |called |named )?({_NAME})", self._text)
        # A capital at the start of the text may be only the start of a sentence.
        beside = after if before is None or (after and before.start() == 0) else before
        if beside:
            return re.sub(r"^(?:The|A|An|Is|Please|Book|Check|Reserve) ", "", beside.group(1))
        if self._quoted:
            return self._quoted.pop(0)
        where = "in|from|to|for|at|of" if _PLACES.isdisjoint(words) else "in|from|to|at|for"
        placed = re.search(rf"\b(?:{where}) (?:the )?({_NAME})", self._text)
        if placed and not _DATE.match(placed.group(1)):
            return placed.group(1)
        return _MISSING

    def _last_resort(self, schema: Item, kind: str) -> Any:
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return schema["enum"][0]
        if kind in {"integer", "number"}:
            return schema.get("minimum", 0)
        if kind == "boolean":
            return False
        if kind == "null":
            return None
        limit = schema.get("maxLength")
        return self._text[:limit] if isinstance(limit, int) else self._text


def _inside(schema: Mapping[str, Any]) -> int | None:
    """What tells that a place of the schema is met again within itself."""
    inside = schema.get("properties") or schema.get("items")
    return None if inside is None else id(inside)


def _kind(schema: Item) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _nullable(schema: Item) -> bool:
    kind = schema.get("type")
    return bool(schema.get("nullable")) or (isinstance(kind, list) and "null" in kind)


def _singular(name: str) -> str:
    return name.removesuffix("s")


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", name).lower()


def _iso_date(text: str, year: int) -> str:
    if re.match(r"\d{4}-", text):
        return text
    month = next((n for n, m in enumerate(_MONTHS, 1) if m[:3] in text.lower()), None)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if month is None or not numbers:
        return text
    years = [number for number in numbers if number > 31]
    return f"{years[0] if years else year:04}-{month:02}-{numbers[0]:02}"


def _iso_time(text: str) -> str:
    named = {"noon": "12:00", "midnight": "00:00"}.get(text.lower())
    if named:
        return named
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    hour, minute = numbers[0], numbers[1] if len(numbers) > 1 else 0
    if text.lower().endswith("pm") and hour < 12:
        hour += 12
    if text.lower().endswith("am") and hour == 12:
        hour = 0
    return f"{hour:02}:{minute:02}"
