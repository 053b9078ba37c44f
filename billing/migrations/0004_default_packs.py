"""A new installation sells credits in four currencies. An operator can edit all of it."""

from django.db import migrations

CREDITS = [100, 500, 1_500, 5_000]

# Prices of the packs, and of a single credit, in minor units.
PRICES = {
    "INR": ([149_900, 599_900, 1_499_900, 4_499_900], 1_600),
    "USD": ([1_900, 7_900, 19_900, 59_900], 20),
    "EUR": ([1_900, 7_900, 19_900, 59_900], 20),
    "GBP": ([1_500, 6_500, 16_900, 49_900], 16),
}


def install(apps, schema_editor):
    Pack = apps.get_model("billing", "Pack")
    TopUpPricing = apps.get_model("billing", "TopUpPricing")
    for currency, (prices, per_credit) in PRICES.items():
        TopUpPricing.objects.create(currency=currency, price_minor_per_credit=per_credit)
        for order, (credits, price) in enumerate(zip(CREDITS, prices, strict=True), start=1):
            Pack.objects.create(
                credits=credits,
                price_minor=price,
                currency=currency,
                order=order,
            )


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_top_ups_and_notices")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
