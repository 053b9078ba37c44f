"""Rows that tests need and that no domain function makes: people, accounts, their memberships.

Plans come with the migrations. Credits, calls and entries are posted through the domain functions,
so a test never starts from a state that the product could not reach.
"""

from datetime import timedelta
from functools import cache

import factory
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from factory.django import DjangoModelFactory

from billing.models import Account, Membership, Role, User

PASSWORD = "correct-horse-battery-staple"


@cache
def hashed_password() -> str:
    """``PASSWORD`` as it is stored. Hashing is slow on purpose: once is enough for all people."""
    return make_password(PASSWORD)


class EmailAddressFactory(DjangoModelFactory):
    """The row that signing in by e-mail looks for."""

    class Meta:
        model = EmailAddress

    primary = True
    verified = True


class UserFactory(DjangoModelFactory):
    """A person who can sign in by e-mail with ``PASSWORD``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    class Params:
        name = factory.Sequence(lambda n: f"person{n}")

    email = factory.LazyAttribute(lambda user: f"{user.name}@example.com")
    password = factory.LazyFunction(hashed_password)
    email_address = factory.RelatedFactory(
        EmailAddressFactory, factory_related_name="user", email=factory.SelfAttribute("..email")
    )


class OperatorFactory(UserFactory):
    """One of the staff, who may do everything in the admin."""

    class Params:
        name = factory.Sequence(lambda n: f"operator{n}")

    is_staff = True
    is_superuser = True
    second_step_due_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))


class AccountFactory(DjangoModelFactory):
    """A company without a plan, credits or people."""

    class Meta:
        model = Account

    name = factory.Sequence(lambda n: f"Company {n}")
    slug = factory.Sequence(lambda n: f"company-{n}")
    time_zone = "Asia/Kolkata"
    currency = "INR"


class MembershipFactory(DjangoModelFactory):
    """A person in an account; each is made where it isn't given."""

    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    account = factory.SubFactory(AccountFactory)
    role = Role.MEMBER
