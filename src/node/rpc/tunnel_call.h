/* SPDX-License-Identifier: MIT
 *
 * A request to the tunnels that runs for a client of the control socket until
 * it is answered, its time is up, or the client goes away. It hears of all
 * circuits, and is woken every TUNNEL_CALL_WAKE besides.
 */
#ifndef WARREN_NODE_RPC_TUNNEL_CALL_H
#define WARREN_NODE_RPC_TUNNEL_CALL_H

#include "base/text.h"
#include "node/host/tunnel_host.h"
#include "tunnel/exit/host_port.h"
#include "node/rpc/rpc_internal.h"
#include "tunnel/member/tunnel.h"

#include <stdbool.h>
#include <stdint.h>

#define TUNNEL_CALL_WAKE (100 * TIME_MS)

struct tunnel_call;

/* What a method does. Each may end the call. */
struct tunnel_call_kind {
    void (*event)(struct tunnel_call *c, const struct tunnel_event *event);
    void (*wake)(struct tunnel_call *c, uint64_t now);
    /* The time is up: must end it. */
    void (*overdue)(struct tunnel_call *c);
};

#define SEND_EXITS_MAX 3 /* that may refuse before the client hears of it */

/* Of `tunnel.send`. */
struct tunnel_sending {
    struct host_port to;
    uint8_t *data; /* owned */
    size_t data_len;
    uint64_t first_at;         /* of sending; 0: not yet */
    uint64_t sent_at, ping_at; /* over the circuit in use; 0: not yet */
    bool exit_lives;           /* it has answered that ping */
    unsigned broken;           /* circuits given up */
    unsigned refused;          /* exits that did not send it, */
    uint8_t refused_by[SEND_EXITS_MAX][32];
    enum reason why;  /* the last of them */
    uint32_t opening; /* a circuit that is built for this; 0: none */
    unsigned opened;  /* so many were */
};

struct tunnel_call {
    LIST_ENTRY(tunnel_call) link;
    struct rpc *rpc;
    struct control_call *call; /* NULL when the client has gone */
    const struct tunnel_call_kind *kind;
    struct tunnel_listener listener;
    struct event *timer;
    uint64_t began_at, deadline;
    bool stream;
    bool stops_pool; /* that was started for this call alone */
    unsigned hops;
    uint32_t circuit; /* in use; 0: none yet */
    unsigned count;   /* circuits wanted */
    uint64_t told_at; /* of the last progress */
    uint64_t duration;
    uint64_t rtt[ONION_HOPS_MAX]; /* answers of the hops; 0: none yet */
    struct tunnel_sending sending;
};

/* NULL when memory is out, and then `call` has been answered. */
struct tunnel_call *tunnel_call_new(struct rpc *rpc, struct control_call *call,
                                    const struct rpc_params *params,
                                    const struct tunnel_call_kind *kind);
/* After the answer, which ends with control_finish. */
void tunnel_call_free(struct tunnel_call *c);
void tunnel_call_fail(struct tunnel_call *c, enum error err, const char *text);

struct tunnel *tunnel_call_engine(const struct tunnel_call *c);

/* Has circuits of c->hops built, at least until the call ends. */
void tunnel_call_build(struct tunnel_call *c);
/* Puts an active circuit of c->hops into c->circuit; false when there is
 * none. */
bool tunnel_call_pick(struct tunnel_call *c);
/* "no exit is known that would do (3 relays are known, 0 of them exits)", or
 * what else keeps circuits from being there. */
void tunnel_call_say_missing(const struct tunnel_call *c, struct text *why);
/* Tells a client that streams what is being waited for, once a second. */
void tunnel_call_tell_waiting(struct tunnel_call *c, uint64_t now);

#endif
