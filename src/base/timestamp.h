/* SPDX-License-Identifier: MIT
 *
 * The one time type: monotonic nanoseconds in a uint64_t named `now`,
 * `deadline`, `*_at`. A duration has the same type. "Never" is the maximum,
 * so that the earliest of two deadlines is the smaller one.
 */
#ifndef WARREN_BASE_TIMESTAMP_H
#define WARREN_BASE_TIMESTAMP_H

#include <stdint.h>

#define TIME_NEVER UINT64_MAX
#define TIME_US    UINT64_C(1000)
#define TIME_MS    (1000 * TIME_US)
#define TIME_S     (1000 * TIME_MS)
#define TIME_MIN   (60 * TIME_S)
#define TIME_HOUR  (60 * TIME_MIN)

/* `at` plus `duration`, saturating at never. */
static inline uint64_t time_after(uint64_t at, uint64_t duration)
{
    return at > TIME_NEVER - duration ? TIME_NEVER : at + duration;
}

/* How long `since` lies back; 0 when it lies ahead. */
static inline uint64_t time_since(uint64_t since, uint64_t now)
{
    return now > since ? now - since : 0;
}

static inline uint64_t time_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
