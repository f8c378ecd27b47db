/* SPDX-License-Identifier: MIT
 *
 * The one timer of an engine: wakes it when its next deadline is due. It runs
 * on the clock of clock_now, in which time asleep counts: after a suspend
 * what fell due meanwhile is done at once.
 */
#ifndef WARREN_NODE_NET_DEADLINE_H
#define WARREN_NODE_NET_DEADLINE_H

#include "base/error.h"

#include <stdint.h>

struct event;
struct event_base;

struct deadline {
    struct event *readable; /* of the kernel's timer, */
    int fd;
    uint64_t set_for;   /* which wakes us then; TIME_NEVER: it is not set */
    uint64_t armed_for; /* TIME_NEVER: not armed */
    uint64_t ran_at;
    void *arg;
    void (*due)(void *arg);
};

/* `d` must not move afterwards. ERR_NO_MEMORY. */
enum error deadline_init(struct deadline *d, struct event_base *base, void *arg,
                         void (*due)(void *arg));
/* Also of one that is all zero. */
void deadline_deinit(struct deadline *d);

/* Calls `due` once at this time, or a little later; TIME_NEVER: not at all. */
void deadline_arm(struct deadline *d, uint64_t at);

#endif
