"""Reasons: numbers that never change, and a sentence, a status and a code for each."""

import pytest

from sigil.core.close_reasons import CLOSE_INFO, CloseReason, close_reason_str


def test_the_numbers_of_the_reference_are_kept() -> None:
    assert [(reason.name, reason.value) for reason in CloseReason if reason >= -23] == [
        ("OK", -1),
        ("EVICTED", -2),
        ("TOO_SLOW", -3),
        ("EXPECTED_EOF", -4),
        ("PEER_RESET", -5),
        ("LARGE_REQUEST", -6),
        ("BAD_REQUEST", -7),
        ("MISSING_CONTENT_LENGTH_HEADER", -8),
        ("UNKNOWN_METHOD", -9),
        ("PATH_TOO_LONG", -10),
        ("WS_BAD_KEY", -11),
        ("WS_UNEXPECTED_VERSION", -12),
        ("WS_MISSING_KEY_HEADER", -13),
        ("WS_MISSING_VERSION_HEADER", -14),
        ("WS_BAD_MASK", -15),
        ("WS_UNKNOWN_OPCODE", -16),
        ("WS_OVERSIZE_FRAME", -17),
        ("WS_CLIENT_TOO_SLOW", -18),
        ("WS_MISSING_UPGRADE", -19),
        ("WS_EXPECTED_CONT_OPCODE", -20),
        ("WS_EXPECTED_TEXT_OPCODE", -21),
        ("WS_CONTROL_FRAME_TOO_LARGE", -22),
        ("UNSUPPORTED_TRANSFER_ENCODING", -23),
    ]


def test_every_reason_has_a_meaning_and_no_two_the_same_number() -> None:
    assert set(CLOSE_INFO) == set(CloseReason)
    assert len({reason.value for reason in CloseReason}) == len(CloseReason.__members__)


@pytest.mark.parametrize("reason", list(CloseReason))
def test_a_meaning_is_a_sentence_an_error_status_and_a_close_code(reason: CloseReason) -> None:
    info = CLOSE_INFO[reason]
    assert info.sentence.isprintable()
    assert not info.sentence.endswith(".")
    assert info.status == 0 or 400 <= info.status <= 599
    assert 1000 <= info.code <= 1013


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (-1, "OK: the last response was sent and the connection was not to persist"),
        (CloseReason.FULL, "FULL: this server has as many connections as it accepts"),
        (0, "unknown"),
        (1, "unknown"),
        (-1000, "unknown"),
    ],
)
def test_a_reason_is_rendered_as_token_and_sentence(number: int, text: str) -> None:
    assert close_reason_str(number) == text
