"""What docstrings say of a tool and of its parameters."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final, Literal

__all__ = ["describe_parameters"]

_NUMPY: Final = re.compile(
    r"^[ \t]*(?:Other )?(?:Parameters|Attributes)[ \t]*\n[ \t]*-{3,}", re.MULTILINE
)
_SPHINX: Final = re.compile(
    r"^[ \t]*:(?:param|parameter|arg|argument|key|keyword|ivar|var)\b.*:", re.MULTILINE
)
_GOOGLE: Final = re.compile(
    r"^[ \t]*(?:Args|Arguments|Params|Parameters|Attributes|Keyword Args|Keyword Arguments|Other Parameters):",
    re.MULTILINE,
)


def describe_parameters(documented: Any) -> tuple[str, dict[str, str]]:
    """The prose of an object's own docstring, warnings and notes included, and what it says of each parameter.

    Google, numpy and sphinx styles are told apart by their section heads.
    """
    docstring = getattr(documented, "__doc__", None)
    if not isinstance(docstring, str) or not docstring.strip():
        return "", {}
    docstring = inspect.cleandoc(docstring)
    style = _style(docstring)
    if style is None:
        return docstring, {}
    from griffe import Docstring, DocstringSectionAttributes, DocstringSectionParameters

    prose: list[str] = []
    parameters: dict[str, str] = {}
    for section in Docstring(docstring).parse(style, warnings=False):
        if isinstance(section, (DocstringSectionParameters, DocstringSectionAttributes)):
            for item in section.value:
                parameters.setdefault(item.name.lstrip("*"), " ".join(item.description.split()))
        elif section.kind.value == "text":
            prose.append(section.value)
        elif section.kind.value == "admonition" and section.value.annotation != "example":
            prose.append(_admonition(section.title or "", section.value))
    return "\n\n".join(prose), parameters


def _admonition(title: str, said: Any) -> str:
    """A warning or a note as its author wrote it: a section of that name, or a title on the line of it."""
    kind = said.annotation.replace("-", " ")
    if title.lower().startswith(kind):
        return f"{title}: {said.description}"
    return f"{kind.capitalize()}: {title}\n{said.description}"


def _style(docstring: str) -> Literal["google", "numpy", "sphinx"] | None:
    if _NUMPY.search(docstring):
        return "numpy"
    if _SPHINX.search(docstring):
        return "sphinx"
    return "google" if _GOOGLE.search(docstring) else None
