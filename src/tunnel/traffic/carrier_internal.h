/* SPDX-License-Identifier: MIT
 *
 * What the files carrier*.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_CARRIER_INTERNAL_H
#define WARREN_TUNNEL_TRAFFIC_CARRIER_INTERNAL_H

#include "base/table/keyed_table.h"
#include "tunnel/member/member.h"
#include "tunnel/traffic/carrier.h"
#include "tunnel/traffic/circuit_choice.h"
#include "tunnel/traffic/claims.h"

#include <sys/queue.h>

/* Paths of the stream engine: of peers this and the peer's number, else the
 * number of a trunk's turn, with its place in the lower bits. */
#define PEER_PATH  (UINT64_C(1) << 63)
#define PLACE_BITS 16
#define PLACES_MAX (1U << PLACE_BITS)

enum trunk_kind { TRUNK_EXIT, TRUNK_PEER, TRUNK_VISITORS };

/* What a trunk to an exit waits for:
 *
 *     circuit != 0   its connection is on it; at ask_at its hops are asked
 *                    whether they are there
 *     opening        others to the same exit are built; with a circuit, one is
 *                    to replace it
 *     neither        it rests, and looks again at retry_at
 */
#define TRUNK_OPENING 2 /* the second one may be there sooner, and is spare */

struct trunk {
    struct keyed_entry entry; /* of carrier->by_circuit, while it is on one */
    LIST_ENTRY(trunk) of_exits;
    struct carrier *carrier;
    enum trunk_kind kind;
    unsigned place; /* in carrier->trunks */
    struct stream_conn *conn;
    bool ending;   /* it is closed, which is told when the engine is left */
    bool full;     /* until it is told that one more stream may be opened */
    uint64_t path; /* as the engine knows it; 0: it rests */
    uint64_t peer; /* PEER, VISITORS */
    uint32_t service;
    unsigned visits; /* VISITORS: that wait */

    unsigned hops; /* EXIT: from here on */
    bool holds;    /* relays are looked for while it may have to move */
    uint64_t isolation;
    uint8_t exit[32];
    uint32_t circuit, opening[TRUNK_OPENING];
    uint64_t ask_at;
    bool waiting;   /* for something to come, as something was sent */
    unsigned asked; /* so often its hops were, too; then it is given up */
    uint64_t quiet; /* so long nothing may come while there are streams */
    uint64_t retry_at;
    unsigned tries;
};

enum call_state { LOOKING, ASKED };

struct carrier_call {
    TAILQ_ENTRY(carrier_call) link;
    struct carrier *carrier;
    struct carrier_handler handler;
    void *arg;
    struct carrier_target target; /* its name points into `name` */
    uint8_t name[STREAM_NAME_MAX];
    enum call_state state;
    struct stream *stream; /* ASKED */
    struct trunk *trunk;
    struct stream_message answer;
    uint8_t refused_by[CARRIER_EXITS_MAX][32];
    unsigned refusals;
    enum reason why;  /* of the last one */
    bool spoke;       /* bytes of the application are on their way */
    uint32_t opening; /* a circuit that is built for it, or 0 */
    LIST_ENTRY(carrier_call) of_opening;
    unsigned opened;
    uint64_t end_at, retry_at;
    unsigned retries;
    unsigned turn;
};

TAILQ_HEAD(carrier_calls, carrier_call);

/* A stream that a peer has opened, until it is taken; or, refused, until the
 * peer has ended its half, too. */
struct carrier_visit {
    TAILQ_ENTRY(carrier_visit) link;
    struct carrier *carrier;
    struct trunk *trunk;
    struct stream *stream;
    struct stream_message request;
    bool told;         /* the host knows of it */
    bool refused;      /* in carrier->parting */
    uint64_t parts_at; /* then it is reset */
    enum reason why;
    void *holder;
};

struct carrier {
    struct carrier_config config;
    struct member *member;
    struct claims *claims;
    struct random_source random;
    struct carrier_host host;
    struct streams *streams;
    struct trunk **trunks; /* by place; NULL: free */
    unsigned places;
    unsigned own; /* that we have opened, and that do not end */
    LIST_HEAD(, trunk) exits;
    struct keyed_table by_circuit;
    uint64_t turns; /* of paths */
    struct carrier_calls calls;
    LIST_HEAD(, carrier_call) opening; /* calls that circuits are built for */
    TAILQ_HEAD(visit_list, carrier_visit) visits, parting;
    unsigned parting_count;
    unsigned turn;
    uint64_t look_at; /* whether circuits get old */
    struct carrier_stats stats;
};

/* ---- carrier_trunk.c ---------------------------------------------------- */

/* One that the call's stream can go over now, made if there is a circuit or a
 * peer for it; NULL: not yet, or never (`*why` is set). One that is full, or
 * clogged by those who do not read, is left for another one; `*waits`: but for
 * one that has not said yet how many streams it takes. */
struct trunk *trunk_for(struct carrier_call *call, uint64_t now,
                        enum reason *why, bool *waits);
/* Begins one more circuit for the call, if it may have one now, and none that
 * is built for another one will do. False: there is no exit for it but those
 * that have refused. */
bool trunk_open_for(struct carrier_call *call, uint64_t now);
/* A connection that a peer has opened. NULL: no memory. */
struct trunk *trunk_of_visitors(struct carrier *c, struct stream_conn *conn,
                                uint64_t peer);
void trunks_init(struct carrier *c);
/* Its connection is gone. */
void trunk_free(struct trunk *t);
/* For an exit, no more of the calls' streams go there. */
void trunks_event(struct carrier *c, const struct member_event *event,
                  uint64_t now);
void trunks_peer_gone(struct carrier *c, uint64_t peer, uint64_t now);
void trunks_send(void *ctx, uint64_t path, bool to_acceptor,
                 struct bytes packet, uint64_t now);
void trunks_tick(struct carrier *c, uint64_t now);
uint64_t trunks_deadline(const struct carrier *c);

/* ---- carrier.c: streams of calls ---------------------------------------- */

extern const struct stream_handler carrier_call_streams;

/* ---- carrier_visit.c ---------------------------------------------------- */

const struct stream_handler *carrier_accept(void *ctx, struct stream_conn *conn,
                                            uint64_t path, void **holder);
void carrier_visits_tick(struct carrier *c, uint64_t now);
uint64_t carrier_visits_deadline(const struct carrier *c);
void carrier_visits_free(struct carrier *c);

#endif
