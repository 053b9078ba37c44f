"""Reads the activity log of one account, by area and by who acted."""

from collections.abc import Mapping

from django.db.models import Q, QuerySet

from billing.models import AREAS, Account, Activity, ActorKind, Area

ACTORS_MAX = 500
# Those who act and are no single members. A member is named by ``person-`` and a number.
GROUPS: Mapping[str, str] = {
    ActorKind.OPERATOR: "Operators",
    ActorKind.KEY: "API keys",
    ActorKind.COMMAND: "Commands on the server",
    ActorKind.SYSTEM: "The system",
}
PERSON = "person-"


def activities_of(account: Account, *, area: str = "", who: str = "") -> QuerySet[Activity]:
    """The activities of ``account``, newest first, of an area and by an actor where given."""
    wanted = Q(account=account)
    if area:
        wanted &= Q(kind__in=AREAS[Area(area)])
    if who.startswith(PERSON):
        wanted &= Q(by_kind=ActorKind.PERSON, by_user=who.removeprefix(PERSON))
    elif who:
        wanted &= Q(by_kind=who)
    return Activity.objects.filter(wanted).order_by("-id")


def actors_of(account: Account) -> list[tuple[str, str]]:
    """Everybody who has ever acted in the account: what the filter calls them, and their name now.

    People by address, then the groups of others.
    """
    acted = Activity.objects.filter(account=account).order_by()
    rows = acted.values_list("by_kind", "by_user", "by_user__email").distinct()[:ACTORS_MAX]
    people = {(str(email), f"{PERSON}{pk}") for kind, pk, email in rows if kind == ActorKind.PERSON}
    kinds = {kind for kind, _, _ in rows}
    return [
        *((value, email) for email, value in sorted(people)),
        *((kind, words) for kind, words in GROUPS.items() if kind in kinds),
    ]
