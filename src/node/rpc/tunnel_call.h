/* SPDX-License-Identifier: MIT
 *
 * A request to the tunnels that runs for a client of the control socket until
 * it is answered, its time is up, or the client goes away. It is driven by the
 * events of the circuits; once a second it may tell what it waits for.
 */
#ifndef WARREN_NODE_RPC_TUNNEL_CALL_H
#define WARREN_NODE_RPC_TUNNEL_CALL_H

#include "base/text.h"
#include "node/host/tunnel_host.h"
#include "node/rpc/rpc_internal.h"
#include "tunnel/member/member.h"

#include <stdbool.h>
#include <stdint.h>

struct tunnel_call;

/* What a method does. Each may end the call. */
struct tunnel_call_kind {
    void (*event)(struct tunnel_call *c, const struct member_event *event);
    /* Once a second; NULL: it only waits for events. */
    void (*wake)(struct tunnel_call *c, uint64_t now);
    /* The time is up: must end it. */
    void (*overdue)(struct tunnel_call *c);
};

struct tunnel_call {
    struct rpc *rpc;
    struct control_call *call;
    const struct tunnel_call_kind *kind;
    struct tunnel_listener listener;
    struct event *timer;
    uint64_t began_at, deadline;
    bool stream;
    bool holds; /* the pool of c->hops, until it ends */
    unsigned hops;
    uint32_t circuit; /* in use; 0: none yet */
    unsigned count;   /* circuits wanted */
    uint64_t duration;
    uint64_t rtt[ONION_HOPS_MAX]; /* answers of the hops; 0: none yet */
};

/* NULL when memory is out, and then `call` has been answered. */
struct tunnel_call *tunnel_call_new(struct rpc *rpc, struct control_call *call,
                                    const struct rpc_params *params,
                                    const struct tunnel_call_kind *kind);
/* After the answer, which ends with control_finish. */
void tunnel_call_free(struct tunnel_call *c);
void tunnel_call_fail(struct tunnel_call *c, enum error err, const char *text);
/* The deadline is another one now. */
void tunnel_call_extend(struct tunnel_call *c, uint64_t deadline);

struct member *tunnel_call_member(const struct tunnel_call *c);

/* Has circuits of c->hops kept until the call ends. */
void tunnel_call_hold(struct tunnel_call *c);
/* Puts an active circuit of c->hops into c->circuit; false when there is
 * none. */
bool tunnel_call_pick(struct tunnel_call *c);

/* "no exit is known that would do (3 relays are known, 0 of them exits)", or
 * what else keeps circuits of this length from being there. */
void rpc_tunnel_say_missing(const struct rpc *rpc, unsigned hops,
                            struct text *why);
/* "no circuit of 3 hops can be had: " and that. */
void rpc_tunnel_say_no_circuit(const struct rpc *rpc, unsigned hops,
                               struct text *why);
/* Tells the client what is being waited for. */
void rpc_tunnel_tell_waiting(const struct rpc *rpc, struct control_call *call,
                             unsigned hops);

#endif
