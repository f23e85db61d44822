"""`python -m mtscene_ros.cli VERB ...` is `mtscene VERB ...`."""

import sys

from mtscene_ros.cli.main import main

sys.exit(main())
