/* SPDX-License-Identifier: MIT
 *
 * CLOCK_BOOTTIME for all deadlines: it counts suspended time too, in which the
 * others have forgotten us. The wall clock is for what is written to disk,
 * signed or shown.
 */
#include "node/os/clock.h"

#include <assert.h>
#include <time.h>

static struct timespec read_clock(clockid_t id)
{
    struct timespec ts;
    int r = clock_gettime(id, &ts);

    assert(r == 0);
    return ts;
}

uint64_t clock_now(void)
{
    struct timespec ts = read_clock(CLOCK_BOOTTIME);

    return (uint64_t)ts.tv_sec * TIME_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
    struct timespec ts = read_clock(CLOCK_REALTIME);

    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_wall(void)
{
    return clock_wall_ms() / 1000;
}

struct timeval clock_timeval(uint64_t ns)
{
    return (struct timeval){.tv_sec = (time_t)(ns / TIME_S),
                            .tv_usec = (suseconds_t)(ns % TIME_S / TIME_US)};
}
