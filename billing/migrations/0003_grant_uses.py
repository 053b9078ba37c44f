"""The view over both places that say which grant paid which entry."""

from django.db import migrations

GRANT_USES = """
    CREATE VIEW billing_grantuse AS
    SELECT account_id, seq, 0 AS position, seq AS use_seq, paid_by AS grant_seq,
           -credits AS credits, false AS into_new_grant
      FROM billing_ledgerentry WHERE paid_by IS NOT NULL
     UNION ALL
    SELECT account_id, seq, position, use_seq, grant_seq, credits, into_new_grant
      FROM billing_grantshare WHERE grant_seq IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_new_installation")]

    operations = [migrations.RunSQL(GRANT_USES, "DROP VIEW billing_grantuse")]
