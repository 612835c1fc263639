import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.hosts import PORT, Host, Lab
from tests.lab.network import Watch
from tests.lab.requirements import program
from tests.lab.sshd import is_alive
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), 2) as lab:
        (lab.folder / "known_hosts").write_text("".join(host.known_hosts() for host in lab.hosts))
        yield lab


def ssh(lab: Lab, host: Host, command: str) -> subprocess.CompletedProcess[str]:
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "ConnectTimeout=2", "LogLevel=ERROR"]
    options.append(f"UserKnownHostsFile={lab.folder / 'known_hosts'}")
    flags = [part for option in options for part in ("-o", option)]
    argv = [program("ssh"), "-n", "-F", "none", *flags, "-i", str(lab.key), "-l", "root", host.address, command]
    return lab.run(argv)


def test_each_host_is_a_machine_of_its_own(lab: Lab) -> None:
    first, second = lab.hosts

    assert ssh(lab, first, "hostname; echo hello >$HOME/here").stdout == "n01\n"
    assert ssh(lab, second, "hostname; ls $HOME /tmp/home").stdout == "n02\n/root:\n\n/tmp/home:\n"
    assert first.files() == ["home/here"]
    assert not any("host-2" in line for line in first.processes())
    assert not (Path.home() / "here").exists()


def test_what_happens_to_it_is_felt_and_mended(lab: Lab) -> None:
    host = lab.hosts[0]

    host.fill_disk()
    assert "No space left" in ssh(lab, host, "echo x >$HOME/more").stderr
    assert "No space left" in ssh(lab, host, "mkdir /tmp/more").stderr
    host.empty_disk()
    assert ssh(lab, host, "echo x >$HOME/more && rm $HOME/more").returncode == 0

    host.take_key()
    assert "Permission denied" in ssh(lab, host, "true").stderr
    host.give_key()

    host.stop_sshd()
    assert "timed out" in ssh(lab, host, "true").stderr
    host.continue_sshd()

    host.cut_link()
    assert ssh(lab, host, "true").returncode == 255
    host.mend_link()
    assert wait_until(lambda: ssh(lab, host, "true").returncode == 0)

    host.change_host_key()
    assert "verification failed" in ssh(lab, host, "true").stderr


def test_a_host_that_is_rebooted_forgets_all_but_its_sshd(lab: Lab) -> None:
    host = lab.hosts[1]
    ssh(lab, host, "touch /tmp/gone; sleep 60 >/dev/null 2>&1 &")
    assert any("sleep" in line for line in host.processes())

    host.reboot()

    assert not any("sleep" in line for line in host.processes())
    assert "gone" not in host.files()
    assert ssh(lab, host, "true").returncode == 0


def test_connections_that_are_open_together_are_counted(lab: Lab) -> None:
    with Watch([lab.network.pid], PORT) as watch, ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: ssh(lab, lab.hosts[1], "sleep 1").returncode, range(2)))
    assert done == [0, 0]
    assert watch.most == 2


def test_it_ends_with_whoever_made_it_even_by_kill(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from tests.lab.hosts import Lab
lab = Lab(Path({str(tmp_path)!r}), 2).__enter__()
print(*[host.pid for host in lab.hosts], lab.network.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as owner:
        assert owner.stdout
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 3
        assert all(is_alive(pid) for pid in pids)

        owner.kill()

    assert wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_nothing_is_seen_from_outside(lab: Lab) -> None:
    links = subprocess.run([program("ip"), "-o", "link"], capture_output=True, text=True, check=True).stdout

    assert "veth" not in links
