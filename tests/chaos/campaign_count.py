"""Reads what the database and the store of images hold at the end of a campaign."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg2
from PIL import Image

from ctportal.standalone.embedded import paths
from tests.chaos.campaign_callers import digest
from tests.chaos.campaign_report import Stored

LONGEST_STANDSTILL = 600.0
UNFINISHED = "SELECT count(*) FROM inference_prediction WHERE status IN ('queued', 'running')"
SCANS = """
    SELECT s.id, v.view,
        (SELECT count(*) FROM inference_prediction p WHERE p.scan_id = s.id AND p.status = 'done'),
        s.decision IS NOT NULL AND EXISTS (
            SELECT FROM inference_prediction p WHERE p.id = s.prediction_id AND p.scan_id = s.id AND p.status = 'done'
        ) AND s.slice_count = (
            SELECT count(*) FROM inference_sliceanswer a WHERE a.prediction_id = s.prediction_id AND a.slice_id = v.id
        )
    FROM cases_scan s JOIN cases_slice v ON v.scan_id = s.id ORDER BY s.id
"""


def rows(home: Path, query: str) -> list[tuple]:
    connection = psycopg2.connect(paths.database_url(home))
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def wait_for_answers(home: Path) -> None:
    """Until nothing is queued or at work, or nothing has been finished for a long time."""
    left, since = -1, time.monotonic()
    while left != 0 and time.monotonic() - since < LONGEST_STANDSTILL:
        try:
            ((now,),) = rows(home, UNFINISHED)
        except psycopg2.Error:
            now = left
        if now != left:
            left, since = now, time.monotonic()
        time.sleep(0.5)


def stored_scans(home: Path) -> Iterator[Stored]:
    for scan, view, answers, is_whole in rows(home, SCANS):
        yield Stored(scan, _pixels(home / "media" / view), answers, is_whole)


def loose_files(home: Path) -> int:
    """How many files of the store no slice names: a program that is killed while it stores may leave some."""
    named = {name for row in rows(home, "SELECT view, original FROM cases_slice") for name in row}
    media = home / "media"
    return sum(str(file.relative_to(media)) not in named for file in media.rglob("*") if file.is_file())


def _pixels(view: Path) -> str:
    try:
        with Image.open(view) as image:
            return digest(np.asarray(image))
    except (OSError, ValueError):
        return ""
