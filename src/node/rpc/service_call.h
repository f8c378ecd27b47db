/* SPDX-License-Identifier: MIT
 *
 * A request about services that runs for a client of the control socket until
 * it is answered, its time is up, or the client goes away. It hears the events
 * of one service, or of all.
 */
#ifndef WARREN_NODE_RPC_SERVICE_CALL_H
#define WARREN_NODE_RPC_SERVICE_CALL_H

#include "base/endpoint.h"
#include "node/rpc/rpc_internal.h"
#include "node/service/destination.h"
#include "node/service/local_listener.h"
#include "node/service/service_host.h"

#include <stdbool.h>
#include <stdint.h>

struct service_call;

/* What a method does. Each may end the call. */
struct service_call_kind {
    void (*event)(struct service_call *c, const struct service_event *event);
    /* Some times a second; NULL: it only waits for events. */
    void (*wake)(struct service_call *c, uint64_t now);
    /* The time is up: must end it. */
    void (*overdue)(struct service_call *c);
};

/* What the call has of the service, and gives back at its end. */
enum service_hold {
    SERVICE_HOLD_NONE,
    SERVICE_HOLD_REACHED, /* one of others */
    SERVICE_HOLD_OWN      /* one that is there for the call, and for those that
                             joined it after: the next of them has it then */
};

struct service_call {
    LIST_ENTRY(service_call) joined_link;
    uint8_t *joined; /* as what it was registered; NULL: it was not */
    size_t joined_len;
    struct rpc *rpc;
    struct control_call *call;
    const struct service_call_kind *kind;
    struct service_listener listener;
    struct event *timer;
    uint64_t began_at, deadline; /* TIME_NEVER: until the client goes */
    uint32_t service;            /* 0: of all */
    enum service_hold hold;
    struct local_listener *local;
    uint64_t peer; /* 0: none yet */
    uint16_t port;
    unsigned peers, data; /* events told */
    double size;          /* as it was told last, */
    uint64_t size_at;     /* since then */
};

/* NULL when memory is out, and then `call` has been answered. Without a timeout
 * among `params`, `wait` says how long; `hold` as of the service. */
struct service_call *service_call_new(struct rpc *rpc,
                                      struct control_call *call,
                                      const struct rpc_params *params,
                                      uint64_t wait,
                                      const struct service_call_kind *kind);
/* Of whose events it is to hear from now on; 0: of all. */
void service_call_hear(struct service_call *c, uint32_t service,
                       enum service_hold hold);
/* The call has registered this: rpc_find_service finds a string by it.
 * ERR_NO_MEMORY. */
enum error service_call_join(struct service_call *c, struct bytes string);
/* Those that have registered it: it is there no more. */
void service_calls_end(struct rpc *rpc, uint32_t service);
/* After the answer. */
void service_call_free(struct service_call *c);
void service_call_fail(struct service_call *c, enum error err,
                       const char *text);

/* "peer" for each that is there already. */
void service_call_tell_peers(struct service_call *c);
/* Notifications "peer", "data", "gone", "state" for an event; counted. */
void service_call_tell(struct service_call *c, const struct service_event *e);

/* Answers that there is no service of this name here. */
void rpc_no_service(struct control_call *call, const char *name);

/* The engine; NULL after `call` was answered: there is none. */
struct services *rpc_services(struct rpc *rpc, struct control_call *call);

#endif
