from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0003_destinations'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='password_found_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
