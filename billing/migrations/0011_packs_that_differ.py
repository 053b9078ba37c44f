"""Two active packs of a currency differ in their credits, and one at most is the best value.

Of those that don't, the first in the operators' order stays; the others are switched off, or lose
the mark.
"""

from django.db import migrations, models
from django.db.models import Q


def tell_apart(apps, schema_editor):
    seen, best = set(), set()
    packs = apps.get_model("billing", "Pack").objects.filter(is_active=True)
    for pack in packs.order_by("order", "id"):
        if (pack.currency, pack.credits) in seen:
            pack.is_active = False
        elif pack.is_best_value and pack.currency in best:
            pack.is_best_value = False
        elif pack.is_best_value:
            best.add(pack.currency)
        seen.add((pack.currency, pack.credits))
        pack.save(update_fields=["is_active", "is_best_value"])


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0010_notices_go_together"),
    ]

    operations = [
        migrations.RunPython(tell_apart, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="pack",
            constraint=models.UniqueConstraint(
                condition=Q(("is_active", True)),
                fields=("currency", "credits"),
                name="pack_once_on_offer",
            ),
        ),
        migrations.AddConstraint(
            model_name="pack",
            constraint=models.UniqueConstraint(
                condition=Q(("is_active", True), ("is_best_value", True)),
                fields=("currency",),
                name="pack_one_best_value",
            ),
        ),
    ]
