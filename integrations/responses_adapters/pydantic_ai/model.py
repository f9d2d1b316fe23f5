"""The model: PydanticAI's Responses model, made to fit the server it talks to."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, Self, TypeVar, cast

import httpx2
from openai import DEFAULT_MAX_RETRIES, AsyncOpenAI
from openai.types import responses
from openai.types.websocket_connection_options import WebSocketConnectionOptions
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import (
    CompletedStreamedResponse,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfileSpec
from pydantic_ai.providers import Provider, infer_provider
from pydantic_ai.settings import ModelSettings, merge_model_settings

from ..errors import ChainLostError
from ..profiles import ServerProfile
from .amnesia import SETUP, Anchor, Memory, setup_of
from .answers import (
    check_deadline,
    check_usable,
    from_the_start,
    kept_details,
    lost_instructions,
    poll_details,
    running_job,
    timed_out,
)
from .client import lean
from .keys import name_request, new_key
from .provider import ResponsesProvider, server_of, translated, with_server_facts
from .retries import advised, is_failed_poll, retry_delay, says_lost
from .settings import (
    ResponsesModelSettings,
    check_names,
    move_to_body,
    refuse_unsupported,
)

__all__ = ["ResponsesModel"]

AnswerT = TypeVar("AnswerT")

_CHAIN: Final = "openai_previous_response_id"
_WIRE_CHAIN: Final = "previous_response_id"


class ResponsesModel(OpenAIResponsesModel):
    """`OpenAIResponsesModel` on any Responses server: the one line to change in an agent.

    The history decides what the model sees. Where the server keeps responses, only what is new is sent; where it
    does not, or where that is unknown, everything is. If it has lost the response to continue, the
    history is sent in full, once. At api.openai.com with a `provider=` of yours, requests are the stock class's.

    Args:
        model_name: The model, as the server calls it.
        server: A known name (`"aleph-alpha"`, `"orq"` …) or a `ServerProfile`; by default the address decides.
        base_url: Address of the API. Default: the server's environment variable, then its public address.
        api_key: Key. Default: the server's environment variable; `OPENAI_API_KEY` goes to OpenAI only.
        http_client: An HTTP client of yours; you close it.
        provider: The provider you already have, instead of the four above; its address tells the server.
        profile: A PydanticAI model profile, over the server's facts.
        settings: Settings of every request.
        history_digest_key: A secret to key the digests of the history with, shared by all workers of a conversation.
        websocket_connection_options: As upstream, for OpenAI.

    Raises:
        UserError: `provider=` together with `server=`, `base_url=`, `api_key=` or `http_client=`.
        UnknownServerError: No server has that name.
        ConfigurationError: The server has no public address and none was given, or it needs a key and has none.
    """

    def __init__(
        self,
        model_name: str,
        *,
        server: str | ServerProfile | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        http_client: httpx2.AsyncClient | None = None,
        provider: Provider[AsyncOpenAI] | str | None = None,
        profile: ModelProfileSpec | None = None,
        settings: ResponsesModelSettings | None = None,
        history_digest_key: bytes | None = None,
        websocket_connection_options: WebSocketConnectionOptions | None = None,
    ) -> None:
        own = {
            "server": server,
            "base_url": base_url,
            "api_key": api_key,
            "http_client": http_client,
        }
        if provider is None:
            provider = ResponsesProvider(
                server, base_url=base_url, api_key=api_key, http_client=http_client
            )
        elif given := [name for name, value in own.items() if value is not None]:
            raise UserError(
                f"provider= already holds the address, key and client: leave out {', '.join(f'{name}=' for name in given)},"
                " or pass them to ResponsesProvider(...) and that as provider="
            )
        elif isinstance(provider, str):
            provider = cast("Provider[AsyncOpenAI]", infer_provider(provider))
        self.server: ServerProfile = server_of(provider)
        # A provider brought along for OpenAI itself means: the stock class's requests, byte for byte.
        self._as_stock = self.server.reference and not isinstance(provider, ResponsesProvider)
        self._translates = not self._as_stock and not isinstance(provider, ResponsesProvider)
        self._pays_once = not self._as_stock and not self.server.honours_idempotency_key
        self._lighter: tuple[object, AsyncOpenAI] | None = None
        self._chains = self.server.state == "server" and not self._as_stock
        self._memory = Memory()
        # State of the copy that serves one request. It replays when nothing in the history counts as stored.
        self._replays = False
        self._continues: str | None = None
        self._given: Mapping[str, Any] = {}
        self._setup: str | None = None
        self._anchor: Anchor | None = None
        self._job: ModelResponse | None = None
        self._name: str | None = None
        self._retries = 0
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
        """The SDK client, made lighter; a stock provider's, where it is not OpenAI's, speaks the server's dialect."""
        stock = super().client
        # Only a client of the SDK can be copied. It has no public way to its HTTP client, which the
        # provider replaces when the event loop changes.
        sender = getattr(stock, "_client", None) if isinstance(stock, AsyncOpenAI) else None
        if sender is None:
            return stock
        if self._lighter is None or self._lighter[0] is not sender:
            speaking = stock
            if self._translates:
                http_client = translated(sender, self.server, str(stock.base_url))
                speaking = stock.with_options(http_client=http_client)
            # The SDK repeats what timed out, and the server may be at work on the first of them.
            self._lighter = sender, lean(speaking, max_retries=0 if self._pays_once else None)
        return self._lighter[1]

    def prepare_request(
        self,
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        """Settle the settings for this server: whether to chain, and what goes into the body."""
        prepared, parameters = super().prepare_request(model_settings, model_request_parameters)
        settings = cast("ResponsesModelSettings", dict(prepared or {}))
        self._settle_chaining(settings)
        if self.server.store == "always":
            settings.setdefault("openai_send_reasoning_ids", True)  # items go back as they came
        if self._pays_once and self._job is None:
            settings.pop("max_retries", None)
        encrypted = self.profile.get("openai_supports_encrypted_reasoning_content", False)
        move_to_body(settings, encrypted=encrypted)
        return (settings or None), parameters

    def accepts_server_state(self, response: ModelResponse) -> bool:
        """Whether ids of this response may be sent back: never while everything is being replayed."""
        return not self._replays and super().accepts_server_state(response)

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
            UserError: A setting is misspelt, or asks for what the server refuses.
            ModelAPIError: As upstream, with a message that says what to do.
        """

        async def ask(model: Self, settings: ModelSettings | None) -> ModelResponse:
            return await model._stock_request(messages, settings, model_request_parameters)

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
            UserError: A setting is misspelt, or asks for what the server refuses.
            ModelAPIError: As upstream, with a message that says what to do.
        """
        async with AsyncExitStack() as stack:

            async def ask(model: Self, settings: ModelSettings | None) -> StreamedResponse:
                stream = await stack.enter_async_context(
                    model._stock_stream(
                        from_the_start(messages, model._job),
                        settings,
                        model_request_parameters,
                        run_context,
                    )
                )
                if model._job is not None:
                    # A resumed stream need not open with the response; parts of another id would be added up.
                    stream.provider_response_id = model._job.provider_response_id
                return stream

            answer = await self._until_answered(
                messages, model_settings, model_request_parameters, ask
            )
            if isinstance(answer, ModelResponse):
                answer = CompletedStreamedResponse(
                    answer, model_request_parameters=model_request_parameters
                )
            yield answer

    async def _until_answered(
        self,
        messages: list[ModelMessage],
        given: ModelSettings | None,
        parameters: ModelRequestParameters,
        ask: Callable[[Self, ModelSettings | None], Awaitable[AnswerT]],
    ) -> AnswerT | ModelResponse:
        """Ask until there is an answer, or no further attempt can help: the one path of plain and streamed requests.

        A job whose poll failed is given back as it was, to be asked for again.
        """
        model, settings = self._for(messages, given, parameters)
        attempt = 0
        while True:
            try:
                return await ask(model, settings)
            except ModelAPIError as error:
                if model._job is not None and is_failed_poll(error):
                    return model._job
                delay = retry_delay(error, attempt) if attempt < model._retries else None
                if delay is None:
                    model, settings = model._after(error, messages, given)
                    continue
            attempt += 1
            await asyncio.sleep(delay)

    def _stock_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None,
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        return super().request_stream(
            messages, model_settings, model_request_parameters, run_context
        )

    async def _stock_request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return await super().request(messages, model_settings, model_request_parameters)

    def _process_provider_details(self, response: responses.Response) -> dict[str, Any] | None:
        """Keep what has no place in the message; refuse what must not be taken for an answer."""
        if self._as_stock:
            return None
        check_usable(response, self.model_name, self._given, self.server.name)
        self._memory.check(response, self._anchor, self.model_name, self.server.name)
        details = kept_details(response) | poll_details(response, self._given, self._job)
        if self._setup:
            details[SETUP] = self._setup
        return details or None

    def _settle_chaining(self, settings: ResponsesModelSettings) -> None:
        """Ask upstream to continue the last response where that is right; a seed of the caller's stays."""
        chaining = settings.get("responses_chaining", "auto")
        seed = settings.get(_CHAIN)
        if settings.get("openai_conversation_id") is not None:
            return
        refused = _WIRE_CHAIN in self.server.refuses or settings.get("openai_store") is False
        forgets = self._memory.forgets and chaining == "auto"
        if refused or forgets or chaining == "never":
            if seed == "auto":
                del settings[_CHAIN]
        elif seed is None and (chaining == "always" or (chaining == "auto" and self._chains)):
            settings[_CHAIN] = "auto"

    def _for(
        self,
        messages: list[ModelMessage],
        given: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> tuple[Self, ModelSettings | None]:
        """A copy of this model for one request, and the settings of its first attempt."""
        model = copy.copy(self)
        model._given = dict(merge_model_settings(self.settings, given) or {})
        check_names(model._given)
        refuse_unsupported(model._given, self.server)
        model._job = None if self._as_stock else running_job(messages, self.system)
        asked = messages
        if model._job is not None:
            check_deadline(model._job, model._given, self.server.name, self.base_url)
            asked = messages[:-1]
        last = self._last_answer(asked)
        chain = model._chain(given)
        trusts = self._as_stock or model._given.get("responses_chaining") == "always"
        if chain == "auto" and not trusts:
            model._setup = setup_of(parameters)
            if last is not None:
                model._anchor = Anchor.of(last, asked, model._setup, model._given)
        if model._job is not None:
            return model, given
        if self.server.honours_idempotency_key and chain != "auto":
            model._name = name_request(self.model_name, messages, model._given, parameters)
        unstored = model._given.get("openai_store") is False or (
            last is not None and (last.provider_details or {}).get("store") is False
        )
        inherited = self.server.inherits_instructions and lost_instructions(messages)
        model._continues = chain
        model._replays = bool(chain) and (unstored or inherited)
        return model, model._keyed(given)

    def _keyed(self, given: ModelSettings | None) -> ModelSettings | None:
        """The settings of a new request: with a key of its own, and the retries that are ours because the SDK's could pay twice."""
        # On a WebSocket, headers are the connection's and not the request's.
        if self._as_stock or self._given.get("openai_transport") == "websocket":
            return given
        settings: dict[str, Any] = {**(given or {})}
        if self._given.get("responses_idempotency", True):
            headers = self._given.get("extra_headers", {})
            settings["extra_headers"] = {"Idempotency-Key": new_key(self._name), **headers}
        if self._pays_once:
            usual = getattr(self._provider.client, "max_retries", DEFAULT_MAX_RETRIES)
            self._retries = self._given.get("max_retries", usual)
        return cast("ModelSettings", settings)

    def _chain(self, given: ModelSettings | None) -> str | None:
        """What a request with these settings continues: a seed, `"auto"`, or nothing."""
        merged = merge_model_settings(self.settings, given) or {}
        settings = cast("ResponsesModelSettings", dict(merged))
        self._settle_chaining(settings)
        return settings.get(_CHAIN)

    def _last_answer(self, messages: Sequence[ModelMessage]) -> ModelResponse | None:
        for message in reversed(messages):
            if isinstance(message, ModelResponse) and self.accepts_server_state(message):
                return message
        return None

    def _after(
        self, error: ModelAPIError, messages: Sequence[ModelMessage], given: ModelSettings | None
    ) -> tuple[Self, ModelSettings | None]:
        """Whom to ask next after this error, and how; raises where asking again cannot help."""
        chain = self._continues
        wish = self._given.get("responses_on_lost_state")
        if chain is None or wish == "raise" or not says_lost(error):
            raise self._advised(error)
        if not self._replays and self._last_answer(messages) is not None:
            replay = copy.copy(self)
            replay._replays = True
            return replay, replay._keyed(given)
        if chain != "auto":
            raise ChainLostError(
                f'server "{self.server.name}" has lost {chain}, the response that these messages continue, and'
                " what came before it is not in message_history=: start again without it",
                response_id=chain,
                server=self.server.name,
            ) from error
        raise self._advised(error)

    def _advised(self, error: ModelAPIError) -> ModelAPIError:
        if self._as_stock:
            return error
        return advised(
            error,
            base_url=self.base_url,
            api_key_env=self.server.api_key_env,
            retries=self._retries > 0,
        )
