"""How the web server runs, on a machine and in a container alike."""

import os
import signal
from typing import Any

from ctportal.standalone.embedded.process import die_with_parent

os.umask(0o077)  # what the web server writes is for the portal alone

wsgi_app = "ctportal.wsgi:application"
worker_class = "ctportal.web.worker.BufferingWorker"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
preload_app = True
timeout = 120  # seconds without a sign of life from the loop that receives and sends
graceful_timeout = 10
max_requests = int(os.environ.get("WEB_RECYCLE_REQUESTS", "20000"))
max_requests_jitter = max_requests // 10
control_socket_disable = True
accesslog = "-"
errorlog = "-"
logger_class = "ctportal.web_log.DiscreetLogger"
# The path without its query: searches carry patients' names.
access_log_format = '%(t)s %(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'


def pre_fork(server: Any, worker: Any) -> None:
    """A web process must not hold the port when its server was killed and is started again."""
    worker.follow_parent = die_with_parent(signal.SIGTERM)


def post_fork(server: Any, worker: Any) -> None:
    if worker.follow_parent:
        worker.follow_parent()


def when_ready(server: Any) -> None:
    """Before the first worker starts: what a killed portal left of uploads goes."""
    from cases.decoding import sweep_spool

    sweep_spool()
