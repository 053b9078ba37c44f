from django.db import migrations, models

# What the provider was told so far; an account's name in addresses may change, what was said not.
FROM_SLUGS = """
    UPDATE billing_topup top_up SET account_reference = account.slug
      FROM billing_account account
     WHERE account.id = top_up.account_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0017_grants_know_their_last_use"),
    ]

    operations = [
        migrations.AddField(
            model_name="topup",
            name="account_reference",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunSQL(FROM_SLUGS, migrations.RunSQL.noop, elidable=True),
    ]
