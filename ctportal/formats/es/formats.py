"""Days and times as they are written in this language."""

DATE_FORMAT = "j b Y"
DATETIME_FORMAT = "j b Y, H:i"
MONTH_DAY_FORMAT = "j b"
TIME_FORMAT = "H:i"
