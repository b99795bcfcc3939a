"""A small WSGI application for the tests of the web server."""

import time
from collections.abc import Callable, Iterator
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/waits":
        print("waiting", flush=True)
        time.sleep(300)
    if path == "/slow":
        print("slow began", flush=True)
        time.sleep(2)
        return [b"slow done"]
    if path == "/endless":
        return _endless()
    if path == "/size":
        return [b"%d" % sum(map(len, iter(lambda: environ["wsgi.input"].read(1024**2), b"")))]
    if path == "/proxy":
        return [f"{environ.get('HTTP_X_FORWARDED_PROTO')} {environ.get('HTTP_X_FORWARDED_FOR')}".encode()]
    return [b"plain"]


def _endless() -> Iterator[bytes]:
    try:
        while True:
            yield b"x" * 65536
    finally:
        print("the download was closed", flush=True)
