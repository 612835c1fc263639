from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from plabctl.probes.clean import clean
from plabctl.probes.frame import MARK, StageFrame, build_end_mark

OUTPUT = st.binary(max_size=200).filter(lambda data: b"\x1e" not in data)


def framed(*pieces: bytes, number: int = 3, limit: int = 1000) -> StageFrame:
    frame = StageFrame(limit, number)
    for piece in pieces:
        frame.add(piece)
    return frame


@given(OUTPUT, OUTPUT, st.integers(0, 255), st.lists(st.integers(0, 500), max_size=8))
def test_a_stage_is_found_in_whatever_pieces_it_comes(noise: bytes, output: bytes, code: int, cuts: list[int]) -> None:
    whole = noise + MARK + output + build_end_mark(3, code)
    places = sorted({min(cancellation, len(whole)) for cancellation in cuts} | {0, len(whole)})
    frame = framed(*(whole[start:end] for start, end in pairwise(places)))

    assert (frame.has_begun, frame.exit_code) == (True, code)
    assert frame.finish().text() == clean(output)


def test_what_comes_after_the_end_is_not_the_stage_s() -> None:
    frame = framed(MARK + b"said" + build_end_mark(3, 0) + b"a daemon that prints on")

    assert (frame.exit_code, frame.finish().text()) == (0, "said")


def test_the_end_of_another_stage_is_no_end() -> None:
    frame = framed(
        MARK, b"x" + build_end_mark(2, 0), build_end_mark(33, 0), b"\x1eplabctl 3 what\x1e", build_end_mark(3, 7)
    )

    assert frame.exit_code == 7


def test_a_stage_that_did_not_begin_is_known_by_its_noise() -> None:
    frame = framed(b"timeout: not found\n", build_end_mark(3, 127))

    assert (frame.has_begun, frame.exit_code) == (False, 127)
    assert frame.finish().text() == "timeout: not found\n"


def test_a_stage_that_was_cut_off_keeps_its_last_words() -> None:
    frame = framed(b"motd", MARK, b"on it")

    assert (frame.has_begun, frame.exit_code, frame.finish().text()) == (True, None, "on it")


def test_a_flood_before_the_mark_is_one_too() -> None:
    frame = StageFrame(10, 1)
    for _ in range(40):
        frame.add(b"noise " * 6000)

    assert frame.is_flood


def test_noise_takes_no_room_of_the_output() -> None:
    frame = framed(b"n" * 5000, MARK + b"0123456789" + build_end_mark(3, 0), limit=10)

    assert (frame.finish().text(), frame.finish().truncated) == ("0123456789", False)
