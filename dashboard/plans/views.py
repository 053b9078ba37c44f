"""The pages about plans: what is on offer, and what the account has."""

from django.http import HttpResponse
from django.shortcuts import render

from billing.plans.offers import plan_offers
from billing.plans.overview import subscription_page
from dashboard.access import AccountRequest, account_page


@account_page(pays=True)
def plans(request: AccountRequest) -> HttpResponse:
    """Show what the plans include and what calls cost under them."""
    frame = request.frame
    offers = plan_offers(agreement=frame.agreement, upcoming=frame.upcoming, now=frame.now)
    return render(request, "dashboard/plans/plans.html", {"offers": offers})


@account_page(pays=True)
def subscription(request: AccountRequest) -> HttpResponse:
    """Show the account's plan, its cycle, and which credits are left until when."""
    frame = request.frame
    page = subscription_page(account=request.account, agreement=frame.agreement, now=frame.now)
    return render(request, "dashboard/plans/subscription.html", {"page": page})
