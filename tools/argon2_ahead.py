"""How does Argon2 come to look ahead? By a few lines of C of our own, put into its source before that is compiled.

Every block of Argon2's memory is made of the one before and of another one, anywhere: the processor waited for that one
for a fifth of a hash, in a busy server. But the word that says where it is, is ready before the rest of its block. From
then on the next one is fetched while the rest is computed, and where places do not depend on the secret, a block earlier.
That is a hint to the processor: what is computed stays the same, and so do the places that are read (RFC 9106, 3.4).
"""

from __future__ import annotations

from pathlib import Path

SOURCE = Path("extras", "libargon2", "src", "opt.c")
"""Where argon2-cffi-bindings fills memory, on processors that compute with many words at a time."""

LOOK_AHEAD = """
static void look_ahead(const argon2_instance_t *instance, argon2_position_t position, uint64_t word) {
    int alone = position.pass == 0 && position.slice == 0;
    uint32_t lane = alone ? position.lane : (uint32_t)((word >> 32) % instance->lanes);
    uint32_t index = index_alpha(instance, &position, (uint32_t)word, lane == position.lane);
    const char *block = (const char *)(instance->memory + (size_t)instance->lane_length * lane + index);
    unsigned int at;
    for (at = 0; at < ARGON2_BLOCK_SIZE; at += 64) {
        __builtin_prefetch(block + at);
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

CHANGES = (
    ('#include "blake2/blamka-round-opt.h"\n', 1, "{}" + LOOK_AHEAD),
    (
        "int with_xor) {",
        3,
        "int with_xor, const argon2_instance_t *instance, const argon2_position_t *ahead) {",
    ),
    ("        BLAKE2_ROUND_2(", 2, AS_SOON_AS_KNOWN + "{}"),
    ("address_block, 0);", 2, "address_block, 0, NULL, NULL);"),
    ("        if (ARGON2_VERSION_10 == instance->version) {\n", 1, WHO_FOLLOWS + "{}"),
    ("curr_block, 0);", 2, "curr_block, 0, instance, ahead);"),
    ("curr_block, 1);", 1, "curr_block, 1, instance, ahead);"),
)
"""What is looked for, how many times it is there, and what takes its place (`{}`: itself)."""


def looking_ahead(source: str) -> str:
    """The text of SOURCE with our lines in it. Raises ValueError when it is not the text that they were made for."""
    for wanted, times, change in CHANGES:
        if source.count(wanted) != times:
            raise ValueError(f"{SOURCE.name} is another one than expected: {wanted.strip()!r}")
        source = source.replace(wanted, change.replace("{}", wanted))
    return source
