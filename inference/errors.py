"""Names what can go wrong before an answer is stored. Messages are for people and carry no patient data."""


class PermanentError(Exception):
    """The scan cannot be answered, now or later: it fails, alone."""


class RetriableError(Exception):
    """Something went wrong with this scan that may go well next time: it is tried again, a few times."""


class StorageAway(Exception):
    """No scan's images can be read: they wait, at no cost, until the storage is back."""


class ModelUnavailable(Exception):
    """The model cannot be loaded: its scans wait, at no cost, until a person mends it."""


class Interrupted(Exception):
    """The worker is to stop: what it has not answered goes back, at no cost."""
