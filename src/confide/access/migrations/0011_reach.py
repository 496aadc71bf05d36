import django.db.models.deletion
from django.db import migrations, models


def _void_tokens(apps, _schema_editor):
    """Tokens live for minutes, and those of the release before do not say in which practice they act."""
    apps.get_model("access", "AccessToken").objects.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0010_client_networks'),
    ]

    operations = [
        migrations.RunPython(_void_tokens, migrations.RunPython.noop),
        migrations.AddField(
            model_name='accesstoken',
            name='practice',
            field=models.ForeignKey(default='', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='access.practice'),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name='Reach',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('approved_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('approved_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='access.account')),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reaches', to='access.client')),
                ('practice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='access.practice')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('client', 'practice'), name='one_reach_in_use_per_practice')],
            },
        ),
    ]
