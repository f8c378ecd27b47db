/* SPDX-License-Identifier: MIT */
#include "base/source.h"

#include <sodium.h>
#include <string.h>

/* Bits of an address that are the same all over a source; whole bytes. */
static const uint8_t widths[FAMILIES][SOURCE_LEVELS] = {
    [FAMILY_IPV4] = {32, 32, 24, 16},
    [FAMILY_IPV6] = {64, 56, 48, 32},
};

/* In hosts. */
static const unsigned allowances[SOURCE_LEVELS] = {
    [SOURCE_HOST] = 1,
    [SOURCE_LINE] = 2,
    [SOURCE_SITE] = 4,
    [SOURCE_NETWORK] = 16,
};

static const unsigned weights[SOURCE_LEVELS] = {
    [SOURCE_HOST] = 8,
    [SOURCE_LINE] = 4,
    [SOURCE_SITE] = 2,
    [SOURCE_NETWORK] = 1,
};

bool source_counts(const struct endpoint *ep, enum source_level level)
{
    const uint8_t *bits = widths[ep->family];

    return level == SOURCE_HOST ||
           (bits[level] < bits[level - 1] && endpoint_is_global(ep));
}

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

unsigned source_allowance(enum source_level level, unsigned host, unsigned all)
{
    unsigned most = host > all / 2 ? host : all / 2;
    unsigned factor = allowances[level];

    return host > most / factor ? most : host * factor;
}

unsigned source_weight(enum source_level level, unsigned count)
{
    return weights[level] * count;
}

uint64_t source_hash(const struct endpoint *ep, enum source_level level,
                     const uint8_t key[SOURCE_KEY_BYTES])
{
    uint8_t input[9], out[crypto_shorthash_BYTES];
    size_t len = prefix_len(ep, level);
    uint64_t hash;

    input[0] = (uint8_t)(ep->family << 2 | level);
    memcpy(input + 1, ep->addr, len);
    crypto_shorthash(out, input, 1 + len, key);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}
