"""The records of receivers of notices: a private file for each, and a lock that is held for as long as one is sent to.

I/O. `plabctl.core.notice_record` says what is in them.
Tests: `tests/sinks/test_apprise.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from plabctl.core.notice_record import Record, decode_record, encode_record
from plabctl.files.atomic import replace_file
from plabctl.files.private import as_store_error, open_for_reading


def build_stem(state_dir: str, url: str, view: Sequence[object]) -> str:
    """Return how the paths of the files of a receiver begin; what the URL is cannot be seen from them.

    `view` tells apart what goes to one URL from several sinks.
    """
    digest = hashlib.blake2b(json.dumps([url, *view]).encode(), digest_size=9).hexdigest()
    return f"{state_dir}/notices-{digest}"


def read_record(path: str) -> Record:
    """Return the record at `path`; an empty one when there is none or it makes no sense. Raise StoreError."""
    opened = open_for_reading(path)
    if opened is None:
        return Record()
    with opened as file, as_store_error("read", path):
        content = file.read()
    try:
        return decode_record(json.loads(content))
    except ValueError:
        return Record()


def write_record(path: str, record: Record) -> None:
    """Replace the record at `path`, durably; raise StoreError."""
    with as_store_error("write", path):
        replace_file(path, json.dumps(encode_record(record)).encode(), purpose="notices")
