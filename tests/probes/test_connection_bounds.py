"""The bounds of one connection: what is counted, what is refused, and what an honest node may do."""

import socket
import threading
from collections.abc import Iterator

import paramiko
import pytest

from plabctl.probes.bounded_packets import BoundedMessage, MeteredSocket
from plabctl.probes.connection_bounds import (
    ASIDES,
    ASIDES_PER_S,
    CPU_S,
    LIGHT_CPU_S,
    LIGHT_READS,
    LOGIN_BYTES,
    REKEYS,
    RELAY_CPU_S,
    SENT_PER_GRANT,
    BoundExceeded,
    Meter,
    _lane,
)
from plabctl.probes.key_exchange import MAX_BITS, SECRET_BITS, bound_exchanges

KEXINIT, IGNORE, GRANT, DATA = 20, 2, 93, 94


class Times:
    """A clock and a processor clock that the test sets."""

    def __init__(self) -> None:
        self.now = self.cpu = 0.0
        self.meter = Meter(lambda: self.now, lambda: self.cpu)


@pytest.fixture
def times() -> Iterator[Times]:
    made = Times()
    yield made
    made.meter.step_out()


def test_the_bytes_of_the_login_and_of_each_stage_are_counted_apart(times: Times) -> None:
    times.meter.read(LOGIN_BYTES)
    times.meter.begin_stage(1 << 20)
    times.meter.read(1 << 20)
    with pytest.raises(BoundExceeded, match="sent more than 1 MiB in one stage"):
        times.meter.read(1)
    assert times.meter.broken == "sent more than 1 MiB in one stage"


def test_keep_alives_may_come_for_hours(times: Times) -> None:
    for second in range(10_000):
        times.now = float(second)
        times.meter.message(IGNORE)


def test_messages_that_bring_no_output_are_counted_and_output_is_not(times: Times) -> None:
    for _ in range(ASIDES):
        times.meter.message(IGNORE)
        times.meter.message(DATA)
    with pytest.raises(BoundExceeded, match=f"sent {ASIDES + 1} messages"):
        times.meter.message(IGNORE)


def test_room_is_granted_for_what_was_sent_and_for_no_more(times: Times) -> None:
    times.meter.begin_stage(1 << 20, sent=1000 * SENT_PER_GRANT)
    for _ in range(1000):
        times.meter.message(GRANT)
    for _ in range(ASIDES):
        times.meter.message(GRANT)
    with pytest.raises(BoundExceeded, match=f"sent {ASIDES + 1} messages"):
        times.meter.message(GRANT)


def test_what_was_sent_allows_no_other_messages(times: Times) -> None:
    times.meter.begin_stage(1 << 20, sent=1000 * SENT_PER_GRANT)
    for _ in range(ASIDES):
        times.meter.message(IGNORE)
    with pytest.raises(BoundExceeded):
        times.meter.message(IGNORE)


def test_a_stage_that_lasts_may_bring_more_of_them(times: Times) -> None:
    times.now = 100.0
    for _ in range(ASIDES + 100 * ASIDES_PER_S):
        times.meter.message(IGNORE)
    with pytest.raises(BoundExceeded):
        times.meter.message(IGNORE)


def test_new_keys_may_be_asked_for_now_and_then(times: Times) -> None:
    times.meter.message(KEXINIT)  # the first ones are not new
    for minute in range(600):
        times.now = 60.0 * minute
        times.meter.begin_stage(1)
        times.meter.message(KEXINIT)
    for _ in range(REKEYS - 1):
        times.meter.message(KEXINIT)
    with pytest.raises(BoundExceeded, match="asked for new keys 605 times"):
        times.meter.message(KEXINIT)


def test_processor_time_is_bounded_in_each_stage(times: Times) -> None:
    times.meter.read(1)
    times.now = 1e6  # no lane needed
    times.cpu = CPU_S
    times.meter.read(1)
    times.meter.begin_stage(100)
    times.cpu = 2 * CPU_S
    times.meter.read(1)
    times.cpu += CPU_S + 0.1
    with pytest.raises(BoundExceeded, match="cost more than 3 s of processor time in one stage"):
        times.meter.read(1)


