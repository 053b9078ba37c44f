"""The operators' front page: what waits for them, this month's figures, and the first steps."""
