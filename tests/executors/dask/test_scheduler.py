"""A scheduler that others can reach without TLS does not serve; where it listens is read from its real sockets."""

import asyncio

import pytest
from distributed import Scheduler

from plabctl.executors.dask.scheduler import dask_setup

pytestmark = pytest.mark.xdist_group("dask")  # whose process has loaded Dask


async def _set_up(address: str) -> None:
    async with Scheduler(
        host=address, port=0, protocol="tcp://", dashboard=False, dashboard_address="127.0.0.1:0"
    ) as own:
        await dask_setup(own)


@pytest.mark.parametrize("address", ["0.0.0.0", "", "[::]"])
def test_without_tls_it_may_not_listen_to_others(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Dask takes for the address of a machine that has no default route, where Debian wrote /etc/hosts.
    monkeypatch.setattr("distributed.comm.tcp.ensure_concrete_host", lambda host, **_: host and "127.0.1.1")

    with pytest.raises(SystemExit, match="needs --tls-ca-file, --tls-cert and --tls-key"):
        asyncio.run(_set_up(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_on_loopback_it_may(address: str) -> None:
    asyncio.run(_set_up(address))
