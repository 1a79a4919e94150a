"""leadflow: an event-sourced lead lifecycle engine.

from leadflow import Leadflow, Personal

with Leadflow.open("sqlite:///leads.db", create=True) as leads:
    leads.capture("shop:4711", personal=Personal(email="ada@example.org"))
    leads.engage("shop:4711", "trial_requested")
"""

from leadflow.batch import Batch
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy, default_policy, load_policy
from leadflow.domain.stages import Stage
from leadflow.domain.values import (
    Consent,
    FieldValue,
    Money,
    Permission,
    Personal,
    Phase,
    SalesType,
    Temperature,
    Tier,
    TimeBasis,
)
from leadflow.errors import (
    AmbiguousLead,
    CommandReused,
    Conflict,
    InvalidInput,
    LeadflowError,
    LeadNotFound,
    Refused,
    StoreError,
)
from leadflow.recording import Recorded
from leadflow.service import Leadflow

__version__ = "0.1.0"

__all__ = [
    "AmbiguousLead",
    "Batch",
    "CommandReused",
    "Conflict",
    "Consent",
    "FieldValue",
    "InvalidInput",
    "Lead",
    "LeadNotFound",
    "Leadflow",
    "LeadflowError",
    "Money",
    "Permission",
    "Personal",
    "Phase",
    "Policy",
    "Recorded",
    "Refused",
    "SalesType",
    "Stage",
    "StoreError",
    "Temperature",
    "Tier",
    "TimeBasis",
    "__version__",
    "default_policy",
    "load_policy",
]
