"""The same few people in every test of who may do what.

``owner``, ``admin`` and ``member`` belong to ``account``; ``outsider`` owns ``other_account``;
``operator`` is staff and belongs to no account. Sign one in with ``client.force_login(owner)``.
"""

import pytest

from billing.models import Account, Role, User
from tests.factories import AccountFactory, MembershipFactory, OperatorFactory, UserFactory


@pytest.fixture
def account(db: None) -> Account:
    """A company in India: no plan, no credits."""
    return AccountFactory(name="Acme Voice", slug="acme")


@pytest.fixture
def other_account(db: None) -> Account:
    """A company that has nothing to do with the first."""
    return AccountFactory(name="Other Company", slug="other", time_zone="Europe/London")


@pytest.fixture
def owner(account: Account) -> User:
    """Superadmin of ``account``."""
    return _person("owner", account, Role.SUPERADMIN)


@pytest.fixture
def admin(account: Account) -> User:
    """Admin of ``account``."""
    return _person("admin", account, Role.ADMIN)


@pytest.fixture
def member(account: Account) -> User:
    """Member of ``account``."""
    return _person("member", account, Role.MEMBER)


@pytest.fixture
def outsider(other_account: Account) -> User:
    """Superadmin of ``other_account``."""
    return _person("outsider", other_account, Role.SUPERADMIN)


@pytest.fixture
def operator(db: None) -> User:
    """Staff with every permission, in no account."""
    return OperatorFactory(name="operator")


def _person(name: str, account: Account, role: Role) -> User:
    user: User = UserFactory(name=name)
    MembershipFactory(user=user, account=account, role=role)
    return user
