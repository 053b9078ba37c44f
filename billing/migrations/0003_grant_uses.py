"""The view over both places that say which grant paid which entry."""

from django.db import migrations

from billing.models import GrantUse


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_new_installation")]

    operations = [migrations.RunSQL(GrantUse.SQL, "DROP VIEW billing_grantuse")]
