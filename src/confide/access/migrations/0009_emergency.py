import confide.access.containment
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0008_containment'),
    ]

    operations = [
        migrations.CreateModel(
            name='Emergency',
            fields=[
                ('id', models.CharField(default=confide.access.containment._id, editable=False, max_length=36, primary_key=True, serialize=False)),
                ('role', models.CharField(max_length=20)),
                ('session', models.CharField(max_length=36)),
                ('patient', models.CharField(max_length=64)),
                ('degraded', models.BooleanField(default=False)),
                ('reason_sealed', models.BinaryField()),
                ('asked_at', models.DateTimeField(db_index=True)),
                ('begins_at', models.DateTimeField(blank=True, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('verdict', models.CharField(blank=True, default='', max_length=12)),
                ('note_sealed', models.BinaryField(default=b'')),
                ('reviewed_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('allowed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('practice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='access.practice')),
                ('reviewed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['account', 'session', 'patient'], name='emergency_by_session'), models.Index(fields=['practice', 'verdict', 'asked_at'], name='emergency_to_review')],
            },
        ),
    ]
