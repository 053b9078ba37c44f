"""Every way to change something, as somebody does it: by page, form, operator's action, command.

`test_every_change_is_noted` compares these lists with what there is, and does each of them.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from billing.models import (
    Account,
    ActorKind,
    ApiKey,
    CustomTerms,
    Pack,
    Payment,
    Plan,
    PlanRequest,
    TopUp,
    TopUpPricing,
    User,
)
from billing.models import ActivityKind as K
from billing.payments import buying, pricing, settling
from billing.plans.subscriptions import subscribe
from billing.plans.terms import agree_terms, change_terms
from calls.closing import close_account
from calls.imports import profiles
from calls.inbox import sources
from calls.models import Call, CallSource, FileImport, InboxEvent
from dashboard.management.commands import changepassword
from dashboard.sandbox import gateway
from dashboard.sign_in.invitations import password_link
from tests.billing.payments.purchases import checkout_facts
from tests.calls.exports.exporting import asked
from tests.calls.inbox.sending import connect, drain_all, report, send_report
from tests.dashboard.imports.conftest import imported, own_csv, tried, uploaded
from tests.dashboard.imports.test_mapping import CONTENT
from tests.dashboard.imports.test_mapping import filled as mapping_form
from tests.dashboard.mail import mail_server
from tests.dashboard.operations.accounts.test_accounts import filled as account_form
from tests.dashboard.operations.accounts.test_accounts import new_account
from tests.dashboard.operations.accounts.test_adjustment import adjustment
from tests.dashboard.operations.accounts.test_custom_terms import terms as terms_form
from tests.dashboard.operations.conftest import call_of
from tests.dashboard.operations.plans.test_plans import filled as plan_form
from tests.dashboard.operations.test_people import filled as person_form
from tests.dashboard.operations.top_ups.test_top_ups import pack_form, pricing_form
from tests.dashboard.test_two_step_sign_in import code_of
from tests.factories import PASSWORD, UserFactory

NEW_PASSWORD = "another-password-91"
CLOCK = 1_800_000_000.0  # at which codes of second steps are made


@dataclass
class Company:
    """An account on a plan, its people, and a browser; `as_` signs one of them in."""

    account: Account
    owner: User
    member: User
    operator: User
    client: Client
    folder: Path

    def as_(self, person: User) -> Client:
        self.client.force_login(person)
        return self.client

    @property
    def shop(self) -> Client:
        return self.as_(self.owner)

    @property
    def staff(self) -> Client:
        return self.as_(self.operator)

    def page(self, name: str, **arguments: Any) -> str:
        return reverse(f"dashboard:{name}", kwargs={"slug": self.account.slug, **arguments})

    def import_page(self, file_import: FileImport, name: str = "import_page") -> str:
        return self.page(name, public_id=file_import.public_id)

    def order(self) -> Payment:
        """A top-up that nobody has paid yet."""
        return buying.start(
            account=self.account,
            user_id=self.owner.pk,
            email=self.owner.email,
            quoted=pricing.quote(account=self.account, credits=500),
            form_key="form",
            return_url="http://localhost/{id}/",
            now=timezone.now(),
        )

    def paid(self) -> Payment:
        begun, now = self.order(), timezone.now()
        gateway.decide(checkout_id=begun.checkout_id, decision=gateway.Decision.PAY, now=now)
        return settling.reconcile(payment_pk=begun.pk, now=now)

    def under_review(self) -> Payment:
        begun, now = self.order(), timezone.now()
        facts = checkout_facts(begun, amount_minor=100)
        return settling.settle(payment_pk=begun.pk, facts=facts, now=now)


Do = Callable[[Company], Callable[[], Any]]


@dataclass(frozen=True)
class Change:
    """``prepare`` makes what is to be changed and returns what changes it."""

    kind: K
    prepare: Do
    by: ActorKind = ActorKind.PERSON
    is_of_account: bool = True


def operated(kind: K, prepare: Do, *, is_of_account: bool = True) -> Change:
    return Change(kind, prepare, ActorKind.OPERATOR, is_of_account)


def commanded(kind: K, prepare: Do, *, is_of_account: bool = True) -> Change:
    return Change(kind, prepare, ActorKind.COMMAND, is_of_account)


# ── The pages of an account ───────────────────────────────────────────────────────────────────
def order_top_up(company: Company) -> Callable[[], Any]:
    pack = Pack.objects.get(credits=500, currency="INR")
    page = company.page("top_up")
    text = company.shop.get(page, {"choice": f"pack-{pack.pk}"}).text
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    return lambda: company.client.post(page, form)


def cancel_top_up(company: Company) -> Callable[[], Any]:
    public_id = company.order().top_up.public_id
    return lambda: company.shop.post(company.page("top_up_status", public_id=public_id))


def change_company(company: Company) -> Callable[[], Any]:
    form = {"company_name": "Acme Private Limited", "company_address": "1 High Street\nPune"}
    return lambda: company.shop.post(company.page("company"), form)


def notifications(**form: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        return lambda: company.shop.post(company.page("notifications"), form)

    return prepare


def upload_in_parts(company: Company) -> Callable[[], Any]:
    form = {"name": "calls.csv", "size": 10}
    return lambda: company.shop.post(company.page("import_begin"), form)


def upload_as_a_whole(company: Company) -> Callable[[], Any]:
    file = SimpleUploadedFile("calls.csv", own_csv("c1"))
    return lambda: company.shop.post(company.page("import_new"), {"file": file})


def stop_upload(company: Company) -> Callable[[], Any]:
    upload_in_parts(company)()
    page = company.import_page(FileImport.objects.get(), "import_stop_upload")
    return lambda: company.client.post(page)


def press(do: str, made: Callable[..., FileImport], *before: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        page = company.import_page(made(company.account, own_csv("c1")))
        for each in before:
            company.shop.post(page, {"do": each})
        return lambda: company.shop.post(page, {"do": do})

    return prepare


def take_back(company: Company) -> Callable[[], Any]:
    page = company.import_page(imported(company.account, own_csv("c1")), "import_take_back")
    return lambda: company.shop.post(page)


def map_columns(**form: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        made = uploaded(company.account, CONTENT, name="call-centre.csv")
        page = company.import_page(made, "import_mapping")
        company.shop.post(page, {**mapping_form(), "profile-name": "Call centre"})
        kept = next(iter(profiles.profiles_of(company.account)), None)
        sent: dict[str, Any] = {"saved": str(kept.pk) if kept else "", **form}
        if form.get("do") == "upload":
            assert kept is not None
            content = profiles.exported(kept).replace(b"Call centre", b"Another")
            sent["profile-file"] = SimpleUploadedFile("mapping.json", content)
        if form.get("do") == "use":
            sent |= mapping_form() | {"profile-name": "A third"}
        return lambda: company.shop.post(page, sent)

    return prepare


def invite(email: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        UserFactory(name="known")
        form = {"email": email, "role": "admin"}
        return lambda: company.shop.post(company.page("team_invite"), form)

    return prepare


def change_member(**form: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        invite("new@example.com")(company)()
        is_for_new = form["form"] == "invite"
        email = "new@example.com" if is_for_new else company.member.email
        member = company.account.memberships.get(user__email=email)
        page = company.page("team_member", member_id=member.pk)
        return lambda: company.client.post(page, form)

    return prepare


def make_key(company: Company) -> Callable[[], Any]:
    form = {"form_key": str(uuid4()), "name": "Switch", "scopes": ["calls:write"]}
    return lambda: company.shop.post(company.page("api_key_new"), form)


def change_key(**form: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        make_key(company)()
        page = company.page("api_key", public_id=ApiKey.objects.get().public_id)
        return lambda: company.client.post(page, {"form_key": str(uuid4()), **form})

    return prepare


def connect_source(company: Company) -> Callable[[], Any]:
    page = company.page("source_new", kind="vapi")
    return lambda: company.shop.post(page, {"name": "Ours"})


def source_page(company: Company, name: str = "source") -> str:
    source = sources.connect(
        account=company.account, kind="vapi", name="Ours", by=None, now=timezone.now()
    )
    return company.page(name, public_id=source.public_id)


def change_source(*before: str, **form: str) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        page = source_page(company)
        for each in before:
            company.shop.post(page, {"do": each})
        return lambda: company.shop.post(page, form)

    return prepare


def delete_source(company: Company) -> Callable[[], Any]:
    page = source_page(company, "source_delete")
    return lambda: company.shop.post(page)


def order_sources(company: Company) -> Callable[[], Any]:
    for name in ("First", "Second"):
        sources.connect(
            account=company.account, kind="vapi", name=name, by=None, now=timezone.now()
        )
    order = CallSource.objects.order_by("-position").values_list("pk", flat=True)
    form = {"order": ",".join(map(str, order))}
    return lambda: company.shop.post(company.page("source_order"), form)


def ask_for_plan(company: Company) -> Callable[[], Any]:
    page, plan = company.page("plans"), Plan.objects.get(name="Professional")
    seen = company.shop.get(page, {"plan": plan.pk}).context["change"].seen
    return lambda: company.client.post(page, {"do": "ask", "plan": plan.pk, "seen": seen})


def withdraw_request(company: Company) -> Callable[[], Any]:
    ask_for_plan(company)()
    form = {"do": "withdraw", "request": PlanRequest.objects.get().pk}
    return lambda: company.client.post(company.page("plans"), form)


def plan_request(company: Company) -> PlanRequest:
    ask_for_plan(company)()
    return PlanRequest.objects.get()


def delete_download(company: Company) -> Callable[[], Any]:
    page = company.page("export_page", public_id=asked(company.account, company.owner).public_id)
    return lambda: company.shop.post(page, {"do": "delete"})


# Keys: the name of the page, and of its form where it has several.
OF_PAGES: dict[str, Change] = {
    "top_up": Change(K.TOP_UP_ORDERED, order_top_up),
    "top_up_status": Change(K.TOP_UP_CANCELLED, cancel_top_up),
    "company": Change(K.ACCOUNT_CHANGED, change_company),
    "notifications mails": Change(K.MAILS_SWITCHED, notifications(form="mails")),
    "notifications add": Change(
        K.WARNING_ADDED, notifications(form="add", number="77", unit="credits")
    ),
    "notifications remove": Change(
        K.WARNING_REMOVED, notifications(form="remove", percent="20", credits="")
    ),
    "import_begin": Change(K.IMPORT_UPLOADED, upload_in_parts),
    "import_new": Change(K.IMPORT_UPLOADED, upload_as_a_whole),
    "import_stop_upload": Change(K.IMPORT_FILE_DELETED, stop_upload),
    "import_page import": Change(K.IMPORT_STARTED, press("import", tried)),
    "import_page stop": Change(K.IMPORT_STOPPED, press("stop", tried, "import")),
    "import_page go_on": Change(K.IMPORT_RESUMED, press("go_on", tried, "import", "stop")),
    "import_page again": Change(K.IMPORT_UPLOADED, press("again", imported)),
    "import_page delete": Change(K.IMPORT_FILE_DELETED, press("delete", uploaded)),
    "import_take_back": Change(K.IMPORT_TAKEN_BACK, take_back),
    "import_mapping use": Change(K.MAPPING_SAVED, map_columns(do="use")),
    "import_mapping upload": Change(K.MAPPING_SAVED, map_columns(do="upload")),
    "import_mapping forget": Change(K.MAPPING_DELETED, map_columns(do="forget")),
}
OF_PAGES |= {
    "team_invite new": Change(K.MEMBER_INVITED, invite("new@example.com")),
    "team_invite known": Change(K.MEMBER_ADDED, invite("known@example.com")),
    "team_member invite": Change(K.MEMBER_INVITED, change_member(form="invite")),
    "team_member role": Change(K.MEMBER_CHANGED, change_member(form="role", role="admin")),
    "team_member remove": Change(K.MEMBER_REMOVED, change_member(form="remove")),
    "api_key_new": Change(K.KEY_MADE, make_key),
    "api_key rotate": Change(K.KEY_CHANGED, change_key(form="rotate", old_ends="at_once")),
    "api_key revoke": Change(K.KEY_REVOKED, change_key(form="revoke")),
    "source_new": Change(K.SOURCE_CONNECTED, connect_source),
    "source rename": Change(K.SOURCE_CHANGED, change_source(do="rename", name="Theirs")),
    "source rotate": Change(K.SOURCE_CHANGED, change_source(do="rotate")),
    "source end-previous": Change(K.SOURCE_CHANGED, change_source(do="end-previous")),
    "source key": Change(K.SOURCE_CHANGED, change_source(do="key", api_key="of their list")),
    "source forget-key": Change(K.SOURCE_CHANGED, change_source(do="forget-key")),
    "source settings": Change(K.SOURCE_CHANGED, change_source(do="settings")),
    "source pause": Change(K.SOURCE_CHANGED, change_source(do="pause")),
    "source resume": Change(K.SOURCE_CHANGED, change_source("pause", do="resume")),
    "source_delete": Change(K.SOURCE_REMOVED, delete_source),
    "source_order": Change(K.SOURCES_ORDERED, order_sources),
    "plans ask": Change(K.PLAN_ASKED, ask_for_plan),
    "plans withdraw": Change(K.PLAN_REQUEST_WITHDRAWN, withdraw_request),
    "export_page delete": Change(K.DOWNLOAD_DELETED, delete_download),
}
# What takes a form and leaves no activity, and why.
OF_PAGES_NOT_NOTED: dict[str, str] = {
    "import_part": "a piece of the file that import_begin has noted",
    "import_finish": "the end of what import_begin has noted",
    "import_page try": "a trial records nothing",
    "import_page layout": "how a file is to be read is noted when its import is started",
    "import_page answer": "the same",
    "import_mapping saved": "the same",
    "import_mapping show": "shows what would come of it",
    "export_new": "a download changes nothing",
    "export_page": "the same",
    "source test": "a test event charges nothing",
    "source retry": "what was sent is recorded as it was meant to be",
    "source ask": "the same",
    "source secret": "as rotate",
}


# ── Sign-in ───────────────────────────────────────────────────────────────────────────────────
def change_password(company: Company) -> Callable[[], Any]:
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return lambda: company.shop.post(reverse("account_change_password"), form)


def choose_password(company: Company) -> Callable[[], Any]:
    link = "/" + password_link(company.owner).split("/", 3)[3]
    page = company.client.get(link, follow=True).request["PATH_INFO"]
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return lambda: company.client.post(page, form)


def signed_in(company: Company) -> Client:
    """A browser in which somebody has just typed their password, as changes of steps ask for."""
    form = {"login": company.owner.email, "password": PASSWORD}
    company.client.post(reverse("account_login"), form)
    company.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return company.client


def signed_in_member(company: Company) -> User:
    """A member who is signed in in another browser."""
    browser = Client(headers={"User-Agent": "Another browser"})
    form = {"login": company.member.email, "password": PASSWORD}
    assert browser.post(reverse("account_login"), form).status_code == 302
    return company.member


def set_up_second_step(company: Company) -> Callable[[], Any]:
    page = reverse("mfa_activate_totp")
    secret = signed_in(company).get(page).context["form"].secret
    code = code_of(secret, CLOCK)
    return lambda: company.client.post(page, {"code": code})


def remove_second_step(company: Company) -> Callable[[], Any]:
    signed_in(company)
    TOTP.activate(company.owner, generate_totp_secret())
    return lambda: company.client.post(reverse("mfa_deactivate_totp"))


def make_recovery_codes(company: Company) -> Callable[[], Any]:
    signed_in(company)
    TOTP.activate(company.owner, generate_totp_secret())
    return lambda: company.client.post(reverse("mfa_generate_recovery_codes"))


def end_sessions(*, all_others: bool) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        other = Client(headers={"User-Agent": "Another browser"})
        other.post(reverse("account_login"), {"login": company.owner.email, "password": PASSWORD})
        session = UserSession.objects.get(user=company.owner)
        signed_in(company)
        form = {} if all_others else {"session": str(session.pk)}
        return lambda: company.client.post(reverse("usersessions_list"), form)

    return prepare


def send_test_mail(company: Company) -> Callable[[], Any]:
    def act() -> None:
        with (
            mail_server.running() as server,
            override_settings(
                EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
                EMAIL_HOST="127.0.0.1",
                EMAIL_PORT=server.port,
            ),
        ):
            company.staff.post(reverse("operators_first_steps"), {"form": "mail"})

    return act


def put_first_steps_away(company: Company) -> Callable[[], Any]:
    return lambda: company.staff.post(reverse("operators_first_steps"), {"form": "put-away"})


OF_SIGN_IN: dict[str, Change] = {
    "account_change_password": Change(K.PASSWORD_CHANGED, change_password),
    "account_reset_password_from_key": Change(K.PASSWORD_CHOSEN, choose_password),
    "mfa_activate_totp": Change(K.SECOND_STEP_SET_UP, set_up_second_step),
    "mfa_deactivate_totp": Change(K.SECOND_STEP_REMOVED, remove_second_step),
    "mfa_generate_recovery_codes": Change(K.RECOVERY_CODES_MADE, make_recovery_codes),
    "usersessions_list one": Change(K.SESSIONS_ENDED, end_sessions(all_others=False)),
    "usersessions_list": Change(K.SESSIONS_ENDED, end_sessions(all_others=True)),
    "operators_first_steps mail": operated(K.TEST_MAIL_SENT, send_test_mail, is_of_account=False),
    "operators_first_steps put-away": operated(
        K.FIRST_STEPS_PUT_AWAY, put_first_steps_away, is_of_account=False
    ),
}
SIGNING_IN = "begins or ends one's own session, which the security log says"
ASKS = "asks for a proof or a mail, and changes nothing"
READ = "only read"
OF_SIGN_IN_NOT_NOTED: dict[str, str] = {
    "account_login": SIGNING_IN,
    "account_logout": SIGNING_IN,
    "mfa_authenticate": SIGNING_IN,
    "account_reset_password": ASKS,
    "account_reauthenticate": ASKS,
    "mfa_reauthenticate": ASKS,
    "account_set_password": "leads to changing it: everybody has a password",
    "account_signup": "closed",
    "account_inactive": READ,
    "account_confirm_login_code": "closed",
    "account_reset_password_done": READ,
    "account_reset_password_from_key_done": READ,
    "mfa_index": READ,
    "mfa_view_recovery_codes": READ,
    "mfa_download_recovery_codes": READ,
    "landing": READ,
    "webhook": "what providers say: it stands in payment events",
    "calls_webhook": "what platforms say: it stands among the events of their sources",
    "api_reference": READ,
    **dict.fromkeys(["agents", "balance", "daily", "ledger", "openapi", "summary"], READ),
    "calls": "a program records calls",
    "withdraw": "calls withdrawn by a program are noted as by a person",
    "nothing": "no address of the API",
    "checkout": "the pretend provider’s own page",
}


# ── The operators' pages ──────────────────────────────────────────────────────────────────────
def of(model: str, page: str, *arguments: Any) -> str:
    return reverse(f"admin:{model}_{page}", args=arguments)


def post_to(model: str, page: str, form: Callable[[Company], dict[str, Any]], of_what: Any) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        record = of_what(company)
        arguments = [] if record is None else [record.pk]
        sent, address = form(company), of(model, page, *arguments)
        return lambda: company.staff.post(address, sent)

    return prepare


def form_of(**form: Any) -> Callable[[Company], dict[str, Any]]:
    return lambda company: form


def nothing(company: Company) -> None:
    return None


def account_of(company: Company) -> Account:
    return company.account


def member_of(company: Company) -> Any:
    return company.account.memberships.get(user=company.member)


def members_form(**changes: str) -> Callable[[Company], dict[str, Any]]:
    """The account's form, with changes of the row of its member."""

    def made(company: Company) -> dict[str, Any]:
        form = account_form(company.account)
        row = next(
            name.removesuffix("-user")
            for name, value in form.items()
            if name.endswith("-user") and value == company.member.pk
        )
        return form | {f"{row}-{name}": value for name, value in changes.items()}

    return made


