"""Fill a database with many cases, as a region's hospitals would have them after three years.

python -m tests.scale.fill 100000    adds that many to the database that the settings name

Six sites of different size, the last of which reads blinded; 0.7 patients, one scan of one slice, one answer, 1.07
reviews and three events a case; one case in twenty is not closed. Rows are made in the database from random numbers
with a fixed seed; files are not written, so pictures are missing.
"""

from __future__ import annotations

import sys

from django.contrib.auth.hashers import make_password

SITES = ("North", "South", "East", "West", "Lakes", "Hills")
PASSWORD = "correct horse battery staple"

# Cubed random numbers make some sites and names far more frequent than others.
_PATIENTS = """
INSERT INTO cases_patient (record_number, name, birth_date, sex, pseudonym, is_synthetic, created_at, site_id)
SELECT 'MRN-' || lpad((%(from)s + n)::text, 8, '0'),
       (array['Smith','Jones','Garcia','Muller','Rossi','Dubois','Novak','Silva','Kowalski','Ivanova','Chen','Nguyen',
              'Haddad','Okafor','Larsen','Papadopoulos','Tanaka','Singh','Yilmaz','OBrien'])[1 + (power(random(), 2) * 19.99)::int %% 20]
       || ', ' || (array['Anna','Ben','Carla','David','Eva','Farid','Grace','Hugo','Ines','Jan'])[1 + (random() * 9.99)::int %% 10]
       || ' ' || chr(65 + (random() * 25)::int) || to_hex((random() * 65535)::int),
       date '1930-01-01' + (random() * 32000)::int, (array['F','M'])[1 + (random() * 1.99)::int %% 2], gen_random_uuid(), false,
       now() - random() * interval '1095 days',
       (array[%(sites)s])[1 + (power(random(), 2) * 5.99)::int %% 6]
FROM generate_series(1, %(patients)s) n
"""
_CASES = """
INSERT INTO cases_case (accession_number, reason, priority, status, created_at, closed_at, decision, final_label,
                        needs_review, patient_id, assigned_reader_id, label_value, cancelled_reason, readers_disagree)
SELECT 'ACC-' || (%(from)s + n), 'Fever and cough', (array['routine','routine','routine','routine','urgent','urgent','emergency'])[1 + (random()*6.99)::int %% 7],
       CASE WHEN open AND undecided THEN 'open' WHEN open THEN 'decided' ELSE 'closed' END,
       at, CASE WHEN open THEN NULL ELSE at + interval '1 day' END, answer,
       CASE WHEN open AND undecided THEN NULL ELSE label END, open AND undecided, patient,
       (array[%(readers)s])[1 + (random() * (%(n_readers)s - 0.01))::int %% %(n_readers)s],
       CASE WHEN open AND undecided THEN random() ELSE 0 END, '', false
FROM (
    SELECT n, random() < 0.05 AS open, random() < 0.7 AS undecided, now() - (%(cases)s - n)::float / %(cases)s * interval '1095 days' AS at,
           CASE WHEN random() < 0.25 THEN 'covid' WHEN random() < 0.1 THEN 'uncertain' WHEN random() < 0.01 THEN 'unsuitable' ELSE 'non_covid' END AS answer,
           CASE WHEN random() < 0.22 THEN 'covid' WHEN random() < 0.03 THEN 'cannot_tell' ELSE 'non_covid' END AS label,
           %(first_patient)s + floor(random() * %(patients)s)::bigint AS patient
    FROM generate_series(1, %(cases)s) n
) drawn
"""
_SCANS = """
INSERT INTO cases_scan (kind, status, content_key, series_key, modality, description, slice_count, notes, is_synthetic,
                        uploaded_at, withdrawn_reason, decision, probability, final_label, case_id, uploaded_by_id,
                        label_value, readers_disagree, study_key)
SELECT 'image', 'ready', md5(c.id::text) || md5(c.id::text), '', 'CT', '', 1, '{}', false, c.created_at, '', c.decision,
       CASE c.decision WHEN 'covid' THEN 0.7 + random() * 0.3 WHEN 'non_covid' THEN random() * 0.3 ELSE 0.3 + random() * 0.4 END,
       c.final_label, c.id, %(clinician)s, c.label_value, false, ''
FROM cases_case c WHERE c.id >= %(first_case)s
"""
_SLICES = """
INSERT INTO cases_slice (position, key, media_type, original, view, width, height, scan_id, view_sha256)
SELECT 0, 'sha256:' || s.content_key, 'image/png', 'scans/none/' || s.id, 'scans/none/v' || s.id, 512, 512, s.id, ''
FROM cases_scan s WHERE s.case_id >= %(first_case)s
"""
_PREDICTIONS = """
INSERT INTO inference_prediction (status, urgency, attempts, queued_at, started_at, finished_at, error, decision,
                                  probability, suitability, engine, duration_ms, model_version_id, scan_id)
SELECT 'done', 20, 1, s.uploaded_at, s.uploaded_at + interval '2 s', s.uploaded_at + interval '3 s', '', s.decision, s.probability, 0.9,
       'openvino f32', 60, %(model)s, s.id
FROM cases_scan s WHERE s.case_id >= %(first_case)s
"""
_REVIEWS = """
INSERT INTO cases_review (label, reason, was_blinded, prediction_id, model_decision, model_probability, agrees, created_at, reader_id, scan_id)
SELECT s.final_label, CASE WHEN s.decision IN ('covid', 'non_covid') AND s.decision <> s.final_label THEN 'I see it otherwise' ELSE '' END, false,
       s.prediction_id, s.decision, s.probability, CASE WHEN s.decision IN ('covid', 'non_covid') THEN s.decision = s.final_label END,
       s.uploaded_at + interval '2 hours', r.reader, s.id
FROM cases_scan s
CROSS JOIN LATERAL (SELECT (array[%(readers)s])[1 + (s.id + k) %% %(n_readers)s] AS reader FROM generate_series(1, CASE WHEN s.id %% 14 = 0 THEN 2 ELSE 1 END) k) r
WHERE s.case_id >= %(first_case)s AND s.final_label IS NOT NULL
"""
_EVENTS = """
INSERT INTO accounts_event (at, action, case_id, subject_type, subject_id, details, actor_id, site_id, address, agent)
SELECT c.created_at + k * interval '1 hour', (array['case_created','scan_uploaded','case_viewed'])[k], c.id, 'cases.case', c.id, '{}',
       (array[%(readers)s])[1 + c.id %% %(n_readers)s], p.site_id, '', ''
FROM cases_case c JOIN cases_patient p ON p.id = c.patient_id CROSS JOIN generate_series(1, 3) k
WHERE c.id >= %(first_case)s
"""


