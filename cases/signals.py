"""Announces what happens to scans; sent inside the transaction that did it."""

from django.dispatch import Signal

scans_received = Signal()  # scans: list[Scan]
