"""Diagnosis of signatures that do not verify.

``diagnose``
    :func:`diagnose`: from a payload and keys to a reason and a hint
``reason``, ``messages``, ``hints``
    reasons for programs, and translatable hints for people
``payload``, ``alipay_params``
    lenient parsing, and conclusions from the names of parameters
``signatures``
    the key and the algorithm that made a signature
``mistakes``, ``hypotheses``
    the search for mistakes, each proven by undoing it
``encoding_mistakes``, ``param_mistakes``, ``signature_mistakes``
    the known mistakes: in values, in the choice of parameters, in the signature's text
"""

from __future__ import annotations

from .diagnose import Diagnosis as Diagnosis
from .diagnose import diagnose as diagnose
from .messages import Hint as Hint
from .reason import Reason as Reason
