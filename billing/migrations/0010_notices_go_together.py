import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

# Which warning of which grant a notice was, its reference has always said.
NAME_WHAT_EXPIRES = """
UPDATE billing_notice notice
   SET grant_id = credits.id, days_before = substring(notice.reference FROM '[0-9]+$')::smallint
  FROM billing_membership membership
  JOIN billing_creditgrant credits ON credits.account_id = membership.account_id
 WHERE notice.kind = 'expiring'
   AND membership.id = notice.membership_id
   AND notice.reference = 'expiring:' || credits.reference || ':'
                          || substring(notice.reference FROM '[0-9]+$')
"""


def due_when_made(apps, schema_editor):
    apps.get_model("billing", "Notice").objects.update(due_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0009_parked_disputed_and_processing_top_ups"),
    ]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="grant",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="billing.creditgrant",
            ),
        ),
        migrations.AddField(
            model_name="notice",
            name="days_before",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="notice",
            name="due_at",
            field=models.DateTimeField(
                help_text="When it may be sent: at once, or when the day's limit has room again.",
                null=True,
            ),
        ),
        migrations.RunSQL(NAME_WHAT_EXPIRES, migrations.RunSQL.noop),
        # PostgreSQL changes no table whose keys it has yet to check.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RunPython(due_when_made, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="notice",
            name="due_at",
            field=models.DateTimeField(
                help_text="When it may be sent: at once, or when the day's limit has room again.",
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=Q(
                    kind="expiring", grant__isnull=False, days_before__isnull=False
                )
                | (~Q(kind="expiring") & Q(grant__isnull=True, days_before__isnull=True)),
                name="notice_names_what_expires",
            ),
        ),
        migrations.RemoveIndex(model_name="notice", name="notice_open"),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=Q(("sent_at__isnull", True), ("suppressed", "")),
                fields=["due_at"],
                name="notice_open",
            ),
        ),
    ]
