"""One call of a model: what it is asked to do, and what is learnt on the way to its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types import responses
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from ..errors import ChainLostError
from ..profiles import ServerProfile
from ..protocol.dialect import RUNNING
from ..protocol.request import may_stream
from ..protocol.verdict import Expectation, Memory
from .amnesia import SETUP, Anchor, expect_input, setup_of, weigh
from .answers import (
    INSTRUCTED,
    check_usable,
    had_instructions,
    kept_details,
    sends_instructions,
)
from .keys import name_request, new_key
from .retries import is_refusal, says_lost
from .settings import CHAIN, chain_of

__all__ = ["Call"]


@dataclass(kw_only=True)
class Call:
    """State of the copy of a model that serves one call.

    Attributes:
        model_name: The model that is asked.
        given: Settings of the model and of the call.
        as_stock: Only the caller decides.
        job: The background response that is waited for; then nothing new is asked.
        wait: Since when, how often and until when it is asked for.
        overdue: It is asked for one last time.
        instructs: It says how to answer.
        continues: What it is to continue: the id of a response, `"auto"`, or nothing.
        replays: Nothing in the history counts as kept by the server.
        setup: Digest of what is asked beside the messages.
        anchor: The response to continue, where its token count can be compared.
        expected: Token counts to expect, where the server is put to the proof: nobody sees the answer before.
        retries: How often we send it again, where the SDK must not.
        client: Sends it.
        continued: The response that the last request named.
    """

    model_name: str
    given: Mapping[str, Any]
    as_stock: bool = False
    job: ModelResponse | None = None
    wait: Mapping[str, Any] = field(default_factory=dict)
    overdue: bool = False
    instructs: bool = False
    continues: str | None = None
    replays: bool = False
    setup: str | None = None
    anchor: Anchor | None = None
    expected: Expectation | None = None
    retries: int = 0
    client: AsyncOpenAI | None = None
    continued: str | None = None

    @property
    def chains(self) -> bool:
        """Whether the next request may name a response to continue."""
        return self.continues is not None and not self.replays

    @property
    def is_seeded(self) -> bool:
        """Whether it continues a response of which nothing else is known."""
        return not self.as_stock and self.continues not in {None, "auto"}

    def plan(
        self,
        messages: list[ModelMessage],
        parameters: ModelRequestParameters,
        *,
        last: ModelResponse | None,
        server: ServerProfile,
        memory: Memory,
    ) -> None:
        """Decide what to continue, and what to expect of the answer.

        Args:
            messages: The history, without the job.
            parameters: What is asked beside it.
            last: The newest answer of this server.
            server: The server.
            memory: What is known of it beyond that.
        """
        given = self.given
        if not self.as_stock and _holds(messages, given.get(CHAIN)):
            given = {**given, CHAIN: "auto"}  # not a seed: the history has all that it stands for
        self.continues = chain_of(given, server, memory, as_stock=self.as_stock)
        self.instructs = sends_instructions(messages, parameters)
        chaining = self.given.get("responses_chaining", "auto")
        if self.continues == "auto" and not self.as_stock and chaining != "always":
            self.setup = setup_of(self.model_name, parameters)
            if last is not None:
                self.anchor = Anchor.of(last, messages, self.setup, self.given)
        if self.job is not None or self.continues is None:
            return
        unstored = self.given.get("openai_store") is False or (
            last is not None and (last.provider_details or {}).get("store") is False
        )
        # The server would go on without what it does not keep, or with what was taken away.
        gaps = not server.keeps_tool_items and any(
            isinstance(part, ToolCallPart) for message in messages for part in message.parts
        )
        gaps |= (
            server.inherits_instructions
            and last is not None
            and not self.instructs
            and had_instructions(last, messages)
        )
        unproven = server.state == "unknown" and memory.kind == "unknown"
        asked_for = self.as_stock or chaining == "always" or self.given.get(CHAIN) is not None
        if unproven and not asked_for and not unstored and not gaps:
            self._put_to_proof(messages, parameters, memory)
        else:
            self.replays = unstored or gaps

    def _put_to_proof(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters, memory: Memory
    ) -> None:
        """Continue a response where the token count will tell whether the server had it; replay elsewhere."""
        if self.anchor is not None and memory.may_prove():
            expected = expect_input(self.anchor, messages, parameters)
            self.expected = expected if expected.separable else None
        self.replays = self.expected is None

    def in_one_piece(self, server: ServerProfile) -> bool:
        """Whether a streamed call is made without a stream.

        An answer that is to prove the server's memory is judged before it is shown, and a background response is
        polled for where the server cannot stream it, and for the last time.
        """
        waits = self.job is not None or bool(self.given.get("openai_background"))
        options = self.given.get("responses_background_options")
        asked = {"background": True, "background_options": options}
        unstreamed = waits and not self.as_stock and not may_stream(asked, server)
        return self.overdue or unstreamed or self.expected is not None

    def may_replay(
        self,
        error: ModelAPIError,
        last: ModelResponse | None,
        server: ServerProfile,
        memory: Memory,
    ) -> bool:
        """Whether the history sent in full may help after this error.

        Raises:
            ChainLostError: It would, if it were here.
        """
        if self.expected is not None and is_refusal(error):
            memory.kind = "lost"  # it does not know the parameter, or not the id
            return True
        if self.continues is None or not says_lost(error):
            return False
        if self.given.get("responses_on_lost_state") == "raise":
            return False
        if not self.replays and last is not None:
            return True
        if self.continues == "auto":
            return False
        raise ChainLostError(
            f'server "{server.name}" has lost {self.continues}, the response that these messages continue, and'
            " what came before it is not in message_history=: start again without it",
            response_id=self.continues,
            server=server.name,
        ) from error

    def keyed(
        self,
        given: ModelSettings | None,
        messages: Sequence[ModelMessage],
        parameters: ModelRequestParameters,
        server: ServerProfile,
    ) -> ModelSettings | None:
        """The settings given for this call; those of a new request with a key of its own."""
        # On a WebSocket, headers are the connection's and not the request's.
        on_socket = self.given.get("openai_transport") == "websocket"
        if self.as_stock or self.job is not None or on_socket:
            return given
        if not self.given.get("responses_idempotency", True):
            return given
        name = None
        if server.honours_idempotency_key and (self.continues != "auto" or self.replays):
            name = name_request(self.model_name, messages, self.given, parameters)
        key = {"Idempotency-Key": new_key(name), **self.given.get("extra_headers", {})}
        return cast("ModelSettings", {**(given or {}), "extra_headers": key})

    def kept_of(
        self, response: responses.Response, server: ServerProfile, memory: Memory
    ) -> dict[str, Any]:
        """What is kept of an answer beside its message; an error where it must not be taken for one."""
        check_usable(response, self.model_name, self.given, server.name)
        weigh(
            response,
            self.anchor,
            memory,
            continued=self.continued or response.previous_response_id,
            expected=self.expected,
            server=server,
            model_name=self.model_name,
        )
        details = kept_details(response)
        if response.status in RUNNING and response.background:
            details |= self.wait
        if self.setup:
            details[SETUP] = self.setup
        if self.instructs and server.inherits_instructions:
            details[INSTRUCTED] = True
        return details

    def note(self, body: Mapping[str, Any]) -> None:
        """Take note of what is sent."""
        self.continued = body.get("previous_response_id")
        self.instructs |= bool(body.get("instructions"))


def _holds(messages: Sequence[ModelMessage], response_id: str | None) -> bool:
    return response_id is not None and any(
        isinstance(message, ModelResponse) and message.provider_response_id == response_id
        for message in messages
    )
