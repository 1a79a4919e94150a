"""For tests of services that record leads: given/when/then, and a store in memory.

from leadflow.testing import given, step

given(step(Captured, source="fair")).when(step(Purchased, order_id="7")).then(
    step(Purchased, order_id="7", entered="customer")
)
"""

from leadflow.testing.memory import in_memory
from leadflow.testing.scenario import Scenario, Step, given, step

__all__ = ["Scenario", "Step", "given", "in_memory", "step"]
