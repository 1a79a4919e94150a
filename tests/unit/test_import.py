"""What a service gets when it imports leadflow: the write side, and nothing else."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "adbc_driver_manager",
    "altair",
    "babel",
    "click",
    "duckdb",
    "kafka",
    "leadflow_commands",
    "leadflow_projections",
    "psycopg",
    "pyarrow",
    "rich",
)


def test_importing_leadflow_brings_nothing_of_the_rest() -> None:
    program = f"import sys, leadflow; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_store_in_memory_needs_nothing_of_the_rest_either() -> None:
    program = (
        "import sys\n"
        "from leadflow.testing import in_memory\n"
        "with in_memory() as leads:\n"
        "    leads.capture('shop:1', source='fair')\n"
        "    leads.engage('shop:1', 'webinar')\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
