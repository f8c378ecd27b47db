/* SPDX-License-Identifier: MIT
 *
 * Whether what is known is all that this client will soon find. In its first
 * minutes it knows those only whom the first that it met have told it of; what
 * is for weeks, its guards, is not to be drawn from these.
 *
 * The view is complete when SURVEY_MIN have passed since the first relay or the
 * DHT answered, relays of SURVEY_NETWORKS networks are known that answered or
 * are from an earlier life, and
 *
 * - as many are known as are wanted, and SURVEY_LOOKUPS keys were looked up in
 *   the DHT; or
 * - none was new for SURVEY_QUIET, in which so many keys were looked up.
 *
 * So it takes two minutes in a network of four relays, and in one of thousands,
 * of which a client looks for some fifty. After SURVEY_MAX the view is taken as
 * it is. It stays complete.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_SURVEY_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_SURVEY_H

#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define SURVEY_MIN      (2 * TIME_MIN)
#define SURVEY_QUIET    TIME_MIN
#define SURVEY_MAX      (30 * TIME_MIN)
#define SURVEY_LOOKUPS  4
#define SURVEY_NETWORKS 4

struct survey {
    uint64_t began;         /* monotonic; 0: nobody has answered yet */
    unsigned lookups;       /* that ended well */
    unsigned quiet_lookups; /* since the last relay that was new */
    bool complete;
};

struct directory;

/* A lookup in the DHT ended well. */
void survey_looked(struct directory *d);
void survey_tick(struct directory *d, uint64_t now);

#endif
