-- What tests.scale.fill runs; a name after a colon is a number that it puts in. Powers of random numbers make some
-- sites and names far more frequent than others.

INSERT INTO cases_patient (record_number, name, birth_date, sex, pseudonym, is_synthetic, created_at, site_id)
SELECT 'MRN-' || lpad((:known_patients + n)::text, 8, '0'),
       (array['Smith','Jones','Garcia','Muller','Rossi','Dubois','Novak','Silva','Kowalski','Ivanova','Chen','Nguyen',
              'Haddad','Okafor','Larsen','Papadopoulos','Tanaka','Singh','Yilmaz','OBrien'])[1 + (power(random(), 2) * 19.99)::int % 20]
       || ', ' || (array['Anna','Ben','Carla','David','Eva','Farid','Grace','Hugo','Ines','Jan'])[1 + (random() * 9.99)::int % 10]
       || ' ' || chr(65 + (random() * 25)::int) || to_hex((random() * 65535)::int),
       date '1930-01-01' + (random() * 32000)::int, (array['F','M'])[1 + (random() * 1.99)::int % 2], gen_random_uuid(), false,
       now() - random() * interval '1095 days',
       (array[:sites])[1 + (power(random(), 2) * 5.99)::int % 6]
FROM generate_series(1, :patients) n;

INSERT INTO cases_case (accession_number, reason, priority, status, created_at, closed_at, decision, final_label,
                        needs_review, patient_id, assigned_reader_id, label_value, cancelled_reason, readers_disagree)
SELECT 'ACC-' || (:known_patients + n), 'Fever and cough', (array['routine','routine','routine','routine','urgent','urgent','emergency'])[1 + (random()*6.99)::int % 7],
       CASE WHEN open AND undecided THEN 'open' WHEN open THEN 'decided' ELSE 'closed' END,
       at, CASE WHEN open THEN NULL ELSE at + interval '1 day' END, answer,
       CASE WHEN open AND undecided THEN NULL ELSE label END, open AND undecided, patient,
       (array[:readers])[1 + (random() * (array_length(array[:readers], 1) - 0.01))::int % array_length(array[:readers], 1)],
       CASE WHEN open AND undecided THEN random() ELSE 0 END, '', false
FROM (
    SELECT n, random() < 0.05 AS open, random() < 0.7 AS undecided, now() - (:cases - n)::float / :cases * interval '1095 days' AS at,
           CASE WHEN random() < 0.25 THEN 'covid' WHEN random() < 0.1 THEN 'uncertain' WHEN random() < 0.01 THEN 'unsuitable' ELSE 'non_covid' END AS answer,
           CASE WHEN random() < 0.22 THEN 'covid' WHEN random() < 0.03 THEN 'cannot_tell' ELSE 'non_covid' END AS label,
           (SELECT min(id) FROM cases_patient WHERE id > :known_patients) + floor(random() * :patients)::bigint AS patient
    FROM generate_series(1, :cases) n
) drawn;

INSERT INTO cases_scan (kind, status, content_key, series_key, modality, description, slice_count, notes, is_synthetic,
                        uploaded_at, withdrawn_reason, decision, probability, final_label, case_id, uploaded_by_id,
                        label_value, readers_disagree, study_key, deciding_readers)
SELECT 'image', 'ready', md5(c.id::text) || md5(c.id::text), '', 'CT', '', 1, '{}', false, c.created_at, '', c.decision,
       CASE c.decision WHEN 'covid' THEN 0.7 + random() * 0.3 WHEN 'non_covid' THEN random() * 0.3 ELSE 0.3 + random() * 0.4 END,
       c.final_label, c.id, :clinician, c.label_value, false, '', CASE WHEN c.final_label IS NULL THEN 0 ELSE 1 END
FROM cases_case c WHERE c.id >= (:known_cases + 1);

INSERT INTO cases_slice (position, key, media_type, original, view, width, height, scan_id, view_sha256)
SELECT 0, 'sha256:' || s.content_key, 'image/png', 'scans/none/' || s.id, 'scans/none/v' || s.id, 512, 512, s.id, ''
FROM cases_scan s WHERE s.case_id >= (:known_cases + 1);

INSERT INTO inference_prediction (status, urgency, attempts, queued_at, started_at, finished_at, error, decision,
                                  probability, suitability, engine, duration_ms, model_version_id, scan_id)
SELECT 'done', 20, 1, s.uploaded_at, s.uploaded_at + interval '2 s', s.uploaded_at + interval '3 s', '', s.decision, s.probability, 0.9,
       'openvino f32', 60, :model, s.id
FROM cases_scan s WHERE s.case_id >= (:known_cases + 1);

UPDATE cases_scan s SET prediction_id = p.id
FROM inference_prediction p
WHERE p.scan_id = s.id AND s.case_id > :known_cases;

INSERT INTO cases_review (label, reason, was_blinded, prediction_id, model_decision, model_probability, agrees, created_at, reader_id, scan_id)
SELECT s.final_label, CASE WHEN s.decision IN ('covid', 'non_covid') AND s.decision <> s.final_label THEN 'I see it otherwise' ELSE '' END, false,
       s.prediction_id, s.decision, s.probability, CASE WHEN s.decision IN ('covid', 'non_covid') THEN s.decision = s.final_label END,
       s.uploaded_at + interval '2 hours', r.reader, s.id
FROM cases_scan s
CROSS JOIN LATERAL (SELECT (array[:readers])[1 + (s.id + k) % array_length(array[:readers], 1)] AS reader FROM generate_series(1, CASE WHEN s.id % 14 = 0 THEN 2 ELSE 1 END) k) r
WHERE s.case_id >= (:known_cases + 1) AND s.final_label IS NOT NULL;

INSERT INTO accounts_event (at, action, case_id, subject_type, subject_id, details, actor_id, site_id, address, agent)
SELECT c.created_at + k * interval '1 hour', (array['case_created','scan_uploaded','case_viewed'])[k], c.id, 'cases.case', c.id, '{}',
       (array[:readers])[1 + c.id % array_length(array[:readers], 1)], p.site_id, '', ''
FROM cases_case c JOIN cases_patient p ON p.id = c.patient_id CROSS JOIN generate_series(1, 3) k
WHERE c.id >= (:known_cases + 1);

UPDATE cases_scan s SET deciding_readers = 2 WHERE s.id % 14 = 0 AND s.final_label IS NOT NULL AND s.case_id > :known_cases;
