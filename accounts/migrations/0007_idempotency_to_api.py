# The table stays; its model moves to the app `api`.

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_person_sessions"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="IdempotentRequest")]),
    ]
