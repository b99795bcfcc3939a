"""Every word that people see has gone through a catalogue: on pages for each role, in problems of the API and in mails.

The pages are asked for in a language that brackets each text. What is in no bracket must be data: `DATA` says which.
"""

import re
import zoneinfo
from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail

from accounts.mails import notify, send_reset_link
from cases.casework import cancel_case, withdraw_scan
from cases.models import Scan
from inference.models import Prediction
from learning.models import Comparison
from tests.architecture.worlds import addresses
from tests.cast import answer, make_case, make_patient, make_scan
from tests.languages.pseudo import LANGUAGE, WORD, bracketed, outside, texts_in, words_in_no_bracket
from tests.pages.learning_cast import make_base_set, make_comparison, make_dataset, make_model, make_run

pytestmark = pytest.mark.django_db

ASKED = {"Accept-Language": LANGUAGE}
# Addresses that are no page of the portal's own: the administration speaks English, files and data are for programs.
ELSEWHERE = ("/admin/", "/static/", "/api/", "/healthz", "/texts/")
# What is data and not words of the portal: names of the cast, of models and sets, codes, keys and signs.
DATA = re.compile(
    r"ctportal|Radiology (North|South)|north|Anna Sample|Patient No\. \d+|(Cara|Rita|Rob|Max|Sue|Otto)( \(\w+\))?"
    r"|cara|rita|rob|max|sue|otto|\w+@\w+\.\w+|a reason of mine|ctp_\w*|127\.0\.0\.1"
    r"|phantom-net [\w.]+|phantom-net|resnet18|resnet-test|covid-ct|CC BY 4\.0"
    r"|ACC-\d+|N-1001|MRN-\d+|scan-\d+|patient\d+(/\w+)?|slice\.png|[0-9a-f]{12,}|sha256:[\w-]+"
    r"|COVID-19|SHA-256|AUC|CSV|DICOM|PNG|JPEG|Enter|Esc|PgUp|PgDn|UTC|localtime"
    r"|English|Deutsch|Français|Español"
    r"|2 test patients were left out: a model was trained on them\."
)
ZONES = zoneinfo.available_timezones()


def escaped(html):
    """The words in no bracket that are no data."""
    found = []
    for place, words in words_in_no_bracket(html):
        if place.startswith("option") and words.replace(" ", "_") in ZONES:
            continue
        if WORD.search(DATA.sub("", words)):
            found.append((place, words))
    return found


@pytest.fixture
def objects(north, anna, model, cara, rita, rob, max, media, tmp_path):
    """A case in each state, and what the learning loop makes of them."""
    shown = make_scan(make_case(anna, accession_number="ACC-1"), cara)
    answer(shown, model)
    waiting = make_scan(make_case(make_patient(north), priority="urgent"), cara)
    withdrawn = make_scan(make_case(make_patient(north)), cara)
    withdraw_scan(scan=withdrawn, user=cara, reason="a reason of mine")
    cancelled = make_case(make_patient(north))
    cancel_case(case=cancelled, user=max, reason="a reason of mine")
    base = make_base_set(groups=60)
    dataset = make_dataset(north, base=base)
    challenger = make_model(tmp_path, "2")
    make_comparison(dataset, model, challenger)
    runs = [make_run(dataset, status, model=challenger if status == "done" else None) for status in ("done", "failed")]
    comparison = Comparison.objects.latest("pk")
    scans = [shown.pk, waiting.pk, withdrawn.pk]
    return {
        "cases": [*Scan.objects.filter(pk__in=scans).values_list("case", flat=True), cancelled.pk],
        "patients": [anna.pk],
        "scans": scans,
        "slices": [shown.slices.get().pk],
        "predictions": list(Prediction.objects.values_list("pk", flat=True)),
        "sites": [north.slug],
        "sites:slug": [north.slug],
        "datasets": [dataset.pk],
        "comparisons": [comparison.pk],
        "comparison-requests": [1],
        "overrides": [1],
        "runs": [run.pk for run in runs],
        "training-runs": [run.pk for run in runs],
        "models": [model.pk, challenger.pk],
        "members": [1],
        "tokens": [1],
        "sessions": [1],
        "monitoring:name": ["models"],
        "monitoring:table": ["models"],
        "base-sets": [base.pk],
        "reviews": [1],
        "texts:language": [LANGUAGE],
        ":digest": ["0"],
    }


def pages_of(client, objects):
    """Every page that answers in HTML, also the refusals of what this person may not do."""
    for address in addresses(objects, without=ELSEWHERE):
        response = client.get(address, headers=ASKED)
        if not response.streaming and response.get("Content-Type", "").startswith("text/html"):
            yield address, response.content.decode()


@pytest.mark.parametrize("who", ["cara", "rita", "max"])
def test_no_word_of_a_page_escapes_the_catalogues(request, login, objects, who):
    client = login(request.getfixturevalue(who))
    with bracketed():
        left = {address: found for address, page in pages_of(client, objects) if (found := escaped(page))}
    assert left == {}


