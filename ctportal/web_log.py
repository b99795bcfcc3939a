"""The web server's logs: one printable line for each request, without the keys of mailed links."""

import logging
from typing import Any

from gunicorn.glogging import Logger, SafeAtoms

from accounts.log_text import path_for_log
from ctportal.logs import DiscreetFormatter


class PrintableAtoms(SafeAtoms):
    """Whatever part of a request the format of the access log names."""

    def __init__(self, atoms: dict[str, Any]) -> None:
        super().__init__({name: path_for_log(part) if isinstance(part, str) else part for name, part in atoms.items()})


class DiscreetLogger(Logger):
    """Keeps control characters and secrets out of Gunicorn's log lines."""

    atoms_wrapper_class = PrintableAtoms

    def _set_handler(self, log: logging.Logger, output: str, fmt: logging.Formatter, stream: Any = None) -> None:
        discreet = DiscreetFormatter(fmt._fmt, fmt.datefmt)
        super()._set_handler(log, output, discreet, stream)
