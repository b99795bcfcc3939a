"""What people send, turned into scans: checked, grouped, de-identified, with one refusal for each bad file.

Pure: no database, no settings. `read_upload` is the only door.
"""

from cases.intake.contents import (
    IncomingScan,
    IncomingSlice,
    Intake,
    Limits,
    Refusal,
    SentFile,
)
from cases.intake.identity import FileIdentity, same_name, same_record_number
from cases.intake.raster import empty_picture_keys
from cases.intake.series import described_images
from cases.intake.upload import read_upload

__all__ = [
    "FileIdentity",
    "IncomingScan",
    "IncomingSlice",
    "Intake",
    "Limits",
    "Refusal",
    "SentFile",
    "described_images",
    "empty_picture_keys",
    "read_upload",
    "same_name",
    "same_record_number",
]
