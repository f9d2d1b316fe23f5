from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "agents",
    "griffe",
    "jsonschema",
    "langchain_core",
    "langgraph",
    "mcp",
    "openai",
    "pydantic_ai",
)


def test_loading_and_using_the_tools_imports_no_framework():
    code = f"""
import sys
from responses_adapters.tools import Toolbox
def add(a: int) -> int: return a
Toolbox([add, {{"type": "web_search"}}]).definitions
loaded = {set(HEAVY)!r} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
