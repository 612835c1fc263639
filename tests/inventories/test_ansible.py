"""Inventories of Ansible, read by the real `ansible-inventory`; by stand-ins where it cannot be made to do a thing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plabctl.inventories.fetch import FetchResult, fetch
from tests.builders import make_inventory

HERE = Path(sys.executable).parent
LISTING = {"_meta": {"hostvars": {}}, "all": {"hosts": ["a.x", "b.x"]}}


def read(path: Path, home: Path, **options: Any) -> FetchResult:
    """What plabctl reads as cron would let it: with hardly any environment but what is said."""
    environment = {"PATH": f"{HERE}:/usr/bin:/bin", "HOME": str(home), **dict(options.pop("environment", {}))}
    return fetch(make_inventory("ansible", path=str(path), environment=tuple(environment.items()), **options))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_program(path: Path, text: str) -> Path:
    write(path, text).chmod(0o755)
    return path


def variables_of(found: FetchResult) -> dict[str, dict[str, str]]:
    assert found.fault == ""
    return {node.name: dict(node.variables) for node in found.reading.nodes}


INI = """\
mail ansible_host=10.0.0.9

[lab]
pc[01:03].lab.example.org site=oslo ansible_port=2222
casm_n0 ansible_ssh_host=10.0.0.10 ansible_ssh_user=root
tmpl ansible_host="10.0.0.{{ 1 + 1 }}" ansible_user="{{ admin }}"

[windows]
win1 ansible_connection=winrm

[routers]
r1 ansible_connection=ansible.netcommon.network_cli

[local]
localhost ansible_connection=local

[lab:vars]
ansible_user=plab
admin=root

[up:children]
lab
windows
"""


def test_an_ini_file_with_ranges_children_variables_and_other_connections(tmp_path: Path) -> None:
    found = read(write(tmp_path / "hosts", INI), tmp_path)

    lab = {"ssh_port": "2222", "ssh_user": "plab", "site": "oslo", "groups": "lab,up"}
    assert variables_of(found) == {
        "mail": {"ssh_host": "10.0.0.9"},
        "pc01.lab.example.org": lab,
        "pc02.lab.example.org": lab,
        "pc03.lab.example.org": lab,
        "casm_n0": {"ssh_host": "10.0.0.10", "ssh_user": "plab", "groups": "lab,up"},
    }
    assert sorted(fault.removeprefix(f"{tmp_path}/hosts: host ") for fault in found.reading.faults) == [
        "'tmpl': ansible_host is '10.0.0.{{ 1 + 1 }}', a template that ansible-inventory does not fill in",
    ]
    assert sorted(note.removeprefix(f"{tmp_path}/hosts: host ") for note in found.reading.notes) == [
        "'r1': it is reached by 'network_cli', not by ssh",
        "'win1': it is reached by 'winrm', not by ssh",
    ]


def test_a_folder_of_several_files_with_variables_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "inventory"
    write(folder / "1.ini", "[gpu]\ng[1:2]\n")
    write(folder / "2.yml", "all:\n  children:\n    cpu:\n      hosts:\n        c1:\n          ansible_port: 2022\n")
    write(folder / "group_vars/all.yml", "site: oslo\n")
    write(folder / "host_vars/c1.yml", "ansible_host: 10.0.0.1\n")

    assert variables_of(read(folder, tmp_path, groups=("cpu",), match=["site=oslo"])) == {
        "c1": {"ssh_host": "10.0.0.1", "ssh_port": "2022", "site": "oslo", "groups": "cpu"}
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("2.yml", "all:\n\thosts:\n", "as an inventory source; Failed to parse "),
        ("2.ini", "[web\nn1\n", "as an inventory source; Failed to parse "),
        ("2.ini", "n1\n[up:children]\nghost\n", "undefined group"),
        ("2.sh", "#!/bin/sh\necho oops >&2\nexit 3\n", "as an inventory source; Failed to parse "),
    ],
    ids=["yaml", "ini", "undefined", "script"],
)
def test_a_source_that_ansible_leaves_out_with_a_warning_is_not_believed(
    programs: Path, tmp_path: Path, name: str, text: str, said: str
) -> None:
    folder = programs / "inventory"
    write(folder / "1.ini", "n[1:5]\n")
    write_program(folder / name, text).chmod(0o755 if name.endswith("sh") else 0o644)

    found = read(folder, tmp_path)

    assert found.reading.nodes == ()
    refusal = f"{folder}: not believed, as Ansible could not read all of it: Unable to parse {folder}/2"
    assert found.fault.startswith(refusal)
    assert said in found.fault
    assert "\n" not in found.fault
    assert "<<<" not in found.fault
    assert found.fault.count("Failed to parse ") <= 4  # two reasons, each of which may quote one
    assert len(found.fault) < 1000


def test_what_a_script_says_besides_is_no_fault(programs: Path, tmp_path: Path) -> None:
    printed = json.dumps(LISTING)
    script = write_program(programs / "dynamic", f"#!/bin/sh\necho parsing 2 hosts >&2\necho '{printed}'\n")

    assert list(variables_of(read(script, tmp_path))) == ["a.x", "b.x"]


def test_a_vault_is_told_with_what_to_do_and_read_with_its_password(tmp_path: Path) -> None:
    folder = tmp_path / "inventory"
    write(folder / "hosts", "n1\n")
    password = write(tmp_path / "password", "open\n")
    secrets = write(folder / "group_vars/all.yml", "ansible_user: hidden\n")
    subprocess.run(
        [HERE / "ansible-vault", "encrypt", "--vault-password-file", password, secrets],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )

    fault = read(folder, tmp_path).fault
    assert fault.startswith(f"{folder}: encrypted by ansible-vault: give the password of the vault, as ")
    assert "ANSIBLE_VAULT_PASSWORD_FILE in `environment`" in fault
    found = read(folder, tmp_path, environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(password)})
    assert variables_of(found) == {"n1": {"ssh_user": "hidden"}}


OLD_WARNINGS = """\
[DEPRECATION WARNING]: parsing of x is going away
 [WARNING]:  * Failed to parse /etc/ansible/hosts with yaml plugin: Syntax Error
