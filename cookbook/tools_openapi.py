"""Give the operations of an HTTP service to a model, from its OpenAPI document.

Why: each operation becomes a tool whose arguments are its parameters and the fields of its body. What runs it is a
function of yours, so addresses, keys and the choice of operations stay in your hands: a document often describes
more than a model should be able to do.

Run: python -m responses_adapters run cookbook/tools_openapi.py
     or, against a server: OPENAI_API_KEY=... python cookbook/tools_openapi.py

Prints:
    Here is the result. Check room (Birch, 2pm): asked: /rooms/Birch?time=2pm, free: yes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from pydantic_ai import Agent

from responses_adapters.pydantic_ai import ResponsesModel
from responses_adapters.tools import Toolbox

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
OFFERED = {"check_room"}
STRING = {"schema": {"type": "string"}}
ROOM, TIME = {"name": "room", "in": "path", "required": True}, {"name": "time", "in": "query"}
CHECK = {
    "operationId": "check_room",
    "summary": "Check whether a room is free.",
    "parameters": [ROOM | STRING, TIME | STRING],
}
DOCUMENT: dict[str, Any] = {  # elsewhere: json.load(urlopen("https://rooms.example/openapi.json"))
    "openapi": "3.1.0",
    "paths": {"/rooms/{room}": {"get": CHECK, "delete": {"operationId": "demolish_room"}}},
}


class Service(BaseHTTPRequestHandler):
    """Stands for the service that you have."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'{{"asked": "{self.path}", "free": true}}'.encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def caller(base_url: str, operation: dict[str, Any]) -> Callable[..., str]:
    """A function that makes this operation's request."""

    def call(**arguments: Any) -> str:
        room = quote(arguments.pop("room"), safe="")
        url = f"{base_url}{operation['path'].format(room=room)}?{urlencode(arguments)}"
        with urlopen(Request(url, method=operation["method"].upper()), timeout=10) as reply:
            return str(reply.read().decode())

    return call


def main() -> None:
    with HTTPServer(("127.0.0.1", 0), Service) as service:
        Thread(target=service.serve_forever, daemon=True).start()
        base_url = f"http://127.0.0.1:{service.server_port}"
        offered = [
            {"path": path, "method": method, "operation": operation}
            for path, item in DOCUMENT["paths"].items()
            for method, operation in item.items()
            if operation["operationId"] in OFFERED
        ]
        handlers = {each["operation"]["operationId"]: caller(base_url, each) for each in offered}
        box = Toolbox(offered, handlers=handlers)
        agent = Agent(ResponsesModel(MODEL), tools=box.to_pydantic_ai())
        print(agent.run_sync("Is the Birch room free at 2pm?").output)
        service.shutdown()


if __name__ == "__main__":
    main()

# Where next: box.to_langchain() for LangGraph, as in tools_shared.py.
