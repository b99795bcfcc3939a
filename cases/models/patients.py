"""Stores patients, whose identity keeps every earlier version."""

from __future__ import annotations

import uuid
from datetime import date

import pghistory
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.append_only import NEVER_EMPTIED
from accounts.models import Site, SiteScopedQuerySet, User
from cases.validators import validate_not_in_future, validate_one_line


class Sex(models.TextChoices):
    FEMALE = "F", _("Female")
    MALE = "M", _("Male")
    OTHER = "O", _("Other")
    UNKNOWN = "U", _("Unknown")


class PatientQuerySet(SiteScopedQuerySet):
    def matching(self, text: str) -> PatientQuerySet:
        return self.filter(Q(record_number__icontains=text) | Q(name__icontains=text))


@pghistory.track(
    fields=["record_number", "name", "birth_date", "sex"],
    model_name="PatientVersion",
    obj_field=pghistory.ObjForeignKey(related_name="versions"),
    meta={"triggers": [NEVER_EMPTIED]},  # the rest is PGHISTORY_APPEND_ONLY
)
class Patient(models.Model):
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="patients")
    record_number = models.CharField(_("medical record number"), max_length=64, validators=[validate_one_line])
    name = models.CharField(max_length=200, validators=[validate_one_line])
    birth_date = models.DateField(_("date of birth"), null=True, blank=True, validators=[validate_not_in_future])
    sex = models.CharField(max_length=1, choices=Sex, default=Sex.UNKNOWN)
    pseudonym = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    is_synthetic = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", editable=False, null=True)

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint("site", Upper("record_number"), name="patient_record_number_unique_in_site"),
            models.CheckConstraint(condition=~Q(record_number=""), name="patient_has_number"),
            models.CheckConstraint(condition=Q(sex__in=Sex.values), name="patient_sex_known"),
        ]
        indexes = [
            GinIndex(OpClass(Upper("name"), "gin_trgm_ops"), name="patient_name_trgm"),
            GinIndex(OpClass(Upper("record_number"), "gin_trgm_ops"), name="patient_number_trgm"),
            models.Index(fields=["site", "name", "id"]),
            models.Index(fields=["name", "id"], name="patient_by_name"),
        ]

    def __str__(self) -> str:
        return f"Patient {self.pk}"

    def age_on(self, day: date) -> int | None:
        if self.birth_date is None:
            return None
        before_birthday = (day.month, day.day) < (self.birth_date.month, self.birth_date.day)
        return day.year - self.birth_date.year - before_birthday

    @property
    def age(self) -> int | None:
        return self.age_on(timezone.localdate())
