"""A diagnosis for people: a table, the settings to use, a profile to paste; and the same as JSON."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..profiles import SERVERS, ServerProfile
from .visit import Diagnosis

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["as_json", "named", "paste", "print_report", "settings"]

_MARKS: Final = {True: "[green]yes[/]", False: "[red]no[/]", None: "[dim]-[/]"}


def named(profile: ServerProfile, base_url: str) -> ServerProfile:
    """The profile with its address and a name made from it, for a server that has no profile of its own.

    A key is looked for in a variable made from the name, such as `GATEWAY_EXAMPLE_API_KEY`.
    """
    parts = urlsplit(base_url)
    name = re.sub(r"[^a-z0-9]+", "-", (parts.netloc or "server").lower()).strip("-")
    variable = f"{name.replace('-', '_').upper()}_API_KEY"
    variable = variable if variable[0].isalpha() else f"SERVER_{variable}"
    return dataclasses.replace(
        profile,
        name=name,
        base_url=base_url,
        api_key_env=variable if profile.needs_key else None,
    )


def settings(profile: ServerProfile, model: str, saved: str | None = None) -> tuple[str, str]:
    """One line of code for each room.

    Args:
        profile: The server.
        model: The model.
        saved: The file that the profile was saved in.
    """
    server = "profile"
    if saved is not None:
        server = repr(saved)
    elif SERVERS.get(profile.name) == profile:
        server = repr(profile.name)
    arguments = f"({model!r}, server={server})"
    return f"ResponsesNode{arguments}", f"ResponsesModel{arguments}"


def paste(profile: ServerProfile) -> str:
    """The profile as Python code: what differs from the defaults."""
    lines = ["profile = ServerProfile("]
    for field in dataclasses.fields(profile):
        value = getattr(profile, field.name)
        if value == field.default:
            continue
        shown = f"frozenset({sorted(value)!r})" if isinstance(value, frozenset) else repr(value)
        lines.append(f"    {field.name}={shown},")
    return "\n".join([*lines, ")"])


def as_json(diagnosis: Diagnosis, saved: str | None = None) -> dict[str, Any]:
    """The diagnosis as plain JSON."""
    profile = dataclasses.asdict(diagnosis.profile)
    profile = {
        key: sorted(value) if isinstance(value, frozenset) else value
        for key, value in profile.items()
    }
    node, model = settings(diagnosis.profile, diagnosis.model, saved)
    return {
        "usable": True,
        "address": diagnosis.profile.base_url,
        "model": diagnosis.model,
        "requests": diagnosis.requests,
        "verdicts": [dataclasses.asdict(verdict) for verdict in diagnosis.verdicts],
        "measured": sorted(diagnosis.measured),
        "profile": profile,
        "langgraph": node,
        "pydantic_ai": model,
    }


def print_report(console: Console, diagnosis: Diagnosis, saved: str | None = None) -> None:
    """Print the table, the settings and the profile."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("found", "evidence"):
        table.add_column(name, overflow="fold")
    for verdict in diagnosis.verdicts:
        table.add_row(
            _MARKS[verdict.good],
            escape(verdict.subject),
            escape(verdict.finding),
            f"[dim]{escape(verdict.evidence)}[/]",
        )
    console.print(table)
    node, model = settings(diagnosis.profile, diagnosis.model, saved)
    unknown = sorted(
        {field.name for field in dataclasses.fields(ServerProfile)}
        - diagnosis.measured
        - {"name", "base_url", "hosts", "base_url_env", "api_key_env"}
    )
    lines = ["", "LangGraph", f"    {node}", "PydanticAI", f"    {model}"]
    if saved is None and "server=profile" in node:
        lines += ["", "from responses_adapters import ServerProfile", "", paste(diagnosis.profile)]
    if unknown:
        lines += ["", f"Not measured: {', '.join(unknown)}."]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
