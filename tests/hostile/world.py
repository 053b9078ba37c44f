"""Two companies that have nothing to do with each other; what one of them says marks it."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from billing.accounts.api_keys import create_key
from billing.models import Account, Payment, Role, User
from billing.payments import buying, pricing, settling
from calls.exports import asking
from calls.inbox import sources
from calls.models import FileImport, ImportState
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from tests.billing.payments.purchases import checkout_facts
from tests.factories import AccountFactory, MembershipFactory, OperatorFactory, UserFactory
from tests.hostile.addresses import admin_examples
from tests.movements import call, goodwill, post, top_up

NOBODY = "anonymous"
OPERATOR = "operator"
OUTSIDER = "other account"
ROLES = {"superadmin": Role.SUPERADMIN, "admin": Role.ADMIN, "member": Role.MEMBER}
EVERYBODY = [NOBODY, *ROLES, OUTSIDER, OPERATOR]
# In all that only the account itself may read. They stand in no address, since those are echoed.
MARK, OTHER_MARK = "QX7OURS", "QX9THEIRS"


@dataclass(frozen=True, slots=True)
class World:
    """Who there is, and an example of each parameter of an address."""

    people: dict[str, User]
    examples: dict[str, str]

    def secret_of_others(self, role: str, path: str) -> tuple[str, ...]:
        """What an answer to ``role`` must not hold.

        A payment page shows what is bought to everybody who knows its long random address.
        """
        if role == OPERATOR or path.startswith("/sandbox/"):
            return ()
        return (MARK, OTHER_MARK) if role == NOBODY else (MARK if role == OUTSIDER else OTHER_MARK,)


def build() -> World:
    """Store both companies, with all that can be had of each, people, and an operator."""
    theirs, ours = _company("other", OTHER_MARK), _company("acme", MARK)
    people: dict[str, User] = {OPERATOR: OperatorFactory(name="operator")}
    for role, value in ROLES.items():
        people[role] = UserFactory(name=f"{role}-{MARK.lower()}")
        MembershipFactory(user=people[role], account=ours["account"], role=value)
    people[OUTSIDER] = theirs["owner"]
    guest = MembershipFactory(  # who may be removed
        user=UserFactory(name=f"guest-{MARK.lower()}"), account=ours["account"]
    )
    UserFactory(name="spare")  # the newest, whom an operator may delete
    top_up_id = str(ours["payment"].top_up.public_id)
    import_id = str(ours["import"].public_id)
    examples = {
        **admin_examples(),
        "a/slug": "acme",
        "rows/seq": "1",
        "calls/call_id": "call/1 ?",
        "top-up/public_id": top_up_id,
        "top-ups/public_id": top_up_id,
        "imports/public_id": import_id,
        "exports/public_id": str(ours["export"].public_id),
        "api-keys/public_id": str(ours["key"].public_id),
        "sources/public_id": str(ours["source"].public_id),
        "new/kind": "vapi",
        "calls/kind": "vapi",
        "<slug:kind>/public_id": str(ours["source"].public_id),
        "team/member_id": str(guest.pk),
        "parts/number": "0",
        "webhooks/gateway": "sandbox",
        "cancel-change/subscription_id": "1",
        "checkout/checkout_id": ours["open"].checkout_id,
        "r/content_type_id": str(ContentType.objects.get_for_model(Account).pk),
        "<path:content_type_id>/object_id": str(ours["account"].pk),
        "[uidb36,key]": "password/reset/key/1-nothing/",
        "[app_label]": "billing/",
        "[url]": "nothing-here",
        "[^.*$]": "nothing-here/",
        r"[^api(?:/(?:.|\n)*)?$]": "api/v0/calls/",
        r"[^webhooks(?:/(?:.|\n)*)?$]": "webhooks/calls/",
    }
    return World(people, examples)


def _company(slug: str, mark: str) -> dict[str, Any]:
    now = timezone.now()
    account = AccountFactory(name=f"{mark} company", slug=slug)
    today = now.astimezone(account.zone).date()
    owner = UserFactory(name=f"owner-{mark.lower()}")
    membership = MembershipFactory(user=owner, account=account, role=Role.SUPERADMIN)
    calls = [
        call(account, "call/1 ?" if not n else f"{mark}-{n}", n + 1, now, remarks=f"{mark} said")
        for n in range(12)
    ]
    post(top_up(account, 1_000), goodwill(account, 5, reason=f"{mark} goodwill"), *calls, at=now)
    paid = _bought(account, mark, form_key="paid")
    settling.settle(payment_pk=paid.pk, facts=checkout_facts(paid), now=now)
    imported = FileImport.objects.create(
        account=account,
        file_name=f"{mark}.csv",
        size=3,
        state=ImportState.UPLOADING,
        created_at=now,
        moved_at=now,
    )
    return {
        "account": account,
        "payment": Payment.objects.get(pk=paid.pk),
        "open": _bought(account, mark, form_key="open"),
        "import": imported,
        "owner": owner,
        "key": create_key(
            membership=membership,
            public_id=uuid4(),
            name=f"{mark} key",
            scopes=["calls:write", "calls:read"],
            expires_at=None,
            now=now,
        ).key,
        "source": sources.connect(
            account=account, kind="vapi", name=f"{mark} source", by=owner, now=now
        ),
        "export": asking.ask(
            account=account,
            by=owner,
            period=Period(Preset.TODAY, today, today, account.zone),
            filters=UsageFilters(),
            last_seq=None,
            now=now,
        ),
    }


def _bought(account: Account, mark: str, *, form_key: str) -> Payment:
    return buying.start(
        account=account,
        user_id=None,
        email=f"{mark.lower()}@example.com",
        quoted=pricing.quote(account=account, credits=500),
        form_key=form_key,
        return_url="http://localhost/top-ups/{id}/",
        now=timezone.now(),
    )
