"""The table of derivatives: every operation with its rules, and functions composed of them."""

from . import elementary, elementwise, likelihood, linalg, loss, parts, products, reduce, shape
from .elementary import *
from .elementwise import *
from .likelihood import *
from .linalg import *
from .loss import *
from .parts import *
from .products import *
from .reduce import *
from .shape import *

__all__: list[str] = []
__all__ += elementary.__all__
__all__ += elementwise.__all__
__all__ += likelihood.__all__
__all__ += linalg.__all__
__all__ += loss.__all__
__all__ += parts.__all__
__all__ += products.__all__
__all__ += reduce.__all__
__all__ += shape.__all__
