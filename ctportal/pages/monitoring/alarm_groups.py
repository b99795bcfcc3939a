"""Groups alarms for the page: those with one bound and one advice are shown together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from monitoring.results import Alarm, AlarmLevel


@dataclass(frozen=True)
class AlarmGroup:
    level: AlarmLevel
    found: Sequence[str]
    threshold: str
    advice: str


def grouped_alarms(alarms: Iterable[Alarm]) -> list[AlarmGroup]:
    """In the order in which they came; neighbours that call for the same are one."""
    groups = groupby(alarms, key=lambda alarm: (alarm.level, alarm.threshold, alarm.advice))
    return [
        AlarmGroup(level, [alarm.words for alarm in group], threshold, advice)
        for (level, threshold, advice), group in groups
    ]
