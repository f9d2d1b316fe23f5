"""LangChain's own suites for chat models, against the fake server (`make test-langchain`).

Not collected by `make test`: they bring plugins of their own to pytest.
"""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from responses_adapters.langgraph import ChatResponses
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

JOKE = {"setup": "Why do cats purr?", "punchline": "They are charging."}


@pytest.fixture(autouse=True)
def _downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the suites the files that they would download; the fake reads none."""
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "none")
    monkeypatch.setattr(httpx, "get", lambda url, **_: httpx.Response(200, content=b"a file"))


def fake(server: str) -> dict[str, Any]:
    """Options of a model over a fake of this server that follows the prompt of `test_json_mode`."""
    backend = Backend(server, brain=True)
    backend.on(text="'setup' and 'punchline' keys").reply_json(JOKE).always()
    transport = make_transport(backend)
    return {
        "model": "gpt-5",
        "server": server,
        "base_url": "https://api.test/v1",
        "api_key": "sk-test",
        "http_client": openai.DefaultHttpxClient(transport=transport),
        "http_async_client": openai.DefaultAsyncHttpxClient(transport=transport),
    }


class TestUnits(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatResponses

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-5", "server": "generic", "base_url": "https://api.test/v1"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        options = {"model": "gpt-5", "server": "openai"}
        return {"OPENAI_API_KEY": "sk-test"}, options, {"api_key": "sk-test"}


class OnFake(ChatModelIntegrationTests):
    server: str
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True
    model_override_value = "gpt-5-mini"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatResponses

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return fake(self.server)


class TestOpenAI(OnFake):
    server = "openai"
    supports_audio_inputs = False  # refuses `input_audio`, which others take

    @pytest.mark.xfail(reason="the Responses API of OpenAI has no parameter `stop`")
    def test_stop_sequence(self, model: BaseChatModel) -> None:
        super().test_stop_sequence(model)


class TestAlephAlpha(OnFake):
    server = "aleph-alpha"
    supports_image_inputs = False  # its schema has text alone, in messages and in outputs of tools
    supports_image_urls = False
    supports_pdf_inputs = False
    supports_audio_inputs = False
    supports_image_tool_message = False
    supports_pdf_tool_message = False


class TestOrq(OnFake):
    server = "orq"  # what a tool returns beside text is sent in a message
    supports_json_mode = False
    supports_audio_inputs = False
