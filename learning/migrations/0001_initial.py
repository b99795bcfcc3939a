# The tables stay; their models move from the app `inference` to `learning`.

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import learning.models.datasets
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


MOVED = [
    'baseimage', 'baseset', 'comparedscan', 'comparison', 'comparisonrequest', 'dataset', 'datasetscan',
    'excludedscan', 'gateoverride', 'patientsplit', 'serviceperiod', 'trainingrun',
]


def drop_old_triggers(apps, schema_editor):
    """Drops the triggers made for the models under their old app: a trigger's name is derived from the app's label."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgname LIKE 'pgtrigger_%%' AND tgrelid = ANY(%s::regclass[])",
            [[f'inference_{name}' for name in MOVED]],
        )
        for table, trigger in cursor.fetchall():
            cursor.execute(f'DROP TRIGGER "{trigger}" ON {table}')
            cursor.execute(f'DROP FUNCTION IF EXISTS "{trigger}"()')


def move_content_types(apps, schema_editor):
    """Keeps the administration's log and permissions of the moved models."""
    apps.get_model('contenttypes', 'ContentType').objects.using(schema_editor.connection.alias).filter(
        app_label='inference', model__in=MOVED
    ).update(app_label='learning')


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('contenttypes', '0002_remove_content_type_name'),
        ('accounts', '0002_learning'),
        ('cases', '0002_learning'),
        ('inference', '0007_models_move_to_learning'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='ServicePeriod',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('entry', models.CharField(choices=[('command', 'Command of the administrator'), ('promotion', 'Promotion, past the gate'), ('override', 'Promotion, the gate overridden by two people'), ('rollback', 'Rollback')], max_length=12)),
                        ('reason', models.CharField(blank=True, max_length=500)),
                        ('started_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('ended_at', models.DateTimeField(editable=False, null=True)),
                    ],
                    options={
                        'db_table': 'inference_serviceperiod',
                        'ordering': ['-started_at', '-pk'],
                    },
                ),
                migrations.CreateModel(
                    name='TrainingRun',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('method', models.CharField(choices=[('head', 'Fit the last layer again'), ('finetune', 'Train the network itself')], max_length=12)),
                        ('settings', models.JSONField(default=dict, help_text='Of the recipe: epochs, rate, seed, ...')),
                        ('fingerprint', models.CharField(help_text='Of data, parent, method and settings.', max_length=64)),
                        ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', editable=False, max_length=12)),
                        ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('cancel_requested_at', models.DateTimeField(editable=False, null=True)),
                        ('attempts', models.PositiveSmallIntegerField(default=0)),
                        ('claim', models.UUIDField(editable=False, null=True)),
                        ('lease_until', models.DateTimeField(editable=False, null=True)),
                        ('started_at', models.DateTimeField(editable=False, null=True)),
                        ('finished_at', models.DateTimeField(editable=False, null=True)),
                        ('progress', models.JSONField(default=dict, help_text='As `ml.training.retrain` writes it: stage, done, total, epoch, ...')),
                        ('log_tail', models.TextField(blank=True)),
                        ('error', models.CharField(blank=True, max_length=1000)),
                    ],
                    options={
                        'db_table': 'inference_trainingrun',
                        'ordering': ['-pk'],
                    },
                ),
                migrations.CreateModel(
                    name='BaseSet',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=120, unique=True)),
                        ('licence', models.CharField(blank=True, max_length=500)),
                        ('imported_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('imported_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'db_table': 'inference_baseset',
                        'ordering': ['name'],
                    },
                ),
                migrations.CreateModel(
                    name='BaseImage',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('key', models.CharField(help_text="`sha256:` and the digest of the view, as a slice's key.", max_length=100)),
                        ('file_sha256', models.CharField(max_length=64)),
                        ('label', models.CharField(choices=[('covid', 'COVID-19'), ('non_covid', 'Not COVID-19'), ('cannot_tell', 'Cannot tell')], max_length=12)),
                        ('group', models.CharField(max_length=120)),
                        ('scan', models.CharField(max_length=120)),
                        ('view', models.FileField(max_length=120, upload_to=learning.models.datasets.stored_base_name)),
                        ('width', models.PositiveIntegerField()),
                        ('height', models.PositiveIntegerField()),
                        ('base_set', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='images', to='learning.baseset')),
                    ],
                    options={
                        'db_table': 'inference_baseimage',
                        'ordering': ['base_set', 'group', 'scan', 'pk'],
                    },
                ),
                migrations.CreateModel(
                    name='Comparison',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('figures', models.JSONField(default=dict, help_text='As `ml.evaluation.judge` and `learning.comparison.requests` made it.')),
                        ('passed', models.BooleanField(help_text='Whether the gate is open.')),
                        ('reasons', models.JSONField(default=list, help_text="The gate's findings in words.")),
                        ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('challenger', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='challenged', to='inference.modelversion')),
                        ('champion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='defended', to='inference.modelversion')),
                    ],
                    options={
                        'db_table': 'inference_comparison',
                        'ordering': ['-pk'],
                    },
                ),
                migrations.CreateModel(
                    name='Dataset',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('content_hash', models.CharField(editable=False, max_length=64, unique=True)),
                        ('with_synthetic', models.BooleanField(default=False)),
                        ('consensus_only', models.BooleanField(default=False, help_text='Scans that only one reader decided stay out.')),
                        ('counts', models.JSONField(default=dict, help_text='What `learning.datasets.build.count` found when it froze.')),
                        ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('base_sets', models.ManyToManyField(related_name='datasets', to='learning.baseset')),
                        ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('previous', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='next_versions', to='learning.dataset')),
                        ('sites', models.ManyToManyField(related_name='datasets', to='accounts.site')),
                    ],
                    options={
                        'db_table': 'inference_dataset',
                        'ordering': ['-pk'],
                    },
                ),
                migrations.CreateModel(
                    name='ComparisonRequest',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', editable=False, max_length=12)),
                        ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('attempts', models.PositiveSmallIntegerField(default=0)),
                        ('claim', models.UUIDField(editable=False, null=True)),
                        ('lease_until', models.DateTimeField(editable=False, null=True)),
                        ('started_at', models.DateTimeField(editable=False, null=True)),
                        ('finished_at', models.DateTimeField(editable=False, null=True)),
                        ('error', models.CharField(blank=True, max_length=1000)),
                        ('challenger', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comparison_requests', to='inference.modelversion')),
                        ('champion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inference.modelversion')),
                        ('comparison', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='requests', to='learning.comparison')),
                        ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comparison_requests', to='learning.dataset')),
                    ],
                    options={
                        'db_table': 'inference_comparisonrequest',
                        'ordering': ['-pk'],
                    },
                ),
                migrations.AddField(
                    model_name='comparison',
                    name='dataset',
                    field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comparisons', to='learning.dataset'),
                ),
                migrations.CreateModel(
                    name='DatasetScan',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(help_text='`scan-000012`, or `group/scan` of the base set.', max_length=260)),
                        ('label', models.CharField(choices=[('covid', 'COVID-19'), ('non_covid', 'Not COVID-19'), ('cannot_tell', 'Cannot tell')], max_length=12)),
                        ('source', models.CharField(help_text='The slug of the site, or the name of the base set.', max_length=140)),
                        ('agreement', models.CharField(help_text='`single`, `consensus`, or `base`.', max_length=12)),
                        ('review_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                        ('image_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='Of slices, or of base images, in order.', size=None)),
                        ('content_key', models.CharField(help_text='`Scan.content_key_of` its images.', max_length=64)),
                        ('base_set', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='dataset_scans', to='learning.baseset')),
                        ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='scans', to='learning.dataset')),
                        ('scan', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='dataset_scans', to='cases.scan')),
                    ],
                    options={
                        'db_table': 'inference_datasetscan',
                        'ordering': ['pk'],
                    },
                ),
                migrations.CreateModel(
                    name='ComparedScan',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('champion_decision', models.CharField(choices=[('covid', 'COVID-19 likely'), ('uncertain', 'Uncertain, please read'), ('unsuitable', 'Not suitable for the model'), ('non_covid', 'COVID-19 unlikely')], max_length=12)),
                        ('champion_probability', models.FloatField()),
                        ('challenger_decision', models.CharField(choices=[('covid', 'COVID-19 likely'), ('uncertain', 'Uncertain, please read'), ('unsuitable', 'Not suitable for the model'), ('non_covid', 'COVID-19 unlikely')], max_length=12)),
                        ('challenger_probability', models.FloatField()),
                        ('comparison', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='scans', to='learning.comparison')),
                        ('dataset_scan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='learning.datasetscan')),
                    ],
                    options={
                        'db_table': 'inference_comparedscan',
                        'ordering': ['pk'],
                    },
                ),
                migrations.CreateModel(
                    name='ExcludedScan',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('reason', models.CharField(choices=[('withdrawn', 'Withdrawn'), ('synthetic', 'Synthetic, drawn for demonstration'), ('unreviewed', 'No reader has decided yet'), ('disagreement', 'The readers disagree'), ('cannot_tell', 'The readers cannot tell'), ('single', 'Only one reader has decided'), ('unsuitable', 'Not suitable for the model'), ('duplicate', "Its images are also another patient's")], max_length=12)),
                        ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='excluded_scans', to='learning.dataset')),
                        ('scan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='cases.scan')),
                    ],
                    options={
                        'db_table': 'inference_excludedscan',
                        'ordering': ['scan_id'],
                    },
                ),
                migrations.CreateModel(
                    name='GateOverride',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('status', models.CharField(choices=[('pending', 'Waits for a second person'), ('approved', 'Approved'), ('refused', 'Refused')], default='pending', editable=False, max_length=12)),
                        ('reason', models.CharField(max_length=1000)),
                        ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('decided_at', models.DateTimeField(editable=False, null=True)),
                        ('comment', models.CharField(blank=True, max_length=1000)),
                        ('comparison', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='overrides', to='learning.comparison')),
                        ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'db_table': 'inference_gateoverride',
                        'ordering': ['-pk'],
                    },
                ),
                migrations.CreateModel(
                    name='PatientSplit',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('patient_key', models.CharField(help_text='`patient:<pseudonym>` or `base:<set>:<group>`.', max_length=260, unique=True)),
                        ('split', models.CharField(choices=[('train', 'Training'), ('validation', 'Validation'), ('test', 'Test')], max_length=12)),
                        ('assigned_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        'db_table': 'inference_patientsplit',
                        'constraints': [models.CheckConstraint(condition=models.Q(('split__in', ['train', 'validation', 'test'])), name='patient_split_known')],
                    },
                ),
                migrations.AddField(
                    model_name='datasetscan',
                    name='patient',
                    field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dataset_scans', to='learning.patientsplit'),
                ),
                migrations.AddField(
                    model_name='serviceperiod',
                    name='comparison',
                    field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='service_periods', to='learning.comparison'),
                ),
                migrations.AddField(
                    model_name='serviceperiod',
                    name='model',
                    field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='service_periods', to='inference.modelversion'),
                ),
                migrations.AddField(
                    model_name='serviceperiod',
                    name='started_by',
                    field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AddField(
                    model_name='trainingrun',
                    name='dataset',
                    field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='learning.dataset'),
                ),
                migrations.AddField(
                    model_name='trainingrun',
                    name='model',
                    field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='training_run', to='inference.modelversion'),
                ),
                migrations.AddField(
                    model_name='trainingrun',
                    name='parent',
                    field=models.ForeignKey(help_text='Whose weights it starts from; empty: from scratch.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='child_runs', to='inference.modelversion'),
                ),
                migrations.AddField(
                    model_name='trainingrun',
                    name='requested_by',
                    field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AddIndex(
                    model_name='baseimage',
                    index=models.Index(fields=['base_set', 'group', 'scan'], name='inference_b_base_se_8ff6b2_idx'),
                ),
                migrations.AddIndex(
                    model_name='baseimage',
                    index=models.Index(fields=['base_set', 'file_sha256'], name='inference_b_base_se_32065a_idx'),
                ),
                migrations.AddIndex(
                    model_name='baseimage',
                    index=models.Index(fields=['key'], name='inference_b_key_96153e_idx'),
                ),
                migrations.AddConstraint(
                    model_name='baseimage',
                    constraint=models.UniqueConstraint(fields=('base_set', 'key'), name='base_image_unique_in_set'),
                ),
                migrations.AddConstraint(
                    model_name='baseimage',
                    constraint=models.CheckConstraint(condition=models.Q(('label__in', ['covid', 'non_covid'])), name='base_image_label_known'),
                ),
                migrations.AddConstraint(
                    model_name='comparisonrequest',
                    constraint=models.UniqueConstraint(condition=models.Q(('status__in', ('queued', 'running'))), fields=('dataset', 'champion', 'challenger'), name='comparison_request_once'),
                ),
                migrations.AddConstraint(
                    model_name='comparisonrequest',
                    constraint=models.CheckConstraint(condition=models.Q(('champion', models.F('challenger')), _negated=True), name='comparison_request_of_two'),
                ),
                migrations.AddConstraint(
                    model_name='comparisonrequest',
                    constraint=models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'running', 'done', 'failed', 'cancelled'])), name='comparison_request_status_known'),
                ),
                migrations.AddConstraint(
                    model_name='comparisonrequest',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), _negated=True), models.Q(('claim__isnull', False), ('lease_until__isnull', False)), _connector='OR'), name='comparison_request_running_has_lease'),
                ),
                migrations.AddConstraint(
                    model_name='comparisonrequest',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'done'), _negated=True), ('comparison__isnull', False), _connector='OR'), name='comparison_request_done_has_result'),
                ),
                migrations.AddConstraint(
                    model_name='comparisonrequest',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'failed'), _negated=True), models.Q(('error', ''), _negated=True), _connector='OR'), name='comparison_request_failed_has_error'),
                ),
                migrations.AddConstraint(
                    model_name='comparison',
                    constraint=models.UniqueConstraint(fields=('dataset', 'champion', 'challenger'), name='comparison_once'),
                ),
                migrations.AddConstraint(
                    model_name='comparison',
                    constraint=models.CheckConstraint(condition=models.Q(('champion', models.F('challenger')), _negated=True), name='comparison_of_two'),
                ),
                migrations.AddConstraint(
                    model_name='comparedscan',
                    constraint=models.UniqueConstraint(fields=('comparison', 'dataset_scan'), name='compared_scan_once'),
                ),
                migrations.AddConstraint(
                    model_name='excludedscan',
                    constraint=models.UniqueConstraint(fields=('dataset', 'scan'), name='excluded_scan_once'),
                ),
                migrations.AddConstraint(
                    model_name='excludedscan',
                    constraint=models.CheckConstraint(condition=models.Q(('reason__in', ['withdrawn', 'synthetic', 'unreviewed', 'disagreement', 'cannot_tell', 'single', 'unsuitable', 'duplicate'])), name='excluded_scan_reason_known'),
                ),
                migrations.AddConstraint(
                    model_name='gateoverride',
                    constraint=models.UniqueConstraint(condition=models.Q(('status', 'pending')), fields=('comparison',), name='override_one_pending'),
                ),
                migrations.AddConstraint(
                    model_name='gateoverride',
                    constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='override_has_reason'),
                ),
                migrations.AddConstraint(
                    model_name='gateoverride',
                    constraint=models.CheckConstraint(condition=models.Q(('decided_by', models.F('requested_by')), _negated=True), name='override_needs_second_person'),
                ),
                migrations.AddConstraint(
                    model_name='gateoverride',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('status', 'pending')), models.Q(models.Q(('status', 'pending'), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='override_decided_by_somebody'),
                ),
                migrations.AddConstraint(
                    model_name='datasetscan',
                    constraint=models.UniqueConstraint(fields=('dataset', 'scan'), name='dataset_scan_once'),
                ),
                migrations.AddConstraint(
                    model_name='datasetscan',
                    constraint=models.UniqueConstraint(fields=('dataset', 'base_set', 'name'), name='dataset_base_scan_once'),
                ),
                migrations.AddConstraint(
                    model_name='datasetscan',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('base_set', None), ('scan__isnull', False)), models.Q(('base_set__isnull', False), ('scan', None)), _connector='OR'), name='dataset_scan_has_one_origin'),
                ),
                migrations.AddConstraint(
                    model_name='datasetscan',
                    constraint=models.CheckConstraint(condition=models.Q(('label__in', ['covid', 'non_covid'])), name='dataset_scan_label_known'),
                ),
                migrations.AddConstraint(
                    model_name='serviceperiod',
                    constraint=models.UniqueConstraint(models.Value(True), condition=models.Q(('ended_at', None)), name='service_one_open'),
                ),
                migrations.AddConstraint(
                    model_name='serviceperiod',
                    constraint=models.CheckConstraint(condition=models.Q(('entry__in', ['command', 'promotion', 'override', 'rollback'])), name='service_entry_known'),
                ),
                migrations.AddConstraint(
                    model_name='serviceperiod',
                    constraint=models.CheckConstraint(condition=models.Q(('ended_at', None), ('ended_at__gte', models.F('started_at')), _connector='OR'), name='service_ends_after_start'),
                ),
                migrations.AddConstraint(
                    model_name='trainingrun',
                    constraint=models.UniqueConstraint(models.Value(True), condition=models.Q(('status__in', ('queued', 'running'))), name='training_one_at_a_time'),
                ),
                migrations.AddConstraint(
                    model_name='trainingrun',
                    constraint=models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'running', 'done', 'failed', 'cancelled'])), name='training_status_known'),
                ),
                migrations.AddConstraint(
                    model_name='trainingrun',
                    constraint=models.CheckConstraint(condition=models.Q(('method__in', ['head', 'finetune'])), name='training_method_known'),
                ),
                migrations.AddConstraint(
                    model_name='trainingrun',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), _negated=True), models.Q(('claim__isnull', False), ('lease_until__isnull', False)), _connector='OR'), name='training_running_has_lease'),
                ),
                migrations.AddConstraint(
                    model_name='trainingrun',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'done'), _negated=True), models.Q(('finished_at__isnull', False), ('model__isnull', False)), _connector='OR'), name='training_done_has_model'),
                ),
                migrations.AddConstraint(
                    model_name='trainingrun',
                    constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'failed'), _negated=True), models.Q(('error', ''), _negated=True), _connector='OR'), name='training_failed_has_error'),
                ),
            ],
        ),
        migrations.RunPython(drop_old_triggers, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(move_content_types, migrations.RunPython.noop, elidable=True),
        pgtrigger.migrations.AddTrigger(
            model_name='patientsplit',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='c873dd744ddc1bca652cec28faa9f017c1db429b', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_16d38', table='inference_patientsplit', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='baseimage',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='759c9ee3fb286e73020da6d06e0b46d30f94e54a', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_3ba4c', table='inference_baseimage', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='comparison',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='00a7e020abbe1c4dad92e83304d6fdd24a4abbcc', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_f1c6e', table='inference_comparison', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='comparedscan',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='ab1b519f952494bd0cd625c274d72ce9cffc70c2', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_41a20', table='inference_comparedscan', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='excludedscan',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='f469343a431e329964e7c072ab6766ec78b03c54', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_676ec', table='inference_excludedscan', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='datasetscan',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a647ca27a3f4172ab318872bd388faa3ad3ac8f1', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_f819e', table='inference_datasetscan', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='serviceperiod',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='acdf27f58da694dec00e25d026e2488d46d9848a', operation='DELETE', pgid='pgtrigger_no_delete_a0a87', table='inference_serviceperiod', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='serviceperiod',
            trigger=pgtrigger.compiler.Trigger(name='only_the_end', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."comparison_id" IS DISTINCT FROM (NEW."comparison_id") OR OLD."entry" IS DISTINCT FROM (NEW."entry") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."model_id" IS DISTINCT FROM (NEW."model_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."started_at" IS DISTINCT FROM (NEW."started_at") OR OLD."started_by_id" IS DISTINCT FROM (NEW."started_by_id"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='2675752bfb338b982bbcd4e31962b461c55e92cb', operation='UPDATE', pgid='pgtrigger_only_the_end_d958d', table='inference_serviceperiod', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='serviceperiod',
            trigger=pgtrigger.compiler.Trigger(name='ends_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."ended_at" IS NOT NULL)', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='2545d4754e8f2fbbccf07fd8998d1141ebfa0591', operation='UPDATE', pgid='pgtrigger_ends_once_ec066', table='inference_serviceperiod', when='BEFORE')),
        ),
    ]
