"""A start that has to wait, written once: driven to its end at once, or step by step in an event loop.

A starter yields questions ("does it answer?") and is sent the answers; what it returns is what was started.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TypeVar

PAUSE_SECONDS = 0.03

Started = TypeVar("Started")
Steps = Generator[Callable[[], bool], bool, Started]


def at_once(steps: Steps[Started]) -> Started:
    try:
        question = next(steps)
        while True:
            answer = question()
            if not answer:
                time.sleep(PAUSE_SECONDS)
            question = steps.send(answer)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


async def in_the_loop(steps: Steps[Started]) -> Started:
    """The process is started by this thread, which must live as long as it does; only questions go to another."""
    try:
        question = next(steps)
        while True:
            answer = await asyncio.to_thread(question)
            if not answer:
                await asyncio.sleep(PAUSE_SECONDS)
            question = steps.send(answer)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
