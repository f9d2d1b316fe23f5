"""Both rooms and the doctor against servers that nobody here wrote (`make test-servers`).

Behind each server stands a chat-completions model of ours that notes what it is shown. Whatever a server did with a
conversation, every answer must have been given to exactly the messages that stand before it in the local history.
What was seen is written to `tests/figures/`, from where the handbook has it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic_ai.exceptions import ModelAPIError, UserError

from responses_adapters import ServerProfile
from responses_adapters.doctor import Diagnosis, diagnose
from responses_adapters.endpoints import resolve_endpoint
from responses_adapters.errors import ContextMismatchError, ResponsesAdapterError
from servers.installed import INSTALLED, Running, running
from servers.rooms import INSTRUCTIONS, ROOMS, Room, Setting
from servers.upstream import Said, Upstream, conversation

FIGURES = Path(__file__).parent / "figures"
CHOSEN = os.environ.get("SERVERS", " ".join(INSTALLED)).split()
TURNS = (
    "My code word is heron-4711. " + "The tide is high. " * 12,
    'Save "milk" and "bread".',
    "The ferry leaves at noon.",
    'Save "rope".',
    "The captain is called Ruth.",
    'Save "soap" and "salt".',
    "It will rain.",
    "What is my code word?",
    'Save "tar".',
    "What is my code word, once more?",
)
BELIEFS: dict[str, Callable[[Diagnosis], ServerProfile]] = {
    "none": lambda found: ServerProfile(name="unknown"),
    "the doctor's": lambda found: found.profile,
    '`state="server"`': lambda found: ServerProfile(name="sworn", state="server"),
}
TYPED = (ResponsesAdapterError, openai.APIError, ModelAPIError, UserError)


@dataclass
class Site:
    """A running server, the model behind it, and the bodies that were posted to it."""

    server: Running
    upstream: Upstream
    posted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> dict[str, str]:
        return {"base_url": self.server.base_url, "api_key": self.server.api_key}

    @asynccontextmanager
    async def room(self, name: str, profile: ServerProfile, **wishes: Any) -> AsyncIterator[Room]:
        """A new conversation in one of the rooms; what it posts is noted."""

        def note(request: Any) -> None:
            if request.method == "POST":
                self.posted.append(json.loads(request.content))

        async def note_async(request: Any) -> None:
            note(request)

        self.posted.clear()
        sync_client = openai.DefaultHttpxClient(event_hooks={"request": [note]})
        async_client = openai.DefaultAsyncHttpxClient(event_hooks={"request": [note_async]})
        setting = Setting(
            where={**self.address, "server": profile},
            model=self.server.model,
            sync_client=sync_client,
            async_client=async_client,
            **wishes,
        )
        with sync_client:
            async with async_client:
                yield ROOMS[name](setting)


class Tables:
    """What was seen: rows of named cells, in tables that the handbook shows."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, dict[str, str]]] = {}

    def row(self, table: str, *heading: str) -> dict[str, str]:
        """The cells of a row, to be added to."""
        return self._rows.setdefault(table, {}).setdefault(" ".join(heading), {})

    def show(self) -> None:
        """Print all of it."""
        for rows in self._rows.values():
            for row in rows.values():
                print(" | ".join(row.values()))
            print()

    def write(self) -> None:
        """Write a file for each table."""
        FIGURES.mkdir(exist_ok=True)
        for table, rows in self._rows.items():
            content = json.dumps({"table": list(rows.values())}, indent=2, ensure_ascii=False)
            (FIGURES / f"{table}.json").write_text(content + "\n")


@pytest.fixture(scope="session")
def tables(request: pytest.FixtureRequest) -> Iterator[Tables]:
    tables = Tables()
    yield tables
    print()
    tables.show()
    stopped = request.session.exitstatus is pytest.ExitCode.INTERRUPTED
    if stopped or request.session.testsfailed or request.config.getoption("-k"):
        return  # half a table is none
    if set(CHOSEN) == set(INSTALLED):
        tables.write()


@pytest.fixture(scope="session", params=CHOSEN)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are stopped then too
    installed = INSTALLED[request.param]
    folder = tmp_path_factory.mktemp(installed.name)
    with (
        Upstream() as upstream,
        running(installed, upstream_url=upstream.url, folder=folder) as server,
    ):
        yield Site(server, upstream)


@pytest.fixture(scope="session")
def diagnosis(site: Site) -> Diagnosis:
    return diagnose(resolve_endpoint(None, **site.address), model=site.server.model, requests=30)


@pytest.fixture(scope="session")
def findings(diagnosis: Diagnosis) -> dict[str, str]:
    return {each.subject: each.finding for each in diagnosis.verdicts}


each_room = pytest.mark.parametrize("room_name", ROOMS)
whole_and_streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def check_context(site: Site, local: list[Said], index: int = -1) -> None:
    """That an answer of the local history was given to what stands before it."""
    before = [Said("system", INSTRUCTIONS), *local[:index]]
    assert site.upstream.answered(local[index]).shown == conversation(before)


