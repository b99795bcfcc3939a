"""Answers which model is in service and which runs in shadow mode, and orders changes of both."""

from django.db import connection

from inference.models import ModelStatus, ModelVersion

_SERVICE_LOCK = 0x6D6F64656C  # an advisory lock's key, "model" in ASCII


def active_model() -> ModelVersion | None:
    return ModelVersion.objects.filter(status=ModelStatus.ACTIVE).first()


def hold_model_in_service(*, alone: bool = False) -> None:
    """Until the transaction ends no model enters or leaves service; `alone`, nothing is queued either.

    So a scan that arrives while models change is queued for one of them, and never for none.
    """
    function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_SERVICE_LOCK])


def shadow_model() -> ModelVersion | None:
    return ModelVersion.objects.filter(is_shadow=True).first()
