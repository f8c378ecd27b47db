/* SPDX-License-Identifier: MIT */
#include "base/source.h"

#include <sodium.h>
#include <string.h>

static const uint8_t widths[FAMILIES][SOURCE_LEVELS] = {
    [FAMILY_IPV4] = {32, 32, 24, 16},
    [FAMILY_IPV6] = {64, 56, 48, 32},
};

int source_bits(enum family family, enum source_level level)
{
    return widths[family][level];
}

bool source_counts(const struct endpoint *ep, enum source_level level)
{
    const uint8_t *bits = widths[ep->family];

    return level == SOURCE_HOST ||
           (bits[level] < bits[level - 1] && endpoint_is_global(ep));
}

/* All widths are whole bytes. */
static size_t prefix_len(const struct endpoint *ep, enum source_level level)
{
    return widths[ep->family][level] / 8;
}

struct endpoint source_of(const struct endpoint *ep, enum source_level level)
{
    struct endpoint source = {.family = ep->family};

    memcpy(source.addr, ep->addr, prefix_len(ep, level));
    return source;
}

bool source_same(const struct endpoint *a, const struct endpoint *b,
                 enum source_level level)
{
    if (a->family != b->family)
        return false;
    if (level != SOURCE_HOST && !endpoint_is_global(a))
        level = SOURCE_HOST;
    return memcmp(a->addr, b->addr, prefix_len(a, level)) == 0;
}

uint64_t source_hash(const struct endpoint *ep, enum source_level level,
                     const uint8_t key[SOURCE_KEY_BYTES])
{
    uint8_t input[9] = {0}, out[crypto_shorthash_BYTES];
    uint64_t hash;

    memcpy(input, ep->addr, prefix_len(ep, level));
    input[8] = (uint8_t)(ep->family << 2 | level);
    crypto_shorthash(out, input, sizeof(input), key);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}
