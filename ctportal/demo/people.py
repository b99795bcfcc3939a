"""Makes the demonstration sites and users. Their names begin with “demo”, so no real account is ever touched."""

import secrets
from dataclasses import dataclass

from accounts.models import Membership, Role, Site, User


@dataclass(frozen=True)
class Person:
    username: str
    name: str
    roles: tuple[Role, ...]
    is_superuser: bool = False


CLINICIAN = Person("demo-clinician", "Cleo Clinician", (Role.CLINICIAN,))
READER = Person("demo-reader", "Robin Reader", (Role.READER,))
SECOND_READER = Person("demo-reader2", "Sasha Reader", (Role.READER,))
MANAGER = Person("demo-manager", "Morgan Manager", (Role.MANAGER,))
ADMIN = Person("demo-admin", "Alex Administrator", (), is_superuser=True)
PEOPLE = (CLINICIAN, READER, SECOND_READER, MANAGER, ADMIN)

NORTH = ("demo-north", "Demo North")
SOUTH = ("demo-south", "Demo South")


@dataclass(frozen=True)
class Cast:
    north: Site
    south: Site
    users: dict[str, User]
    passwords: dict[str, str]

    def user(self, person: Person) -> User:
        return self.users[person.username]


def create_people(*, password: str = "") -> Cast:
    """Sites and users, where they are missing. Returns the passwords that were set just now, and no others."""
    north, _ = Site.objects.get_or_create(slug=NORTH[0], defaults={"name": NORTH[1]})
    south, _ = Site.objects.get_or_create(slug=SOUTH[0], defaults={"name": SOUTH[1], "blinded_reads": True})
    users, passwords = {}, {}
    for person in PEOPLE:
        user, created = _user(person)
        for site in (north, south):
            for role in person.roles if created else ():
                Membership.objects.get_or_create(user=user, site=site, role=role)
        if chosen := _new_password(user, created, password):
            user.set_password(chosen)
            user.save(update_fields=["password"])
            passwords[person.username] = chosen
        users[person.username] = user
    return Cast(north, south, users, passwords)


def _user(person: Person) -> tuple[User, bool]:
    first, last = person.name.split()
    return User.objects.get_or_create(
        username=person.username,
        defaults={
            "email": f"{person.username}@example.org",
            "first_name": first,
            "last_name": last,
            "is_superuser": person.is_superuser,
            "is_staff": person.is_superuser,
        },
    )


def _new_password(user: User, created: bool, wanted: str) -> str:
    if wanted:
        return "" if not created and user.check_password(wanted) else wanted
    return secrets.token_urlsafe(12) if created else ""
