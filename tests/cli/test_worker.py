"""`plabctl worker` refuses, in one line, what it must not connect to. Workers at work: `tests.executors.dask`."""

import pytest

from tests.cli.console import Desk, Said


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.1:8786", "tcp://0.0.0.0:8786", "tcp://[::]:8786", "tcp://dask.example.org:8786"],
)
@pytest.mark.parametrize("more", [[], ["--check"]], ids=["serve", "check"])
def test_a_scheduler_on_another_machine_must_be_tls(used_desk: Desk, address: str, more: list[str]) -> None:
    said = used_desk.run("worker", address, "--site", "north", *more)

    refusal = f"plabctl: '{address}' is not encrypted, which only a scheduler on this machine may be: write tls://\n"
    assert said == Said(2, "", refusal)


@pytest.mark.parametrize("address", ["h:8786", "tls://h", "tcp://[::1:8786", "tls://fd00::2:8786"])
def test_what_is_no_address_is_told(used_desk: Desk, address: str) -> None:
    said = used_desk.run("worker", address, "--site", "north")

    hint = "  hint: allowed: tls://HOST:PORT, or tcp://127.0.0.1:PORT\n"
    assert said == Said(2, "", f"plabctl: '{address}' is no scheduler\n{hint}")


def test_tls_needs_certificates(used_desk: Desk) -> None:
    said = used_desk.run("worker", "tls://h:8786", "--site", "north")

    first = f"plabctl: {used_desk.config}: executor: TLS needs ca, cert, key"
    assert (said.code, said.err.splitlines()[0]) == (78, first)
