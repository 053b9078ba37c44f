"""What an address asks for: the days and filters of Call Usage & Credits, and of its downloads."""

from datetime import datetime

from billing import clock
from billing.plans.cycles import Cycle
from billing.plans.granting import current_cycle
from calls.models import FileImport
from calls.usage.periods import Preset
from dashboard.access import AccountRequest
from dashboard.usage.form import UsageForm


def form_of(request: AccountRequest, *, now: datetime, cycle: Cycle | None) -> UsageForm:
    """Read the form, with the current billing cycle where there is one."""
    zone = request.account.zone
    return UsageForm(
        request.GET,
        today=now.astimezone(zone).date(),
        zone=zone,
        cycle=(cycle.starts_at, cycle.ends_at) if cycle else None,
        imports=FileImport.objects.filter(account=request.account),
    )


def form_without_page(request: AccountRequest, *, now: datetime | None = None) -> UsageForm:
    """Read the form of bare data, as of ``now`` or of the moment itself.

    The billing cycle is read only if the address asks for it.
    """
    now = now or clock.now()
    cycle = None
    if request.GET.get("period") == Preset.THIS_CYCLE:
        cycle = current_cycle(account=request.account, at=now)
    return form_of(request, now=now, cycle=cycle)
