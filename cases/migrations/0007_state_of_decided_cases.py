"""Says of the cases and scans that are there which are decided, and on which the readers disagree."""

from django.db import migrations
from django.db.models import Count, Exists, OuterRef


def fill(apps, schema_editor):
    case, scan, review = (apps.get_model("cases", name) for name in ("Case", "Scan", "Review"))
    held = review.objects.filter(scan=OuterRef("pk"), superseded_by=None).order_by().values("scan")
    differing = held.annotate(n=Count("label", distinct=True)).filter(n__gt=1)
    scan.objects.filter(final_label=None).filter(Exists(differing)).update(readers_disagree=True)
    split = scan.objects.filter(case=OuterRef("pk"), status="ready", readers_disagree=True)
    case.objects.filter(Exists(split)).update(readers_disagree=True)
    case.objects.filter(status="in_review", needs_review=False).exclude(final_label=None).update(status="decided")


class Migration(migrations.Migration):

    dependencies = [
        ('cases', '0006_case_states'),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
