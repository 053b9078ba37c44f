"""The sandbox can be deleted: what is left is a product that is paid through Stripe."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path):
    """A copy of the product's files without the folder of the sandbox."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.rmtree(tmp_path / "dashboard" / "sandbox")
    return tmp_path


@pytest.fixture
def run(tree, db):
    """Run Python in the copy, with Stripe for new top-ups and a database of its own."""
    environment = child_environment(
        PAYMENT_GATEWAY="stripe",
        STRIPE_SECRET_KEY="sk_test_1",
        STRIPE_WEBHOOK_SECRET="whsec_1",
        STATE_DIR=os.devnull,
    )
    environment["DATABASE_URL"] += "_without_sandbox"

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_without_the_sandbox_the_checks_pass(run):
    assert "no issues" in run("manage.py", "check")


def test_without_the_sandbox_a_top_up_is_paid_through_stripe(run):
    tests = "tests/billing/payments/test_stripe.py"
    output = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not sandbox", tests)
    assert " passed" in output
    assert " failed" not in output
