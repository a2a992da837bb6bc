"""Does a worker's memory lie in huge pages, where the system allows that, and stay as it was elsewhere?"""

import subprocess
import sys

import pytest

from idp import huge_pages

MAPS = """\
55d0c0000000-55d0c0400000 r-xp 00000000 fe:00 1234                       /usr/bin/python3.11
55d0c1100000-55d0c1900000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000200000 rw-p 00000000 00:00 0
7f0000500000-7f0000800000 rw-p 00000000 00:00 0
7f0000a00000-7f0000e00000 rw-p 00000000 fe:00 99                         /usr/lib/libother.so
7f0001000000-7f0001400000 ---p 00000000 00:00 0
7f0002000000-7f0002400000 rw-s 00000000 00:01 77                         /dev/shm/shared
7ffd00000000-7ffd00800000 rw-p 00000000 00:00 0                          [stack]
"""


def test_only_whole_pieces_of_the_processs_own_memory_are_asked_for():
    assert [f"{place:x}" for place in huge_pages._places(MAPS)] == [
        "55d0c1200000",
        "55d0c1400000",
        "55d0c1600000",
        "7f0000000000",
        "7f0000600000",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="huge pages are Linux's")
def test_what_a_process_keeps_lies_in_huge_pages_afterwards_and_holds_what_it_held():
    program = (
        "from idp import huge_pages\n"
        "kept = [str(number) for number in range(400_000)]\n"
        "made = huge_pages.gather()\n"
        "huge = [line.split()[1] for line in open('/proc/self/smaps_rollup') if line.startswith('AnonHugePages')]\n"
        "print(made, huge[0], kept == [str(number) for number in range(400_000)])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    made, kib, same = done.stdout.split()
    assert same == "True"
    assert int(kib) > 0 or made == "0"


@pytest.mark.parametrize("said", ["always madvise [never]\n", None])
def test_where_the_operator_allows_none_or_the_kernel_knows_none_nothing_is_asked(tmp_path, said):
    allowed = tmp_path / "enabled"
    if said is not None:
        allowed.write_text(said)
    assert huge_pages.gather(allowed) == 0
