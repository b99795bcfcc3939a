"""Tests that an installation of an earlier release, with rows in every table, upgrades without loss."""

import datetime
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor

from tests.database_role import connections_of_owner

# The last migrations of the release before the learning loop became an app of its own.
EARLIER = [
    ("accounts", "0002_learning"),
    ("cases", "0002_learning"),
    ("inference", "0006_index_of_when_a_model_was_asked"),
    ("contenttypes", "0002_remove_content_type_name"),
    ("auth", "0012_alter_user_first_name_max_length"),
    ("admin", "0003_logentry_add_action_flag_choices"),
]
APPS = ("accounts", "cases", "inference")
RENAMED = {("cases_case", "teaching"): "label_value", ("cases_scan", "teaching"): "label_value"}
WHEN = datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)
GIVEN: dict[str, dict[str, Any]] = {
    "user": {"username": "rita", "email": "rita@example.org", "theme": "auto"},
    "site": {"slug": "north", "name": "North"},
    "membership": {"role": "reader"},
    "apitoken": {"scopes": ["read"]},
    "event": {"action": "case_opened", "subject_type": "case", "subject_id": 1},
    "case": {"status": "closed", "closed_at": WHEN, "teaching": 0.25},
    "scan": {"kind": "image", "slice_count": 1, "notes": ["A note."], "teaching": 0.5},
    "slice": {"position": 1},
    "review": {"label": "covid", "agrees": True, "was_blinded": True},
    "modelversion": {"status": "active", "activated_at": WHEN},
    "prediction": {"status": "done", "decision": "covid", "probability": 0.75, "finished_at": WHEN},
    "baseimage": {"label": "covid"},
    "patientsplit": {"split": "train"},
    "datasetscan": {"label": "covid", "base_set": None, "image_ids": [1], "review_ids": [1]},
    "excludedscan": {"reason": "unreviewed"},
    "trainingrun": {"status": "failed", "error": "It stopped.", "finished_at": WHEN},
    "comparisonrequest": {"status": "failed", "error": "It stopped.", "finished_at": WHEN},
    "gateoverride": {"status": "pending", "reason": "A reason."},
    "serviceperiod": {"entry": "command"},
}
APPEND_ONLY = [
    "inference_baseimage",
    "inference_patientsplit",
    "inference_datasetscan",
    "inference_excludedscan",
    "inference_comparison",
    "inference_comparedscan",
    "cases_review",
    "accounts_event",
]


@pytest.fixture
def earlier(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """Provides an empty database of its own, at the migrations of the earlier release."""
    name = f"upgrade_{uuid.uuid4().hex[:12]}"
    with django_db_blocker.unblock(), connections_of_owner():
        main = connections["default"]
        with main._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connections.databases["upgrade"] = {**main.settings_dict, "NAME": name}
        connection = connections["upgrade"]
        try:
            MigrationExecutor(connection).migrate(EARLIER)
            yield connection
        finally:
            connection.close()
            del connections.databases["upgrade"]
            delattr(connections._connections, "upgrade")  # type: ignore[attr-defined]
            with main._nodb_cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name}")


def test_every_row_survives_and_stays_append_only(earlier: Any) -> None:
    apps = MigrationExecutor(earlier).loader.project_state(EARLIER).apps
    filler = Filler(apps)
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            if not model._meta.auto_created and "pgh" not in {f.name[:3] for f in model._meta.fields}:
                filler.row(model)
    filler.link()
    before = rows(earlier)
    assert all(before[table] for table in APPEND_ONLY), "every append-only table holds a row"
    filler.log_entry()

    executor = MigrationExecutor(earlier)
    executor.migrate(executor.loader.graph.leaf_nodes())

    after = rows(earlier)
    for table, old in before.items():
        assert [{c: row[RENAMED.get((table, c), c)] for c in old[0]} for row in after[table]] == old if old else True, (
            table
        )
    for table in APPEND_ONLY:
        for statement in (f"UPDATE {table} SET id = id + 1000", f"DELETE FROM {table}"):
            with (
                pytest.raises(DatabaseError),
                transaction.atomic(using="upgrade"),
                earlier.cursor() as cursor,
            ):
                cursor.execute(statement)
    with earlier.cursor() as cursor:
        cursor.execute(
            "SELECT c.app_label FROM django_admin_log l JOIN django_content_type c ON c.id = l.content_type_id"
        )
        assert cursor.fetchall() == [("learning",)]


def rows(connection: Any) -> dict[str, list[dict[str, Any]]]:
    """Returns every row of our tables, by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.partition("_")[0] in APPS:
                cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
                names = [column.name for column in cursor.description]
                found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


class Filler:
    """Makes one row of every model, with the rows that it refers to."""

    def __init__(self, apps: Any) -> None:
        self.apps = apps
        self.made: dict[type[models.Model], Any] = {}

    def row(self, model: Any) -> Any:
        if model not in self.made:
            values = GIVEN.get(model._meta.model_name, {})
            fields = [
                f for f in model._meta.concrete_fields if not f.primary_key and not getattr(f, "generated", False)
            ]
            filled = {f.name: values[f.name] if f.name in values else self.value(model, f) for f in fields}
            self.made[model] = model.objects.using("upgrade").create(**filled)
        return self.made[model]

    def value(self, model: Any, field: Any) -> Any:
        if field.is_relation:
            if field.related_model is model:
                return None
            if field.null and field.related_model._meta.model_name not in ("scan", "case", "site", "comparison"):
                return None
            if field.name == "challenger":
                return self.challenger(field.related_model)
            return self.row(field.related_model)
        if field.has_default():
            return field.get_default()
        if field.null:
            return None
        if field.choices:
            return field.choices[0][0]
        if isinstance(field, models.DateTimeField):
            return WHEN
        if isinstance(field, models.IntegerField | models.FloatField):
            return 1
        if isinstance(field, models.BinaryField):
            return b"map"
        if isinstance(field, models.BooleanField):
            return False
        return "" if field.blank else f"{model._meta.model_name} {field.name}"[: field.max_length or 50]

    def challenger(self, model: Any) -> Any:
        found = model.objects.using("upgrade").filter(version="2").first()
        return found or model.objects.using("upgrade").create(name="other", version="2", architecture="a", sha256="2")

    def link(self) -> None:
        """Fills the many-to-many tables too."""
        dataset = self.made[self.apps.get_model("inference", "Dataset")]
        dataset.sites.add(self.made[self.apps.get_model("accounts", "Site")])
        dataset.base_sets.add(self.made[self.apps.get_model("inference", "BaseSet")])

    def log_entry(self) -> None:
        """The administration's log names a model of the learning loop."""
        kind = (
            self.apps.get_model("contenttypes", "ContentType")
            .objects.using("upgrade")
            .create(app_label="inference", model="dataset")
        )
        self.apps.get_model("admin", "LogEntry").objects.using("upgrade").create(
            content_type=kind,
            user=self.made[self.apps.get_model("accounts", "User")],
            action_flag=2,
            object_repr="Data set 1",
        )
