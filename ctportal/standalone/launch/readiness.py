"""When the portal answers, and under which address.

`python -m ctportal.standalone.launch.readiness` asks once, for a container's health check.
"""

import asyncio
import os
import sys
from collections.abc import Callable

ASK_EVERY_SECONDS = 0.3
SAY_EVERY_SECONDS = 15.0
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def address(host: str, port: int) -> str:
    if host in EVERYWHERE or host in THIS_MACHINE:
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def announce(host: str, port: int, *, say: Callable[[str], None]) -> None:
    """Print the address once the portal answers; until then say now and then that it does not."""
    say("Starting the web server, the workers and the scheduler …")
    clock = asyncio.get_running_loop().time
    said = clock()
    while not await answers(host, port):
        if clock() - said > SAY_EVERY_SECONDS:
            say("The web server does not answer yet; still waiting …")
            said = clock()
        await asyncio.sleep(ASK_EVERY_SECONDS)
    say(f"\nThe portal answers at {address(host, port)}  (Ctrl-C stops it)\n")
    if host not in THIS_MACHINE and not os.environ.get("ALLOWED_HOSTS"):
        say("Only requests to localhost are answered: name this machine in ALLOWED_HOSTS.")


async def answers(host: str, port: int) -> bool:
    """Whether /healthz says 200."""
    named = (os.environ.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip().lstrip(".")
    request = f"GET /healthz HTTP/1.0\r\nHost: {'localhost' if named == '*' else named}\r\n\r\n"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


if __name__ == "__main__":
    sys.exit(not asyncio.run(answers("127.0.0.1", int(os.environ.get("PORT") or "8000"))))
