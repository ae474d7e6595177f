"""``python -m pysofie`` is the command line."""

from pysofie.cli import main

main()
