"""A coding agent on a server that keeps nothing (Blackbox, zero data retention).

Why: nothing is stored there, so each turn carries the thread, and with it the model's encrypted reasoning, verbatim
and in order. The node does that; the graph is an ordinary one, with the tools of tools_workspace.py (copy both
files, and read there what the tools refuse) and a guard that ends a loop after 8 model turns.

Run: python -m responses_adapters run --script cookbook/server_blackbox.yaml cookbook/server_blackbox.py
     or, against the server: BLACKBOX_API_KEY=... python cookbook/server_blackbox.py

Prints:
    > List the files, and find those in Python.
    list_files: ["app.ini", "app.py", "test_app.py"]
    find_files: ["app.py", "test_app.py"]
    > Read app.ini.
    read_file: debug = on
    > Write 'hello' into notes.txt, then read it back.
    write_file: 5 characters written
    read_file: hello
    > Find the TODO lines.
    search_text: app.py: # TODO: log in / app.py: # TODO: log out
    > Switch debug off in app.ini.
    edit_file: 12 characters written
    > Run test_app.py.
    run_command: 2 tests passed
    39 items in the last request, 13 of them sealed thoughts
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import ResponsesNode
from tools_workspace import Workspace

MODEL = os.environ.get("RESPONSES_MODEL", "openai/gpt-5.3-codex")
CODE, TEST = "# TODO: log in\n# TODO: log out\n", "print('2 tests passed')\n"
FILES = {"app.ini": "debug = on\n", "app.py": CODE, "test_app.py": TEST}
PROMPTS = (
    "List the files, and find those in Python.",
    "Read app.ini.",
    "Write 'hello' into notes.txt, then read it back.",
    "Find the TODO lines.",
    "Switch debug off in app.ini.",
    "Run test_app.py.",
)


def make_graph(workspace: Workspace) -> Any:
    tools = workspace.toolbox().to_langchain()
    builder = StateGraph(MessagesState)
    node = ResponsesNode(MODEL, server="blackbox", tools=tools, max_iterations=8)
    builder.add_node("model", node)
    builder.add_node("tools", ToolNode(tools, handle_tool_errors=True))  # errors are words
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            (Path(folder) / name).write_text(text)
        graph, thread = make_graph(Workspace(folder)), {"configurable": {"thread_id": "1"}}
        seen = 0
        for prompt in PROMPTS:
            messages = graph.invoke({"messages": [HumanMessage(prompt)]}, thread)["messages"]
            print(f"> {prompt}")
            for message in messages[seen:]:
                if isinstance(message, ToolMessage):
                    print(f"{message.name}: {' / '.join(str(message.text).splitlines())}")
            seen = len(messages)
        turn = messages[-1].response_metadata["responses"]
        sealed = str(messages).count("encrypted_content")
        print(f"{turn['sent']} items in the last request, {sealed} of them sealed thoughts")


if __name__ == "__main__":
    main()

# Where next: langgraph_human_approval.py, to be asked before run_command.
