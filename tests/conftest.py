"""What every test can use: the personas."""

pytest_plugins = ["tests.personas"]
