"""What leaves this repository: the wheel, what an import loads, what a missing extra says."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "integrations"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

FRAMEWORKS = {
    "langchain",
    "langchain_core",
    "langchain_openai",
    "langgraph",
    "mcp",
    "openai",
    "pydantic_ai",
}
SERVERS = {"uvicorn", "websockets", "http.server", "responses_adapters.testing"}

CONVERT = """
from responses_adapters.testing import Backend
from responses_adapters.tools import to_responses_tool

def check_room(room: str) -> str:
    '''Check a room.

    Args:
        room: Which one.
    '''

assert to_responses_tool(check_room)["name"] == "check_room"
"""

SERVE = """
from responses_adapters.testing import Backend, ResponsesServer

with ResponsesServer(Backend()):
    pass
"""

CLIENT_TEST = """
def test_client(responses_backend, responses_client):
    responses_backend.reply("Booked.")
    answer = responses_client.responses.create(model="gpt-5", input="Book Birch")
    assert answer.output_text == "Booked."
"""

GRAPH_TEST = """
from langgraph.graph import START, MessagesState, StateGraph
from responses_adapters.langgraph import ResponsesNode

def test_graph(responses_backend):
    responses_backend.reply("Booked.")
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("gpt-5", api_key="sk-test"))
    builder.add_edge(START, "model")
    state = builder.compile().invoke({"messages": "Book Birch"})
    assert state["messages"][-1].text == "Booked."
"""

AGENTS_TEST = """
import asyncio

import agents
import httpx2
import openai
from agents import Agent, ModelSettings, OpenAIResponsesModel, Runner, function_tool
from responses_adapters.protocol.transport import dialect_transport
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

agents.set_tracing_disabled(True)

@function_tool
def check_room(room: str) -> str:
    return f"{room} is free"

async def ask(server, stream):
    backend = Backend(server)
    backend.reason("Hmm.").call_tool("check_room", room="Birch")
    turn = backend.run_hosted("orq:current_date", result={}) if server == "orq" else backend
    turn.reply("Birch is free.")
    inner = make_transport(backend)
    transport = dialect_transport(server, base_url="https://fake.test/v1", inner=inner)
    async with httpx2.AsyncClient(transport=transport) as http_client:
        client = openai.AsyncOpenAI(base_url="https://fake.test/v1", api_key="k", http_client=http_client)
        model = OpenAIResponsesModel("openai/gpt-5", client)
        agent = Agent("rooms", instructions="Be brief.", model=model, tools=[check_room])
        if stream:
            run = Runner.run_streamed(agent, "Is Birch free?")
            async for _ in run.stream_events():
                pass
        else:
            run = await Runner.run(agent, "Is Birch free?")
    assert run.final_output == "Birch is free."
    backend.assert_tool_result("check_room", contains="free")

def test_agents():
    for server in ("openai", "orq", "valar", "aleph-alpha"):
        for stream in (False, True):
            asyncio.run(ask(server, stream))
