"""The account that the portal and its embedded servers run as where root starts them."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from ctportal.standalone.embedded.paths import EmbeddedError, checkout

NAME = "ctportal"


@dataclass(frozen=True)
class Account:
    """Who a server runs as; `drops` says that this process gives privileges up to become it."""

    uid: int
    gid: int
    drops: bool

    def popen_options(self) -> dict[str, object]:
        if not self.drops:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        if self.drops:
            os.chown(path, self.uid, self.gid)

    def become(self, home: Path) -> None:
        """Give root's rights up; what libraries keep in a user's home goes into the portal's."""
        if not self.drops:
            return
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)
        os.environ.update({"HOME": str(home), "USER": NAME, "LOGNAME": NAME})


def account_for(*folders: Path) -> Account:
    """Oneself; as root the owner of the first folder that is not root's own, or a system account."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), drops=False)
    for folder in folders:
        if folder.exists() and (owner := folder.stat()).st_uid != 0:
            return Account(owner.st_uid, owner.st_gid, drops=True)
    entry = _system_account()
    return Account(entry.pw_uid, entry.pw_gid, drops=True)


def _system_account() -> pwd.struct_passwd:
    """Returns the system account `ctportal`, made when missing. Never `nobody`, whose processes all could open the
    database.
    """
    entry = _find(NAME)
    if entry is None and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        command = [useradd, "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=False, capture_output=True)
        entry = _find(NAME)
    if entry is None:
        raise EmbeddedError(
            f"The portal does not run as root, and the account {NAME} to run it could not be made: make it "
            "(useradd --system), or start the portal as an ordinary user."
        )
    return entry


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def everyone_reaches(folder: Path) -> bool:
    """Whether any account may walk down to this folder (its own permissions do not count)."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.resolve().parents)


def out_of_reach(home: Path) -> list[Path]:
    """What the portal needs to read and another account than root may not: Python, its packages, the code, the home."""
    needed = {Path(sys.executable), Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib")), checkout()}
    closed = [path for path in needed if not (everyone_reaches(path) and path.stat().st_mode & stat.S_IROTH)]
    return sorted(closed) if everyone_reaches(home) else [*sorted(closed), home]