@pytest.mark.parametrize("belief", BELIEFS)
@each_room
@whole_and_streamed
async def test_every_answer_of_ten_turns_is_given_to_the_local_history(
    site: Site,
    diagnosis: Diagnosis,
    findings: dict[str, str],
    tables: Tables,
    room_name: str,
    belief: str,
    streamed: bool,
) -> None:
    errors = 0
    async with site.room(room_name, BELIEFS[belief](diagnosis)) as room:
        for text in TURNS:
            try:
                await room.say(text, streamed=streamed)
            except (ContextMismatchError, ModelAPIError):  # what was shown cannot be taken back
                errors += 1
                await room.say(text, streamed=streamed)

    local = room.local()
    answers = [index for index, each in enumerate(local) if each.role == "assistant"]
    for index in answers:
        check_context(site, local, index)
    chained = sum("previous_response_id" in body for body in site.posted)
    keeps = findings["conversation state"].startswith("kept")
    believed = belief == '`state="server"`' and not keeps
    assert "heron-4711" in local[-1].text
    assert errors == (streamed and believed)
    row = tables.row("servers_turns", site.server.title, room_name, belief)
    row |= {"server": site.server.title, "room": room_name, "profile": belief}
    row["streamed" if streamed else "whole"] = (
        f"{len(answers)} of {len(answers)} right, {chained} of {len(site.posted)} requests chained"
        + (", after 1 error" if errors else "")
    )


SUBJECTS = {
    "conversation state": {
        "ogx": "kept; echoes the id",
        "litellm": "silently ignored",
        "azure": "kept; echoes the id",
    },
    "retrieve": {"ogx": "works", "litellm": "not available", "azure": "works"},
    "store": {
        "ogx": "on by default, store=false honoured",
        "litellm": "nothing is kept",
        "azure": "on by default, store=false honoured",
    },
    "unknown previous id": {"ogx": "recognised", "litellm": "–", "azure": "not noticed"},
    "instructions": {"ogx": "not inherited", "litellm": "–", "azure": "not inherited"},
    "Idempotency-Key": {"ogx": "ignored", "litellm": "ignored", "azure": "ignored"},
    "tools": {"ogx": "works", "litellm": "works", "azure": "works"},
    "parallel calls": {
        "ogx": "several calls",
        "litellm": "several calls",
        "azure": "several calls",
    },
    "tool outputs": {
        "ogx": "works along the chain",
        "litellm": "works with a full replay",
        "azure": "works along the chain",
    },
    "streaming": {"ogx": "works", "litellm": "works", "azure": "the text comes in one piece"},
    "background": {"ogx": "works", "litellm": "ignored", "azure": "works"},
    "streamed background": {"ogx": "refused", "litellm": "–", "azure": "works, and can be resumed"},
    "cancel": {"ogx": "available", "litellm": "not available", "azure": "available"},
    "short messages": {"ogx": "understood", "litellm": "understood", "azure": "understood"},
    "conversations": {"ogx": "works", "litellm": "not available", "azure": "not available"},
    "compaction": {"ogx": "works", "litellm": "not available", "azure": "not available"},
    "allowed_tools": {"ogx": "enforced", "litellm": "refused", "azure": "enforced"},
    "key": {"ogx": "not needed", "litellm": "unknown: taken for needed", "azure": "not needed"},
    "clean-up": {
        "ogx": "everything deleted",
        "litellm": "nothing to delete",
        "azure": "everything deleted",
    },
}
"""How the verdicts begin, as raw requests by hand have shown each server to be; "–": the question does not arise."""


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_doctor_finds_what_hand_made_requests_have_shown(
    site: Site, findings: dict[str, str], tables: Tables, subject: str
) -> None:
    found = findings.get(subject, "–")

    assert found.startswith(SUBJECTS[subject][site.server.name])
    tables.row("servers_doctor", subject).update({"asked about": subject, site.server.title: found})


Tell = Callable[[str, str], None]


@pytest.fixture
def tell(site: Site, tables: Tables, room_name: str, streamed: bool) -> Tell:
    """Notes what became of a case in this room on this server."""

    def note(case: str, outcome: str) -> None:
        row = tables.row("servers_faults", case)
        row["what happens"] = case
        cell = f"{site.server.title}, {room_name}"
        whole = row.setdefault(cell, outcome)
        if whole != outcome:
            row[cell] = f"{whole}; streamed: {outcome}"

    return note


async def outcome_of(room: Room, text: str, *, streamed: bool) -> str:
    """How a turn ended: answered, with the framework's word where it is not whole, or the name of a typed error."""
    try:
        await room.say(text, streamed=streamed)
    except TYPED as error:
        return f"`{type(error).__name__}`"
    return "answered" if room.ending in {"completed", "stop"} else f"answered, `{room.ending}`"


