from zoneinfo import ZoneInfo

import django.contrib.postgres.fields
from django.db import migrations, models

from billing.zones import offsets_between

# Frozen here: what the rollup was made of when this column came.
HOURS = ", ".join(f"count(*) FILTER (WHERE local.hour = {hour})" for hour in range(24))
COUNT_HOURS = f"""
    UPDATE billing_dailyusage daily SET entries_by_hour = counted.hours
      FROM (SELECT entry.account_id, local.time::date AS day, entry.kind, entry.usage_type,
                   entry.agent, ARRAY[{HOURS}]::integer[] AS hours
              FROM billing_ledgerentry entry
             CROSS JOIN LATERAL (
                   SELECT time, extract(hour FROM time) AS hour
                     FROM (SELECT entry.occurred_at AT TIME ZONE 'UTC' + (%s::interval[])[
                                  width_bucket(entry.occurred_at, %s::timestamptz[]) + 1
                                  ] AS time) AS one
                   ) AS local
             WHERE entry.account_id = %s
             GROUP BY 1, 2, 3, 4, 5) AS counted
     WHERE (daily.account_id, daily.day, daily.kind, daily.usage_type, daily.agent)
           = (counted.account_id, counted.day, counted.kind, counted.usage_type, counted.agent)
"""
ACCOUNTS = """
    SELECT account.id, account.time_zone, min(occurred_at), max(occurred_at)
      FROM billing_account account JOIN billing_ledgerentry entry ON account_id = account.id
     GROUP BY 1, 2
"""


def count_hours(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(ACCOUNTS)
        for account_id, time_zone, first, last in cursor.fetchall():
            changes, offsets = offsets_between(ZoneInfo(time_zone), first, last)
            cursor.execute(COUNT_HOURS, [offsets, changes, account_id])


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_tries_are_counted")]

    operations = [
        migrations.AddField(
            model_name="dailyusage",
            name="entries_by_hour",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.IntegerField(),
                size=24,
                default=[0] * 24,
                help_text="Entries of each hour on the wall clock of the day: where in it a row is.",
            ),
            preserve_default=False,
        ),
        migrations.RunPython(count_hours, migrations.RunPython.noop),
        migrations.RemoveConstraint(model_name="dailyusage", name="daily_usage_counts"),
        migrations.AddConstraint(
            model_name="dailyusage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    entries__gte=1,
                    calls__gte=0,
                    calls__lte=models.F("entries"),
                    entries_by_hour__len=24,
                ),
                name="daily_usage_counts",
            ),
        ),
    ]
