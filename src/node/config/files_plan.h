/* SPDX-License-Identifier: MIT
 *
 * Who may have how many of the files that the process may have open. Sockets of
 * an exit are opened at the wish of strangers: without a share of their own
 * they take all there are, and then nobody can ask how the node is, no name is
 * resolved and the store cannot be written.
 *
 *     own       store, sockets, epoll, signals, locks: never less
 *     names     that an exit asks the DNS for
 *     clients   of the control socket
 *     pages     connections for the HTTP pages
 *     services  local sockets for peers of hidden services, and connections
 *     proxy     clients and associations of the proxy: at most half of what is
 *               left to exits
 *     tcp       connections of streams that leave here: half of what is left
 *     sockets   of an exit: the rest
 */
#ifndef WARREN_NODE_CONFIG_FILES_PLAN_H
#define WARREN_NODE_CONFIG_FILES_PLAN_H

#include "base/text.h"
#include "node/config/config.h"

#include <stdbool.h>

struct files_plan {
    unsigned own, names, clients, pages, services, proxy, tcp, sockets;
};

/* What the settings can need, with so many clients and pages at most; 0 where
 * there is no control socket or no page. */
void files_plan(const struct config *config, unsigned clients, unsigned pages,
                struct files_plan *out);
unsigned files_plan_sum(const struct files_plan *p);

/* Lowers all but `own` to what fits `limit`, each to 1 at least that was wanted
 * at all. False: the limit is too low for that, and nothing changes. */
bool files_plan_fit(struct files_plan *p, unsigned limit);

/* Lowers the caps of the settings to what is granted. */
void files_plan_keep(const struct files_plan *p, struct config *config);

/* What became of `wanted`, and what to do, in a sentence; nothing when all of
 * it was granted. */
void files_plan_explain(const struct files_plan *wanted,
                        const struct files_plan *granted, unsigned limit,
                        struct text *out);

#endif
