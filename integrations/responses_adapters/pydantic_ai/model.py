"""The model: PydanticAI's Responses model, made to fit the server it talks to."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Self, TypeVar, cast

import httpx2
from openai import DEFAULT_MAX_RETRIES, AsyncOpenAI
from openai.types import responses
from openai.types.websocket_connection_options import WebSocketConnectionOptions
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import (
    CompletedStreamedResponse,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfileSpec
from pydantic_ai.providers import Provider
from pydantic_ai.settings import ModelSettings, merge_model_settings
from pydantic_ai.usage import RequestUsage

from ..endpoints import NO_KEY
from ..profiles import ServerProfile
from ..protocol.http_clients import Http
from ..protocol.verdict import Memory
from .background import check_in_time, from_the_start, put_off, running_job, timed_out, wait_of
from .call import Call
from .client import lean
from .provider import (
    ResponsesProvider,
    provider_for,
    server_of,
    translated,
    with_server_facts,
)
from .retries import advised, is_failed_poll, retry_delay
from .settings import (
    CHAIN,
    ResponsesModelSettings,
    chain_of,
    check_settings,
    move_to_body,
    refuse_unsupported,
)

__all__ = ["ResponsesModel"]

AnswerT = TypeVar("AnswerT")


class ResponsesModel(OpenAIResponsesModel):
    """`OpenAIResponsesModel` on any Responses server: the one line to change in an agent.

    The history decides what the model sees. Where the server keeps responses, only what is new is sent; where it
    does not, everything is. A server of unknown kind gets everything until its token count can tell whether it
    remembers; the answer of that one turn is judged before it is shown. If the server has lost the response to
    continue, the history is sent in full, once. At api.openai.com with a `provider=` of yours, requests are the
    stock class's.

    Args:
        model_name: The model, as the server calls it.
        server: A known name (`"aleph-alpha"`, `"orq"` …) or a `ServerProfile`; by default the address decides.
        base_url: Address of the API. Default: the server's environment variable, then its public address.
        api_key: Key. Default: the server's environment variable; `OPENAI_API_KEY` goes to OpenAI only.
        http: What sends the requests: `"httpx"` (the default), or `"aiohttp"` (the extra of that name).
        http_client: An HTTP client of yours; you close it.
        provider: The provider you already have, instead of the five above; its address tells the server.
        profile: A PydanticAI model profile, over the server's facts.
        settings: Settings of every request.
        history_digest_key: A secret to key the digests of the history with, shared by all workers of a conversation.
        websocket_connection_options: As upstream, for OpenAI.

    Raises:
        UserError: `provider=` together with `server=`, `base_url=`, `api_key=`, `http=` or `http_client=`.
        UnknownServerError: No server has that name.
        ConfigurationError: The server has no public address and none was given, or it needs a key and has none;
            `http_client` is synchronous.
    """

    def __init__(
        self,
        model_name: str,
        *,
        server: str | ServerProfile | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        http: Http | None = None,
        http_client: httpx2.AsyncClient | None = None,
        provider: Provider[AsyncOpenAI] | str | None = None,
        profile: ModelProfileSpec | None = None,
        settings: ResponsesModelSettings | None = None,
        history_digest_key: bytes | None = None,
        websocket_connection_options: WebSocketConnectionOptions | None = None,
    ) -> None:
        provider = provider_for(
            provider,
            server=server,
            base_url=base_url,
            api_key=api_key,
            http=http,
            http_client=http_client,
        )
        self.server: ServerProfile = server_of(provider)
        # A provider brought along for OpenAI itself means: the stock class's requests, byte for byte.
        self._as_stock = self.server.reference and not isinstance(provider, ResponsesProvider)
        self._translates = not self._as_stock and not isinstance(provider, ResponsesProvider)
        self._pays_once = not self._as_stock and not self.server.honours_idempotency_key
        self._speaking: tuple[object, AsyncOpenAI] | None = None
        self._memory = Memory()
        # What the copy that serves one call knows of it.
        self._call: Call | None = None
        super().__init__(
            model_name,
            provider=provider,
            profile=with_server_facts(self.server, profile),
            settings=settings,
            history_digest_key=history_digest_key,
            websocket_connection_options=websocket_connection_options,
        )

    @property
    def client(self) -> AsyncOpenAI:
        """The SDK client; a stock provider's, where it is not OpenAI's, speaks the server's dialect."""
        if self._call is not None and self._call.client is not None:
            return self._call.client
        stock = super().client
        # The SDK has no public way to its HTTP client, which the provider replaces when the event loop changes.
        sender = getattr(stock, "_client", None) if self._translates else None
        if sender is None:
            return stock
        if self._speaking is None or self._speaking[0] is not sender:
            http_client = translated(sender, self.server, str(stock.base_url))
            self._speaking = sender, stock.with_options(http_client=http_client)
        return self._speaking[1]

    def prepare_request(
        self,
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        """Settle the settings for this server: whether to chain, and what goes into the body."""
        prepared, parameters = super().prepare_request(model_settings, model_request_parameters)
        settings = cast("ResponsesModelSettings", dict(prepared or {}))
        chain = (
            chain_of(settings, self.server, self._memory, as_stock=self._as_stock)
            if self._call is None or self._as_stock  # upstream has defaults of its own
            else self._call.continues
        )
        settings.pop(CHAIN, None)
        if chain is not None:
            settings[CHAIN] = chain
        if self.server.store == "always":
            settings.setdefault("openai_send_reasoning_ids", True)  # items go back as they came
        if self._pays_once and self._call is not None and self._call.job is None:
            settings.pop("max_retries", None)
        encrypted = self.profile.get("openai_supports_encrypted_reasoning_content", False)
        move_to_body(settings, encrypted=encrypted)
        return (settings or None), parameters

    def accepts_server_state(self, response: ModelResponse) -> bool:
        """Whether ids of this response may be sent back: never while everything is being replayed."""
        replays = self._call is not None and self._call.replays
        return not replays and super().accepts_server_state(response)

    def continuation_delay(self, response: ModelResponse) -> float | None:
        """Seconds until a background response is asked for again, as its own details say."""
        delay = super().continuation_delay(response)
        details, settings = response.provider_details or {}, self.settings or {}
        interval = details.get("poll_interval", settings.get("responses_poll_interval"))
        return delay if delay is None or interval is None else float(interval)

    async def cancel_suspended_response(self, response: ModelResponse) -> None:
        """Cancel a background response, where the server can and the caller has not merely stopped waiting."""
        if self.server.cancels and not timed_out(response):
            await super().cancel_suspended_response(response)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model, once more in full if the server has lost the response to continue.

        Raises:
            ChainLostError: The response that the messages were to continue is gone, and they do not hold what it held.
            BackgroundTimeoutError: A background response has taken longer than `responses_poll_timeout`.
            UserError: A setting or its value is misspelt, or asks for what the server refuses.
            ModelAPIError: As upstream, with a message that says what to do.
        """

        async def ask(model: Self, _: Call, settings: ModelSettings | None) -> ModelResponse:
            return await OpenAIResponsesModel.request(
                model, messages, settings, model_request_parameters
            )

        return await self._until_answered(messages, model_settings, model_request_parameters, ask)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream the answer; a lost response is replaced before anything is shown.

        Raises:
            ChainLostError: The response that the messages were to continue is gone, and they do not hold what it held.
            BackgroundTimeoutError: A background response has taken longer than `responses_poll_timeout`.
            UserError: A setting or its value is misspelt, or asks for what the server refuses.
            ModelAPIError: As upstream, with a message that says what to do.
        """
        async with AsyncExitStack() as stack:

            async def ask(
                model: Self, call: Call, settings: ModelSettings | None
            ) -> StreamedResponse | ModelResponse:
                if call.in_one_piece(self.server):
                    return await OpenAIResponsesModel.request(
                        model, messages, settings, model_request_parameters
                    )
                history = from_the_start(messages, call.job)
                stream = await stack.enter_async_context(
                    OpenAIResponsesModel.request_stream(
                        model, history, settings, model_request_parameters, run_context
                    )
                )
                if call.job is not None:
                    # A resumed stream need not open with the response; parts of another id would be added up.
                    stream.provider_response_id = call.job.provider_response_id
                    stream.provider_details = {**(stream.provider_details or {}), **call.wait}
                return stream

            answer = await self._until_answered(
                messages, model_settings, model_request_parameters, ask
            )
            if isinstance(answer, ModelResponse):
                answer = CompletedStreamedResponse(
                    answer,
                    model_request_parameters=model_request_parameters,
                    replay_events=True,
                )
            yield answer

    async def count_tokens(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> RequestUsage:
        """Count what a request with these messages would send, at the most.

        Raises:
            UserError: A setting or its value is misspelt, or asks for what the server refuses.
            ModelAPIError: As upstream, with a message that says what to do.
        """
        call = self._prepared(messages, model_settings, model_request_parameters)
        # An answer that does not prove the server's memory is replaced by one to everything.
        call.replays |= call.expected is not None
        model = copy.copy(self)
        model._call = call
        asked = messages, model_settings, model_request_parameters
        try:
            return await OpenAIResponsesModel.count_tokens(model, *asked)
        except ModelAPIError as error:
            last = self._last_answer(messages)
            if call.is_seeded or not call.may_replay(error, last, self.server, self._memory):
                raise self._advised(error, call) from error.__cause__
            call.replays = True
            return await OpenAIResponsesModel.count_tokens(model, *asked)

    async def _until_answered(
        self,
        messages: list[ModelMessage],
        given: ModelSettings | None,
        parameters: ModelRequestParameters,
        ask: Callable[[Self, Call, ModelSettings | None], Awaitable[AnswerT]],
    ) -> AnswerT | ModelResponse:
        """Ask until there is an answer, or no further attempt can help: the one path of plain and streamed requests.

        A job whose poll failed is given back, to be asked for again.
        """
        call = self._prepared(messages, given, parameters)
        model = copy.copy(self)
        model._call = call
        keyed = partial(call.keyed, given, messages, parameters, self.server)
        settings = keyed()
        attempt = 0
        while True:
            try:
                return self._in_time(await ask(model, call, settings), call)
            except ModelAPIError as error:
                if call.job is not None and is_failed_poll(error):
                    return self._in_time(put_off(call.job, call.wait), call)
                delay = retry_delay(error, attempt) if attempt < call.retries else None
                if delay is None:
                    if not call.may_replay(
                        error, self._last_answer(messages), self.server, self._memory
                    ):
                        raise self._advised(error, call) from error.__cause__
                    call.replays, call.expected = True, None
                    settings = keyed()
                    continue
            attempt += 1
            await asyncio.sleep(delay)

    def _in_time(self, answer: AnswerT, call: Call) -> AnswerT:
        if call.job is not None and call.overdue:
            check_in_time(answer, call.job, self.server.name, self.base_url)
        return answer

    def _process_provider_details(self, response: responses.Response) -> dict[str, Any] | None:
        """Keep what has no place in the message; refuse what must not be taken for an answer."""
        call = self._call
        if self._as_stock or call is None:
            return None
        return call.kept_of(response, self.server, self._memory) or None

    def _prepared(
        self,
        messages: list[ModelMessage],
        given: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> Call:
        """What a call with these settings is to do."""
        call = Call(
            model_name=self.model_name,
            given=dict(merge_model_settings(self.settings, given) or {}),
            as_stock=self._as_stock,
        )
        check_settings(call.given)
        refuse_unsupported(call.given, self.server)
        client = self.client
        if isinstance(client, AsyncOpenAI):  # a stand-in cannot be copied
            # The SDK repeats what timed out, and the server may be at work on the first of them.
            retries = 0 if self._pays_once else None
            call.client = lean(client, max_retries=retries, on_send=call.note)
        call.job = None if self._as_stock else running_job(messages, self.system)
        call.wait = wait_of(call.given, call.job)
        asked = messages
        if call.job is not None:
            call.overdue = timed_out(call.job, call.wait)
            asked = messages[:-1]
        elif self._pays_once:
            usual = getattr(client, "max_retries", DEFAULT_MAX_RETRIES)
            call.retries = call.given.get("max_retries", usual)
        last = self._last_answer(asked)
        call.plan(
            asked,
            parameters,
            last=last,
            server=self.server,
            memory=self._memory,
        )
        if call.is_seeded and last is not None:
            before = asked[: next(i for i, message in enumerate(asked) if message is last)]
            # Upstream sends a changed history in full, but without its seed.
            call.replays |= not self._history_known_unchanged(last, before)
        return call

    def _last_answer(self, messages: Sequence[ModelMessage]) -> ModelResponse | None:
        for message in reversed(messages):
            if isinstance(message, ModelResponse) and self.accepts_server_state(message):
                return message
        return None

    def _advised(self, error: ModelAPIError, call: Call) -> ModelAPIError:
        if self._as_stock:
            return error
        return advised(
            error,
            base_url=self.base_url,
            api_key_env=self.server.api_key_env,
            has_key=getattr(self.client, "api_key", None) != NO_KEY,
            retries=call.retries > 0,
        )
