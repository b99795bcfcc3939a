import os
from typing import Any

from django.core.management.base import BaseCommand

from ctportal.demo.cases import CASES, create_phantom_cases
from ctportal.demo.people import PEOPLE, Cast, create_people

ROW = "  {:<16} {:<22} {:<12} {}"


class Command(BaseCommand):
    help = (
        "Creates demonstration sites, users and synthetic cases, where they are missing. Passwords are random and "
        "printed once; the environment variable DEMO_PASSWORD sets the same for all."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = os.environ.get("DEMO_PASSWORD", "")
        cast = create_people(password=chosen)
        self.print_passwords(cast, is_chosen=bool(chosen))
        made = create_phantom_cases(cast, answer=self.answer)
        self.stdout.write(f"Demonstration cases: {made} created, {len(CASES) - made} there already. All synthetic.")

    def print_passwords(self, cast: Cast, *, is_chosen: bool) -> None:
        if not cast.passwords:
            self.stdout.write(
                "The demonstration users exist already. DEMO_PASSWORD=… gives all of them a new password."
            )
            return
        if is_chosen:
            self.stdout.write("Password from DEMO_PASSWORD, not checked for strength: keep this portal to yourself.")
        else:
            self.stdout.write("Demonstration users. Write the passwords down, they are shown only now:")
        self.stdout.write(ROW.format("user name", "who", "role", "password"))
        for person in PEOPLE:
            if password := cast.passwords.get(person.username):
                role = person.roles[0].label if person.roles else "Superuser"
                shown = "as chosen" if is_chosen else password
                self.stdout.write(ROW.format(person.username, person.name, role, shown))

    def answer(self) -> None:
        """Readers speak after the model, where one is in service and can be loaded."""
        from inference.runner import run_queued

        run_queued()
