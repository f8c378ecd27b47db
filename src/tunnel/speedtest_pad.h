/* SPDX-License-Identifier: MIT
 *
 * The numbers at the beginning of a speed test's padding, big endian. For
 * speedtest.c and speedtest_hop.c alone.
 */
#ifndef WARREN_TUNNEL_SPEEDTEST_PAD_H
#define WARREN_TUNNEL_SPEEDTEST_PAD_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t pad_read(const uint8_t *p, size_t len)
{
    uint32_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

static inline void pad_write(uint8_t *p, size_t len, uint32_t value)
{
    for (size_t i = len; i > 0; i--, value >>= 8)
        p[i - 1] = (uint8_t)value;
}

#endif
