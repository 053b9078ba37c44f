"""The page Settings → Activity: who changed what in the account. For its Superadmins."""

from django import forms
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from billing.models import Area
from dashboard.access import AccountRequest, account_page
from dashboard.activity.reading import activities_of, actors_of
from dashboard.activity.words import shown
from dashboard.pages import to_real_page

ACTIVITIES_PER_PAGE = 20
# What is on offer to everyone is no single account's.
AREAS_OF_ACCOUNTS = [choice for choice in Area.choices if choice[0] != Area.OFFERS]


class ActivityFilters(forms.Form):
    """What the list is narrowed down to."""

    area = forms.ChoiceField(
        label="About",
        required=False,
        choices=[("", "Everything"), *AREAS_OF_ACCOUNTS],
        error_messages={"invalid_choice": "About: choose one of the areas."},
    )
    who = forms.ChoiceField(
        label="Who",
        required=False,
        error_messages={"invalid_choice": "Who: this person has done nothing here."},
    )

    def show_actors(self, actors: list[tuple[str, str]]) -> None:
        """Offer those who have acted."""
        field = self.fields["who"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Everybody"), *actors]


@account_page(pays=True)
def activity(request: AccountRequest) -> HttpResponse:
    """List what was changed, newest first."""
    filters = ActivityFilters(request.GET)
    filters.show_actors(actors_of(request.account))
    chosen = filters.cleaned_data if filters.is_valid() else {}
    found = activities_of(request.account, **chosen)
    page = Paginator(found, ACTIVITIES_PER_PAGE).get_page(request.GET.get("page"))
    elsewhere = to_real_page(request, shown=page.number)
    if elsewhere is not None:
        return elsewhere
    context = {
        "filters": filters,
        "is_filtered": any(chosen.values()),
        "page": page,
        "rows": [shown(each, zone=request.account.zone) for each in page],
    }
    status = 200 if filters.is_valid() else 422
    return render(request, "dashboard/activity/activity.html", context, status=status)