while loading YAML.
\x1b[1;35m[WARNING]: Unable to
parse /etc/ansible/hosts as an inventory source\x1b[0m
[WARNING]: No inventory was parsed, only implicit localhost is available
"""


def stand_in(programs: Path, printed: str, errors: str = "") -> dict[str, str]:
    """A program in the place of `ansible-inventory`; the environment in which it is found."""
    write(programs / "printed", printed)
    write(programs / "errors", errors)
    lines = f'echo "$PWD $@" >{programs}/asked; cat {programs}/errors >&2; cat {programs}/printed'
    write_program(programs / "ansible-inventory", f"#!/bin/sh\n{lines}\n")
    return {"PATH": f"{programs}:/usr/bin:/bin"}


def test_warnings_of_old_versions_are_understood_wrapped_and_coloured(tmp_path: Path, programs: Path) -> None:
    environment = stand_in(programs, json.dumps(LISTING), OLD_WARNINGS)

    assert read(tmp_path / "h", tmp_path, environment=environment).fault == (
        f"{tmp_path}/h: not believed, as Ansible could not read all of it: "
        "Unable to parse /etc/ansible/hosts as an inventory source; "
        "Failed to parse /etc/ansible/hosts with yaml plugin: Syntax Error while loading YAML.; "
        "No inventory was parsed, only implicit localhost is available"
    )


@pytest.mark.parametrize("harmless", ["[WARNING]: Invalid characters were found in group names", "parsing hosts", ""])
def test_other_warnings_are_no_fault(tmp_path: Path, programs: Path, harmless: str) -> None:
    environment = stand_in(programs, json.dumps(LISTING), harmless)

    found = read(tmp_path / "h", tmp_path, environment=environment, directory=str(tmp_path))

    assert list(variables_of(found)) == ["a.x", "b.x"]
    assert (programs / "asked").read_text() == f"{tmp_path} -i {tmp_path}/h --list\n"


def test_without_ansible_its_inventory_is_a_fault(tmp_path: Path) -> None:
    assert read(tmp_path / "h", tmp_path, environment={"PATH": str(tmp_path)}).fault == (
        "ansible-inventory: cannot be run: no such file or directory; its folder can be put into PATH in `environment`"
    )
