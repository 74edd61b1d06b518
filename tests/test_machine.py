"""What a number was measured with, and memory that a process keeps."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from daformer_lib.machine import keep_memory
if sys.argv[1] == "kept":
    keep_memory(torch.device("cpu"))
def touch():
    for _ in range(8):
        torch.ones(2**24)  # 64 MiB: from 32 on, glibc gives every block back at once
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_memory_that_is_kept_is_not_brought_in_again():
    def faults(how):
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("kept") < faults("given back") / 4  # now and then it grows by one block