@each_room
@whole_and_streamed
async def test_a_response_that_was_deleted_is_replaced_by_a_replay(
    site: Site,
    diagnosis: Diagnosis,
    findings: dict[str, str],
    room_name: str,
    streamed: bool,
    tell: Tell,
) -> None:
    case = "the last response was deleted"
    if not findings["clean-up"].startswith("everything"):
        tell(case, "–")
        return
    async with site.room(room_name, diagnosis.profile) as room:
        await room.say("My code word is heron-4711.", streamed=streamed)
        with openai.OpenAI(**site.address) as client:  # type: ignore[arg-type]
            client.responses.delete(room.newest_id)
        outcome = await outcome_of(room, "What is my code word?", streamed=streamed)

    check_context(site, room.local())
    assert "previous_response_id" not in site.posted[-1]
    tried = len(site.posted) == 3
    tell(case, f"{outcome}, {'after a replay' if tried else 'since everything is sent'}")


@each_room
@whole_and_streamed
async def test_a_seed_that_never_was_is_an_error_where_the_server_says_so(
    site: Site, findings: dict[str, str], room_name: str, streamed: bool, tell: Tell
) -> None:
    seed = "resp_00000000-0000-0000-0000-000000000000"
    async with site.room(room_name, ServerProfile(name="unknown"), seed=seed) as room:
        outcome = await outcome_of(room, "Go on.", streamed=streamed)

    recognised = findings.get("unknown previous id", "").startswith("recognised")
    assert outcome in {"`ChainLostError`", *(() if recognised else ("answered",))}
    tell("`previous_response_id=` of the caller's that never was", outcome)


@each_room
@whole_and_streamed
@pytest.mark.parametrize("belief", ["none", "the doctor's"])
async def test_a_background_response_is_submitted_once(
    site: Site, diagnosis: Diagnosis, room_name: str, belief: str, streamed: bool, tell: Tell
) -> None:
    async with site.room(room_name, BELIEFS[belief](diagnosis), background=True) as room:
        outcome = await outcome_of(room, "It is for later.", streamed=streamed)

    assert len(site.posted) == (not outcome.endswith(("`UserError`", "`UnsupportedByServerError`")))
    if outcome == "answered":
        check_context(site, room.local())
    tell(f"`background`, profile: {belief}", outcome)


PLAYS: dict[str, dict[str, Any]] = {
    "the model answers 500": {"status": 500},
    "the model answers 429": {"status": 429},
    "the model's connection breaks": {"cut": "broken"},
    "the model's connection closes early": {"cut": "closed"},
    "the answer is cut at its length": {"finish": "length"},
    "the model reasons": {"reasoning": "Ropes are on deck."},
}


@each_room
@whole_and_streamed
@pytest.mark.parametrize("case", PLAYS)
async def test_what_befalls_the_model_is_told_and_the_conversation_goes_on(
    site: Site, diagnosis: Diagnosis, room_name: str, streamed: bool, case: str, tell: Tell
) -> None:
    async with site.room(room_name, diagnosis.profile) as room:
        await room.say("My code word is heron-4711.", streamed=streamed)
        before = len(site.posted)
        with site.upstream.playing(**PLAYS[case]):
            outcome = await outcome_of(room, "The rope is here.", streamed=streamed)
        tries = len(site.posted) - before
        heard = [each.text for each in site.upstream.requests]
        cut = outcome == "answered" and room.local()[-1].text not in heard
        streams = site.upstream.requests[-1].body.get("stream")
        thoughts = room.thoughts if outcome == "answered" else ""
        if not outcome.startswith("answered"):
            outcome += f" after {tries} requests" if tries > 1 else ""
            await room.say("The rope is here.", streamed=streamed)
        await room.say("What is my code word?", streamed=streamed)

    local = room.local()
    assert "heron-4711" in local[-1].text
    shown = site.upstream.answered(local[-1]).shown
    aloud = [each for each in shown if "Ropes are on deck" not in each.text]
    assert aloud == conversation([Said("system", INSTRUCTIONS), *local[:-1]])
    if "reasoning" in PLAYS[case]:
        outcome += ", reasoning shown" if thoughts else ", no reasoning"
        outcome += ", and sent again" if aloud != shown else ""
    if cut:
        outcome += ", cut: the server says that it is complete"
    if "cut" in PLAYS[case] and not streams:
        outcome = "–"  # the server does not have its model stream
    tell(case, outcome)


@each_room
@whole_and_streamed
async def test_a_tool_type_that_no_server_knows_is_refused_or_dropped(
    site: Site, diagnosis: Diagnosis, room_name: str, streamed: bool, tell: Tell
) -> None:
    tools = [{"type": "acme:lookup"}]
    async with site.room(room_name, diagnosis.profile, hosted_tools=tools) as room:
        outcome = await outcome_of(room, "The rope is here.", streamed=streamed)

    assert tools[0] in site.posted[0]["tools"]
    tell("a tool type that the server does not know", outcome)
