"""`python -m daformer_lib <command>`."""

from daformer_lib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
