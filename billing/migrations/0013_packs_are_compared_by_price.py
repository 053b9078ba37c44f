"""Which pack is the cheapest per credit follows from the prices; nobody has to say it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_grants_in_use_are_updated_in_place")]

    operations = [
        migrations.RemoveConstraint(model_name="pack", name="pack_one_best_value"),
        migrations.RemoveField(model_name="pack", name="is_best_value"),
    ]
