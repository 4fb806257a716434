"""Does a scenario test anything? Each thing that it expects is changed in turn, and each byte that it sends.

Lives here: what is changed, the runs that show whether anybody notices, and what is told of it. Must not live here:
how a scenario is played (`playing/`).

The one theory, that of mutation testing: an expectation that can be changed while the scenario still passes holds
nothing, and neither is a byte looked at that can be changed on its way.
"""

from sockrun.auditing.auditor import BUDGET, Audit, Auditor

__all__ = ["BUDGET", "Audit", "Auditor"]
