"""How a queue's worker is started, on a machine and in a container alike.

python -m ctportal.standalone.launch.worker         become the worker of the queue that QUEUE names
python -m ctportal.standalone.launch.worker ping    ask the workers of it on this machine whether they are well
"""

import os
import socket
import sys
from pathlib import Path

# Threads and no forks, since TensorFlow does not survive one; the worker goes on answering a ping
# while a thread computes.
CONCURRENCY = {"default": 2, "inference": 1, "training": 1}
PING_SECONDS = 20


def worker_command(queue: str, node: str = "") -> list[str]:
    """Returns the command; `node` distinguishes workers of one queue on one machine."""
    return celery_command(
        "worker",
        *("--queues", queue, "--hostname", f"{queue}{node and '.'}{node}@%h"),
        *("--pool", "threads", "--concurrency", str(CONCURRENCY[queue])),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    )


def scheduler_command() -> list[str]:
    return celery_command("beat", "--pidfile=", "--loglevel", "INFO")


def ping(queue: str) -> int:
    """Ask each worker of the queue that runs on this machine; print which of them answer, 1 if not all do."""
    from ctportal.celery import app

    names = nodes_here(queue)
    if not names:
        print(f"No worker of the queue {queue} runs here.")
        return 1
    answers = app.control.inspect(destination=names, timeout=PING_SECONDS, limit=len(names)).ping() or {}
    for name in names:
        print(f"{name} {'answers' if name in answers else 'DOES NOT ANSWER'}")
    return 0 if set(names) <= set(answers) else 1


def nodes_here(queue: str) -> list[str]:
    """The names of the queue's workers among the processes of this machine."""
    names = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_text(errors="replace").split("\0")
        except OSError:
            continue
        if "celery" in words and "--hostname" in words:
            names.add(words[words.index("--hostname") + 1])
    wanted = (name for name in names if name.split("@")[0].split(".")[0] == queue)
    return sorted(name.replace("%h", socket.gethostname()) for name in wanted)


def celery_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "ctportal", *arguments]


def main(arguments: list[str]) -> None:
    queue = os.environ.get("QUEUE", "")
    if queue not in CONCURRENCY:
        sys.exit(f"QUEUE is {queue!r}; set it to one of {', '.join(CONCURRENCY)}.")
    if arguments not in ([], ["ping"]):
        sys.exit(__doc__)
    if arguments:
        sys.exit(ping(queue))
    command = worker_command(queue, node=str(os.getpid()))
    os.execv(command[0], command)  # noqa: S606 - signals reach the worker itself


if __name__ == "__main__":
    main(sys.argv[1:])
