"""Known servers as model strings: `Agent("valar:moonshotai/Kimi-K2.6", capabilities=[ResponsesServers()])`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.models import Model, ModelResolutionContext
from pydantic_ai.providers import infer_provider_class
from pydantic_ai.tools import AgentDepsT

from ..errors import UnknownServerError
from ..profiles import ServerProfile, find_server
from .model import ResponsesModel

__all__ = ["ResponsesServers"]


@dataclass
class ResponsesServers(AbstractCapability[AgentDepsT]):
    """Lets an agent name any Responses server in its model string, also under durable execution.

    A name that PydanticAI itself serves (`openai:`, `ollama:` …) stays with PydanticAI unless a route or
    `servers` claims it.

    Args:
        routes: Sends models elsewhere without touching the agent: `{"openai:*": "orq:openai/*"}` makes
            `openai:gpt-5` the model `openai/gpt-5` of orq. The first pattern that fits decides; each side holds
            one `*` at most.
        servers: Further servers by the name that stands before the colon.
    """

    routes: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, ServerProfile] = field(default_factory=dict)
    _models: dict[str, ResponsesModel] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    async def resolve_model_id(
        self, ctx: ModelResolutionContext[AgentDepsT], *, model_id: str
    ) -> Model | None:
        """The model on the server that the string names, or `None` if it names none of ours."""
        del ctx  # the string says it all
        if model_id not in self._models:
            target = self._route(model_id)
            server, _, name = (target or model_id).partition(":")
            profile = self._server(server, routed=target is not None)
            if profile is None or not name:
                return None
            self._models[model_id] = ResponsesModel(name, server=profile)
        return self._models[model_id]

    def _server(self, name: str, *, routed: bool) -> ServerProfile | None:
        if name in self.servers:
            return self.servers[name]
        if not routed and _served_upstream(name):
            return None
        try:
            return find_server(name)
        except UnknownServerError:
            if routed:
                raise
            return None

    def _route(self, model_id: str) -> str | None:
        for pattern, target in self.routes.items():
            if fnmatchcase(model_id, pattern):
                head, _, tail = pattern.partition("*")
                return target.replace("*", model_id[len(head) : len(model_id) - len(tail)])
        return None


def _served_upstream(name: str) -> bool:
    try:
        infer_provider_class(name)
    except ValueError:
        return False
    return True
