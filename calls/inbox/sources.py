"""The sources of an account: connecting them, and what people change about them afterwards."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Max, QuerySet

from billing.accounts import encryption
from billing.activity import ActivityKind, new, note
from billing.models import Account, User
from billing.plans.closed import hold_open
from billing.refusals import Refusal
from billing.texts import in_a_sentence
from calls.inbox.forgetting import delete_events
from calls.models import CallSource, EventState, OpenEvent, PullState
from calls.models.call_source import NAME_LENGTH_MAX
from calls.platforms import Platform, Setting
from calls.sources.registry import platforms

SOURCES_MAX: Final = 50
SECRET_BYTES: Final = 32
VALUE_LENGTH_MAX: Final = 2_000
PREVIOUS_SECRET_LASTS: Final = timedelta(hours=24)
ENCRYPTED: Final = ("secret", "previous_secret", "api_key")


def platform_of(source: CallSource) -> Platform:
    """Return the platform that ``source`` is of."""
    return platforms()[source.kind]


# ── Connecting ────────────────────────────────────────────────────────────────────────────────
def connect(
    *,
    account: Account,
    kind: str,
    name: str,
    by: User | None,
    now: datetime,
    secret: str = "",
    api_key: str = "",
    options: Mapping[str, str] | None = None,
) -> CallSource:
    """Add a source to ``account``, the last in its order. Raises Refusal.

    A platform that is connected again takes the place of its source that was deleted, so that it
    can correct what that one told. No call changes by this: the new source has told none yet.

    Where the platform makes the secret, it may be entered later: it often is to be had only for an
    address that exists.
    """
    platform = platforms().get(kind)
    if platform is None:
        raise Refusal("Choose what you want to connect.", field="kind")
    checked = _options(platform, options or {})
    with transaction.atomic():
        # Whoever adds a source to the account at the same time waits here.
        hold_open(account.pk)
        own = CallSource.objects.filter(account=account)
        if own.filter(deleted_at=None).count() >= SOURCES_MAX:
            raise Refusal(f"An account has at most {SOURCES_MAX} sources. Delete one first.")
        source = CallSource(
            account=account,
            kind=kind,
            name=_name(account, name, besides=None),
            position=_place_of_new(own, kind),
            created_by=by,
            created_at=now,
            options=checked,
            secret=_encrypted(made_secret() if platform.makes_secret else secret, "secret"),
            api_key=_encrypted(api_key, "api_key"),
        )
        if is_pulled(source):
            source.next_pull_at = now
        source.save()
        note(
            ActivityKind.SOURCE_CONNECTED,
            account=account,
            subject=source.name,
            changes=new(kind=platform.label, settings=_told(checked)),
        )
    return source


def _place_of_new(own: QuerySet[CallSource], kind: str) -> int:
    """Make room for a source of ``kind`` among the account's ``own``, and return its position."""
    alike = own.filter(kind=kind)
    gone = alike.exclude(deleted_at=None).order_by("position").first()
    if gone is None or alike.filter(deleted_at=None).exists():
        return (own.aggregate(last=Max("position"))["last"] or 0) + 1
    own.filter(position__gte=gone.position).update(position=F("position") + 1)
    return gone.position


def made_secret() -> str:
    """Return a new secret that can't be guessed."""
    return secrets.token_urlsafe(SECRET_BYTES)


# ── Secrets ───────────────────────────────────────────────────────────────────────────────────
def secrets_of(source: CallSource, *, now: datetime) -> list[str]:
    """The secrets that are believed ``now``, the newest first."""
    stored = [source.secret]
    if source.previous_secret_ends_at is not None and now < source.previous_secret_ends_at:
        stored.append(source.previous_secret)
    return [plain for one in stored if one and (plain := encryption.decrypt(one))]


def secret_of(source: CallSource) -> str:
    """The secret; "" where there is none, or no key reads it."""
    return (source.secret and encryption.decrypt(source.secret)) or ""


