/* SPDX-License-Identifier: MIT
 *
 * The real clocks, read by the node alone: engines are handed `now`.
 */
#ifndef WARREN_NODE_OS_CLOCK_H
#define WARREN_NODE_OS_CLOCK_H

#include "base/timestamp.h"

#include <stdint.h>
#include <sys/time.h>

/* Nanoseconds that never go back (base/timestamp.h). Time asleep counts, so
 * that what expired while a laptop was closed is expired when it wakes. */
uint64_t clock_now(void);

/* Milliseconds and seconds since 1970-01-01 UTC. The operator may set them
 * back: only for what is written to disk, signed or logged. */
uint64_t clock_wall_ms(void);
uint64_t clock_wall(void);

/* Of a duration in ns, as timers of libevent are told; cut to microseconds. */
struct timeval clock_timeval(uint64_t ns);

#endif
