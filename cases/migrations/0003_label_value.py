from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cases', '0002_learning'),
    ]

    operations = [
        migrations.RemoveIndex(model_name='case', name='case_teaching'),
        migrations.RenameField(model_name='case', old_name='teaching', new_name='label_value'),
        migrations.RenameField(model_name='scan', old_name='teaching', new_name='label_value'),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['-needs_review', '-label_value', 'created_at', 'id'], name='case_label_value'),
        ),
    ]
