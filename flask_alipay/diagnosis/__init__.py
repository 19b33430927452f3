"""Why a signature does not verify.

:func:`diagnose` is the door; :mod:`~flask_alipay.diagnosis.reason` are the words it answers in,
:mod:`~flask_alipay.diagnosis.payload` reads what an endpoint would refuse to,
:mod:`~flask_alipay.diagnosis.seal` tells who signed, and
:mod:`~flask_alipay.diagnosis.mistakes` finds what was done to the words since: how they are written
(:mod:`~flask_alipay.diagnosis.encoding_mistakes`), which there are
(:mod:`~flask_alipay.diagnosis.param_mistakes`), and what became of the signature's own text
(:mod:`~flask_alipay.diagnosis.signature_mistakes`).
"""

from __future__ import annotations

from .diagnose import Diagnosis as Diagnosis
from .diagnose import diagnose as diagnose
from .messages import Hint as Hint
from .reason import Reason as Reason