def api_key_of(source: CallSource) -> str:
    """The key with which the platform's list is asked; "" where there is none."""
    if source.api_key:
        return encryption.decrypt(source.api_key) or ""
    return secret_of(source) if platform_of(source).secret_is_api_key else ""


def is_pulled(source: CallSource) -> bool:
    """Whether there is a list to ask, and a key for it."""
    platform = platform_of(source)
    if platform.api_key is None:
        return False
    return bool(source.api_key or (platform.secret_is_api_key and source.secret))


def rotate_secret(*, source: CallSource, secret: str = "", now: datetime) -> CallSource:
    """Replace the secret: what the one before signed is believed for 24 hours more. Raises Refusal.

    ``secret`` is the new one where the platform makes it.
    """
    platform = platform_of(source)
    new = made_secret() if platform.makes_secret else secret.strip()
    if not new:
        raise Refusal(f"Enter the {in_a_sentence(platform.secret.label)}.", field="secret")
    with transaction.atomic():
        found = _locked(source)
        found.previous_secret = found.secret
        found.previous_secret_ends_at = now + PREVIOUS_SECRET_LASTS if found.secret else None
        found.secret = _encrypted(new, "secret")
        if platform.secret_is_api_key:
            _ask_anew(found, now)
        found.save()
        _note(found, credentials=("as before", "replaced"))
    return found


def end_previous_secret(*, source: CallSource, now: datetime) -> CallSource:
    """Stop believing the secret before the present one."""
    with transaction.atomic():
        found = _locked(source)
        found.previous_secret, found.previous_secret_ends_at = "", None
        found.save(update_fields=["previous_secret", "previous_secret_ends_at"])
        _note(found, credentials=("the former ones too", "the present ones alone"))
    return found


def set_api_key(*, source: CallSource, api_key: str, now: datetime) -> CallSource:
    """Ask the list of calls with ``api_key`` from now on; with none, not at all."""
    with transaction.atomic():
        found = _locked(source)
        found.api_key = _encrypted(api_key, "api_key")
        _ask_anew(found, now)
        found.save()
        _note(found, asks_the_list=(None, bool(api_key)))
    return found


def encrypt_anew() -> int:
    """Encrypt with the newest key what an older one encrypted; return of how many sources."""
    changed = 0
    for pk in CallSource.objects.values_list("pk", flat=True):
        with transaction.atomic():
            source = CallSource.objects.select_for_update(no_key=True).get(pk=pk)
            anew = {
                name: encryption.encrypt(plain)
                for name in ENCRYPTED
                if (stored := getattr(source, name))
                and not encryption.is_current(stored)
                and (plain := encryption.decrypt(stored)) is not None
            }
            for name, text in anew.items():
                setattr(source, name, text)
            if anew:
                source.save(update_fields=list(anew))
                changed += 1
    return changed


def unreadable() -> list[CallSource]:
    """The sources with a secret that no key opens, with their accounts, in order."""
    connected = CallSource.objects.filter(deleted_at=None).select_related("account")
    return [
        source
        for source in connected.order_by("account__name", "account_id", "position")
        if any(
            (stored := getattr(source, name)) and encryption.decrypt(stored) is None
            for name in ENCRYPTED
        )
    ]


# ── Changes ───────────────────────────────────────────────────────────────────────────────────
def rename(*, source: CallSource, name: str, now: datetime) -> CallSource:
    """Give it another name. Raises Refusal."""
    with transaction.atomic():
        found = _locked(source)
        before, found.name = found.name, _name(found.account, name, besides=found)
        found.save(update_fields=["name"])
        _note(found, name=(before, found.name))
    return found


def set_options(*, source: CallSource, options: Mapping[str, str], now: datetime) -> CallSource:
    """Change what the platform has to be known for. Raises Refusal."""
    with transaction.atomic():
        found = _locked(source)
        before, found.options = found.options, _options(platform_of(found), options)
        _ask_anew(found, now)
        found.save()
        _note(found, settings=(_told(before), _told(found.options)))
    return found


