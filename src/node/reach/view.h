/* SPDX-License-Identifier: MIT
 *
 * What this machine can reach, as its kernel says now: which address families
 * have a way out, and from which address. Nothing is sent.
 *
 * A family is usable through sockets that are bound to an address of this
 * machine; through others when there is a route to the Internet, a global
 * address (in a network for tests any but loopback and link-local ones), or a
 * route to somebody that the operator has named. Interfaces that are down or
 * have no carrier do not count.
 */
#ifndef WARREN_NODE_REACH_VIEW_H
#define WARREN_NODE_REACH_VIEW_H

#include "base/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define VIEW_ENDPOINTS_MAX 64

struct view_question {
    bool testing_network;
    unsigned bound_count, named_count;
    struct endpoint bound[VIEW_ENDPOINTS_MAX]; /* wildcards too */
    struct endpoint named[VIEW_ENDPOINTS_MAX];
};

struct view {
    bool usable[FAMILIES];
    bool has_source[FAMILIES];
    struct endpoint source[FAMILIES]; /* what others are sent to from; port 0 */
    uint64_t print; /* another one when addresses that count have changed */
};

void view_look(const struct view_question *q, struct view *out);

/* Whether the kernel knows a way to `to`; `source` gets where from, port 0. */
bool view_has_route(const struct endpoint *to, struct endpoint *source);

#endif
