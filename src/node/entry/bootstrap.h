/* SPDX-License-Identifier: MIT
 *
 * The way in: configured HOST:PORTs are turned into addresses, names among
 * them by DNS without blocking, again and again with back-off for as long as
 * the node has not joined. Nodes of saved tables are given a few at a time, in
 * turn, each time more of them; most of them may be gone.
 */
#ifndef WARREN_NODE_ENTRY_BOOTSTRAP_H
#define WARREN_NODE_ENTRY_BOOTSTRAP_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/timestamp.h"
#include "node/config/config.h"
#include "node/entry/saved_table.h"
#include "node/log/log.h"

#include <stdbool.h>

struct event_base;

#define BOOTSTRAP_RETRY_MIN (5 * TIME_S)
#define BOOTSTRAP_RETRY_MAX (10 * TIME_MIN)
/* Of saved tables, at each attempt; until all have had their turn there is an
 * attempt every BOOTSTRAP_RETRY_MIN. */
#define BOOTSTRAP_SAVED 8

/* What an address of a bootstrap host is good for. */
enum bootstrap_use {
    BOOTSTRAP_TAKEN,
    BOOTSTRAP_OTHER_FAMILY, /* no socket, or no way out, of that family */
    BOOTSTRAP_SELF,         /* it is this node */
    BOOTSTRAP_USES
};

struct bootstrap_handler {
    void *arg;
    enum bootstrap_use (*found)(void *arg, const struct endpoint *ep);
    /* What was found before may go: others have their turn. */
    void (*forget)(void *arg);
};

struct bootstrap;

/* Does nothing until bootstrap_start. ERR_NO_MEMORY. */
enum error bootstrap_new(struct event_base *base,
                         const struct bootstrap_handler *handler,
                         struct log *log, struct bootstrap **out);
void bootstrap_free(struct bootstrap *b);

/* Takes other hosts and a copy of the saved nodes (NULL: those of before), and
 * looks for them anew if it was started. ERR_NO_MEMORY: without saved ones. */
enum error bootstrap_configure(struct bootstrap *b,
                               const struct config_hosts *hosts,
                               const struct saved_table *saved);

/* Begins after `delay`. When it runs already, it begins anew. */
void bootstrap_start(struct bootstrap *b, uint64_t delay);
/* The network is another: what waits for the next attempt waits no more. */
void bootstrap_hurry(struct bootstrap *b);
/* The node has joined. */
void bootstrap_stop(struct bootstrap *b);

/* Nodes of saved tables. */
size_t bootstrap_saved(const struct bootstrap *b);
/* What came of the last host that is of no use in the running attempt, and
 * why (a name that cannot be resolved, addresses of another family), or one
 * that is still being looked up; NULL when there is none. */
const char *bootstrap_trouble(const struct bootstrap *b);
/* Whether all that was found is this node itself. */
bool bootstrap_is_self(const struct bootstrap *b);

#endif