def test_no_word_of_a_blinded_readers_pages_escapes(login, otto, south, jonas, model, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    client = login(otto)
    with bracketed():
        pages = [
            client.get(address, headers=ASKED)
            for address in ("/", f"/cases/{scan.case_id}/", f"/cases/{scan.case_id}/read/")
        ]
        left = [found for page in pages if (found := escaped(page.content.decode().replace("Jonas Muster", "")))]
    assert left == []


@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/nowhere/"])
def test_no_word_escapes_before_the_log_in(client, address):
    with bracketed():
        assert escaped(client.get(address, headers=ASKED, follow=True).content.decode()) == []


FORMS = [
    ("cara", "/cases/new/", {"search": ""}),
    ("cara", "/patients/new/", {}),
    ("cara", "/profile/", {"timezone": "Mars", "theme": "pink"}),
    ("max", "/members/", {"username": "nobody", "role": "reader"}),
    ("max", "/members/language/", {"language": "tlh"}),
    ("max", "/learning/datasets/new/", {}),
    ("cara", "/accounts/password/change/", {}),
]


@pytest.mark.parametrize(("who", "address", "sent"), FORMS)
def test_no_word_of_a_refused_form_escapes(request, login, who, address, sent):
    client = login(request.getfixturevalue(who))
    with bracketed():
        assert escaped(client.post(address, sent, headers=ASKED, follow=True).content.decode()) == []


CALLS = [
    ("get", "/api/v1/cases/99/", {}),
    ("get", "/api/v1/cases/?colour=red", {}),
    ("get", "/api/v1/cases/?cursor=x", {}),
    ("get", "/api/v1/cases", {}),
    ("put", "/api/v1/cases/", {}),
    ("post", "/api/v1/cases/", {}),
    ("post", "/api/v1/patients/", {"record_number": "N-1001", "name": "Another"}),
    ("post", "/api/v1/patients/", {"record_number": "\u200b", "birth_date": "2999-01-01"}),
    ("get", "/api/v1/nowhere/", {}),
]


@pytest.mark.parametrize(("method", "address", "sent"), CALLS)
def test_no_word_of_a_problem_escapes(login, cara, anna, method, address, sent):
    client = login(cara)
    with bracketed():
        body = {"data": sent, "content_type": "application/json"} if method != "get" else {}
        answered = getattr(client, method)(address, headers=ASKED, **body)
    texts = list(texts_in(answered.json()))
    assert texts
    assert [text for text in texts if WORD.search(DATA.sub("", outside(text)[0]))] == []


MAILS = {
    "password_changed": {},
    "password_given": {},
    "password_reset": {},
    "password_set": {},
    "email_changed": {"before": "a@b.org", "after": "c@d.org"},
    "tokens_revoked": {"actor": "Max", "names": "PACS"},
}


@pytest.mark.parametrize("kind", MAILS)
def test_no_word_of_a_mail_escapes(cara, worker, kind):
    cara.language = LANGUAGE
    cara.save()
    with bracketed(), worker():
        notify(cara, kind, **MAILS[kind])
    (sent,) = mail.outbox
    assert WORD.search(DATA.sub("", outside(f"{sent.subject}\n{sent.body}")[0])) is None


def test_no_word_of_the_mailed_link_escapes(cara):
    cara.language = LANGUAGE
    cara.save()
    with bracketed():
        send_reset_link(cara.email)
    (sent,) = mail.outbox
    words = re.sub(r"https?://\S+", "", outside(f"{sent.subject}\n{sent.body}")[0])
    assert WORD.search(DATA.sub("", words)) is None


def test_a_word_that_is_in_no_catalogue_is_found():
    """Otherwise the tests above could not fail."""
    assert escaped("<main><p>⟦Scan⟧ is read.</p></main>") == [("p.", "is read.")]
    assert escaped('<img alt="A slice">') == [("img[alt]", "A slice")]
    assert escaped("<p>⟦Scan 3 of <a href='/'>case 4</a>⟧ Anna Sample</p>") == []


LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`')
WORDS = re.compile(r"[A-Z]?[a-z]{2,} [a-z]{2,}|^[A-Z][a-z]+[.…]?$")
NO_WORDS = re.compile(
    r"[<>=\[\]#@;{]|^(?:muted|btn|notice|bi|field)[ -]|^use |\.js$|^input|^[a-z-]+$|^(?:Enter|Escape|Accept)$"
)


@pytest.mark.parametrize(
    "script", sorted(Path(settings.BASE_DIR, "ctportal/static/js").rglob("*.js")), ids=lambda p: p.name
)
def test_no_words_of_a_script_escape(script):
    code = re.sub(r"^\s*//.*$", "", script.read_text(), flags=re.MULTILINE)
    code = re.sub(r'n?gettext\(\s*(?:"(?:[^"\\]|\\.)*"[\s,]*)+', "said(", code)
    found = [literal[1:-1] for literal in LITERAL.findall(code)]
    assert [words for words in found if WORDS.search(words) and not NO_WORDS.search(words)] == []
