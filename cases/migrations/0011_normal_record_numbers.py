"""Write each medical record number one way, so that numbers that look the same are the same.

A number whose normal form another patient of the site has already stays as it is and is counted: two patients
must not become one without somebody who knows them.
"""

import unicodedata

from django.db import migrations


def normalise(apps, schema_editor):
    Patient = apps.get_model("cases", "Patient")
    rows = list(Patient.objects.values_list("pk", "site_id", "record_number"))
    normal = {pk: unicodedata.normalize("NFKC", number).strip() for pk, _, number in rows}
    holders = {}
    for pk, site, number in rows:
        holders.setdefault((site, normal[pk].upper()), set()).add(pk)
        holders.setdefault((site, number.upper()), set()).add(pk)
    collisions = 0
    for pk, site, number in rows:
        if normal[pk] == number or not normal[pk] or len(normal[pk]) > 64:
            continue
        if holders[site, normal[pk].upper()] != {pk}:
            collisions += 1
            continue
        Patient.objects.filter(pk=pk).update(record_number=normal[pk])
    if collisions:
        print(
            f" {collisions} medical record numbers look like another patient's of the same site and were left;"
            " compare these patients and amend one of the numbers.",
        )


class Migration(migrations.Migration):
    dependencies = [("cases", "0010_digest_of_stored_view")]

    operations = [migrations.RunPython(normalise, migrations.RunPython.noop)]
