"""When a worker of each queue was last heard of. Kept in Redis: an empty one knows within seconds."""

import time

from django.core.cache import cache

QUEUES = ("default", "inference", "training")
NOTED_EVERY, SILENT_AFTER = 5.0, 30.0
_noted: dict[str, float] = {}


def note_worker(node: str) -> None:
    """A worker named `queue@…` or `queue.…@…` is there. Of what Celery says every two seconds, a part is noted."""
    queue = node.partition("@")[0].partition(".")[0]
    now = time.monotonic()
    if now - _noted.get(queue, -NOTED_EVERY) >= NOTED_EVERY:
        _noted[queue] = now
        cache.set(f"alive:{queue}", time.time(), timeout=3600)


def silent_queues() -> set[str]:
    seen = cache.get_many([f"alive:{queue}" for queue in QUEUES])
    now = time.time()
    return {queue for queue in QUEUES if now - seen.get(f"alive:{queue}", 0) > SILENT_AFTER}
