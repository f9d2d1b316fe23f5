"""PydanticAI on any Responses server: the model, its provider, its settings, and servers as model strings."""

from __future__ import annotations

from ..errors import MissingExtraError

try:
    import openai  # noqa: F401
    import pydantic_ai  # noqa: F401
except ImportError as _missing:
    raise MissingExtraError("pydantic-ai", "pydantic-ai-slim") from _missing

from .model import ResponsesModel
from .provider import ResponsesProvider
from .servers import ResponsesServers
from .settings import ResponsesModelSettings

__all__ = ["ResponsesModel", "ResponsesModelSettings", "ResponsesProvider", "ResponsesServers"]
