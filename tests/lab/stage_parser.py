"""For servers that are no machines: read the stages that plabctl sends to the `sh` of a node.

Pure.
"""

import re
from collections.abc import Iterable, Iterator

_STAGE = re.compile(rb"(?s)(.*?); printf '\\036plabctl (\d+) %d\\036' \$\?\n")


def parse_stages(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the code of each stage as soon as it has come whole."""
    pending = b""
    for piece in pieces:
        pending += piece
        while found := _STAGE.match(pending):
            pending = pending[found.end() :]
            yield int(found[2]), found[1]
