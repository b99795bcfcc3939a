"""The plain role that web and workers use: it reads and writes rows, and changes nothing about the tables.

What is append-only by trigger is so by right too: the role can neither empty such a table nor switch its trigger off.
"""

from django.db import connection
from psycopg2 import sql

APPEND_ONLY = (
    "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE tgname LIKE 'pgtrigger_append_only%' AND relnamespace = 'public'::regnamespace"
)
READ_ONLY = ["django_migrations"]


def grant_plain_role(role: str, password: str | None = None) -> None:
    """Make the role where it is missing, and give it what it needs of the tables as they are now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user = %s, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role, role])
        ((is_owner, exists),) = cursor.fetchall()
        if is_owner:
            raise ValueError("the plain role of DATABASE_URL and the owner of DATABASE_OWNER_URL must be two")
        name = sql.Identifier(role)
        if not exists:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        if password:
            cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password)))
        cursor.execute(APPEND_ONLY)
        append_only = [table for (table,) in cursor.fetchall()]
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {}",
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}",
        ):
            cursor.execute(sql.SQL(statement).format(name))
        for table in append_only:
            cursor.execute(sql.SQL("REVOKE UPDATE, DELETE ON {} FROM {}").format(sql.SQL(table), name))
        for table in READ_ONLY:
            cursor.execute(sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {} FROM {}").format(sql.SQL(table), name))
