"""When periodic tasks are due, whatever the clock did before."""

from typing import Any

from celery.beat import Scheduler


class PresentScheduler(Scheduler):
    """Keeps nothing on disk, and forgets a last run that is in the future since the clock was put back."""

    def tick(self, *arguments: Any, **options: Any) -> float:
        now = self.app.now()
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at and entry.last_run_at > now]
        for entry in ahead:
            entry.last_run_at = now
        if ahead:
            self._heap = None  # the order in which entries are due is worked out anew
        return float(super().tick(*arguments, **options))
