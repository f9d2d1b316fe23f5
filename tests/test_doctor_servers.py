"""The doctor measures every emulated server, and finds the profile that is published for it."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from typing import Any

import openai
import pytest

from responses_adapters.doctor import Diagnosis, Verdict, diagnose
from responses_adapters.endpoints import Endpoint
from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.testing import BEHAVIOURS, Backend, Context, Reply, Request, Turn
from responses_adapters.testing.brain import RuleBrain
from responses_adapters.testing.servers import BLACKBOX_LEGACY
from responses_adapters.testing.transport import Handler, make_transport

KEY = "fake-key-0123456789"

IDENTITY = {"name", "base_url", "hosts", "base_url_env", "api_key_env", "reference"}
"""What an address says of itself."""

NOT_MEASURABLE = {"message_parts", "retention", "tool_output"}
"""It would take pictures, and a month."""

CAUTIOUS = {
    "echoes_previous_id": False,
    "allowed_tools": False,
    "health": None,
    "streams_background": False,
}
"""Where no documentation tells, profiles say this; a measurement may know better."""

ONLY_WITH_STATE = {"inherits_instructions", "keeps_tool_items"}
"""What becomes of instructions and calls along a chain can be seen only where there is one."""

DEPENDS: dict[str, dict[str, Any]] = {
    "aleph-alpha": {"input_items": "easy", "conversation": "id"},  # the emulated one is easier
    "generic": {"state": "server"},
    "litellm": {
        "state": "replay", "store": "never", "retrieves": False, "cancels": False, "background": False,
    },
    "vllm": {
        "state": "replay", "store": "never", "retrieves": False, "cancels": False, "background": False,
    },
    "otari": {"store": "never"},
}  # fmt: skip
"""What a profile leaves open, because it depends on how the server was started or on what stands behind it, and how
the emulated one does it."""


def visit(backend: Handler, **options: Any) -> Diagnosis:
    http_client = openai.DefaultHttpxClient(transport=make_transport(backend))
    endpoint = Endpoint(
        profile=ServerProfile(name="unknown"), base_url="https://gateway.example/v1", api_key=KEY
    )
    return diagnose(endpoint, http_client=http_client, **{"requests": 40, **options})


def served(name: str, **switches: Any) -> Backend:
    backend = Backend(name, brain=True)
    if SERVERS[name].needs_key:
        backend.require_key(KEY)
    backend.configure(**switches)
    return backend


def asked(backend: Backend) -> list[str]:
    """The requests that were made to find something out."""
    return [each.path for each in backend.requests if each.method != "DELETE"]


def verdict(found: Diagnosis, subject: str) -> Verdict:
    return next(each for each in found.verdicts if each.subject == subject)


def undocumented(name: str) -> set[str]:
    """Facts about which the fake answers that no source tells them."""
    facts = {"background": {"background", "refuses"}, "previous_response_id": {"state", "refuses"}}
    agreed = {"blackbox"}  # its profile draws the same conclusion from the same silence
    unknown = () if name in agreed else BEHAVIOURS[name].unknown
    return set().union(*(facts.get(parameter, set()) for parameter in unknown))


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_the_profile_found_is_the_profile_served(name: str) -> None:
    model = "gpt-5.3-codex" if name == "blackbox" else "openai:gpt-5"

    found = visit(served(name), model=model).profile

    expected = asdict(replace(SERVERS[name], **DEPENDS.get(name, {})))
    left_out = IDENTITY | NOT_MEASURABLE | undocumented(name)
    left_out |= {field for field, value in CAUTIOUS.items() if expected[field] == value}
    if expected["state"] != "server":
        left_out |= ONLY_WITH_STATE
    if name == "valar":
        expected["refuses"] -= {"prompt"}  # a template that exists would be needed
    if expected["encrypted_reasoning"] == "on_request":
        expected["encrypted_reasoning"] = "by_model"  # the rules give no reasoning
    compared = expected.keys() - left_out
    assert {each: asdict(found)[each] for each in compared} == {
        each: expected[each] for each in compared
    }


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_visit_keeps_to_its_budget_and_finds_what_decides(name: str) -> None:
    backend = served(name)

    found = visit(backend, requests=25)

    assert len(asked(backend)) == found.requests <= 25
    extras = {"allowed_tools", "health", "streams_background"}
    assert visit(served(name)).measured - found.measured <= extras
    assert {field.name for field in fields(ServerProfile)} >= found.measured


def test_state_that_is_silently_ignored_is_found_by_token_counts_and_recall() -> None:
    found = visit(served("litellm"))

    state = verdict(found, "conversation state")
    assert (state.good, state.finding.partition(":")[0]) == (False, "silently ignored")
    assert "input tokens, then" in state.evidence
    assert found.profile.state == "replay"


def test_a_model_that_forgets_the_word_is_not_mistaken_for_a_server_that_does() -> None:
    backend = Backend("openai", brain=lambda context: "I would rather not say.")

    found = visit(backend)

    assert found.profile.state == "server"


def test_without_recall_and_token_counts_nothing_is_concluded_about_state() -> None:
    backend = Backend("ollama", brain=lambda context: "no")
    backend.configure(lacks=frozenset({"usage"}))

    found = visit(backend)

    assert found.profile.state == "unknown"
    assert verdict(found, "conversation state").finding.startswith("unknown")


def test_calls_missing_from_the_chain_are_found_by_token_counts() -> None:
    found = visit(served("vllm", store="default"))

    assert (found.profile.state, found.profile.keeps_tool_items) == ("server", False)
    assert "missing" in verdict(found, "tool outputs").finding


def test_calls_that_were_forgotten_so_that_their_outputs_are_refused_are_found() -> None:
    found = visit(served("openai", forgets=frozenset({"function_call"})))

    assert found.profile.keeps_tool_items is False


def test_instructions_that_are_inherited_are_found() -> None:
    found = visit(served("openai", inherits_instructions=True))

    assert found.profile.inherits_instructions
    assert "inherited along the chain" in verdict(found, "instructions").finding


def test_encrypted_reasoning_that_is_given_when_asked_for_is_found() -> None:
    brain = RuleBrain()

    def thinks(context: Context) -> Turn:
        return Turn().reason("Hm.").reply(brain(context).parts[-1].get("name", "hello"))

    found = visit(Backend("openai", brain=thinks))

    assert found.profile.encrypted_reasoning == "on_request"


def test_a_server_that_stores_in_spite_of_store_false_is_found() -> None:
    found = visit(served("generic", store="always"))

    assert found.profile.store == "always"
    assert verdict(found, "store").finding == "store=false is ignored"


def test_a_stream_without_its_usual_events_is_described() -> None:
    found = visit(served("blackbox"), model="openai/gpt-5.2")

    form = verdict(found, "stream form")
    assert form.finding == "incomplete; the adapters fill it in"
    assert "event: lines, sequence numbers, [DONE], response.output_item.added" in form.evidence
    assert found.profile.streams


def test_pauses_in_a_stream_are_measured() -> None:
    backend = served("generic")
    backend.pace(0.0, 0.3)

    evidence = verdict(visit(backend, requests=20), "streaming").evidence

    gap = re.search(r"longest gap ([\d.]+) s", evidence)
    assert gap is not None
    assert float(gap[1]) >= 0.3


def test_a_key_is_taken_for_needed_where_a_request_without_it_breaks_the_server() -> None:
    backend = served("generic")

    class Fragile:
        behaviour = backend.behaviour

        def handle(self, request: Request) -> Reply:
            if "authorization" not in request.headers:
                return Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
            return backend.handle(request)

    found = visit(Fragile())

    assert found.profile.needs_key is True
    assert "unknown" in verdict(found, "key").finding


def test_nothing_of_a_visit_stays_on_the_server() -> None:
    backend = served("openai")

    found = visit(backend, requests=25)

    made = {each.response_id for each in backend.requests if each.response_id}
    headers = {"authorization": f"Bearer {KEY}"}
    gone = [
        backend.handle(Request("GET", f"/v1/responses/{response_id}", {}, headers, b"")).status
        for response_id in made
    ]
    assert len(made) > 10
    assert set(gone) == {404}
    assert verdict(found, "clean-up").finding == "everything deleted"
    deleted = [each.path for each in backend.requests if each.method == "DELETE"]
    assert sum("/conversations/" in path for path in deleted) == 1


def test_what_a_server_does_not_delete_is_told_after_two_tries() -> None:
    backend = served("orq")

    found = visit(backend)

    stay = verdict(found, "clean-up")
    assert re.fullmatch(r"(\d+) of \1 responses and conversations stay", stay.finding)
    assert (stay.good, [each.method for each in backend.requests].count("DELETE")) == (False, 2)


def test_nothing_is_deleted_where_nothing_is_kept() -> None:
    backend = served("litellm")

    found = visit(backend)

    assert verdict(found, "clean-up").finding == "nothing to delete"
    assert "DELETE" not in {each.method for each in backend.requests}


def test_what_is_stored_against_the_wish_is_deleted_too() -> None:
    backend = served("generic", store="always")

    visit(backend)

    made = {each.response_id for each in backend.requests if each.method == "POST"} - {None}
    deleted = [each.path for each in backend.requests if each.method == "DELETE"]
    assert {path.rpartition("/")[2] for path in deleted} >= made


def test_a_conversation_that_has_to_be_named_by_an_object_is_found() -> None:
    backend = served("generic")

    class Formal:
        behaviour = backend.behaviour

        def handle(self, request: Request) -> Reply:
            if b'"conversation":"conv' in request.body:
                detail = {"message": "Invalid type for 'conversation'.", "param": "conversation"}
                return Reply.json(400, {"error": detail})
            return backend.handle(request)

    assert visit(Formal()).profile.conversation == "object"
    assert visit(backend).profile.conversation == "id"


def test_error_shapes_are_told() -> None:
    found = visit(served("openrouter"))

    assert (
        "400 as error{code, message, type} with an integer code"
        in verdict(found, "error shapes").evidence
    )


def test_parameters_that_a_server_refuses_without_naming_them_are_found_one_by_one() -> None:
    backend = served("valar")

    class Nameless:
        behaviour = backend.behaviour

        def handle(self, request: Request) -> Reply:
            reply = backend.handle(request)
            no = Reply.json(400, {"error": {"message": "bad request"}})
            return no if reply.status == 400 else reply

    found = visit(Nameless(), requests=60)

    assert {"instructions", "truncation"} <= found.profile.refuses
    assert found.profile.encrypted_reasoning == "never"
    assert found.profile.reasoning_summary == "generate_summary"


def test_with_too_small_a_budget_the_rest_is_said_to_be_not_measured() -> None:
    backend = served("openai")

    found = visit(backend, requests=3)

    assert len(asked(backend)) == 3
    rest = verdict(found, "streaming")
    assert (rest.finding, rest.good) == ("not measured", None)
    assert rest.evidence == "the budget of 3 requests was used up"
    assert "streams" not in found.measured


BUSY = Reply(503, {}, b"Busy.")
CUT = Reply(0, {}, b"", "disconnect")


@pytest.mark.parametrize("name", ["openai", "valar", "litellm"])
@pytest.mark.parametrize("accident", [BUSY, CUT])
def test_one_accident_changes_nothing(name: str, accident: Reply) -> None:
    clean = visit(served(name))

    for number in range(1, clean.requests + 1):
        found = visit(Stumbling(served(name), number, accident))
        assert (number, found.profile) == (number, clean.profile)


@pytest.mark.parametrize("name", ["openai", "valar", "litellm"])
def test_a_connection_that_breaks_twice_never_becomes_a_fact(name: str) -> None:
    clean = visit(served(name))

    for number in range(3, clean.requests + 1):
        found = visit(Stumbling(served(name), number, CUT, times=2))
        for field in found.measured - {"refuses"}:
            assert getattr(found.profile, field) == getattr(clean.profile, field), (number, field)
        assert found.profile.refuses <= clean.profile.refuses


class Stumbling:
    """A backend that gives the request with this number, and those after it, another reply."""

    def __init__(self, backend: Backend, number: int, reply: Reply, times: int = 1) -> None:
        self.behaviour = backend.behaviour
        self._backend = backend
        self._bad = range(number, number + times)
        self._reply = reply
        self._count = 0

    def handle(self, request: Request) -> Reply:
        self._count += 1
        return self._reply if self._count in self._bad else self._backend.handle(request)


class Altering:
    """A backend whose replies to certain create requests are exchanged."""

    def __init__(self, backend: Backend, sent: bytes, reply: Reply) -> None:
        self.behaviour = backend.behaviour
        self._backend = backend
        self._sent = sent
        self._reply = reply

    def handle(self, request: Request) -> Reply:
        return self._reply if self._sent in request.body else self._backend.handle(request)


STREAM = b'"stream":true'
EVENTS = {"content-type": "text/event-stream"}


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (b'data: {"type":"response.created"}\n\n', "never ends as it should: no terminal event"),
        (b"data: {nonsense\n\n", "never ends as it should: no terminal event"),
        (b"", "never ends as it should: no terminal event"),
    ],
)
def test_a_stream_that_clients_cannot_read_to_its_end_counts_as_none(
    body: bytes, finding: str
) -> None:
    found = visit(Altering(served("generic"), STREAM, Reply(200, EVENTS, body)))

    assert verdict(found, "streaming").finding == finding
    assert found.profile.streams is False


def test_an_answer_in_one_piece_where_a_stream_was_asked_for_is_told() -> None:
    whole = Reply.json(200, {"id": "resp_1", "status": "completed", "output": "Hello"})

    found = visit(Altering(served("generic"), STREAM, whole))

    assert verdict(found, "streaming").finding == "ignored: the answer comes in one piece"
    assert found.profile.streams is False


def test_a_server_that_continues_what_never_was_has_to_prove_itself() -> None:
    answer = Reply.json(200, {"id": "resp_1", "status": "completed", "output": "Hello"})

    found = visit(Altering(served("generic"), b"00000000", answer))

    assert verdict(found, "conversation state").finding.startswith("kept")
    assert verdict(found, "unknown previous id").finding.startswith("not noticed")
    assert verdict(found, "tool outputs").finding == "works along the chain"
    assert found.profile.state == "unknown"


def test_an_unknown_parameter_is_not_mistaken_for_a_lost_conversation() -> None:
    detail = "Unknown parameter: 'previous_response_id'."
    no = Reply.json(400, {"error": {"message": detail, "param": "previous_response_id"}})

    found = visit(Altering(served("generic"), b"previous_response_id", no))

    assert found.profile.refuses == {"previous_response_id"}
    assert verdict(found, "conversation state").finding.startswith("not offered")


def test_words_instead_of_json_are_a_format_that_is_ignored() -> None:
    words = Reply.json(200, {"id": "resp_1", "status": "completed", "output": "Paris, a capital"})

    found = visit(Altering(served("generic"), b'"json_schema"', words))

    assert (found.profile.json_schema, found.profile.json_object) == (False, True)


def test_a_server_without_tools_is_told() -> None:
    no = Reply.json(400, {"error": {"message": "Tools are not supported.", "param": "tools"}})

    found = visit(Altering(served("generic"), b'"tools"', no))

    assert verdict(found, "tools").finding == "not supported"
    assert "keeps_tool_items" not in found.measured


def test_what_a_server_demands_is_found_and_given_to_it() -> None:
    backend = served("blackbox", demands=BLACKBOX_LEGACY)

    found = visit(backend, model="openai/gpt-5.2")

    assert found.profile.demands == {"stream", "store", "instructions"}
    assert verdict(found, "demands").evidence == "no answer without instructions, store, stream"
    assert verdict(found, "streaming").finding == "works"
    assert verdict(found, "tools").finding == "works"


def test_a_server_that_answers_nothing_unless_it_may_stream_is_given_its_way() -> None:
    backend = served("generic")

    class StreamsOnly:
        behaviour = backend.behaviour

        def handle(self, request: Request) -> Reply:
            if b'"stream":false' in request.body:
                return Reply.json(200, None)
            return backend.handle(request)

    found = visit(StreamsOnly())

    assert found.profile.demands == {"stream"}
    assert found.profile.state == "server"


def test_nothing_is_demanded_where_a_plain_request_is_answered() -> None:
    found = visit(served("generic"))

    assert ("demands" in found.measured, found.profile.demands) == (True, frozenset())


def test_short_messages_are_not_sent_where_nobody_can_tell_whether_they_are_read() -> None:
    backend = Backend("generic", brain=lambda context: "I would rather not say.")
    backend.configure(lacks=frozenset({"usage"}))

    assert visit(backend).profile.input_items == "typed"


def test_a_background_response_whose_events_cannot_be_had_again_is_told() -> None:
    backend = served("openai")

    class NoResuming:
        behaviour = backend.behaviour

        def handle(self, request: Request) -> Reply:
            return backend.handle(replace(request, query={**request.query, "starting_after": "0"}))

    found = visit(NoResuming())

    assert verdict(found, "streamed background").finding == "cannot be resumed"
    assert found.profile.streams_background is False
    assert visit(backend).profile.streams_background is True


def test_a_server_that_streams_no_background_responses_is_told() -> None:
    no = Reply.json(400, {"error": {"message": "Not together."}})

    found = visit(Altering(served("openai"), b'"stream":true,"background":true', no))

    assert verdict(found, "streamed background").finding == "refused"
    assert found.profile.streams_background is False
