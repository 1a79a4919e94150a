"""`python -m leadflow_commands`: the program, where its script is not on the path."""

from leadflow_commands.main import run

run()
