"""What a new installation starts with; an operator can edit all of it.

Three plans, and credits on sale in four currencies.
"""

from datetime import UTC, datetime

from django.db import migrations

# Before any call record that an account may bring along.
SINCE_EVER = datetime(2000, 1, 1, tzinfo=UTC)

PLANS = [
    # Prices per cycle are in minor units.
    {
        "name": "Base",
        "description": "For a first agent and light traffic.",
        "terms": {
            "prices": {"INR": 199_900},
            "credits_per_cycle": 100,
            "increment_seconds": 60,
            "credits_per_increment": 2,
            "concurrent_calls": 1,
        },
    },
    {
        "name": "Professional",
        "description": "For teams that call every day.",
        "terms": {
            "prices": {"INR": 999_900},
            "credits_per_cycle": 1_500,
            "increment_seconds": 30,
            "credits_per_increment": 1,
            "concurrent_calls": 4,
        },
    },
    {
        "name": "Enterprise",
        "description": "Credits, increment, price and concurrency agreed with you.",
        "terms": {
            "prices": {},
            "credits_per_cycle": None,
            "increment_seconds": 30,
            "credits_per_increment": 1,
            "concurrent_calls": None,
        },
    },
]


def install_plans(apps, schema_editor):
    Plan = apps.get_model("billing", "Plan")
    PlanTerms = apps.get_model("billing", "PlanTerms")
    for order, plan in enumerate(PLANS, start=1):
        created = Plan.objects.create(
            name=plan["name"], description=plan["description"], order=order
        )
        PlanTerms.objects.create(
            plan=created, effective_from=SINCE_EVER, **plan["terms"]
        )


CREDITS = [100, 500, 1_500, 5_000]

# Prices of the packs, and of a single credit, in minor units.
PRICES = {
    "INR": ([149_900, 599_900, 1_499_900, 4_499_900], 1_600),
    "USD": ([1_900, 7_900, 19_900, 59_900], 20),
    "EUR": ([1_900, 7_900, 19_900, 59_900], 20),
    "GBP": ([1_500, 6_500, 16_900, 49_900], 16),
}


def install_packs(apps, schema_editor):
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
                is_best_value=credits == CREDITS[-1],
            )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.RunPython(install_plans, migrations.RunPython.noop),
        migrations.RunPython(install_packs, migrations.RunPython.noop),
    ]