def pause(*, source: CallSource, now: datetime) -> CallSource:
    """Hold back what it sends from now on, and what still waits: nothing is lost, or charged."""
    with transaction.atomic():
        found = _locked(source)
        if found.paused_at is None:
            found.paused_at = now
            found.save(update_fields=["paused_at"])
            _turn(found, EventState.WAITING, EventState.HELD)
            _note(found, paused=(False, True))
    return found


def resume(*, source: CallSource, now: datetime) -> CallSource:
    """Record what was held back, and go on."""
    with transaction.atomic():
        found = _locked(source)
        if found.paused_at is not None:
            found.paused_at = None
            _ask_anew(found, now)
            found.save()
            _turn(found, EventState.HELD, EventState.WAITING)
            _note(found, paused=(True, False))
    return found


def let_go_on() -> int:
    """Release what is still held back although its source is not paused; return how many events.

    `resume` does not see what is being stored at that very moment.
    """
    held = OpenEvent.objects.filter(
        state=EventState.HELD, source__paused_at=None, source__deleted_at=None
    )
    return held.update(state=EventState.WAITING)


def delete(*, source: CallSource, now: datetime) -> CallSource:
    """End it for good: its address is gone, its secrets are erased. Its calls stay."""
    with transaction.atomic():
        found = _locked(source)
        found.deleted_at = now
        found.secret = found.previous_secret = found.api_key = ""
        found.previous_secret_ends_at = found.next_pull_at = None
        found.save()
        # What came before counts; what was held back was not to count.
        held = OpenEvent.objects.filter(source=found, state=EventState.HELD)
        delete_events(held.values_list("pk", flat=True))
        note(ActivityKind.SOURCE_REMOVED, account=found.account_id, subject=found.name)
    return found


def _told(options: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in options.items()]


def _note(source: CallSource, **changes: tuple[Any, Any]) -> None:
    note(
        ActivityKind.SOURCE_CHANGED,
        account=source.account_id,
        subject=source.name,
        changes=changes,
    )


def _turn(source: CallSource, before: EventState, after: EventState) -> None:
    OpenEvent.objects.filter(source=source, state=before).update(state=after)


def _ask_anew(source: CallSource, now: datetime) -> None:
    source.pull_state, source.pull_said = PullState.NEVER, ""
    source.next_pull_at = now if is_pulled(source) and source.paused_at is None else None


def _locked(source: CallSource) -> CallSource:
    """``source`` as it is now, locked. Raises Refusal where it was deleted."""
    found = (
        CallSource.objects.select_for_update(no_key=True, of=("self",))
        .select_related("account")
        .get(pk=source.pk)
    )
    if found.deleted_at is not None:
        raise Refusal("This source was deleted.")
    return found


def _name(account: Account, name: str, *, besides: CallSource | None) -> str:
    name = " ".join(name.split())
    if not name:
        raise Refusal("Give it a name.", field="name")
    if len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise Refusal(f"Use at most {NAME_LENGTH_MAX} letters that can be printed.", field="name")
    same = CallSource.objects.filter(account=account, deleted_at=None, name=name)
    if besides is not None:
        same = same.exclude(pk=besides.pk)
    if same.exists():
        raise Refusal("Another source has this name.", field="name")
    return name


def _options(platform: Platform, told: Mapping[str, str]) -> dict[str, str]:
    options = {}
    for setting in platform.options:
        value = _value(told.get(setting.name, ""), setting) or setting.default
        if not value and setting.is_required:
            raise Refusal(f"Enter the {setting.label}.", field=setting.name)
        options[setting.name] = value
    return options


def _value(text: str, setting: Setting) -> str:
    text = text.strip()
    if len(text) > VALUE_LENGTH_MAX or not text.isprintable():
        raise Refusal(f"That is no {setting.label}.", field=setting.name)
    return text


def _encrypted(text: str, field: str) -> str:
    text = text.strip()
    if not text:
        return ""
    # A name, or the dots that a platform shows in place of a key: nothing that can be sent to it.
    if len(text) > VALUE_LENGTH_MAX or not (text.isascii() and text.isprintable()):
        raise Refusal("That can’t be what the platform shows: copy it again.", field=field)
    return encryption.encrypt(text)
