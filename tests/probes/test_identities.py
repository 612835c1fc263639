"""Our login: keys in order, certificates beside them, and whose fault it is when a node refuses them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.evidence import find_help
from plabctl.core.model import Cause, Outcome
from plabctl.core.settings import SshSettings
from plabctl.probes.certificate_file import read_certificate
from plabctl.probes.identities import Identities, parse_key
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.user_certificates import find_fault, judge, parse_certificate, parse_line
from tests.probes.jobs import probe
from tests.probes.office import CHECK, USER, Office
from tests.probes.openssh import Sshd, make_key, needs_sshd


@needs_sshd
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_is_offered_before_the_bare_key(office: Office, kind: str) -> None:
    make_key(office.folder / kind, kind)
    office.sign(kind)

    assert office.log_in(kind).outcome is Outcome.PASS
    assert office.read_last_login().startswith(f"{kind.upper()}-CERT ")


@needs_sshd
def test_where_the_authority_is_not_known_the_bare_key_is_tried(office: Office) -> None:
    office.sign("bare", by="stranger")
    refused = office.log_in()
    office.authorise("bare")

    assert office.log_in().outcome is Outcome.PASS
    assert (refused.outcome, refused.cause) == (Outcome.FAIL, Cause.AUTH)
    assert refused.reason.startswith(f"our certificate and key are refused for user '{USER}'")


def test_the_users_in_a_certificate_are_named_when_it_is_refused(office: Office) -> None:
    office.sign("bare", name="somebody,nobody")
    report = office.log_in()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.AUTH)
    assert report.reason.endswith("; the certificate is for nobody, somebody")


@needs_sshd
@pytest.mark.parametrize(
    "how", [("-t", "rsa", "-b", "2048", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8"), ("-t", "ed25519")]
)
def test_a_key_may_be_in_any_form(office: Office, how: tuple[str, ...]) -> None:
    path = office.folder / "form"
    subprocess.run(
        ["ssh-keygen", "-q", *how, "-N", "", "-f", path], check=True, input=b"y\n", stdout=subprocess.DEVNULL
    )
    office.authorise("form")

    assert office.log_in("form").outcome is Outcome.PASS


def test_ecdsa_keys_without_a_comment_can_be_read(tmp_path: Path) -> None:
    for number in range(8):  # paramiko's parser takes a half of them
        public = make_key(tmp_path / str(number), "ecdsa")
        key = parse_key((tmp_path / str(number)).read_bytes())
        assert f"{key.get_name()} {key.get_base64()}" == public


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA me@here", "---- BEGIN SSH2 PUBLIC KEY ----\n"])
def test_a_public_key_in_place_of_the_private_one_is_called_that(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pub"
    path.write_text(text)

    with pytest.raises(ProbeError, match=r"key\.pub' is a public key; name the private one$") as raised:
        Identities(SshSettings(key=str(path)), SystemClock()).find()

    assert "it must name the private one" in find_help(raised.value.cause, str(raised.value))


EXPIRED = ("-V", "20200101:20200102")
UNUSABLE = {
    "expired": (EXPIRED, "expired at 2020-01-0"),
    "to come": (("-V", "21000101:21010101"), "is not valid before 2"),
    "of a host": (("-h",), "is one for hosts"),
    "for another": ((), "was made for another key"),
    "no certificate": (None, "cannot be used: it is a public key"),
    "no text": (None, "cannot be used: it is not a line of kind and base64"),
}


def make_unusable(office: Office, case: str) -> str:
    """Put a certificate beside the key that cannot be used, and return what is said of it."""
    options, fault = UNUSABLE[case]
    beside = office.folder / "bare-cert.pub"
    if case == "for another":
        shutil.move(office.sign("other"), beside)
    elif options is not None:
        office.sign("bare", *options)
    else:
        beside.write_bytes((office.folder / "bare.pub").read_bytes() if case == "no certificate" else b"\xff\0\n")
    return f"the certificate '{beside}' {fault}"


@needs_sshd
@pytest.mark.parametrize("case", UNUSABLE)
def test_a_certificate_that_cannot_be_used_is_our_fault_and_the_bare_key_is_tried(office: Office, case: str) -> None:
    fault = make_unusable(office, case)
    prober = office.get_prober()
    refused = office.log_in(prober=prober)

    assert (refused.outcome, refused.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert refused.reason.startswith(fault)
    assert f"our key is refused for user '{USER}'" in refused.reason
    office.sign("bare")  # renewed while a tick runs
    assert office.log_in(prober=prober).outcome is Outcome.PASS

    make_unusable(office, case)
    office.authorise("bare")
    assert office.log_in(prober=prober).outcome is Outcome.PASS


@needs_sshd
def test_near_an_end_of_its_validity_a_refusal_proves_nothing(office: Office) -> None:
    office.sign("bare", "-V", "-1h:+30s", by="stranger")  # the clock of the node may be ahead
    report = office.log_in()

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.AUTH)
    assert "hardly valid yet, or hardly any more" in report.reason


def test_a_person_is_told_a_day_before_the_end_and_once_it_cannot_be_used(office: Office) -> None:
    path = office.sign("bare", "-V", "20260101000000Z:20260201000000Z")
    file = read_certificate(str(office.folder / "bare"))
    assert file is not None
    assert file.certificate is not None
    end = file.certificate.valid_before

    def tell(now: float) -> str:
        problem = judge(file.path, file.certificate, file.find_fault(None, now), now)
        return problem.reason if problem else ""

    assert tell(end - 86400) == ""
    assert tell(end - 86399) == f"the certificate '{path}' expires in 23h59m, at 2026-02-01T00:00:00Z"
    assert tell(end).startswith(f"the certificate '{path}' expired at 2026-02-01T00:00:00Z: nodes are offered the bare")
    assert "is not valid before 2026-01-01T00:00:00Z" in tell(file.certificate.valid_after - 1)
    office.sign("bare")
    for_ever = parse_line(path.read_text())
    assert judge(str(path), for_ever, find_fault(for_ever, for_ever.key, end), end) is None


def test_whatever_is_cut_off_is_no_certificate(office: Office) -> None:
    certificate = parse_line(office.sign("bare").read_text())
    end = certificate.blob.index(b"permit-") - 12  # the options and what comes after them are read by nodes alone

    for length in range(0, end, 7):
        with pytest.raises(ValueError, match=r"cut off|no known kind"):
            parse_certificate(certificate.blob[:length])


@needs_sshd
def test_a_node_may_have_a_key_of_its_own(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = sshd.settings(key=str(tmp_path / "other"))

    assert probe(other, CHECK).outcome is Outcome.FAIL
    assert probe(other, CHECK, ssh_key=str(sshd.user_key)).outcome is Outcome.PASS
