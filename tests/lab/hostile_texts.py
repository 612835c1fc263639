"""Texts made to do harm: to terminals, tables, shells, markup, spreadsheets, monitoring systems and parsers.

Pure. `outputs` are what a node may print, `words` what somebody may give as a name, a label or a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

CANARY = "plabctl-canary"
"""The file that every injected command would make."""

_SEQUENCES = (
    b"\x1b]0;owned\x07", b"\x1b]2;owned\x1b\\", b"\x1b]0;never ends", b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    b"\x1b]52;c;b3duZWQ=\x07", b"\x1b[2J", b"\x1b[1;1H", b"\x1b[31m", b"\x1b[?1049h", b"\x1b[6n", b"\x1b[", b"\x1b",
    b"\x1b[38;2;1;2;3mx", b"\x1bc", b"\x1b(0", b"\x1b#8", b"\x1bP1$r\x1b\\", b"\x1b_apc\x1b\\", b"\x1b^pm\x1b\\",
    b"\x1bXsos\x1b\\", b"\x1b\x1b[2J", b"\x1b[\x1b[2J", b"\x1b\x00[2J", b"\x1b[2\x00J", b"\x9b2J", b"\xc2\x9b2J",
    b"\xc2\x9d0;t\xc2\x9c", b"\xc2\x90q\xc2\x9c", b"\xc2\x85", b"\x07", b"\x08\x08", b"\x00", b"\x0b", b"\x0c", b"\x7f",
    b"\x1eplabctl\x1e", b"\x1eplabctl 1 0\x1e", b"\x1eplabctl 1 999\x1e",
    b"\x0e", b"\x0f", b"\x05", b"\x1c\x1d\x1e\x1f", b"\r", b"\r\n", b"\n", b"\t", b"\n\n\n", b"over\rwritten",
)  # fmt: skip
_LETTERS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "\u202egnp.exe", "\u2066\u2067\u2069", "\u200b", "\u200f", "\ufeff", "\u2028", "\u2029", "\u00ad", "\u061c",
        "\u180e", "\u3164", "\ufe0f", "\ufff9a\ufffab\ufffb", "\U000e0041\U000e007f", "\U0001d173", "\U0001bca0",
        "\ud800", "\udfff\ud800", "\ud83d\ude00", "e\u0301\u0302\u0303" * 5, "\u4e16\u754c", "\uff1dcmd()",
        "\U0001f642", "\u0430dmin", "\u2800", "\uffff", "\U0010ffff",
    )
)  # fmt: skip
_BROKEN = (
    b"\xff\xfe",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x99",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    b"\x80\x80",
    b"\xed\xa0\x80",
)
_TEXTS = tuple(
    text.replace("CANARY", CANARY).encode()
    for text in (
        "$(touch CANARY)", "`touch CANARY`", "; touch CANARY", "| touch CANARY", "&& touch CANARY", "\ntouch CANARY\n",
        "' ; touch CANARY ; '", '" ; touch CANARY ; "', "$IFS", "${PATH}", "%h", "%n%n%s", "{node}", "{0.__class__}",
        "\\",
        "\\\n", "\\033[2J", "!!", "~root", "*", "-oProxyCommand=touch CANARY", "--help", "-", "-1", "../../x", "/etc/x",
        "[/x]", "[red]", "[link=http://x]y[/link]", "[", "[/]", "\\[/x]", ":boom:", "<script>x</script>",
        "<b>", "\"'>", "=cmd|' /C calc'!A0", "=1+1", "+1+cmd()", "-2+3+cmd()", "@SUM(1)", "a,b", '"', '""', "'",
        "|x=1;2", "'a'=1|", "a|b", "=", ";;;", "null", "NaN", '{"a":1}', "\\u0000", "\\ud800", "]}", "#", "# x", "a=b",
        "@good", "web", "x" * 70, "a.b", "node", "ok", "error: no space", " ", "  ",
    )
)  # fmt: skip
_FRAGMENTS = (*_SEQUENCES, *_LETTERS, *_BROKEN, *_TEXTS)


def outputs(dice: Random, count: int) -> Iterator[bytes]:
    """Yield so many things that a node may print; one in a thousand is very long, one in fifty any bytes at all."""
    for number in range(count):
        if number % 1000 == 999:
            yield dice.choice(_FRAGMENTS) * dice.randint(2000, 20000)
        elif number % 50 == 49:
            yield dice.randbytes(dice.randint(0, 200))
        else:
            yield _made(dice)


def words(dice: Random, count: int) -> Iterator[str]:
    """Yield so many words that somebody may give, as text with half pairs for bytes that are none."""
    for number in range(count):
        if number % 40 == 39:
            yield dice.choice(("a", "a.", "1", "-", "\u00e9", "a" * 63 + ".")) * dice.randint(1, 300)
        elif number % 4 == 3:
            yield _nearly_a_name(dice)
        else:
            yield _made(dice).decode("utf-8", "surrogateescape")


def _made(dice: Random) -> bytes:
    return b"".join(dice.choice(_FRAGMENTS) for _ in range(dice.randint(1, 5)))


def _nearly_a_name(dice: Random) -> str:
    name = dice.choice(("pc1", "pc1.example.org", "10.0.0.1", "fe80::1", "a-b", "PC-2.x", "::1", "::ffff:10.0.0.1"))
    place = dice.randint(0, len(name))
    odd = dice.choice(("", "", *"-._:%@/\\ \n\t\0\x7f\u0301\u2024\uff0e\u0430[]*,=#"))
    return f"{name[:place]}{odd}{name[place:]}"
