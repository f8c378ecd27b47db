/* SPDX-License-Identifier: MIT
 *
 * Time periods: the days of UTC, counted from 1970. Each has its own blinded
 * keys, topics and places in the DHT. Around midnight two are alive: a service
 * publishes the next one from a random moment 3 to 2 hours before it begins,
 * and keeps the last one for 3 hours; a client within 3 hours of midnight asks
 * for both at once. So clocks may be an hour off, each its own way.
 *
 *   service   p-1 ........|   |  p  ................................|
 *                         0  +3 h                 -3..-2 h |  p+1 ....
 */
#ifndef WARREN_TUNNEL_RECORD_PERIOD_H
#define WARREN_TUNNEL_RECORD_PERIOD_H

#include "base/random_source.h"

#include <stdbool.h>
#include <stdint.h>

#define PERIOD_SECONDS  86400
#define PERIOD_AROUND   (3 * 3600) /* of a boundary: two are alive */
#define PERIOD_LEAD_MIN (2 * 3600)
#define PERIODS_MAX     2

/* One or more periods, the first one first, and when that changes. */
struct periods {
    uint8_t count;
    uint32_t at[PERIODS_MAX];
    uint64_t change_at; /* wall seconds */
};

/* Of wall seconds; the last one there is for times past it. */
uint32_t period_of(uint64_t wall);
uint64_t period_begins(uint32_t period); /* wall seconds */

bool period_is_among(const struct periods *periods, uint32_t period);

/* How long before a boundary the next period is published: PERIOD_LEAD_MIN to
 * PERIOD_AROUND seconds. A service draws one a period. */
uint32_t period_draw_lead(const struct random_source *random);

/* What a service publishes: the present one, then the other, if there is. */
void period_published(uint64_t wall, uint32_t lead, struct periods *out);

/* What a client asks for at once: the present one, then the neighbour when the
 * boundary is near. */
void period_asked(uint64_t wall, struct periods *out);

/* What is left to ask for when those gave nothing: of p-1 and p+1 those that
 * were not among them. */
void period_asked_then(uint64_t wall, struct periods *out);

#endif
