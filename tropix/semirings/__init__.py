"""The semirings of tropix: max-plus, min-plus and the deformed S_ε."""

from tropix.semirings._semiring import MAX_PLUS as MAX_PLUS
from tropix.semirings._semiring import MIN_PLUS as MIN_PLUS
from tropix.semirings._semiring import Deformed as Deformed
from tropix.semirings._semiring import MaxPlus as MaxPlus
from tropix.semirings._semiring import MinPlus as MinPlus
from tropix.semirings._semiring import Semiring as Semiring
from tropix.semirings._semiring import semiring as semiring
