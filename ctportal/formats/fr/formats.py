"""Days and times as they are written in this language."""

DATE_FORMAT = "j N Y"
DATETIME_FORMAT = "j N Y, H:i"
MONTH_DAY_FORMAT = "j N"
TIME_FORMAT = "H:i"
