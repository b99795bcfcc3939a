"""Secrets that come as files, as containers hand them out: `NAME_FILE` names the file that holds what `NAME` would."""

from collections.abc import MutableMapping
from pathlib import Path

from ctportal.standalone.embedded.paths import EmbeddedError

SECRETS = (
    "SECRET_KEY",
    "UID_REMAP_KEY",
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "EMAIL_URL",
    "DEMO_PASSWORD",
)


class SecretFileError(EmbeddedError):
    """A secret's file cannot be read; the message names it and never its contents."""


def read_secret_files(environment: MutableMapping[str, str]) -> None:
    """Puts the contents of each file where the secret itself is expected; a secret that is set goes first.

    The name of the file is taken out: programs that are started without a secret must not find it again.
    """
    for name in SECRETS:
        file = environment.pop(f"{name}_FILE", "")
        if file and not environment.get(name):
            environment[name] = _contents(f"{name}_FILE", Path(file))


def _contents(variable: str, file: Path) -> str:
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretFileError(f"{variable} names {file}, which cannot be read ({type(error).__name__}).") from None
    if not text or "\n" in text:
        raise SecretFileError(f"{variable} names {file}, which must hold one line: the secret.")
    return text
