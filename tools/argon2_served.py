"""How does Argon2 come to work well in a busy server? By some lines of C of our own, put into its source before it is compiled.

They change when and how memory is touched, never what is computed (RFC 9106, 3.4):

- It looks ahead. Every block of its memory is made of the one before and of another one, anywhere: the processor waited
  for that one for a fifth of a hash. But the word that says where it is, is ready before the rest of its block. From then
  on the next one is fetched while the rest is computed, and where places do not depend on the secret, a block earlier.
- It gives way. A hash takes as long as fifty requests; every 256 blocks (some 60 microseconds) it lets those go first who wait
  for its core, which they find warm then.
- It leaves the caches to others: what is fetched will hardly be needed again, and memory is wiped past them. For that, and
  for wide registers, memory begins where a line of the cache does.
"""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path("extras", "libargon2", "src")
"""Where argon2-cffi-bindings has the source."""

LOOK_AHEAD = """
static void look_ahead(const argon2_instance_t *instance, argon2_position_t position, uint64_t word) {
    int alone = position.pass == 0 && position.slice == 0;
    uint32_t lane = alone ? position.lane : (uint32_t)((word >> 32) % instance->lanes);
    uint32_t index = index_alpha(instance, &position, (uint32_t)word, lane == position.lane);
    const char *block = (const char *)(instance->memory + (size_t)instance->lane_length * lane + index);
    unsigned int at;
    for (at = 0; at < ARGON2_BLOCK_SIZE; at += 64) {
        __builtin_prefetch(block + at, 0, 0);
    }
}
"""
"""Fetches the block of which the one at `position` is made, when `word` says where it is (RFC 9106 section 3.4.2)."""

AS_SOON_AS_KNOWN = """\
        if (i == 1 && ahead) {
            look_ahead(instance, *ahead, (uint64_t)(state[0][0] ^ block_XY[0][0]));
        }
"""
"""The first word of a block, when the first column of it is done and the others are not."""

WHO_FOLLOWS = """\
        const argon2_position_t *ahead = NULL;
        argon2_position_t following = position;
        following.index = i + 1;
        if (following.index < instance->segment_length) {
            if (!data_independent_addressing) {
                ahead = &following;
            } else if (following.index % ARGON2_ADDRESSES_IN_BLOCK) {
                look_ahead(instance, following, address_block.v[following.index % ARGON2_ADDRESSES_IN_BLOCK]);
            }
        }
"""

SYSTEM = """\
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

"""

GIVE_WAY = """
struct turn {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t lasts, deadline, period;
    uint32_t least, most;
};

static int take_turns(const struct turn *turn) {
    return syscall(SYS_sched_setattr, 0, turn, 0) == 0;
}

/* Asks for the shortest turns there are, and keeps how it was. Says whether this thread has them now. */
static int take_short_turns(struct turn *before) {
    struct turn now;
    memset(before, 0, sizeof *before);
    if (syscall(SYS_sched_getattr, 0, before, sizeof *before, 0) != 0
        || (before->policy != SCHED_OTHER && before->policy != SCHED_BATCH) || !before->lasts) {
        return 0;
    }
    before->flags &= 1; /* of what is told only SCHED_FLAG_RESET_ON_FORK is to be said again */
    now = *before;
    now.lasts = 100000;
    return take_turns(&now);
}
"""
"""Who gives way on Linux does so for a whole turn, so a hash takes the shortest ones there are: a tenth of a millisecond.

With the usual ones of one to three milliseconds, a flood of other requests would keep everybody from signing in (seen on Linux
6.18). So where the length of a turn is nobody's to choose (before Linux 6.12, which says 0 then), or a filter of system calls
does not let one ask, a hash does not give way.
"""

BEFORE = """\
    struct turn before;
    int in_turns = take_short_turns(&before);
"""

AFTER = """\
    if (in_turns) {
        take_turns(&before);
    }
"""

IN_TURNS = """\
        if (in_turns && (i & 255) == 255) {
            sched_yield();
        }
"""

MEMORY = """\
        uint8_t *whole = malloc(memory_size + 64);
        *memory = NULL;
        if (whole != NULL) {
            *memory = whole + 64 - ((uintptr_t)whole & 63);
            (*memory)[-1] = (uint8_t)(*memory - whole);
        }
"""
"""It begins with a line of the cache; the byte before it says how far the beginning of the whole is."""

WIPED = """
    if (!context->free_cbk) {
        size_t at;
        for (at = 0; at < memory_size; at += sizeof(__m256i)) {
            _mm256_stream_si256((__m256i *)(memory + at), _mm256_setzero_si256());
        }
        _mm_sfence();
        free(memory - memory[-1]);
        return;
    }
"""
"""Every byte of it, past the caches (RFC 9106 section 4: memory is wiped). A compiler leaves out no such write."""

CHANGES = {
    "opt.c": (
        ("#include <stdint.h>\n", 1, SYSTEM + "{}"),
        ('#include "blake2/blamka-round-opt.h"\n', 1, "{}" + LOOK_AHEAD + GIVE_WAY),
        (
            "int with_xor) {",
            3,
            "int with_xor, const argon2_instance_t *instance, const argon2_position_t *ahead) {",
        ),
        ("        BLAKE2_ROUND_2(", 2, AS_SOON_AS_KNOWN + "{}"),
        ("address_block, 0);", 2, "address_block, 0, NULL, NULL);"),
        ("    for (i = starting_index; i < instance->segment_length;\n", 1, BEFORE + "{}"),
        ("        if (ARGON2_VERSION_10 == instance->version) {\n", 1, WHO_FOLLOWS + IN_TURNS + "{}"),
        ("curr_block, 0);", 2, "curr_block, 0, instance, ahead);"),
        (
            "curr_block, 1);\n            }\n        }\n    }\n",
            1,
            "curr_block, 1, instance, ahead);\n            }\n        }\n    }\n" + AFTER,
        ),
    ),
    "core.c": (
        ("#include <stdio.h>\n", 1, "#include <immintrin.h>\n{}"),
        ("        *memory = malloc(memory_size);\n", 1, MEMORY),
        ("    clear_internal_memory(memory, memory_size);\n    if (context->free_cbk) {\n", 1, WIPED + "{}"),
    ),
}
"""Of each file: what is looked for, how many times it is there, and what takes its place (`{}`: itself)."""


def served(name: str, source: str) -> str:
    """The text of a file of CHANGES with our lines in it. Raises ValueError when it is not the text that they were made for."""
    for wanted, times, change in CHANGES[name]:
        if source.count(wanted) != times:
            raise ValueError(f"{name} is another one than expected: {wanted.strip()!r}")
        source = source.replace(wanted, change.replace("{}", wanted))
    return source
