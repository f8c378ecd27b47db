/* SPDX-License-Identifier: MIT
 *
 * TCP sockets of an exit: those that the outlet asks for (struct outlet_world),
 * and the splices that they become with streams.
 */
#ifndef WARREN_NODE_EXIT_EXIT_TCP_H
#define WARREN_NODE_EXIT_EXIT_TCP_H

#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/outlet/outlet.h"

struct event_base;
struct exit_tcp;

struct exit_tcp_handler {
    void *arg;
    /* As outlet_connected. */
    void (*connected)(void *arg, uint64_t id, enum error e);
    /* As outlet_parted. */
    void (*parted)(void *arg, uint64_t id);
    /* The address that connections come from, with port 0; NULL: the system
     * chooses. */
    const struct endpoint *(*from)(void *arg, enum family family);
    /* Something was done with streams: deadlines may have changed. */
    void (*rearm)(void *arg);
};

/* ERR_NO_MEMORY. */
enum error exit_tcp_new(struct event_base *base,
                        const struct exit_tcp_handler *handler,
                        struct exit_tcp **out);
/* The outlet has closed all sockets. */
void exit_tcp_free(struct exit_tcp *x);

/* What the outlet is to call. */
void exit_tcp_world(struct exit_tcp *x, struct outlet_world *world);

#endif
