"""Start the whole portal on this machine and keep it running: `python -m ctportal.standalone.launch`.

Environment: PORT (8000), HOST (127.0.0.1), DEMO, DEMO_PASSWORD, and all that the settings read.
"""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ctportal.standalone.embedded import portal_home
from ctportal.standalone.embedded.home import PRIVATE, forget_owner, remove_stray_mail
from ctportal.standalone.embedded.paths import EmbeddedError
from ctportal.standalone.embedded.process import die_with_parent, rotate
from ctportal.standalone.launch.preflight import PreflightError, address_of, give_root_up, listen, lock_home
from ctportal.standalone.launch.programs import portal_programs
from ctportal.standalone.launch.readiness import announce
from ctportal.standalone.launch.supervisor import Supervisor
from ctportal.standalone.secret_files import read_secret_files

if TYPE_CHECKING:
    from ctportal.standalone.embedded.services import Services

WATCH_SECONDS = 1.0
SLOW_RETRY_SECONDS = 15


def main() -> int:
    handle_interrupts()
    os.umask(PRIVATE)
    try:
        read_secret_files(os.environ)
        launch(portal_home())
    except (PreflightError, EmbeddedError) as error:
        print(f"\nThe portal did not start: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    say("Stopped. Everything stored is kept for the next start.")
    return 0


def launch(home: Path) -> None:
    """Takes home and port, starts the services, prepares, then runs until a signal ends it."""
    host, port = address_of(os.environ)
    remove_stray_mail(home, Path.cwd(), say)
    with ExitStack() as stack:
        stack.enter_context(lock_home(home, host, port))
        listener = stack.enter_context(listen(host, port))
        if warning := give_root_up(home, os.environ):
            say(warning)
        (home / "log").mkdir(mode=0o700, exist_ok=True)
        os.environ["CTPORTAL_HOME"] = str(home)
        services = start_services(home, stack)
        if os.geteuid() == 0:
            forget_owner(home)
        prepare(demo=wants_demo(embedded=services is not None))
        os.environ.pop("DATABASE_OWNER_URL", None)
        programs = portal_programs(listener.fileno())
        supervisor = Supervisor(programs, log_folder=home / "log", say=say)
        asyncio.run(run(supervisor, services, host=host, port=port))
        handle_interrupts()  # the event loop has put its own handlers away


def start_services(home: Path, stack: ExitStack) -> "Services | None":
    """The embedded services, unless the environment names others; both or none."""
    named = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
    if len(named) == 2:
        return None
    if named:
        raise PreflightError(f"{named[0]} is set alone: set DATABASE_URL and REDIS_URL, or neither.")
    from ctportal.standalone.embedded.services import start

    say(f"Starting the database and the broker in {home} …")
    services = stack.enter_context(start(home))
    os.environ.update(services.plain_environment)
    return services


def wants_demo(*, embedded: bool) -> bool:
    """Demonstration users belong into a database of one's own, not into one that was named."""
    answer = os.environ.get("DEMO", "")
    if answer not in ("", "0", "1"):
        raise PreflightError(f"DEMO is {answer!r}; set it to 1 or 0.")
    return answer == "1" or (answer == "" and (embedded or bool(os.environ.get("DEMO_PASSWORD"))))


def prepare(*, demo: bool) -> None:
    command = [sys.executable, "-m", "ctportal.standalone.launch.prepare", "database", "static", "models"]
    if demo:
        command.append("demo")
    arm = die_with_parent(signal.SIGTERM)
    if subprocess.run(command, check=False, start_new_session=True, preexec_fn=arm).returncode:
        raise PreflightError("a step of the preparation failed, as said above; nothing was lost.")


async def run(supervisor: Supervisor, services: "Services | None", *, host: str, port: int) -> None:
    """Run the programs until a signal; a second signal does not wait for anything to finish."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            say("Stopping at once.")
            supervisor.kill()
        else:
            say("Stopping; once more to stop without waiting …")
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    supervisor.start()
    watchers = [asyncio.create_task(announce(host, port, say=say))]
    if services is not None:
        watchers += [asyncio.create_task(keep_service(services, name)) for name in services.starters]
    await stop.wait()
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    await supervisor.stop()


async def keep_service(services: "Services", name: str) -> None:
    """Starts a database or a broker that ended unasked again; meanwhile pages answer 503."""
    pause = WATCH_SECONDS
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if services.runs(name):
            rotate(services.servers[name].log)
            continue
        try:
            await services.start_again(name)
        except EmbeddedError as error:
            pause = min(2 * pause, SLOW_RETRY_SECONDS)
            say(f"{error}\nTrying again in {pause:.0f} s.")
            await asyncio.sleep(pause)
        else:
            pause = WATCH_SECONDS
            say(f"{name} had ended and runs again; its log is in {services.home / 'log'}")


def handle_interrupts() -> None:
    """SIGTERM and SIGHUP end the portal as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
