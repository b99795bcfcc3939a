"""Runs a real PostgreSQL and a real Redis from Python wheels, kept in one folder, for one portal.

This module answers where they are, and costs nothing to import; `services` starts and stops them.
"""

from ctportal.standalone.embedded.paths import broker_url, database_url, portal_home, redis_url
from ctportal.standalone.embedded.secret import secret_key

__all__ = ["broker_url", "database_url", "portal_home", "redis_url", "secret_key"]
