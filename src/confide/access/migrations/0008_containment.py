import confide.access.containment
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _tell(apps, schema_editor):
    """Give what was frozen before there were rows a row each."""
    standing = apps.get_model("access", "Standing")
    for kind, name in (("person", "Account"), ("client", "Client")):
        for row in apps.get_model("access", name).objects.filter(frozen_at__isnull=False):
            standing.objects.create(
                kind=kind, subject=row.pk, owner=f"{kind}:{row.pk}", state="frozen", reason="operator",
                since=row.frozen_at,
            )


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0007_session_proof'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='suspect_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='client',
            name='suspect_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='frozen_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='session',
            name='suspect_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name='Standing',
            fields=[
                ('id', models.CharField(default=confide.access.containment._id, editable=False, max_length=36, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=10)),
                ('subject', models.CharField(max_length=36)),
                ('owner', models.CharField(max_length=50)),
                ('practice', models.CharField(blank=True, default='', max_length=36)),
                ('state', models.CharField(max_length=10)),
                ('reason', models.CharField(max_length=16)),
                ('since', models.DateTimeField(db_index=True)),
                ('by', models.CharField(blank=True, default='', max_length=36)),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
                ('lifted_by', models.CharField(blank=True, default='', max_length=36)),
            ],
            options={
                'indexes': [models.Index(fields=['owner', 'since'], name='standing_by_owner')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('lifted_at__isnull', True)), fields=('kind', 'subject', 'state'), name='one_measure_of_each_state')],
            },
        ),
        migrations.CreateModel(
            name='Outsider',
            fields=[
                ('id', models.CharField(default=confide.access.containment._id, editable=False, max_length=36, primary_key=True, serialize=False)),
                ('named_at', models.DateTimeField()),
                ('effective_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('named_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('practice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='outsiders', to='access.practice')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('practice',), name='one_outsider_per_practice')],
            },
        ),
        migrations.RunPython(_tell, migrations.RunPython.noop),
    ]
