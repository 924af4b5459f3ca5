"""`python -m llm_gateway.cli`: the command, where no script is on the PATH."""

import sys

from llm_gateway.cli import main

sys.exit(main())
