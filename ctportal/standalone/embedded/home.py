"""The portal's home: its owner, who alone enters it, its modes, and mails that an earlier release left outside."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ctportal.standalone.embedded.account import Account, account_for, everyone_reaches
from ctportal.standalone.embedded.paths import services_folder

PRIVATE = 0o077  # as a umask
MARKER = ".private"
MAIL = re.compile(r"\d{8}-\d{6}-\d+\.log")  # as Django's file backend names them


def home_account(home: Path) -> Account:
    """Who owns the data: of an existing home its owner; where root starts a new one, a system account."""
    return account_for(services_folder(home), home)


def make_home(home: Path) -> Account:
    """Make the home where it is missing, give it to its account, and close what an earlier release left open."""
    _make_parents(home)
    home.mkdir(mode=0o700, exist_ok=True)
    account = home_account(home)
    if account.drops and not everyone_reaches(home):
        account = Account(os.geteuid(), os.getegid(), drops=False)  # the services' data then lie elsewhere
    account.own(home)
    home.chmod(0o700)
    marker = home / MARKER
    state = f"{account.uid}\n"
    if not marker.exists() or marker.read_text() != state or marker.stat().st_uid != account.uid:
        for path in everything_in(home):
            _close(path, account)
        marker.write_text(state)
        _close(marker, account)
    return account


def _make_parents(home: Path) -> None:
    """The folders above the home are not the portal's own: others may walk through them."""
    private = os.umask(0o022)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(private)


def forget_owner(home: Path) -> None:
    """Root works in the home as root: the next start looks whose everything is."""
    (home / MARKER).unlink(missing_ok=True)


def everything_in(home: Path) -> Iterator[Path]:
    """All but the home itself; links are not followed."""
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            yield Path(folder, name)


def _close(path: Path, account: Account) -> None:
    try:
        found = path.lstat()
        if account.drops and found.st_uid == 0:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        if found.st_mode & PRIVATE and not path.is_symlink():
            path.chmod(found.st_mode & 0o700)
    except FileNotFoundError:
        """It was removed this very moment."""


def remove_stray_mail(home: Path, folder: Path, say: Callable[[str], None]) -> None:
    """An earlier release wrote mails, with their links, into a copy of the home's path below the working folder."""
    stray = folder / str(home / "mail").lstrip("/")
    if not stray.is_dir() or stray.resolve() == (home / "mail").resolve():
        return
    mails = [path for path in stray.iterdir() if MAIL.fullmatch(path.name)]
    for path in mails:
        path.unlink()
    say(f"Removed {len(mails)} mails from {stray}, where everybody could read them.")
    for parent in (stray, *stray.parents):
        if parent == folder or any(parent.iterdir()):
            return
        parent.rmdir()
