"""The pages about plans: what is on offer, and what the account has."""

from django.http import HttpResponse
from django.shortcuts import render

from billing.plans.offers import plan_offers
from billing.plans.overview import subscription_page
from dashboard.access import AccountRequest, account_page
from dashboard.contact import contact_url
from dashboard.plans.last_days import last_days


@account_page(pays=True)
def plans(request: AccountRequest) -> HttpResponse:
    """Show what the plans include, and what the last 30 days would have cost on each."""
    frame = request.frame
    offers = plan_offers(agreement=frame.agreement, upcoming=frame.upcoming, now=frame.now)
    context = {
        "offers": offers,
        "last_days": last_days(account=request.account, offers=offers, now=frame.now),
        "contact_url": contact_url(),
    }
    return render(request, "dashboard/plans/plans.html", context)


@account_page(pays=True)
def subscription(request: AccountRequest) -> HttpResponse:
    """Show the account's plan, its cycle, and which credits are left until when."""
    frame = request.frame
    page = subscription_page(account=request.account, agreement=frame.agreement, now=frame.now)
    context = {"page": page, "contact_url": contact_url()}
    return render(request, "dashboard/plans/subscription.html", context)
