"""A creation sent twice with the same Idempotency-Key happens once, and is answered twice.

What is kept is a receipt: the ids of what was made, never a patient's data; the answer is rendered
from it anew. A receipt lasts a day.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import Error as DatabaseError
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from cases.locks import held_while_connected
from ctportal.api.models import IdempotentRequest
from ctportal.api.problems import INVALID, KEY_REUSED, REQUEST_IN_PROGRESS, Problem
from ctportal.api.resource import caller

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
LONGEST_KEY = 255

logger = logging.getLogger(__name__)
Receipt = dict[str, Any]
Answer = Callable[[Receipt], Response]


def once(request: Request, *, work: Callable[[], Receipt], answer: Answer, atomic: bool = True) -> Response:
    """Does the work unless its receipt exists. `atomic` work and its receipt are stored together or not at all.

    `answer` renders the receipt, fresh or old, and asks the rights of the caller again; views call it `…_response`.
    Whoever works on a key holds its lock, which ends with the database connection: a request whose process died
    blocks nobody.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return answer(work())
    _check(key)
    asked = fingerprint(request)
    with held_while_connected(f"idempotency:{caller(request).pk}:{key}") as is_ours:
        earlier = _earlier(request, key, asked, is_ours=is_ours)
        if earlier is not None:
            response = answer(earlier.body or {})
            response[REPLAYED] = "true"
            return response
        receipt = _worked(_claim(request, key, asked), work, atomic=atomic)
    return answer(receipt)


def _earlier(request: Request, key: str, asked: str, *, is_ours: bool) -> IdempotentRequest | None:
    """The request that has a receipt for this key. One without a receipt is at work, or has died."""
    mine = IdempotentRequest.objects.filter(user=caller(request))
    mine.filter(created_at__lt=timezone.now() - KEPT_FOR).exclude(status_code=None).delete()
    earlier = mine.filter(key=key).first()
    if earlier is not None and (earlier.status_code is not None or not is_ours) and earlier.fingerprint != asked:
        raise Problem(KEY_REUSED, _("This key was sent with another request; make a new key for each request."))
    if earlier is not None and earlier.status_code is not None:
        return earlier
    if not is_ours:
        raise _in_progress()
    if earlier is not None:
        _free(earlier)
    return None


def _claim(request: Request, key: str, asked: str) -> IdempotentRequest:
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(user=caller(request), key=key, fingerprint=asked)
    except IntegrityError:
        raise _in_progress() from None


def _worked(claim: IdempotentRequest, work: Callable[[], Receipt], *, atomic: bool) -> Receipt:
    try:
        with transaction.atomic() if atomic else nullcontext():
            receipt = work()
            if not _unanswered(claim).update(body=receipt, status_code=201):
                raise _in_progress()  # the connection was lost meanwhile, and another took the key over
    except BaseException:
        _free(claim)  # nothing was made, so the same key may try again
        raise
    return receipt


def _free(claim: IdempotentRequest) -> None:
    """Never covers up the error before it: where the database is away, the lock went with the connection."""
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        _unanswered(claim).delete()
    except DatabaseError as error:
        logger.warning("An idempotency key could not be freed now: %s", type(error).__name__)


def _unanswered(claim: IdempotentRequest) -> QuerySet[IdempotentRequest]:
    """Only as long as there is no receipt: a commit whose confirmation was lost keeps its own."""
    return IdempotentRequest.objects.filter(pk=claim.pk, status_code=None)


def forget_old_receipts() -> int:
    """Those that are no longer replayed. Returns how many."""
    old = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - 2 * KEPT_FOR)
    return old.delete()[0]


def _check(key: str) -> None:
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        wrong = {
            "header": HEADER,
            "code": "invalid",
            "detail": _("Send 1 to %(LONGEST_KEY)s printable ASCII characters.") % {"LONGEST_KEY": LONGEST_KEY},
        }
        raise Problem(INVALID, _("The idempotency key is not valid."), errors=[wrong])


def _in_progress() -> Problem:
    problem = Problem(REQUEST_IN_PROGRESS, _("Wait for the answer to the first, or ask again in some seconds."))
    problem.headers["Retry-After"] = "2"
    return problem


def fingerprint(request: Request) -> str:
    """Of what is asked, not of how it was packed: multipart boundaries and the order of JSON keys do not count."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    files = getattr(request, "FILES", None)
    if files:
        for part in _form_parts(request):
            digest.update(part)
    else:
        digest.update(json.dumps(_plain(request.data), sort_keys=True).encode())
    return digest.hexdigest()


def _form_parts(request: Request) -> Iterable[bytes]:
    for name in sorted(request.POST):
        yield json.dumps([name, request.POST.getlist(name)]).encode()
    for name in sorted(request.FILES):
        for file in request.FILES.getlist(name):
            yield json.dumps([name, file.name, _content_hash(file)]).encode()


def _content_hash(file: UploadedFile) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _plain(data: Any) -> Any:
    return dict(data.lists()) if hasattr(data, "lists") else data
