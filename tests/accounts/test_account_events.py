"""What changes an account is on record, whoever changes it and however."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Action, Event, User
from accounts.second_person import objection_to
from tests.cast import PASSWORD, make_person

NOW = timezone.now


def events_of(user, action):
    return list(Event.objects.filter(action=action, subject_id=user.pk).order_by("pk"))


def profile(first_name):
    return {"first_name": first_name, "last_name": "", "timezone": "UTC", "theme": "auto"}


def test_renaming_oneself_is_an_event_with_both_names(login, rita):
    login(rita).post("/profile/", profile("Robin"))

    (event,) = events_of(rita, Action.ACCOUNT_CHANGED)
    assert event.actor == rita
    assert (event.details["before"], event.details["after"]) == ({"first_name": "Rita"}, {"first_name": "Robin"})


def test_a_saved_profile_without_a_change_is_none(login, rita):
    login(rita).post("/profile/", profile("Rita"))

    assert not events_of(rita, Action.ACCOUNT_CHANGED)


def test_a_command_is_recorded_without_a_person(rita):
    call_command("createsuperuser", username="root", email="root@example.org", interactive=False)

    assert Event.objects.get(action=Action.ACCOUNT_CREATED, details__username="root").actor is None


def test_a_log_in_that_hashes_the_password_anew_changes_no_password(rita, settings):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = rita.password

    assert rita.check_password(PASSWORD)
    rita.refresh_from_db()
    assert rita.password != before
    assert not events_of(rita, Action.PASSWORD_CHANGED)


def test_choosing_a_theme_reads_no_account_and_records_nothing(rita, django_assert_num_queries):
    with django_assert_num_queries(1):
        rita.save(update_fields=["theme"])


def test_lists_of_acts_show_the_user_name_beside_the_name(login, rita, max, case, answered, review):
    review(answered, rita)
    rita.first_name, rita.last_name = "Robin", "Reader"
    rita.save()
    client = login(max)

    for address in ("/events/", f"/cases/{case.pk}/"):
        assert "Robin Reader (rita)" in client.get(address).content.decode()


@pytest.fixture
def asker(db):
    return make_person("asker", is_superuser=True)


@pytest.fixture
def second(db):
    return make_person("second", is_superuser=True)


def as_done_by(person, rf, act):
    """Does something as this person's browser would."""
    from accounts.origin import OriginMiddleware

    request = rf.post("/")
    request.user = person
    OriginMiddleware(lambda request: act())(request)


def test_an_older_account_that_the_asker_never_touched_is_a_second_person(asker, second):
    assert objection_to(second, first=asker, since=NOW()) == ""


def test_nobody_is_their_own_second_person(asker):
    assert "whoever asked cannot decide" in objection_to(asker, first=asker, since=NOW())


def test_an_account_made_after_the_request_is_no_second_person(asker, second):
    assert "after the request" in objection_to(second, first=asker, since=NOW() - timedelta(minutes=5))


def test_an_account_that_the_asker_made_is_no_second_person(asker, rf):
    made = []
    as_done_by(asker, rf, lambda: made.append(make_person("puppet", is_superuser=True)))

    assert "has made this account" in objection_to(made[0], first=asker, since=NOW())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda user: user.set_password("a new long enough secret 7"), "password"),
        (lambda user: setattr(user, "email", "asker+2@example.org"), "address"),
    ],
)
def test_an_account_that_the_asker_could_have_entered_lately_is_no_second_person(asker, second, rf, change, words):
    def act():
        change(second)
        second.save()

    as_done_by(asker, rf, act)

    assert words in objection_to(second, first=asker, since=NOW())
    assert objection_to(second, first=asker, since=NOW() + timedelta(days=31)) == ""


def test_an_account_that_the_asker_reaches_through_another_is_no_second_person(asker, second, rf):
    """The asker opens a colleague's account with a new password, and in it sets the password of the second."""
    between = make_person("between", is_superuser=True)

    def set_password_of(user):
        def act():
            user.set_password("a new long enough secret 7")
            user.save()

        return act

    as_done_by(asker, rf, set_password_of(between))
    assert objection_to(second, first=asker, since=NOW()) == ""
    as_done_by(between, rf, set_password_of(second))

    assert "an account that whoever asked has lately" in objection_to(second, first=asker, since=NOW())
    assert objection_to(second, first=asker, since=NOW() + timedelta(days=31)) == ""


def test_colleagues_who_were_made_by_one_administrator_are_two_persons(asker, second, rf):
    """An installation has few administrators; one who made both accounts has asked for nothing."""
    made: list[User] = []
    as_done_by(asker, rf, lambda: made.extend(make_person(name, is_superuser=True) for name in ("kim", "lee")))

    assert objection_to(made[0], first=made[1], since=NOW() + timedelta(minutes=1)) == ""
