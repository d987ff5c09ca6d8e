"""Run the command line as ``python -m covalent_awsbatch_plugin.cli``."""

from . import main

main(prog_name="covalent-awsbatch")
