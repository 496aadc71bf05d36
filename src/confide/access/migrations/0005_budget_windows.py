from collections import Counter, defaultdict

import confide.access.models
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

MONTH, TOGETHER = 72, 3  # the spans of slots as they are at this migration


def count_what_was_seen(apps, schema_editor):
    """Make the coarser totals of what was seen before they existed, so that nothing seen is forgotten."""
    marks: defaultdict = defaultdict(dict)
    rows = apps.get_model("access", "Exposure").objects.values_list(
        "owner", "practice", "patient", "element", "form", "weight", "slot"
    )
    for owner, practice, patient, element, form, weight, slot in rows.iterator():
        marks[owner, practice, patient][element, form] = slot, weight
    patients: Counter = Counter()
    units: Counter = Counter()
    for (owner, practice, _), seen in marks.items():
        changes = [(max(slot for slot, _ in seen.values()), 1, 0)]
        for element in {element for element, _ in seen}:
            heaviest = 0
            for slot, weight in sorted((mark for (e, _), mark in seen.items() if e == element), reverse=True):
                if weight > heaviest:
                    changes.append((slot, 0, weight - heaviest))
                    heaviest = weight
        names = (owner, MONTH), (f"practice:{practice}/0", TOGETHER), ("host/0", TOGETHER)
        for slot, patient, weight in changes:
            for name, span in names:
                patients[name, span, -(-slot // span)] += patient
                units[name, span, -(-slot // span)] += weight
    total = apps.get_model("access", "ExposureTotal")
    total.objects.bulk_create(
        [
            total(owner=key[0], span=key[1], slot=key[2], patients=patients[key], units=units[key])
            for key in sorted(patients.keys() | units.keys())
        ],
        batch_size=500,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0004_password_found_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='BudgetRaise',
            fields=[
                ('id', models.CharField(default=confide.access.models.new_id, editable=False, max_length=36, primary_key=True, serialize=False)),
                ('owner', models.CharField(max_length=50)),
                ('times', models.PositiveSmallIntegerField()),
                ('approved_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='exposuretotal',
            name='one_total_per_slot',
        ),
        migrations.AddField(
            model_name='exposuretotal',
            name='span',
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddIndex(
            model_name='exposure',
            index=models.Index(fields=['slot'], name='exposure_by_slot'),
        ),
        migrations.AddConstraint(
            model_name='exposuretotal',
            constraint=models.UniqueConstraint(fields=('owner', 'span', 'slot'), name='one_total_per_slot'),
        ),
        migrations.AddField(
            model_name='budgetraise',
            name='approved_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='budgetraise',
            name='practice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='access.practice'),
        ),
        migrations.AddIndex(
            model_name='budgetraise',
            index=models.Index(fields=['owner', 'expires_at'], name='raise_by_owner'),
        ),
        migrations.AddConstraint(
            model_name='budgetraise',
            constraint=models.CheckConstraint(condition=models.Q(('times__gte', 2), ('times__lte', 3)), name='raised_threefold_at_most'),
        ),
        migrations.RunPython(count_what_was_seen, migrations.RunPython.noop),
    ]
