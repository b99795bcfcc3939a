from django.db import migrations


def open_service(apps, schema_editor):
    """A model that was put into service before periods were kept serves since its activation."""
    ModelVersion = apps.get_model("inference", "ModelVersion")
    ServicePeriod = apps.get_model("inference", "ServicePeriod")
    database = schema_editor.connection.alias
    for model in ModelVersion.objects.using(database).filter(status="active"):
        ServicePeriod.objects.using(database).create(model=model, entry="command", started_at=model.activated_at)


class Migration(migrations.Migration):
    dependencies = [("inference", "0002_learning")]
    operations = [migrations.RunPython(open_service, migrations.RunPython.noop)]
