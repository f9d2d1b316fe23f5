"""A chat model over any Responses server, whose every answer knows which messages the server has seen."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import ConfigDict, PrivateAttr, SecretStr, ValidationError

from ..endpoints import resolve_endpoint
from ..errors import ConfigurationError
from ..profiles import ServerProfile
from ..protocol.chain import Ledger
from ..protocol.http_clients import Http
from ..protocol.reading import Limits
from ..protocol.request import conversation_id
from ..protocol.turn import Turn
from .background import Background, Submission
from .bound_tools import BoundTools, ToolCache
from .call import Call, ChatContextLengthError, chain_name, current_metadata, running
from .connection import Connection, GivenClients, OwnClients
from .headers import HiddenHeaders, shown
from .hints import explain_invalid
from .messages import conversation_items, ledger_entry, lift_instructions
from .options import ALIASES, RequestOptions, create_body, given_options
from .standard import StandardEvents
from .structured import Method, bind_schema, with_parser

__all__ = ["ChatResponses"]


class ChatResponses(RequestOptions, StandardEvents, HiddenHeaders):
    """Chat with any server that speaks the Responses API.

    Every answer carries a stamp of the messages that the server has seen. A later call with those messages, unedited,
    sends only what is new; any other call sends everything. Beside the options below, every parameter of the
    API is one (see `RequestOptions`).

    Args:
        model: Name of the model.
        server: A known server (`"openai"`, `"aleph-alpha"`, `"orq"` …) or a `ServerProfile`; by default known by
            its address.
        base_url: Address of the API, up to and with its version (`https://host/v1`).
        api_key: Key of the server; by default from its environment variable.
        instructions: System prompt; leading system messages are added to it.
        chaining: `"auto"` chains where the server proved or is known to keep conversations, `"always"` without
            proof, `"never"` sends everything every time.
        chain: Whose conversation this is; by default the agent's or node's name. Agents that share messages do not
            share hidden reasoning.
        on_dangling_calls: What to do about a tool call that nobody answered: `"output"` answers it with an error
            that the model can read, `"raise"` raises.
        on_incomplete: What to do when the answer was cut short by a limit: `"return"` it or `"raise"`.
        emit_events: Whether a graph's `"custom"` stream hears of recoveries and of waits for background responses.
        timeout: Seconds to wait for the server, or a timeout object of the SDK's HTTP library.
        max_retries: Further attempts after a refused connection, 429 or 5xx.
        poll_interval: Seconds between polls of a background response, unless `background=` says.
        poll_timeout: Seconds until polling gives up, unless `background=` says; `None` waits for ever.
        max_response_bytes: Bytes of one answer at which reading stops with `ResponseTooLargeError`.
        default_headers: Headers of every request.
        client: An OpenAI client to send through, instead of one made from `base_url` and `api_key`.
        async_client: The same for asynchronous calls.
        http: What sends asynchronous calls: `"httpx"`, or `"aiohttp"` (the extra of that name), which takes a fraction
            of the CPU time.
        http_client: HTTP client for synchronous calls (of httpx2 with openai 3, of httpx before).
        http_async_client: HTTP client for asynchronous calls.
        stamp_secret: What stamps are sealed with, where workers do not share one API key.
        streaming: Whether `invoke` streams too.
        output_version: `"responses/v1"` keeps content as the server sent it, `"v1"` makes it LangChain's standard
            blocks and keeps the server's items beside them; `message.content_blocks` is standard either way.

    Raises:
        UnknownServerError: No server has that name.
        ConfigurationError: An option is missing, misspelt, or contradicts another one.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    model: str
    server: str | ServerProfile | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    instructions: str | None = None
    chaining: Literal["auto", "always", "never"] = "auto"
    chain: str | None = None
    on_dangling_calls: Literal["output", "raise"] = "output"
    on_incomplete: Literal["return", "raise"] = "return"
    emit_events: bool = True
    timeout: Any = None
    max_retries: int = 2
    poll_interval: float = 2.0
    poll_timeout: float | None = 600.0
    max_response_bytes: int = Limits().total
    default_headers: dict[str, SecretStr] | None = None
    client: Any = None
    async_client: Any = None
    http: Http = "httpx"
    http_client: Any = None
    http_async_client: Any = None
    stamp_secret: SecretStr | None = None
    streaming: bool = False
    output_version: str | None = "responses/v1"

    _connection: Connection = PrivateAttr()
    _tools: BoundTools | None = PrivateAttr(default=None)
    _tool_cache: ToolCache = PrivateAttr(default_factory=ToolCache)

    def __init__(self, model: str | None = None, **options: Any) -> None:
        self.check_options(options)
        if model is not None:
            options["model"] = model
        if "model" not in options:
            raise ConfigurationError('ChatResponses needs a model: ChatResponses("gpt-5", …)')
        try:
            super().__init__(**{ALIASES.get(name, name): value for name, value in options.items()})
        except ValidationError as error:
            raise ConfigurationError(explain_invalid("ChatResponses", error)) from None
        self._connection = self._connect()

    def _connect(self) -> Connection:
        secret = self.stamp_secret.get_secret_value() if self.stamp_secret else None
        if self.client is not None or self.async_client is not None:
            return GivenClients(
                self.client, self.async_client, server=self.server, stamp_secret=secret
            )
        key = self.api_key.get_secret_value() if self.api_key else None
        endpoint = resolve_endpoint(self.server, base_url=self.base_url, api_key=key)
        self.api_key = SecretStr(endpoint.api_key) if endpoint.api_key else None
        return OwnClients(
            endpoint,
            stamp_secret=secret,
            default_headers=shown(self.default_headers),
            http=self.http,
            http_client=self.http_client,
            http_async_client=self.http_async_client,
        )

    @property
    def server_profile(self) -> ServerProfile:
        """Facts about the server in use."""
        return self._connection.profile

    @property
    def bound_tools(self) -> list[dict[str, Any]] | None:
        """Wire definitions of the tools bound to this copy of the model, `None` without any."""
        return self._tools.definitions if self._tools is not None else None

    @property
    def _llm_type(self) -> str:
        return "responses"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "server": self._connection.profile.name,
            "base_url": self._connection.base_url,
            "instructions": self.instructions,
            **given_options(self),
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self._connection.profile.name
        params["ls_model_name"] = kwargs.get("model", self.model)
        if (limit := kwargs.get("max_output_tokens", self.max_output_tokens)) is not None:
            params["ls_max_tokens"] = limit
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return ModelProfile(tool_calling=True, structured_output=True)

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The answer to these messages; see `ChatResponses`."""
        with running(config) as run:
            message = super().invoke(input, config, **kwargs)
        return run.as_said(message)

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The answer to these messages; see `ChatResponses`."""
        with running(config) as run:
            message = await super().ainvoke(input, config, **kwargs)
        return run.as_said(message)

    def bind_tools(
        self,
        tools: Sequence[Any],
        *,
        tool_choice: Any = None,
        strict: bool | Literal["auto"] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model.

        Args:
            tools: LangChain tools, callables, Pydantic models, JSON schemas or wire dicts; hosted tools
                (`{"type": "web_search"}`, `{"type": "orq:google_search"}` …) go out untouched.
            tool_choice: As in `RequestOptions`.
            strict: `True` insists on strict schemas and raises where a tool has none; `"auto"` (the default) is
                strict where nothing is lost by it.
            **kwargs: Further call options.

        Raises:
            NotStrictError: `strict=True` and a tool has no faithful strict form.
            ToolConversionError: An object cannot be expressed as a tool.
            ConfigurationError: An option is misspelt.
        """
        self.check_call(kwargs)
        bound = self.model_copy()
        bound._tools = self._tool_cache.bind(tools, strict=strict)
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return bound.bind(tools=bound._tools.definitions, **kwargs)

    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """A model that answers in the shape of a schema.

        Args:
            schema: A Pydantic model or dataclass (the answer is an instance of it), a TypedDict or JSON schema (the
                answer is a dict).
            method: `"json_schema"` by the API's own format option, `"function_calling"` by a tool that must be
                called, `"json_mode"` any JSON object, as the prompt describes it.
            include_raw: Return `{"raw", "parsed", "parsing_error"}` instead of raising on a bad answer.
            strict: As in `bind_tools`.
            **kwargs: Further call options.

        Raises:
            OutputParserException: When called: the answer does not fit, or the model refused.
        """
        self.check_call(kwargs)
        bound, parse = bind_schema(self, schema, method=method, strict=strict)
        return with_parser(bound.bind(**kwargs), parse, include_raw=include_raw)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        call = self._prepare(messages, stop, kwargs, stream=False)
        outcome = self._connection.client(**call.transport).complete(call.turn)
        return ChatResult(generations=[ChatGeneration(message=call.answer(outcome))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        call = self._prepare(messages, stop, kwargs, stream=False)
        outcome = await self._connection.async_client(**call.transport).complete(call.turn)
        return ChatResult(generations=[ChatGeneration(message=call.answer(outcome))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._prepare(messages, stop, kwargs, stream=True)
        for step in self._connection.client(**call.transport).run(call.turn):
            if (chunk := call.chunk(step)) is not None:
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = self._prepare(messages, stop, kwargs, stream=True)
        async with aclosing(
            self._connection.async_client(**call.transport).run(call.turn)
        ) as steps:
            async for step in steps:
                if (chunk := call.chunk(step)) is not None:
                    yield chunk

    def _prepare(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        *,
        stream: bool,
    ) -> Call:
        """Everything about one call that needs no I/O."""
        self.check_call(kwargs)
        options = dict(kwargs)
        if stop is not None:
            options["stop"] = stop
        options.pop("stream", None)
        lifted, conversation = lift_instructions(messages)
        instructions = (options.pop("instructions", self.instructions), lifted)
        if not conversation:
            raise ConfigurationError(
                "there are no messages to send: pass at least one message that is not a system message"
            )
        tools = self._tool_cache.take(options, bound=self._tools)
        chain = options.pop("chain", self.chain)
        if chain is None:
            chain = chain_name(current_metadata())
        connection = self._connection
        chaining = options.pop("chaining", None) or self.chaining
        seed = options.pop("previous_response_id", None)
        headers = shown(options.pop("extra_headers", None))
        full_instructions = "\n\n".join(filter(None, instructions)) or None
        body = create_body(options.pop("model", self.model), self, options, tools=tools)
        ledger = Ledger(
            [ledger_entry(message) for message in conversation],
            key=connection.key,
            chain=chain,
            scope=connection.scope,
            instructions=full_instructions,
            seed=seed,
            conversation=conversation_id(body),
        )
        transport: dict[str, Any] = {
            "extra_headers": headers,
            "timeout": self.timeout,
            "limits": Limits(total=self.max_response_bytes),
        }
        background = options.get("background", self.background)
        if not isinstance(background, Background):
            background = Background(
                poll_interval=self.poll_interval, poll_timeout=self.poll_timeout
            )
        if body.get("background"):
            submission = Submission.here(background, ledger, tells=self.emit_events)
            stream = stream and submission.streams
            transport["submission"] = submission
        turn = Turn(
            body=body,
            ledger=ledger,
            groups=lambda start: conversation_items(conversation, start),
            profile=connection.profile,
            memory=connection.memory,
            instructions=full_instructions,
            chaining=chaining,
            stream=stream,
            on_dangling=self.on_dangling_calls,
            max_retries=self.max_retries,
            poll_interval=background.poll_interval,
            poll_timeout=background.poll_timeout,
            overflow_error=ChatContextLengthError,
        )
        return Call(
            turn,
            tools=tools,
            transport=transport,
            on_incomplete=self.on_incomplete,
            emit_events=self.emit_events,
            standard_content=self.output_version == "v1",
        )


# LangChain inspects both on every call; what it finds here spares it the work.
for _method in (ChatResponses._generate, ChatResponses._agenerate):
    setattr(_method, "__signature__", inspect.signature(_method))  # noqa: B010 - unknown to type checkers
