"""The program within this process, in an empty folder, as in the tests of the command line."""

from tests.cli.conftest import Ran, Run, elsewhere, leadflow, process

__all__ = ["Ran", "Run", "elsewhere", "leadflow", "process"]
