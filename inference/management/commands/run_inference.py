import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection

from inference.queue import sweep_predictions


class Command(BaseCommand):
    help = (
        "Answers what is queued, in the foreground and without a message broker. With --watch it goes on, "
        "which is all that a small installation needs of workers and scheduler."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="go on looking until stopped")
        parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="how often to look (2)")

    def handle(self, *args: Any, watch: bool, every: float, **options: Any) -> None:
        stop = threading.Event()
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            settled = self.watch(stop, every) if watch else self.look(stop)
        except DatabaseError as error:
            raise CommandError(f"The database does not answer ({type(error).__name__}); try again later.") from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.stdout.write(f"Settled: {settled}.")

    def watch(self, stop: threading.Event, every: float) -> int:
        settled = 0
        while not stop.is_set():
            try:
                settled += self.look(stop)
            except DatabaseError as error:
                self.stderr.write(f"The database does not answer: {type(error).__name__}")
                connection.close()
            stop.wait(every)
        return settled

    def look(self, stop: threading.Event) -> int:
        from inference.runner import run_queued

        sweep_predictions()
        return run_queued(stop=stop.is_set)
