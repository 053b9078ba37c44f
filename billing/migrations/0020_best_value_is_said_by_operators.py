"""Operators say which pack is marked as the best value. Until then it is the cheapest per credit."""

from fractions import Fraction

from django.db import migrations, models


def mark_the_cheapest(apps, schema_editor):
    Pack = apps.get_model("billing", "Pack")
    cheapest = {}
    for pack in Pack.objects.filter(is_active=True):
        price = Fraction(pack.price_minor, pack.credits)
        if pack.currency not in cheapest or price < cheapest[pack.currency][0]:
            cheapest[pack.currency] = price, pack.pk
    Pack.objects.filter(pk__in=[pk for _, pk in cheapest.values()]).update(is_best_value=True)


class Migration(migrations.Migration):
    dependencies = [("billing", "0019_credits_end_with_a_planned_change")]

    operations = [
        migrations.AddField(
            model_name="pack",
            name="is_best_value",
            field=models.BooleanField(
                default=False,
                help_text="Marks it so on the page, as long as nothing else costs as little per "
                "credit.",
                verbose_name="best value",
            ),
        ),
        migrations.RunPython(mark_the_cheapest, migrations.RunPython.noop),
    ]
