"""Stores what the API itself needs: the receipts of creations that may be repeated."""

from django.db import models
from django.utils import timezone

from accounts.models import User


class IdempotentRequest(models.Model):
    """Keeps the receipt of a creation with an Idempotency-Key, so that a repeated call gets the same answer."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "accounts_idempotentrequest"  # it was made in `accounts`
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotent_request_unique")]

    def __str__(self) -> str:
        return f"Idempotent request {self.pk}"
