"""Celery's shells around what people are told by e-mail."""

from celery import shared_task

from billing import clock
from billing.models import Account
from billing.notices import closings as notices_of_closings
from billing.notices import requests, warnings
from billing.notices.due import undelivered
from billing.plans.movements import bring_up_to_date
from billing.queue import RETRYING, for_each_account
from calls.exports import telling
from calls.inbox import silence
from dashboard.mail import closings, exports, plan_requests
from dashboard.mail.sending import send
from dashboard.mail.silent_sources import send_silence


@shared_task
def watch_credits() -> None:
    """Look for balances that fell to a threshold."""

    def watch(account: Account) -> None:
        now = clock.now()
        bring_up_to_date(account=account, now=now)
        for notice_id in warnings.watch(account=account, now=now):
            send_notice.delay(notice_id)

    for_each_account(warnings.to_watch(now=clock.now()), watch)


@shared_task
def notice_expiring_credits() -> None:
    """Warn of credits that expire soon."""
    for notice_id in warnings.notice_expiring(now=clock.now()):
        send_notice.delay(notice_id)


@shared_task(**RETRYING)
def send_notice(notice_id: int) -> None:
    """Send one e-mail."""
    send(notice_id=notice_id, now=clock.now())


@shared_task
def sweep_notices() -> None:
    """Send the e-mails whose next attempt is due."""
    for notice_id in undelivered(now=clock.now()):
        send_notice.delay(notice_id)


@shared_task
def tell_of_exports() -> None:
    """Send the e-mails about files that are ready or could not be made."""
    for export_id in telling.untold(now=clock.now()):
        send_export_mail.delay(export_id)


@shared_task(**RETRYING)
def send_export_mail(export_id: int) -> None:
    """Send one e-mail about a file."""
    exports.send(export_id=export_id, now=clock.now())


@shared_task
def tell_of_plan_requests() -> None:
    """Send the e-mails about requests for plans."""
    for request_id in requests.untold(now=clock.now()):
        send_plan_request_mail.delay(request_id)


@shared_task(**RETRYING)
def send_plan_request_mail(request_id: int) -> None:
    """Send one e-mail about a request for a plan."""
    plan_requests.send(request_id=request_id, now=clock.now())


@shared_task
def tell_of_closings() -> None:
    """Send the e-mails about accounts that were closed."""
    for account_id in notices_of_closings.untold(now=clock.now()):
        send_closing_mail.delay(account_id)


@shared_task(**RETRYING)
def send_closing_mail(account_id: int) -> None:
    """Send one e-mail about an account that was closed."""
    closings.send(account_id=account_id, now=clock.now())


@shared_task
def tell_of_silent_sources() -> None:
    """Tell those who manage an account that a source of calls is silent."""
    silence.tell(deliver=send_silence, now=clock.now())
