"""Which pack is the cheapest per credit follows from the prices; nobody has to say it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_values_are_those_there_are")]

    operations = [
        migrations.RemoveConstraint(model_name="pack", name="pack_one_best_value"),
        migrations.RemoveField(model_name="pack", name="is_best_value"),
    ]
