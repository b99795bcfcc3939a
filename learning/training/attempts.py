"""One attempt at a claimed run or request: whatever happens, its row ends settled, put back or given back."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from accounts.refusals import WrongState
from inference import leases
from inference.database_retry import retry_while_database_is_away
from inference.errors import Interrupted, PermanentError, RetriableError
from learning.models import ComparisonRequest, TrainingRun
from learning.training.folders import FolderTaken, alone_in
from learning.training.heartbeat import LeaseLost
from learning.training.subprocesses import sentence

logger = logging.getLogger(__name__)

Row = TypeVar("Row", TrainingRun, ComparisonRequest)
Fail = Callable[[Row, str], None]


def attempt(row: Row, work: Callable[[], None], *, fail: Fail[Row]) -> Row | None:
    """`work` settles the row itself; `fail` ends it with words. Returns nothing where the row was given back."""
    try:
        with alone_in(row.folder):
            work()
    except LeaseLost:
        logger.warning("%s is no longer this worker's: cancelled, or taken by another.", row)
    except (Interrupted, FolderTaken):
        retry_while_database_is_away(lambda: leases.give_back(row))
        return None
    except (PermanentError, WrongState) as trouble:
        fail(row, str(trouble))
    except RetriableError as trouble:
        _put_back(row, str(trouble), fail)
    except OSError as error:
        _put_back(
            row, _("The training worker's storage does not answer (%(strerror)s).") % {"strerror": error.strerror}, fail
        )
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("%s stopped with an error", row)
        _put_back(
            row,
            _("The training worker stopped with an error (%(__name__)s).") % {"__name__": type(error).__name__},
            fail,
        )
    return row


def _put_back(row: Row, words: str, fail: Fail[Row]) -> None:
    if row.is_spent:
        return fail(
            row,
            _("%(sentence)s It was tried %(attempts)s times; see the log, or tell the administrator.")
            % {"sentence": sentence(words), "attempts": row.attempts},
        )
    logger.warning("%s goes on later: %s", row, words)
    retry_while_database_is_away(lambda: leases.put_back(row))
