"""A creation sent twice with the same Idempotency-Key happens once, and is answered twice.

What is kept is a receipt: the ids of what was made, never a patient's data; the answer is rendered
from it anew. A receipt lasts a day.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import IdempotentRequest
from ctportal.api.problems import INVALID, KEY_REUSED, REQUEST_IN_PROGRESS, Problem
from ctportal.api.resource import caller

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
# A request that died (its process was killed) holds its key no longer than this.
GIVEN_UP_AFTER = timedelta(minutes=15)
LONGEST_KEY = 255

Receipt = dict[str, Any]


def once(
    request: Request,
    *,
    work: Callable[[], Receipt],
    answer: Callable[[Receipt], Response],
    atomic: bool = True,
) -> Response:
    """Does the work unless its receipt exists. `atomic` work and its receipt are stored together or not at all."""
    key = request.headers.get(HEADER)
    if key is None:
        return answer(work())
    _check(key)
    claim, is_ours = _claim(request, key)
    if not is_ours:
        return _replay(claim, answer)
    try:
        with transaction.atomic() if atomic else nullcontext():
            receipt = work()
            IdempotentRequest.objects.filter(pk=claim.pk).update(body=receipt, status_code=201)
    except BaseException:
        # Nothing was made, so the same key may try again.
        claim.delete()
        raise
    return answer(receipt)


def _check(key: str) -> None:
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        wrong = {"header": HEADER, "code": "invalid", "detail": f"Send 1 to {LONGEST_KEY} printable ASCII characters."}
        raise Problem(INVALID, "The idempotency key is not valid.", errors=[wrong])


def _claim(request: Request, key: str) -> tuple[IdempotentRequest, bool]:
    """The row of this key, and whether it is this call that made it."""
    asked, now = fingerprint(request), timezone.now()
    mine = IdempotentRequest.objects.filter(user=caller(request))
    given_up = Q(status_code=None, created_at__lt=now - GIVEN_UP_AFTER)
    mine.filter(Q(created_at__lt=now - KEPT_FOR) | given_up).delete()
    try:
        with transaction.atomic():
            return mine.create(user=caller(request), key=key, fingerprint=asked), True
    except IntegrityError:
        earlier = mine.filter(key=key).first()
    if earlier is None:  # it was refused, and its key freed, this very moment
        raise _in_progress()
    if earlier.fingerprint != asked:
        raise Problem(KEY_REUSED, "This key was sent with another request; make a new key for each request.")
    return earlier, False


def _in_progress() -> Problem:
    problem = Problem(REQUEST_IN_PROGRESS, "Wait for the answer to the first, or ask again in some seconds.")
    problem.headers["Retry-After"] = "2"
    return problem


def _replay(claim: IdempotentRequest, answer: Callable[[Receipt], Response]) -> Response:
    if claim.status_code is None:
        raise _in_progress()
    response = answer(claim.body or {})
    response[REPLAYED] = "true"
    return response


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
