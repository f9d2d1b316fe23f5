from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import EmbeddedResource, ResourceLink, Tool

from responses_adapters.tools import Toolbox, to_responses_tool
from responses_adapters.tools import ToolError as GivenUpError
from responses_adapters.tools.mcp import load_mcp_tools


def server() -> MCPServer:
    made = MCPServer("rooms")

    @made.tool()
    def book(room: str, hours: int = 1) -> str:
        """Book a room."""
        if room == "Oak":
            raise ToolError("Oak is closed")
        return f"{room} for {hours}"

    @made.tool()
    def plan() -> Image:
        """The floor plan."""
        return Image(data=b"x", format="png")

    return made


def call(name: str, arguments: str = "{}", call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


async def test_a_live_servers_tools_are_listed_and_called():
    async with Client(server()) as client:
        box = Toolbox(await load_mcp_tools(client))
        outputs = await box.execute(
            [
                call("book", '{"room": "Birch", "hours": null}', "c1"),
                call("book", '{"room": "Oak", "hours": 2}', "c2"),
                call("plan", call_id="c3"),
            ]
        )

    assert box["book"].strict
    assert outputs[0]["output"] == "Birch for 1"
    assert "Oak is closed" in outputs[1]["output"]
    assert outputs[2]["output"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,eA=="}
    ]


async def test_a_session_works_like_a_client_and_a_prefix_tells_servers_apart():
    async with Client(server()) as client:
        box = Toolbox(await load_mcp_tools(client.session, prefix="rooms_"))
        (item,) = await box.execute([call("rooms_book", '{"room": "Birch", "hours": 3}')])

    assert item["output"] == "Birch for 3"


class OldSession:
    """What mcp 1.x offers: camel case, and pages by `cursor=`."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    async def list_tools(self, cursor: str | None = None) -> Any:
        page = int(cursor or 0)
        more = str(page + 1) if page + 1 < self.pages else None
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        tool = SimpleNamespace(name=f"t{page}", description=None, title="Tee", inputSchema=schema)
        return SimpleNamespace(tools=[tool], nextCursor=more)

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        text = SimpleNamespace(type="text", text=f"{name} {arguments}")
        return SimpleNamespace(content=[text], isError=False, structuredContent=None)


async def test_a_session_of_the_first_line_works_page_by_page():
    box = Toolbox(await load_mcp_tools(OldSession(3)))

    (item,) = await box.execute([call("t2", '{"n": null}')])

    assert [d["name"] for d in box.definitions] == ["t0", "t1", "t2"]
    assert box["t0"].description == "Tee"
    assert item["output"] == "t2 {}"


def test_a_definition_without_a_session_converts():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    tool = Tool(name="create_issue", description="Open an issue", input_schema=schema)

    assert to_responses_tool(tool)["strict"] is True


@pytest.mark.parametrize("key", ["inputSchema", "input_schema"])
def test_a_tool_dict_of_either_spelling_converts(key: str):
    made = to_responses_tool({"name": "read", key: {"type": "object", "properties": {}}})

    assert made["name"] == "read"


class NewSession:
    """What mcp 2.x offers: a page by `params=`."""

    async def list_tools(self, *, params: Any = None) -> Any:
        page = 0 if params is None else int(params.cursor)
        tool = Tool(name=f"t{page}", input_schema={"type": "object", "properties": {}})
        return SimpleNamespace(tools=[tool], next_cursor=None if page else "1")


async def test_a_session_of_the_second_line_works_page_by_page():
    sources = await load_mcp_tools(NewSession())

    assert [source.name for source in sources] == ["t0", "t1"]


async def test_a_server_without_a_last_page_is_given_up():
    with pytest.raises(GivenUpError, match="still has more"):
        await load_mcp_tools(OldSession(10_000))


class Answering:
    """A session whose one tool gives back what it is told to."""

    def __init__(self, **result: Any) -> None:
        self.result = {"content": [], "is_error": False, "structured_content": None, **result}

    async def list_tools(self) -> Any:
        tool = Tool(name="read", input_schema={"type": "object", "properties": {}})
        return SimpleNamespace(tools=[tool], next_cursor=None)

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        return SimpleNamespace(**self.result)


def resource(**contents: Any) -> Any:
    return EmbeddedResource(type="resource", resource=contents)


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ({"structured_content": {"rooms": 2}}, '{"rooms":2}'),
        ({"content": [resource(uri="file:///a.txt", text="A note.")]}, "A note."),
        (
            {
                "content": [
                    resource(uri="file:///b/c.pdf", mime_type="application/pdf", blob="eA==")
                ]
            },
            [
                {
                    "type": "input_file",
                    "file_data": "data:application/pdf;base64,eA==",
                    "filename": "c.pdf",
                }
            ],
        ),
        (
            {"content": [ResourceLink(type="resource_link", name="d", uri="file:///d")]},
            '{"name": "d", "uri": "file:///d", "type": "resource_link"}',
        ),
        ({"is_error": True}, "read failed."),
    ],
    ids=["structured", "text", "file", "link", "error without words"],
)
async def test_every_kind_of_result_reaches_the_model(result: dict[str, Any], output: Any):
    box = Toolbox(await load_mcp_tools(Answering(**result)))

    (item,) = await box.execute([call("read")])

    assert item["output"] == output