def test_a_jump_host_carries_much_without_a_turn_and_yet_not_everything(times: Times) -> None:
    times.meter.begin_relay()
    for _ in range(10 * LIGHT_READS):
        times.meter.read(LOGIN_BYTES)
    times.cpu += RELAY_CPU_S + 1
    with pytest.raises(BoundExceeded, match="since the last tunnel was opened"):
        times.meter.read(1)
    times.meter.begin_relay()
    times.meter.read(1)


def test_what_costs_much_waits_for_its_turn_and_what_costs_little_does_not(times: Times) -> None:
    other = Times()
    for each in (times, other):
        each.meter.read(1)
    times.cpu = LIGHT_CPU_S * 2
    times.meter.read(1)
    assert _lane.is_taken
    other.meter.read(1)  # costs little: does not wait
    other.cpu = LIGHT_CPU_S * 2

    def take_turn() -> None:
        other.meter.read(1)
        other.meter.step_out()

    waiting = threading.Thread(target=take_turn)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    other.meter.step_out()  # not from the thread that is in the lane: changes nothing
    assert _lane.is_taken
    times.meter.step_out()
    waiting.join(10)
    assert not waiting.is_alive()
    assert not _lane.is_taken


def test_whoever_reads_often_or_exchanges_keys_again_takes_turns(times: Times) -> None:
    for _ in range(LIGHT_READS):
        times.meter.read(1)
    assert not _lane.is_taken
    times.meter.read(1)
    assert _lane.is_taken
    times.meter.step_out()
    times.meter.begin_stage(1 << 20)
    times.meter.read(1)
    assert not _lane.is_taken, "each stage counts anew"
    times.meter.message(KEXINIT)
    times.meter.message(KEXINIT)
    times.meter.read(1)
    assert _lane.is_taken
    times.meter.step_out()


def test_what_has_come_in_is_read_at_once_and_counted_once(times: Times) -> None:
    near, far = socket.socketpair()
    with near, far:
        reader = MeteredSocket(near, times.meter)
        far.sendall(b"headrestcode")
        far.close()
        pieces = [reader.recv(4) for _ in range(2)]
        near.setblocking(False)
        assert [*pieces, reader.recv(100), reader.recv(4)] == [b"head", b"rest", b"code", b""]
    assert (times.meter._phase.bytes, times.meter._phase.reads) == (12, 4)


def test_a_string_ends_where_its_message_ends() -> None:
    message = paramiko.Message()
    message.add_string(b"whole")
    assert BoundedMessage(message.asbytes()).get_binary() == b"whole"
    assert BoundedMessage(b"").get_int() == 0, "as paramiko reads what old servers leave out"
    with pytest.raises(BoundExceeded, match="announced a string of 40 bytes in a message that has 5"):
        BoundedMessage(b"\0\0\0\x28whole").get_text()


@pytest.mark.parametrize(
    "number", [0, 1, -1, 127, 128, -128, 1 << 64, -(1 << 64), (1 << 16384) - 1], ids=int.bit_length
)
def test_numbers_are_read_as_paramiko_reads_them(number: int) -> None:
    message = paramiko.Message()
    message.add_mpint(number)
    assert BoundedMessage(message.asbytes()).get_mpint() == paramiko.Message(message.asbytes()).get_mpint() == number


def test_longer_numbers_are_refused() -> None:
    message = paramiko.Message()
    message.add_mpint(1 << 16400)
    with pytest.raises(BoundExceeded, match="sent a number of"):
        BoundedMessage(message.asbytes()).get_mpint()


def test_only_exchanges_over_finite_fields_are_replaced_and_their_secrets_are_short() -> None:
    theirs = paramiko.Transport._kex_info  # type: ignore[attr-defined]
    ours = bound_exchanges(theirs)
    assert ours.keys() == theirs.keys()
    for name, engine in ours.items():
        assert (engine is theirs[name]) is not name.startswith("diffie-hellman-group")
        if name.startswith("diffie-hellman-group"):
            made = engine(None)
            made._generate_x()
            assert made.x.bit_length() == SECRET_BITS
    assert ours["diffie-hellman-group-exchange-sha256"].max_bits == MAX_BITS
