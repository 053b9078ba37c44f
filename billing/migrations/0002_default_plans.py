"""A new installation starts with Base, Professional and Enterprise. An operator can edit them."""

from datetime import UTC, datetime

from django.db import migrations

# Before any call record that an account may bring along.
SINCE_EVER = datetime(2000, 1, 1, tzinfo=UTC)

PLANS = [
    {
        "name": "Base",
        "description": "For a first agent and light traffic.",
        "terms": {
            "price_minor": 199_900,
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
            "price_minor": 999_900,
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
            "price_minor": None,
            "credits_per_cycle": None,
            "increment_seconds": 30,
            "credits_per_increment": 1,
            "concurrent_calls": None,
        },
    },
]


def install(apps, schema_editor):
    Plan = apps.get_model("billing", "Plan")
    PlanTerms = apps.get_model("billing", "PlanTerms")
    for order, plan in enumerate(PLANS, start=1):
        created = Plan.objects.create(
            name=plan["name"], description=plan["description"], order=order
        )
        PlanTerms.objects.create(
            plan=created, effective_from=SINCE_EVER, currency="INR", **plan["terms"]
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
