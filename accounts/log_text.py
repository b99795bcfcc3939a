"""What a line of a log may hold: no control characters, and nothing that lets a reader of the log act for somebody."""

import re

HIDDEN = "…"
# The addresses of mailed links: what follows opens an account to whoever has it.
MAILED_LINK = re.compile(r"(/(?:reset/key|confirm-email)/)[^\s\"'?]*")
API_TOKEN = re.compile(r"\bctp_[A-Za-z0-9_-]+")


def printable(text: str) -> str:
    """The text with every control character escaped: it neither ends the line nor moves a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\t" else _escaped(letter) for letter in text)


def printable_lines(text: str) -> str:
    """Several lines, the later ones set in, so that no part of a message can pass for a line of the log."""
    return "\n    ".join(printable(line) for line in text.split("\n"))


def without_secrets(text: str) -> str:
    """The text without the keys of mailed links and without API tokens."""
    return API_TOKEN.sub(f"ctp_{HIDDEN}", MAILED_LINK.sub(rf"\1{HIDDEN}", text))


def path_for_log(path: str) -> str:
    """Returns the path of a request on one line; of a mailed link only the part before its key."""
    link = MAILED_LINK.search(path)
    return printable(path[: link.start()] + link[1] + HIDDEN if link else without_secrets(path))


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
