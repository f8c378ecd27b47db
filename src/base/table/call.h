/* SPDX-License-Identifier: MIT
 *
 * A request under way: somebody has asked, somebody else works on it, and the
 * one who stands between them has to know it again when the answer comes. All
 * that ask for somebody are built on this: the methods of the control socket,
 * the requests of libwarren, what the tunnels ask of a DHT, deliveries.
 *
 *     call_new -> STARTING --call_started--> RUNNING --call_end--> gone
 *                     \--call_end--> ENDED --call_started--> gone
 *
 * It may end before the function that began it has returned, and whoever began
 * it still has it in hand then: that is why memory stays until call_started.
 */
#ifndef WARREN_BASE_TABLE_CALL_H
#define WARREN_BASE_TABLE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* First member of a struct of the one who keeps it; made and freed here. */
struct call {
    TAILQ_ENTRY(call) link;
    uint64_t id; /* by which it is known to the one who works on it; not 0 */
    bool starting, ended;
};

TAILQ_HEAD(calls, call);

void calls_init(struct calls *calls);

/* One of `size` bytes, zero but for this, at the end of the list. NULL: no
 * memory. Its id is to be set before anybody looks for it. */
void *call_new(struct calls *calls, size_t size);

/* The one who works on it has taken or refused it. True when it goes on;
 * false when it was refused or has ended meanwhile: then it is gone. */
bool call_started(struct calls *calls, struct call *call, bool taken);

/* It is over: found no more, and gone, unless it is still starting. What it
 * owns is to be given back before. */
void call_end(struct calls *calls, struct call *call);

/* One that runs, or NULL. */
struct call *call_find(const struct calls *calls, uint64_t id);

#endif
