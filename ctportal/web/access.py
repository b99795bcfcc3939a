"""One line of the access log for each answer, whichever server gives it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Note = Callable[..., None]


def logged(application: Application, note: Note) -> Application:
    """The application, whose answers are noted as Gunicorn's logger wants them, once they are sent or broken off."""

    def answer(asked: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = datetime.now()
        facts = SimpleNamespace(status="500", headers=[], sent=0)

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            facts.status, facts.headers = status, headers
            return start_response(status, headers, *more)

        def done() -> None:
            known = {"RAW_URI": asked.get("REQUEST_URI", asked.get("PATH_INFO", "")), **asked}
            note(facts, SimpleNamespace(headers=[]), known, datetime.now() - began)

        try:
            body = application(asked, begin)
        except BaseException:
            done()
            raise
        return _Body(body, facts, done)

    return answer


class _Body:
    """The body as it is, counted."""

    def __init__(self, body: Iterable[bytes], facts: SimpleNamespace, done: Callable[[], None]) -> None:
        self.body, self.facts, self.done = body, facts, done

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.body:
            self.facts.sent += len(chunk)
            yield chunk

    def close(self) -> None:
        try:
            if hasattr(self.body, "close"):
                self.body.close()
        finally:
            self.done()
