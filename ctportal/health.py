"""For load balancers and the launcher: does this process answer, and its database and broker?"""

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse


def healthz(request: HttpRequest) -> JsonResponse:
    parts = {"database": _database_answers(), "redis": _redis_answers()}
    status = 200 if all(parts.values()) else 503
    return JsonResponse({name: "ok" if up else "down" for name, up in parts.items()}, status=status)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return False
    return True


def _redis_answers() -> bool:
    try:
        cache.get("healthz")
    except Exception:
        return False
    return True
