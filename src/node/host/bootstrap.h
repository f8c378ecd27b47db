/* SPDX-License-Identifier: MIT
 *
 * The way in: configured HOST:PORTs are turned into addresses, names among
 * them by DNS without blocking, again and again with back-off for as long as
 * the node has not joined.
 */
#ifndef WARREN_NODE_HOST_BOOTSTRAP_H
#define WARREN_NODE_HOST_BOOTSTRAP_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/timestamp.h"
#include "node/config/config.h"
#include "node/os/log.h"

#include <stdbool.h>

struct event_base;

#define BOOTSTRAP_RETRY_MIN (5 * TIME_S)
#define BOOTSTRAP_RETRY_MAX (10 * TIME_MIN)

struct bootstrap_handler {
    void *arg;
    void (*found)(void *arg, const struct endpoint *ep);
};

struct bootstrap;

/* Does nothing until bootstrap_start. ERR_NO_MEMORY. */
enum error bootstrap_new(struct event_base *base,
                         const struct bootstrap_handler *handler,
                         struct log *log, struct bootstrap **out);
void bootstrap_free(struct bootstrap *b);

/* Takes the hosts of `config`, and looks for them anew if it was started. */
void bootstrap_configure(struct bootstrap *b, const struct config *config);

/* Begins after `delay`. When it runs already, it begins anew. */
void bootstrap_start(struct bootstrap *b, uint64_t delay);
/* The network is another: what waits for the next attempt waits no more. */
void bootstrap_hurry(struct bootstrap *b);
/* The node has joined. */
void bootstrap_stop(struct bootstrap *b);

/* The last name that could not be resolved in the running attempt, and why,
 * or one that is still being looked up; NULL when there is none. */
const char *bootstrap_trouble(const struct bootstrap *b);

#endif