def new_member(company: Company) -> dict[str, Any]:
    form = account_form(company.account)
    count = form["memberships-TOTAL_FORMS"]
    row = {
        "id": "",
        "account": company.account.pk,
        "user": UserFactory(name="newcomer").pk,
        "role": "admin",
    }
    more = {f"memberships-{count}-{name}": value for name, value in row.items()}
    return {**form, **more, "memberships-TOTAL_FORMS": count + 1}


def accounts_of_member(company: Company) -> dict[str, Any]:
    row = {
        "id": member_of(company).pk,
        "user": company.member.pk,
        "account": company.account.pk,
        "role": "admin",
    }
    rows = {f"memberships-0-{name}": value for name, value in row.items()}
    counts = {"memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1}
    return person_form(company.member, **counts, **rows)


def closed_account(company: Company) -> Account:
    return close_account(
        account=company.account, by=company.operator, reason="They left", now=timezone.now()
    )


def plan_of(company: Company) -> Plan:
    return Plan.objects.get(name="Base")


def unused_plan(company: Company) -> Plan:
    return Plan.objects.get(name="Enterprise")


def planned_plan_terms(company: Company) -> Any:
    plan, later = plan_of(company), timezone.now() + timedelta(days=5)
    terms = plan.terms.get()
    terms.pk, terms.credits_per_cycle, terms._state.adding = None, 200, True
    return change_terms(plan=plan, terms=terms, effective_from=later, now=timezone.now())


def planned_custom_terms(company: Company) -> Any:
    subscription, later = company.account.subscriptions.get(), timezone.now() + timedelta(days=5)
    return agree_terms(
        subscription=subscription,
        terms=CustomTerms(increment_seconds=6, credits_per_increment=1, credits_per_cycle=9),
        effective_from=later,
        now=timezone.now(),
    )


def amend(model: str, planned: Any) -> Do:
    """Change planned terms, as their page shows them."""

    def prepare(company: Company) -> Callable[[], Any]:
        address = of(model, "change", planned(company).pk)
        shown = company.staff.get(address).context["adminform"].form
        form = {
            "prices": "INR 5",
            "credits_per_cycle": "321",
            "increment_seconds": "60",
            "credits_per_increment": "2",
            "concurrent_calls": "1",
            "effective_from": "2031-01-01T09:30",
            "based_on": shown["based_on"].value() or "",
        }
        return lambda: company.client.post(address, form)

    return prepare


def pack_of(company: Company) -> Pack:
    return Pack.objects.get(credits=500, currency="INR")


def prices_of(company: Company) -> TopUpPricing:
    return TopUpPricing.objects.get(currency="INR")


def a_call(company: Company) -> Call:
    call_of(company.account, "c1")
    return Call.objects.get()


def an_event(company: Company) -> InboxEvent:
    """What a source sent and was recorded."""
    source = connect(company.account)
    send_report(company.client, source, report())
    drain_all()
    return InboxEvent.objects.get()


def second_step_of(company: Company) -> Authenticator:
    TOTP.activate(company.member, generate_totp_secret())
    return Authenticator.objects.get(user=company.member)


def paid_top_up(company: Company) -> TopUp:
    return company.paid().top_up


def decision(company: Company) -> Callable[[], Any]:
    payment = company.under_review()
    review = payment.reviews.get()
    address = of("billing_topup", "decide", payment.top_up_id)
    form = {"review": review.pk, "decision": "closed", "reason": "Not ours"}
    return lambda: company.staff.post(address, form)


def cancel_change(company: Company) -> Callable[[], Any]:
    now = timezone.now()
    at, plan = now + timedelta(days=5), Plan.objects.get(name="Professional")
    planned = subscribe(account=company.account, plan=plan, at=at, now=now)
    address = of("billing_account", "cancel_change", company.account.pk, planned.pk)
    return lambda: company.staff.post(address)


DELETE = form_of(post="yes")

# Keys: the model, and "add", "change", "delete", the name of an action, or of an inline.
OF_OPERATORS: dict[str, Change] = {
    "billing.Account add": operated(
        K.ACCOUNT_OPENED,
        post_to(
            "billing_account", "add", lambda c: new_account(plan_of(c), c.owner.email), nothing
        ),
    ),
    "billing.Account change": operated(
        K.ACCOUNT_CHANGED,
        post_to(
            "billing_account",
            "change",
            lambda c: account_form(c.account, name="Acme Ltd", time_zone="Europe/London"),
            account_of,
        ),
    ),
    "billing.Account MembersInline": operated(
        K.MEMBER_ADDED, post_to("billing_account", "change", new_member, account_of)
    ),
    "billing.Account MembersInline change": operated(
        K.MEMBER_CHANGED,
        post_to("billing_account", "change", members_form(role="admin"), account_of),
    ),
    "billing.Account MembersInline delete": operated(
        K.MEMBER_REMOVED,
        post_to("billing_account", "change", members_form(DELETE="on"), account_of),
    ),
    "billing.Account post_adjustment": operated(
        K.ADJUSTED,
        post_to("billing_account", "post_adjustment", lambda c: adjustment(), account_of),
    ),
    "billing.Account change_plan": operated(
        K.PLAN_CHANGED,
        post_to(
            "billing_account",
            "change_plan",
            lambda c: {"plan": Plan.objects.get(name="Professional").pk},
            account_of,
        ),
    ),
    "billing.Account agree_custom_terms": operated(
        K.TERMS_AGREED,
        post_to(
            "billing_account", "agree_custom_terms", lambda c: terms_form(c.account), account_of
        ),
    ),
    "billing.Account invite": operated(
        K.MEMBER_INVITED,
        post_to(
            "billing_account",
            "invite",
            form_of(email="new@example.com", role="superadmin"),
            account_of,
        ),
    ),
    "billing.Account cancel_change": operated(K.PLAN_CHANGE_CANCELLED, cancel_change),
    "billing.Account close": operated(
        K.ACCOUNT_CLOSED,
        post_to("billing_account", "close", form_of(reason="They left"), account_of),
    ),
    "billing.Account reopen": operated(
        K.ACCOUNT_REOPENED,
        post_to("billing_account", "reopen", lambda c: {"plan": plan_of(c).pk}, closed_account),
    ),
    "billing.PlanRequest approve": operated(
        K.PLAN_REQUEST_APPROVED, post_to("billing_planrequest", "approve", form_of(), plan_request)
    ),
    "billing.PlanRequest decline": operated(
        K.PLAN_REQUEST_DECLINED,
        post_to("billing_planrequest", "decline", form_of(reason="Too early"), plan_request),
    ),
    "billing.CustomTerms change": operated(
        K.TERMS_AMENDED,
        amend("billing_customterms", planned_custom_terms),
    ),
    "billing.CustomTerms delete": operated(
        K.TERMS_WITHDRAWN, post_to("billing_customterms", "delete", DELETE, planned_custom_terms)
    ),
    "billing.User add": operated(
        K.PERSON_ADDED,
        post_to("billing_user", "add", form_of(email="new@example.com"), nothing),
        is_of_account=False,
    ),
    "billing.User change": operated(
        K.PERSON_CHANGED,
        post_to(
            "billing_user",
            "change",
            lambda c: person_form(c.member, first_name="Ana"),
            lambda c: c.member,
        ),
    ),
    "billing.User change rights": operated(
        K.OPERATOR_RIGHTS_CHANGED,
        post_to(
            "billing_user",
            "change",
            lambda c: person_form(c.member, is_staff="on"),
            lambda c: c.member,
        ),
        is_of_account=False,
    ),
    "billing.User AccountsInline": operated(
        K.MEMBER_CHANGED,
        post_to("billing_user", "change", accounts_of_member, lambda c: c.member),
    ),
    "billing.User send_password_link": operated(
        K.PASSWORD_LINK_SENT,
        post_to("billing_user", "send_password_link", form_of(), lambda c: c.member),
    ),
    "billing.User end_sessions": operated(
        K.SESSIONS_ENDED, post_to("billing_user", "end_sessions", form_of(), signed_in_member)
    ),
    "mfa.Authenticator delete": operated(
        K.SECOND_STEP_REMOVED, post_to("mfa_authenticator", "delete", DELETE, second_step_of)
    ),
    "billing.Plan add": operated(
        K.PLAN_ADDED,
        post_to(
            "billing_plan",
            "add",
            lambda c: plan_form(plan_of(c), name="Small", based_on=""),
            nothing,
        ),
        is_of_account=False,
    ),
    "billing.Plan change": operated(
        K.PLAN_EDITED,
        post_to("billing_plan", "change", lambda c: plan_form(plan_of(c), name="Basic"), plan_of),
        is_of_account=False,
    ),
    "billing.Plan change terms": operated(
        K.PLAN_TERMS_ADDED,
        post_to(
            "billing_plan",
            "change",
            lambda c: plan_form(plan_of(c), credits_per_increment=3),
            plan_of,
        ),
        is_of_account=False,
    ),
    "billing.Plan delete": operated(
        K.PLAN_DELETED, post_to("billing_plan", "delete", DELETE, unused_plan), is_of_account=False
    ),
    "billing.PlanTerms change": operated(
        K.PLAN_TERMS_AMENDED,
        amend("billing_planterms", planned_plan_terms),
        is_of_account=False,
    ),
    "billing.PlanTerms delete": operated(
        K.PLAN_TERMS_WITHDRAWN,
        post_to("billing_planterms", "delete", DELETE, planned_plan_terms),
        is_of_account=False,
    ),
    "billing.Pack add": operated(
        K.PACK_ADDED,
        post_to("billing_pack", "add", lambda c: pack_form(), nothing),
        is_of_account=False,
    ),
    "billing.Pack change": operated(
        K.PACK_CHANGED,
        post_to("billing_pack", "change", lambda c: pack_form(credits="500"), pack_of),
        is_of_account=False,
    ),
    "billing.Pack delete": operated(
        K.PACK_DELETED, post_to("billing_pack", "delete", DELETE, pack_of), is_of_account=False
    ),
    "billing.TopUpPricing add": operated(
        K.PRICING_ADDED,
        post_to(
            "billing_topuppricing",
            "add",
            lambda c: pricing_form(currency="JPY", price="15"),
            nothing,
        ),
        is_of_account=False,
    ),
    "billing.TopUpPricing change": operated(
        K.PRICING_CHANGED,
        post_to("billing_topuppricing", "change", lambda c: pricing_form(price="77"), prices_of),
        is_of_account=False,
    ),
    "billing.TopUpPricing delete": operated(
        K.PRICING_DELETED,
        post_to("billing_topuppricing", "delete", DELETE, prices_of),
        is_of_account=False,
    ),
    "billing.TopUp refund": operated(
        K.REFUND_ASKED,
        post_to("billing_topup", "refund", form_of(reason="By mistake"), paid_top_up),
    ),
    "billing.TopUp decide": operated(K.REVIEW_DECIDED, decision),
    "billing.TopUp ask_provider": operated(
        K.PROVIDER_ASKED, post_to("billing_topup", "ask_provider", form_of(), paid_top_up)
    ),
    "calls.Call withdraw": operated(
        K.CALLS_WITHDRAWN,
        post_to("calls_call", "withdraw", form_of(reason="A test"), a_call),
    ),
    "calls.CallSource replay": operated(
        K.EVENTS_REPLAYED,
        post_to("calls_callsource", "replay", form_of(), lambda c: an_event(c).source),
    ),
    "calls.InboxEvent again": operated(
        K.EVENTS_REPLAYED, post_to("calls_inboxevent", "again", form_of(), an_event)
    ),
    "calls.Export make_again": operated(
        K.DOWNLOAD_MADE_AGAIN,
        post_to("calls_export", "make_again", form_of(), lambda c: asked(c.account, c.owner)),
    ),
    "calls.Export delete_file": operated(
        K.DOWNLOAD_DELETED,
        post_to("calls_export", "delete_file", form_of(), lambda c: asked(c.account, c.owner)),
    ),
}


# ── Commands ──────────────────────────────────────────────────────────────────────────────────
def run(*words: str, **options: Any) -> Do:
    def prepare(company: Company) -> Callable[[], Any]:
        return lambda: call_command(*words, stdout=io.StringIO(), **options)

    return prepare


def import_calls(company: Company) -> Callable[[], Any]:
    file = company.folder / "calls.csv"
    file.write_bytes(own_csv("c1"))
    return run("import_calls", str(file), account="acme")(company)


def withdraw_import(company: Company) -> Callable[[], Any]:
    done = imported(company.account, own_csv("c1"))
    return run("import_calls", account="acme", withdraw=str(done.pk))(company)


def set_password(company: Company) -> Callable[[], Any]:
    class Typed(changepassword.Command):
        """The command, with somebody who types a password twice."""

        __module__ = changepassword.__name__

        def _get_pass(self, prompt: str = "") -> str:
            return NEW_PASSWORD

    return lambda: call_command(Typed(stdout=io.StringIO()), company.owner.email)


OF_COMMANDS: dict[str, Change] = {
    "open_account": commanded(
        K.ACCOUNT_OPENED,
        run("open_account", "Fresh", slug="fresh", plan="Base", owner="owner@example.com"),
    ),
    "open_account --add-owner": commanded(
        K.PERSON_ADDED,
        run("open_account", "Fresh", "--add-owner", slug="fresh", plan="Base", owner="a@b.example"),
        is_of_account=False,
    ),
    "import_calls": commanded(K.IMPORT_STARTED, import_calls),
    "import_calls --withdraw": commanded(K.IMPORT_TAKEN_BACK, withdraw_import),
    "createsuperuser": commanded(
        K.OPERATOR_RIGHTS_CHANGED,
        run("createsuperuser", "--no-input", email="boss@example.com"),
        is_of_account=False,
    ),
    "changepassword": commanded(K.PASSWORD_CHANGED, set_password),
    "after_restore": commanded(
        K.RESTORED, run("after_restore", "monday.backup"), is_of_account=False
    ),
}
OF_COMMANDS_NOT_NOTED: dict[str, str] = {
    "audit_ledger": READ,
    "seed_demo": "acts by the functions that all the others do",
}
