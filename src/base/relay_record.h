/* SPDX-License-Identifier: MIT
 *
 * What a node remembers of a relay, over restarts too, besides what the relay
 * says of itself.
 */
#ifndef WARREN_BASE_RELAY_RECORD_H
#define WARREN_BASE_RELAY_RECORD_H

#include <stdint.h>

struct relay_record {
    uint64_t first_seen, last_seen;    /* wall seconds */
    uint64_t guard_since, guard_until; /* wall seconds; 0: no guard */
    uint64_t rtt;                      /* smoothed, ns; 0 unknown */
    uint64_t measured_at;              /* wall seconds */
    uint32_t capacity;                 /* measured, kB/s; 0 unknown */
    uint16_t failures;                 /* since the last success */
};

#endif
