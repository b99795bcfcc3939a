"""What must be free before anything starts: the home and the port."""

import errno
import fcntl
import ipaddress
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ctportal.standalone.embedded.account import NAME, out_of_reach
from ctportal.standalone.embedded.home import home_account, make_home
from ctportal.standalone.launch.readiness import address

RETRY_SECONDS = 10
OFF = ("", "0", "false", "no", "off", "n", "f")


class PreflightError(RuntimeError):
    """The portal cannot start here; the message says what to do."""


@contextmanager
def lock_home(home: Path, host: str, port: int) -> Iterator[None]:
    """Hold the home's lock, so that one portal runs on it at a time; the kernel frees it in a crash."""
    try:
        account = make_home(home)
        file = (home / "portal.lock").open("a+")
        account.own(home / "portal.lock")
    except PermissionError as error:
        raise PreflightError(
            f"{home} cannot be written by this account: run as its owner, or choose another CTPORTAL_HOME."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise PreflightError(
                f"the portal of {home} runs already ({file.read().strip() or 'just starting'}). "
                "Use it, or stop it with Ctrl-C where it was started, or choose another CTPORTAL_HOME."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, {address(host, port)}\n")
        file.flush()
        yield


def give_root_up(home: Path, environment: Mapping[str, str]) -> str:
    """Continues as the home's account where root has started the portal: what decodes uploads should not be root.

    Where that account cannot read the code, the portal stays root for a trial on this machine alone, and a warning is
    returned. Raises PreflightError where other machines could reach it, unless ALLOW_ROOT=1 says that they may.
    """
    if os.geteuid() != 0:
        return ""
    allowed = environment.get("ALLOW_ROOT", "")
    closed = out_of_reach(home)
    if not closed and allowed != "1":
        home_account(home).become(home)
        return ""
    where = f"the account {NAME} cannot read {' and '.join(map(str, closed))}" if closed else "ALLOW_ROOT=1 is set"
    mend = "Put Python, the checkout and CTPORTAL_HOME where others can read them, or start it as an ordinary user."
    if allowed != "1" and (allowed == "0" or not is_for_this_machine(environment)):
        raise PreflightError(f"it would run as root, since {where}. {mend} ALLOW_ROOT=1 runs everything as root.")
    return f"WARNING: everything runs as root, since {where}. Use it for a trial only. {mend}"


def is_for_this_machine(environment: Mapping[str, str]) -> bool:
    """Whether nothing says that others use the portal: no address, no name, and no proxy in front of a loopback one."""
    hosts = [address_of(environment)[0], *filter(None, environment.get("ALLOWED_HOSTS", "").split(","))]
    in_front = [name for name in ("BEHIND_PROXY", "HTTPS") if environment.get(name, "0").lower() not in OFF]
    return not in_front and all(is_loopback(host.strip()) for host in hosts)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(environment: Mapping[str, str]) -> tuple[str, int]:
    """Reads HOST and PORT from the environment."""
    text = environment.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise PreflightError(f"PORT is {text!r}; choose a number from 1 to 65535.")
    return environment.get("HOST") or "127.0.0.1", int(text)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket of the web server: taken here, so that a taken port shows at once."""
    deadline = time.monotonic() + RETRY_SECONDS  # the server of a killed portal needs a moment to end
    while True:
        try:
            return _bind(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            raise PreflightError(_refusal(host, port, error)) from error


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(resolved[:2], family=family, backlog=512)


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; choose another one: make run PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"this account may not listen on port {port}; choose one above 1023: make run PORT=8000"
    return f"the address {host}:{port} cannot be used ({error.strerror or error}); set HOST and PORT."
