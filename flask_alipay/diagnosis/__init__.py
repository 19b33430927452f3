"""Why a signature does not verify.

:func:`diagnose` is the door; :mod:`~flask_alipay.diagnosis.reason` are the words it answers in,
:mod:`~flask_alipay.diagnosis.evidence` reads what an endpoint would refuse to,
:mod:`~flask_alipay.diagnosis.seal` tells who signed, and
:mod:`~flask_alipay.diagnosis.search` finds what was done to the words since: how they are written
(:mod:`~flask_alipay.diagnosis.rewritings`), which there are
(:mod:`~flask_alipay.diagnosis.parameters`), and what became of the signature's own text
(:mod:`~flask_alipay.diagnosis.signatures`).
"""

from __future__ import annotations

from .diagnose import Diagnosis as Diagnosis
from .diagnose import diagnose as diagnose
from .reason import Reason as Reason
from .said import Hint as Hint
