"""The activity log as people read it: the account's own page, and what its rows say."""