def fill(cases: int) -> None:
    """Add the cases with all that belongs to them. The database role must own the tables."""
    from django.db import connection, transaction

    sites, readers, clinician = _people()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no history rows, no checks of each row
        cursor.execute("SELECT setseed(0.42), coalesce(max(id), 0) FROM cases_patient")
        known = cursor.fetchone()[1]
        cursor.execute("SELECT coalesce(max(id), 0) FROM cases_case")
        known_cases = cursor.fetchone()[0]
        cursor.execute("SELECT last_value FROM cases_patient_id_seq")
        values = {
            "cases": cases,
            "patients": max(cases * 7 // 10, 1),
            "from": known,
            "clinician": clinician,
            "model": _model(),
            "sites": ", ".join(map(str, sites)),
            "readers": ", ".join(map(str, readers)),
            "n_readers": len(readers),
        }
        cursor.execute(_PATIENTS % values)
        cursor.execute("SELECT min(id) FROM cases_patient WHERE id > %s", [known])
        values["first_patient"] = cursor.fetchone()[0]
        cursor.execute(_CASES % values)
        cursor.execute("SELECT min(id) FROM cases_case WHERE id > %s", [known_cases])
        values["first_case"] = cursor.fetchone()[0]
        for statement in (_SCANS, _SLICES, _PREDICTIONS):
            cursor.execute(statement % values)
        cursor.execute(
            "UPDATE cases_scan s SET prediction_id = p.id FROM inference_prediction p"
            " WHERE p.scan_id = s.id AND s.case_id >= %(first_case)s" % values
        )
        for statement in (_REVIEWS, _EVENTS):
            cursor.execute(statement % values)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _people() -> tuple[list[int], list[int], int]:
    """The sites, the readers of the first three of them and of the last, and a clinician."""
    from accounts.models import Membership, Role, Site, User

    sites = [Site.objects.get_or_create(slug=f"scale-{n.lower()}", defaults={"name": n})[0] for n in SITES]
    Site.objects.filter(pk=sites[-1].pk).update(blinded_reads=True)
    password = make_password(PASSWORD)

    def person(name: str, role: Role, at: list[Site]) -> int:
        user, _ = User.objects.get_or_create(username=name, defaults={"password": password, "first_name": name.title(), "email": f"{name}@example.org"})
        for site in at:
            Membership.objects.get_or_create(user=user, site=site, role=role)
        return user.pk

    readers = [person(f"scale-reader-{n}", Role.READER, sites[:3]) for n in range(12)]
    person("scale-blinded", Role.READER, sites)
    person("scale-manager", Role.MANAGER, sites)
    return [site.pk for site in sites], readers, person("scale-clinician", Role.CLINICIAN, sites)


def _model() -> int:
    from inference.models import ModelStatus, ModelVersion

    active = ModelVersion.objects.filter(status=ModelStatus.ACTIVE).first()
    if active is None:
        raise SystemExit("Register a model first: manage.py register_model")
    return active.pk


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
    django.setup()
    fill(int(sys.argv[1]))
