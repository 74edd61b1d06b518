"""Settings are in pyproject.toml; this puts notebooks and results into the wheel.

They lie beside the package, where a reader of the repository looks for them. Installed without a
clone (`pip install .`), the kit finds them in the package: daformer_lib/runs/places.py.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
FOLDERS = ("notebooks", "results")
LEFT_OUT = shutil.ignore_patterns("*.failed.*", ".*", "__pycache__")


class BuildWithCourse(build_py):
    """The package, and a copy of the course in it."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # the package is the clone's
        for folder in FOLDERS:
            target = Path(self.build_lib) / "daformer_lib" / "with_the_kit" / folder
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(HERE / folder, target, ignore=LEFT_OUT)


setup(cmdclass={"build_py": BuildWithCourse})
