"""The secret key of a portal that was given none: made once, kept in its home."""

import contextlib
import os
import secrets
from pathlib import Path


def secret_key(home: Path) -> str:
    """Returns the key in `secret_key`, readable by its owner only; it is written in one step, so never half."""
    path = home / "secret_key"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".secret_key.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(64) + "\n")
    with contextlib.suppress(FileExistsError):  # another process was quicker: its key counts
        os.link(draft, path)
    draft.unlink()
    return path.read_text().strip()
