"""Shares the world of the walk over all addresses with the walk over all states."""

from tests.access.test_every_address import world

__all__ = ["world"]
