"""python -m fovea: the command."""
import sys

from .command import main
from .errors import FoveaError

try:
    sys.exit(main(sys.argv[1:]))
except FoveaError as e:
    sys.exit("python -m fovea: %s" % "; ".join(e.messages))
