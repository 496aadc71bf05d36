from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='client',
            name='token_scopes',
            field=models.JSONField(blank=True, default=list),
        ),
    ]
