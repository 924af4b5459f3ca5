"""`python -m llm_gateway.cli`: runs the command if the script is not on the PATH."""

import sys

from llm_gateway.cli import main

sys.exit(main())
