"""Error answers are read whatever shape they have."""

from __future__ import annotations

from typing import Any

import pytest

from responses_adapters.protocol.failure import read_failure

LOST: list[tuple[int, Any]] = [
    (
        400,
        {
            "error": {
                "message": "Previous response with id 'resp_1' not found.",
                "type": "invalid_request_error",
                "param": "previous_response_id",
                "code": "previous_response_not_found",
            }
        },
    ),
    (
        404,
        {
            "error": {
                "message": "Response with ID 'resp_1' not found.",
                "type": "not_found_error",
                "param": None,
                "code": "response_not_found",
            }
        },
    ),
    (404, {"detail": "Response with id 'resp_1' not found"}),
    (404, {"detail": "Response resp_1 not found"}),
    (404, {"error": {"code": 404, "message": "previous_response_id resp_1 does not exist"}}),
    (400, {"error": {"message": "malformed identifier 'resp_1'"}}),
    (400, {"error": {"param": "previous_response_id", "message": "No such id: resp_1"}}),
    (404, {"error": {"code": "response_state_not_found", "message": "gone"}}),
    (
        200,
        {
            "type": "error",
            "sequence_number": 0,
            "error": {"code": "previous_response_not_found", "message": "…"},
        },
    ),
    (200, {"type": "error", "code": "404", "message": "Response with id resp_1 not found"}),
]

NOT_LOST: list[tuple[int | None, Any]] = [
    (404, {"detail": "Not Found"}),
    (404, {"error": {"message": "The model 'x' does not exist", "code": "model_not_found"}}),
    (400, {"error": {"message": "No tool output found for function call c.", "param": "input"}}),
    (500, {"error": {"message": "previous response not found in cache"}}),
    (None, None),
    (400, "<html>Bad Request</html>"),
]


@pytest.mark.parametrize(("status", "body"), LOST)
def test_a_lost_response_is_recognised(status: int, body: Any) -> None:
    assert read_failure(status, body).lost_response


@pytest.mark.parametrize(("status", "body"), NOT_LOST)
def test_other_errors_are_not_taken_for_a_lost_response(status: int | None, body: Any) -> None:
    assert not read_failure(status, body).lost_response


def test_codes_may_be_integers_and_errors_plain_strings() -> None:
    assert read_failure(402, {"error": {"code": 402, "message": "no credits"}}).code == "402"
    assert read_failure(401, {"error": "Unauthorized"}).message == "Unauthorized"


def test_a_validation_list_names_the_fields() -> None:
    body = {"detail": [{"loc": ["body", "model"], "msg": "Field required"}, {"msg": "and more"}]}
    assert read_failure(422, body).message == "body.model: Field required; and more"


def test_quota_is_not_worth_another_try_but_overload_is() -> None:
    assert read_failure(429, {"error": {"code": "rate_limit_exceeded"}}).transient
    assert not read_failure(429, {"error": {"code": "insufficient_quota"}}).transient
    assert read_failure(503, "").transient
    assert not read_failure(400, {"error": {"message": "no"}}).transient
    assert read_failure(200, {"error": {"code": "server_error", "message": "oops"}}).transient
