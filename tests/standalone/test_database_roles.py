"""The plain role of web and workers works on rows and can do nothing to the tables, the triggers or the record."""

import pytest
from django.db import ProgrammingError, connection, transaction
from psycopg2.errors import InsufficientPrivilege

from ctportal.standalone.database_roles import grant_plain_role
from ctportal.standalone.embedded.paths import PLAIN_ROLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def plain():
    """A cursor as all tests have it: see tests/database_role.py."""
    with connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE accounts_event, cases_review CASCADE",
        "TRUNCATE cases_case CASCADE",
        "UPDATE accounts_event SET at = now()",
        "DELETE FROM cases_review",
        "DELETE FROM cases_caseversion",
        "ALTER TABLE accounts_event DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TABLE cases_case",
        "DELETE FROM django_migrations",
        "CREATE TABLE mine ()",
    ],
)
def test_the_plain_role_may_not(plain, statement):
    with pytest.raises(ProgrammingError) as refused, transaction.atomic():
        plain.execute(statement)

    assert isinstance(refused.value.__cause__, InsufficientPrivilege)


def test_the_plain_role_is_no_superuser_and_owns_nothing(plain):
    plain.execute(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls,"
        " (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid) FROM pg_roles WHERE rolname = current_user"
    )

    assert plain.fetchone() == (False, False, False, False, 0)


def test_the_plain_role_does_the_portals_work(plain, answered, rita, review):
    """The fixtures open a case, upload and answer as this role; a reader decides."""
    from accounts.models import Event
    from cases.models import Review

    review(answered, rita)

    assert Review.objects.count() == 1
    assert Event.objects.exists()


def test_the_owner_of_the_tables_cannot_be_the_plain_role():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone()

    with pytest.raises(ValueError, match="must be two"):
        grant_plain_role(owner)


def test_tests_work_as_the_plain_role(plain, another_session):
    plain.execute("SELECT current_user")
    with another_session.cursor() as cursor:
        cursor.execute("SELECT current_user")

        assert cursor.fetchone() == plain.fetchone() == (PLAIN_ROLE,)


@pytest.mark.django_db(transaction=True)
def test_tests_with_transactions_of_their_own_work_as_the_plain_role_too(plain):
    plain.execute("SELECT current_user")

    assert plain.fetchone() == (PLAIN_ROLE,)
