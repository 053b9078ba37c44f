"""How much of exports there may be, and for how long."""

from datetime import timedelta

# How long a file can be downloaded, and how long it is said that there was one.
KEPT_FOR = timedelta(days=1)
LISTED_FOR = timedelta(days=30)

# Files that are being made or kept, for one person in an account, and for all of the account.
OPEN_OF_PERSON_MAX = 5
OPEN_OF_ACCOUNT_MAX = 20

# After an attempt that did not get on, and without any sign of life.
AGAIN_AFTER = timedelta(seconds=60)
