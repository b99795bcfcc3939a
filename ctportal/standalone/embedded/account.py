"""The account that the embedded servers run as: PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ctportal.standalone.embedded.paths import EmbeddedError

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


def account_for(folder: Path) -> Account:
    """Oneself; as root the owner of the data that already lie in the folder, or a system account."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), drops=False)
    if folder.exists() and folder.stat().st_uid != 0:
        owner = folder.stat()
        return Account(owner.st_uid, owner.st_gid, drops=True)
    entry = _system_account()
    return Account(entry.pw_uid, entry.pw_gid, drops=True)


def _system_account() -> pwd.struct_passwd:
    """The system account `ctportal`, made when missing; `nobody` where none can be made."""
    entry = _find(NAME)
    if entry is None and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        command = [useradd, "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=False, capture_output=True)
        entry = _find(NAME)
    entry = entry or _find("nobody")
    if entry is None:
        raise EmbeddedError(
            "PostgreSQL does not run as root and no account to run it could be made: "
            "start the portal as an ordinary user, or set DATABASE_URL and REDIS_URL."
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
