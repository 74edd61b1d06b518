"""The command line: options in, sentences out. Each file has the commands of one subject."""

from daformer_lib.cli.main import main

__all__ = ["main"]
