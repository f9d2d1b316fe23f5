"""Any tool in, a correct Responses tool out, and the model's calls back into the tool's own terms.

    from responses_adapters.tools import Toolbox

    box = Toolbox([get_weather, Order, {"type": "web_search"}])
    response = client.responses.create(model=..., input=..., tools=box.definitions)
    outputs = await box.execute(response.output)

Loading this imports no framework; tools of LangChain, PydanticAI, MCP and openai-agents are known by their class.
"""

from __future__ import annotations

from ..errors import NotStrictError, ToolConversionError, ToolError
from .calls import ToolCall
from .names import clean_name
from .namespace import Namespace
from .output_format import OutputFormat
from .source import ToolContext
from .tool import Tool, to_responses_tool
from .toolbox import DecodedCall, Toolbox

__all__ = [
    "DecodedCall",
    "Namespace",
    "NotStrictError",
    "OutputFormat",
    "Tool",
    "ToolCall",
    "ToolContext",
    "ToolConversionError",
    "ToolError",
    "Toolbox",
    "clean_name",
    "to_responses_tool",
]