"""

NEEDS_EXTRA = {
    "any-llm": "from responses_adapters.protocol.any_llm import any_llm_transport; any_llm_transport()",
    "langchain": "from responses_adapters.langgraph import ResponsesMiddleware",
    "langgraph": "from responses_adapters.langgraph import ResponsesNode",
    "pydantic-ai": "from responses_adapters.pydantic_ai import ResponsesModel",
    "testing": SERVE,
}

HIDE = """
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name.partition(".")[0] == {hidden!r} else find_spec(name, path, target)
)
"""


def run_python(
    *arguments: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A new interpreter, outside the repository."""
    return subprocess.run(
        [python, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT.anchor,
        env={**os.environ, **environment},
    )


def run_project(
    test: str, directory: Path, *, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the only test file of somebody's project."""
    (directory / "test_project.py").write_text(test)
    arguments = ["-p", "no:langsmith_plugin", "-p", "no:cacheprovider", f"--rootdir={directory}"]
    file = str(directory / "test_project.py")
    return run_python("-m", "pytest", "-q", *arguments, file, python=python, **environment)


def new_virtualenv(directory: Path, *requirements: str) -> str:
    """Install with the pip that came with this Python; returns the new interpreter."""
    venv.create(directory, with_pip=True)
    python = str(directory / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    return python


def missing_extra(run: subprocess.CompletedProcess[str]) -> str:
    """The extra whose install command a failed run ends with."""
    assert run.returncode == 1
    pattern = r"responses_adapters\.errors\.MissingExtraError: .* pip install 'responses-adapters\[(.+)\]'"
    match = re.fullmatch(pattern, run.stderr.splitlines()[-1])
    assert match, run.stderr
    return match[1]


def modules_loaded_by(statement: str) -> set[str]:
    script = (
        f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    )
    run = run_python("-c", script)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def requirements_of(extra: str | None, metadata: Message) -> set[str]:
    """Names that pip is told to install for one extra, or for none."""
    lines = [line.partition(";") for line in metadata.get_all("Requires-Dist", [])]
    marker = "" if extra is None else f"extra == '{extra}'"
    return {
        re.split(r"[^\w.-]", requirement.strip())[0]
        for requirement, _, condition in lines
        if condition.strip() == marker
    }


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    info = f"responses_adapters-{PROJECT['version']}.dist-info"
    files = [*SOURCE.glob("responses_adapters/**/*.py"), SOURCE / "responses_adapters/py.typed"]
    expected = {file.relative_to(SOURCE).as_posix() for file in files}
    expected |= {
        f"{info}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) == expected


def test_the_wheel_offers_the_pytest_plugin_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(name).decode())
    assert {section: dict(entries[section]) for section in entries.sections()} == {
        "console_scripts": {"responses-adapters": "responses_adapters.__main__:main"},
        "pytest11": {"responses_adapters": "responses_adapters.pytest_plugin"},
    }


def test_no_file_of_the_wheel_names_a_path_of_the_machine_that_built_it(wheel):
    machine_path = re.compile(rf"/home/\w|/Users/\w|/root/|/tmp/|{re.escape(str(ROOT))}/")
    with zipfile.ZipFile(wheel) as archive:
        found = {
            name: match.group()
            for name in archive.namelist()
            if (match := machine_path.search(archive.read(name).decode()))
        }
    assert found == {}


def test_without_an_extra_no_framework_is_installed(metadata):
    installed = {name.replace("-", "_") for name in requirements_of(None, metadata)}
    assert installed & FRAMEWORKS == {"openai"}


@pytest.mark.parametrize(
    ("extra", "foreign"),
    [
        ("langgraph", {"pydantic-ai", "pydantic-ai-slim"}),
        ("langchain", {"pydantic-ai", "pydantic-ai-slim"}),
        ("pydantic-ai", {"langchain", "langchain-core", "langchain-openai", "langgraph"}),
        ("any-llm", {"langchain-core", "langgraph", "pydantic-ai", "pydantic-ai-slim"}),
        ("testing", {"langchain-core", "langgraph", "pydantic-ai-slim"}),
    ],
)
def test_an_extra_brings_the_framework_of_its_own_room_only(extra, foreign, metadata):
    assert extra in metadata.get_all("Provides-Extra", [])
    assert requirements_of(extra, metadata)
    assert requirements_of(extra, metadata).isdisjoint(foreign)


def test_a_project_that_installed_the_wheel_has_the_fixture_at_hand(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    origin = (
        f"import responses_adapters\nassert responses_adapters.__file__.startswith({str(site)!r})\n"
    )
    run = run_project(origin + CLIENT_TEST, tmp_path, PYTHONPATH=str(site))
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_the_installed_version_is_the_newest_in_the_changelog():
    import responses_adapters

    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert responses_adapters.__version__ == PROJECT["version"] == released[0]


def test_contributing_fits_in_eighty_lines_and_gives_each_dependency_its_reason():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    names = {re.split(r"[^\w.-]", line)[0] for group in groups for line in group}
    assert len(text.splitlines()) < 80
    assert {name for name in names if f"`{name}`" not in text} == {PROJECT["name"]}


def test_importing_the_package_loads_nothing_but_the_standard_library():
    loaded = {name.partition(".")[0] for name in modules_loaded_by("import responses_adapters")}
    assert loaded - {"responses_adapters"} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("use", "heavy"),
    [
        ("import responses_adapters.tools", FRAMEWORKS),
        (
            "import responses_adapters.testing",
            FRAMEWORKS | SERVERS - {"responses_adapters.testing"},
        ),
        (
            "import responses_adapters.pytest_plugin",
            FRAMEWORKS | SERVERS | {"httpx", "httpx2", "pydantic"},
        ),
        (
            "from responses_adapters.langgraph import ResponsesNode",
            {"pydantic_ai", "responses_adapters.testing"},
        ),
        (
            "from responses_adapters.pydantic_ai import ResponsesModel",
            {"langchain_core", "langgraph", "responses_adapters.testing"},
        ),
    ],
)
def test_importing_a_room_loads_no_other(use, heavy):
    assert modules_loaded_by(use) & heavy == set()


@pytest.mark.parametrize(
    ("extra", "hidden"),
    [
        ("any-llm", "any_llm"),
        ("langchain", "langchain"),
        ("langgraph", "langchain_core"),
        ("langgraph", "langchain_openai"),
        ("langgraph", "langgraph"),
        ("pydantic-ai", "pydantic_ai"),
        ("testing", "uvicorn"),
    ],
)
def test_a_room_without_its_framework_names_the_command_that_installs_it(extra, hidden):
    run = run_python("-c", HIDE.format(hidden=hidden) + NEEDS_EXTRA[extra])
    assert missing_extra(run) == extra


@pytest.mark.fresh_virtualenv
@pytest.mark.parametrize("installed", [None, *NEEDS_EXTRA])
def test_in_a_new_virtualenv_an_extra_opens_its_own_room_and_no_other(installed, wheel, tmp_path):
    opened = {"langchain", "langgraph"} if installed == "langchain" else {installed}
    python = new_virtualenv(tmp_path, str(wheel) if installed is None else f"{wheel}[{installed}]")

    assert run_python("-c", CONVERT, python=python).stderr == ""
    for extra, use in NEEDS_EXTRA.items():
        run = run_python("-c", use, python=python)
        if extra in opened:
            assert run.stderr == ""
        elif extra == "langchain":
            assert missing_extra(run) == ("langchain" if "langgraph" in opened else "langgraph")
        else:
            assert missing_extra(run) == extra


@pytest.mark.fresh_virtualenv
@pytest.mark.parametrize(
    ("extra", "project"), [("testing", CLIENT_TEST), ("langgraph", CLIENT_TEST + GRAPH_TEST)]
)
def test_a_project_works_on_the_openai_line_that_stands_on_httpx(extra, project, wheel, tmp_path):
    python = new_virtualenv(tmp_path / "venv", f"{wheel}[{extra}]", "openai<3", "pytest")
    library = "from responses_adapters.testing.transport import sdk_library; print(sdk_library())"
    assert run_python("-c", library, python=python).stdout == "httpx\n"
    run = run_project(project, tmp_path, python=python)
    assert f"{project.count('def test_')} passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.fresh_virtualenv
def test_unmodified_openai_agents_speak_to_other_servers_through_the_dialect(wheel, tmp_path):
    python = new_virtualenv(tmp_path / "venv", str(wheel), "openai-agents", "pytest")
    run = run_project(AGENTS_TEST, tmp_path, python=python)
    assert "1 passed" in run.stdout, run.stdout + run.stderr
