"""Use the embedded services from a shell.

python -m ctportal.standalone.embedded status             prints what runs, and where
python -m ctportal.standalone.embedded exec -- COMMAND …  runs a command with the services' addresses in its environment
                                                          and psql, pg_dump and redis-cli on its path; starts the
                                                          services for as long as the command runs if they do not run
"""

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from ctportal.standalone.embedded import binaries, paths
from ctportal.standalone.embedded.home import PRIVATE, home_account
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.services import running, start


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ctportal.standalone.embedded",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("status")
    actions.add_parser("exec").add_argument("command", nargs="+")
    chosen = parser.parse_args(arguments)
    home = paths.portal_home()
    os.umask(PRIVATE)
    try:
        return status(home) if chosen.action == "status" else execute(home, chosen.command)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1


def status(home: Path) -> int:
    """Print the state and the addresses; the exit code is 3 when the services do not run."""
    up = running(home)
    print(f"The services of {home} {'run' if up else 'do not run'}.")
    print(f"DATABASE_URL={paths.database_url(home)}\nREDIS_URL={paths.redis_url(home)}")
    return 0 if up else 3


def execute(home: Path, command: list[str]) -> int:
    with ExitStack() as stack:
        if not running(home):
            stack.enter_context(start(home))
        try:
            return subprocess.run(command, check=False, env=environment(home)).returncode
        except FileNotFoundError as error:
            raise EmbeddedError(f"There is no command {command[0]!r}.") from error
        except KeyboardInterrupt:
            return 130


def environment(home: Path) -> dict[str, str]:
    """Returns the caller's environment with the addresses, as Django, libpq and the shell read them."""
    programs = binaries.find(home_account(home))
    path = [str(programs.postgres), str(programs.redis), os.environ.get("PATH", os.defpath)]
    return {
        **os.environ,
        "CTPORTAL_HOME": str(home),
        "DATABASE_URL": paths.database_url(home),
        "REDIS_URL": paths.redis_url(home),
        "PGHOST": str(paths.socket_folder(home)),
        "PGUSER": paths.DATABASE,
        "PGDATABASE": paths.DATABASE,
        "PATH": os.pathsep.join(path),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
