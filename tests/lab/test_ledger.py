"""What the record of a server counts as in use at once."""

from pathlib import Path

import pytest

from tests.lab.connection_log import ConnectionLog

OVERLAP = "+ 10.1 10\n+ 20.2 10 20\n- 10.1\n- 20.2\n"
ONE_AFTER_THE_OTHER = "+ 10.1 10\n- 10.1\n+ 20.2 20\n- 20.2\n"
LATE_TO_NOTICE = "+ 10.1 10\n+ 20.2 20\n- 10.1\n- 20.2\n"
NEVER_NOTICED = "+ 10.1 10\n+ 20.2 20\n- 20.2\n"
STILL_CONNECTED = "+ 10.1 10\n+ 20.2 10 20\n- 20.2\n"
SEVERAL_COMMANDS = "+ 10.1 10\n- 10.1\n+ 20.2 10 20\n- 20.2\n+ 10.1 10\n- 10.1\n"


@pytest.mark.parametrize(
    ("record", "most"),
    [
        (OVERLAP, 2),
        (ONE_AFTER_THE_OTHER, 1),
        (LATE_TO_NOTICE, 1),
        (NEVER_NOTICED, 1),
        (STILL_CONNECTED, 2),
        (SEVERAL_COMMANDS, 2),
        ("", 0),
    ],
)
def test_a_connection_counts_until_its_client_has_closed_it(tmp_path: Path, record: str, most: int) -> None:
    totals = ConnectionLog(tmp_path / "ledger")
    totals.path.write_text(record)

    assert totals.most_at_once() == most
