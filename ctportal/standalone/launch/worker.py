"""How a queue's worker is started, on a machine and in a container alike.

python -m ctportal.standalone.launch.worker         become the worker of the queue that QUEUE names
python -m ctportal.standalone.launch.worker ping    ask the worker on this machine whether it is well
"""

import os
import socket
import sys

# Threads and no forks, since TensorFlow does not survive one; the worker goes on answering a ping
# while a thread computes.
CONCURRENCY = {"default": 2, "inference": 1, "training": 1}
PING_SECONDS = 20


def worker_command(queue: str) -> list[str]:
    return celery_command(
        "worker",
        *("--queues", queue, "--hostname", f"{queue}@%h"),
        *("--pool", "threads", "--concurrency", str(CONCURRENCY[queue])),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    )


def scheduler_command() -> list[str]:
    return celery_command("beat", "--pidfile=", "--loglevel", "INFO")


def ping_command(queue: str) -> list[str]:
    name = f"{queue}@{socket.gethostname()}"
    return celery_command("inspect", "ping", "--destination", name, "--timeout", str(PING_SECONDS))


def celery_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "ctportal", *arguments]


def main(arguments: list[str]) -> None:
    queue = os.environ.get("QUEUE", "")
    if queue not in CONCURRENCY:
        sys.exit(f"QUEUE is {queue!r}; set it to one of {', '.join(CONCURRENCY)}.")
    if arguments not in ([], ["ping"]):
        sys.exit(__doc__)
    command = ping_command(queue) if arguments else worker_command(queue)
    os.execv(command[0], command)  # noqa: S606 - signals reach the worker itself


if __name__ == "__main__":
    main(sys.argv[1:])
