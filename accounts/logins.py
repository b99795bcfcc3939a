"""What people type to log in: a user name or an email address, in any spelling, is one account."""

import unicodedata

from django.db.models import Q

from accounts.models import User
from accounts.origin import keyed_digest


def normalised(login: str) -> str:
    """Returns one spelling for all that look or compare alike."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


def account_of(login: str) -> User | None:
    """Whose user name or address this is; a user name as it is spelt comes before one in other letters."""
    login = login.strip().replace("\0", "")
    if not login:
        return None
    found = list(User.objects.filter(Q(username__iexact=login) | Q(email__iexact=login))[:20])
    return min(found, key=lambda user: _distance(user, login), default=None)


def attempts_key(login: str) -> str:
    """What failed log-ins are counted under: the account, where there is one; never the host that was asked."""
    account = account_of(login)
    return f"login:{normalised(login)}" if account is None else f"account:{account.pk}"


def login_digest(login: str) -> str:
    """A name that nobody has may be a mistyped password: the record keeps its digest, by which it can be looked for."""
    return keyed_digest(normalised(login))


def _distance(user: User, login: str) -> tuple[bool, bool, int]:
    return user.username != login, user.username.casefold() != login.casefold(), user.pk
