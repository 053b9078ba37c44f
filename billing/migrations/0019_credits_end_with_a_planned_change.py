from django.db import migrations

# Which end a notice warned of, its numbers have always said.
NAME_THE_END = """
    UPDATE billing_notice
       SET reference = regexp_replace(
               reference, ':([0-9]+)$', ':' || (context ->> 'expires_at') || ':\\1')
     WHERE kind = 'expiring' AND context ->> 'expires_at' IS NOT NULL
"""

# What was granted before the change was planned, or while it was, lasts no longer than until then.
END_WITH_PLANNED_CHANGES = """
    UPDATE billing_creditgrant granted
       SET expires_at = following.effective_from
      FROM billing_subscription subscription
      JOIN LATERAL (SELECT min(effective_from) AS effective_from
                      FROM billing_subscription
                     WHERE account_id = subscription.account_id
                       AND effective_from > subscription.effective_from) following ON true
     WHERE granted.account_id = subscription.account_id
       AND granted.source = 'plan'
       AND granted.reference LIKE 'plan-credits:' || subscription.id || ':%'
       AND granted.granted_at < following.effective_from
       AND granted.expires_at > following.effective_from
       AND following.effective_from > now()
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0018_top_ups_keep_the_account_they_named"),
    ]

    operations = [
        migrations.RunSQL(NAME_THE_END, migrations.RunSQL.noop, elidable=True),
        migrations.RunSQL(END_WITH_PLANNED_CHANGES, migrations.RunSQL.noop, elidable=True),
    ]
