from django.db import migrations, models

FROM_WHAT_IS_BOOKED = """
    UPDATE billing_subscription subscription
       SET time_zone = account.time_zone,
           begun_at = CASE WHEN effective_from <= now() THEN effective_from END,
           granted_until = (SELECT max(expires_at) FROM billing_creditgrant granted
                             WHERE granted.account_id = account.id AND granted.source = 'plan'
                               AND granted.reference
                                   LIKE 'plan-credits:' || subscription.id || ':%')
      FROM billing_account account
     WHERE account.id = subscription.account_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_grants_in_use_are_updated_in_place"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="begun_at",
            field=models.DateTimeField(
                help_text="When it had begun, and the credits of the plan before had ended.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="granted_until",
            field=models.DateTimeField(
                help_text="End of the latest cycle that granted credits.", null=True
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                help_text="The account's when it subscribed: its cycles keep to that clock, so that "
                "no day is in two of them, or in none, when the account moves.",
                max_length=64,
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(FROM_WHAT_IS_BOOKED, migrations.RunSQL.noop, elidable=True),
    ]
