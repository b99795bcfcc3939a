"""How the models in service do: for a time and the sites that the user manages."""

from datetime import date

from ctportal.accounts.models import Site, User
from inference.monitoring.shapes import (
    Alarm,
    AlarmLevel,
    Bin,
    Counts,
    Drift,
    MissedScan,
    ModelFigures,
    Monitoring,
    Point,
    ReaderAgreement,
    ReaderPair,
    Shift,
    ShiftState,
    Step,
)

__all__ = [
    "Alarm", "AlarmLevel", "Bin", "Counts", "Drift", "MissedScan", "ModelFigures", "Monitoring", "Point",
    "ReaderAgreement", "ReaderPair", "Shift", "ShiftState", "Step", "monitor",
]  # fmt: skip


def monitor(user: User, *, site: Site | None, start: date, end: date) -> Monitoring:
    """Raises PermissionDenied for who manages no such site, WrongState for a time that is none."""
    raise NotImplementedError
