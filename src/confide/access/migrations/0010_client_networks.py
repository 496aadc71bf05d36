from django.db import migrations, models


def _void_tokens(apps, _schema_editor):
    """Tokens live for minutes, and those of the release before do not say which key they were got with."""
    apps.get_model("access", "AccessToken").objects.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0009_emergency'),
    ]

    operations = [
        migrations.RunPython(_void_tokens, migrations.RunPython.noop),
        migrations.AddField(
            model_name='client',
            name='networks',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name='accesstoken',
            name='key',
            field=models.CharField(default='', max_length=200),
            preserve_default=False,
        ),
    ]
