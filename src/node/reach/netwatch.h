/* SPDX-License-Identifier: MIT
 *
 * Hears from the kernel (rtnetlink) that links, addresses or default routes of
 * this machine have changed, and notices that the machine was suspended. What
 * has changed is left to who is told: he looks (view.h).
 */
#ifndef WARREN_NODE_REACH_NETWATCH_H
#define WARREN_NODE_REACH_NETWATCH_H

#include "base/error.h"
#include "node/log/log.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct netwatch;

struct netwatch_handler {
    void *arg;
    /* From the loop, once for changes that come together. `route`: a default
     * route is another, or the machine was suspended: paths may be others
     * though all addresses are the same. */
    void (*changed)(void *arg, bool route);
};

/* Where the kernel does not let us listen, as in some sandboxes, nothing is
 * heard but suspension, and the log says so. ERR_NO_MEMORY. */
enum error netwatch_new(struct event_base *base,
                        const struct netwatch_handler *handler, struct log *log,
                        struct netwatch **out);
void netwatch_free(struct netwatch *w);

/* To be called every few seconds. */
void netwatch_tick(struct netwatch *w);

/* False where the kernel does not let us listen: look now and then. */
bool netwatch_listens(const struct netwatch *w);

#endif
