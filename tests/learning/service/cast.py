"""What the tests of promotion are made of."""

import threading
from collections.abc import Callable, Sequence
from itertools import count

from django.db import connection

from cases.models import Scan
from inference.models import ModelVersion, Prediction
from inference.queue import claim, store_answer
from learning.comparison.gate import RULES
from learning.models import Comparison, Dataset
from ml.model.engine import ScanAnswer, ScanFailure
from tests.inference.cast import StubEngine, scan_answer

_numbers = count(1)
REASON = "Sensitivity may be worse by up to 4 points; the margin is 2."


class Contrarian(StubEngine):
    def _answer(self, values: list[int]) -> ScanAnswer | ScanFailure:
        return super()._answer(values) if values[0] in self.poison else scan_answer([1 - v / 255 for v in values])


def compare(champion: ModelVersion, challenger: ModelVersion, *, passed: bool = True) -> Comparison:
    """As the worker stores it, on a data set of its own."""
    dataset = Dataset.objects.create(content_hash=f"{next(_numbers):064}")
    return Comparison.objects.create(
        dataset=dataset,
        champion=champion,
        challenger=challenger,
        passed=passed,
        reasons=[] if passed else [REASON],
        figures={"gate": {"rules": RULES, "findings": [] if passed else [{"passed": False, "words": REASON}]}},
    )


def rows_of(scan: Scan) -> set[tuple[str, str, int]]:
    """Whom the scan was asked of, how far that is, and how urgent."""
    rows = Prediction.objects.filter(scan=scan).select_related("model_version")
    return {(row.model_version.version, row.status, row.urgency) for row in rows}


def work_once() -> int:
    """One claim, answered: what a worker does between two looks at the queue."""
    from tests.inference.cast import answer_for

    return sum(store_answer(row, answer_for(row.scan)) for row in claim())


def at_once(actions: Sequence[Callable[[], object]]) -> list[BaseException]:
    """Runs each in a thread and a connection of its own. What they raised."""
    together, errors = threading.Barrier(len(actions)), []

    def run(action: Callable[[], object]) -> None:
        try:
            together.wait()
            action()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
