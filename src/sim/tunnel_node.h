/* SPDX-License-Identifier: MIT
 *
 * A member of the tunnel community as a node of the simulated network, beside
 * its DHT engine and reaching it as a real node does. Destinations are not
 * simulated: an exit's datagram comes back as its answer at once, and so does
 * what streams carry.
 */
#ifndef WARREN_SIM_TUNNEL_NODE_H
#define WARREN_SIM_TUNNEL_NODE_H

#include "provider/both_provider.h"
#include "provider/builtin_provider.h"
#include "sim/sim.h"
#include "stream/stream.h"
#include "tunnel/member/member.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Wall seconds at the simulated network's time 0. */
#define SIM_WALL UINT64_C(1900000000)

#define SIM_ECHOES 32 /* answers on their way to one exit */

struct sim_echo {
    uint32_t cookie;
    struct endpoint from;
    size_t len;
    uint8_t bytes[SIM_DATAGRAM_MAX];
};

/* More than there are at a time, of today and the days around it; the oldest
 * make room. */
#define SIM_POINT_ROWS 64
#define SIM_SEQ_ROWS   64

/* What the one service of a node that is remembered has stored: outlives it. */
struct sim_rows {
    uint32_t service; /* its number; 0: whichever is first */
    struct service_point_row points[SIM_POINT_ROWS];
    unsigned point_count;
    struct service_seq_row seqs[SIM_SEQ_ROWS];
    unsigned seq_count;
    struct vanguard_set third, layer2;
};

/* What is on top of a member, and driven with it. Copies what it is told; to be
 * taken off before it is freed, and before the node dies. */
struct sim_above {
    void *arg;
    void (*event)(void *arg, const struct member_event *event, uint64_t now);
    void (*tick)(void *arg, uint64_t now);
    uint64_t (*next_deadline)(const void *arg);
};

/* Owned by the network and freed when the node dies. */
struct sim_tunnel {
    struct sim *sim;
    uint32_t node;
    struct member *member;
    struct builtin_provider builtin;  /* its only DHT, or our own of two */
    struct builtin_provider mainline; /* of two */
    struct both_provider both;
    const struct dht_provider *dht; /* one of these: all that it has */
    struct policy policy, tcp_policy;
    int64_t clock_error; /* seconds that its wall clock is wrong by */
    bool dying;          /* nothing is sent any more */
    bool swallows;       /* a liar: what leaves here goes nowhere */
    bool asleep;         /* the machine is: it hears nothing, does nothing */
    /* For liars: whether a datagram is kept to itself. NULL: none is. */
    bool (*keeps)(const struct sim_tunnel *n, const struct endpoint *to,
                  struct bytes datagram);
    unsigned ready, closed, refused, data;
    uint64_t data_bytes;
    enum reason why; /* of the last circuit that closed, or refusal */
    unsigned sockets;
    unsigned echo_count;
    struct sim_echo *echoes;  /* SIM_ECHOES of them; NULL: there was none yet */
    LIST_HEAD(, sim_tcp) tcp; /* tunnel_tcp.c */
    unsigned tcp_open;
    bool tcp_pending;
    struct streams *streams; /* that it opens; NULL: none yet */
    struct sim_above above;  /* all NULL: nothing is */

    /* What its services tell; NULL: nobody hears it. */
    void (*on_service)(struct sim_tunnel *n, const struct service_event *event);
    void *on_service_arg;
    struct work_task task; /* that is to be solved in the next tick */
    uint64_t task_id;      /* 0: none */
    struct sim_rows *rows; /* whoever looks at them; NULL: all is forgotten */
};

/* Joins a node that has a DHT engine, or one of each dialect, to the community,
 * which it finds and is found in there. Identity and keys are
 * made from the node's random stream, unless `config` has an identity (of a
 * node that was there before); testing_network follows its addresses. The rest
 * of `config` counts. ERR_NO_NODES (no DHT engine), errors of
 * member_new. */
enum error sim_tunnel_add(struct sim *s, uint32_t node,
                          const struct member_config *config,
                          int64_t clock_error);

/* NULL for a node that is dead or no member. Call sim_wake after using
 * `tunnel` directly. */
struct sim_tunnel *sim_tunnel_of(const struct sim *s, uint32_t node);

/* By which relays know it; 32 bytes. */
const uint8_t *sim_tunnel_identity(const struct sim_tunnel *n);

/* Other limits as a relay, and another descriptor that follows from them
 * (member_reconfigure). */
enum error sim_tunnel_reconfigure(struct sim_tunnel *n,
                                  const struct member_config *config);

/* Keeps circuits of this length. */
enum error sim_tunnel_build(struct sim *s, uint32_t node, unsigned hops);

/* For service_serve and service_join: views of the rows. */
struct service_memory sim_memory_of(const struct sim_rows *rows);

/* The streams that a node opens, whose paths are its circuits. NULL: no memory,
 * or as above. Call sim_wake after using it. */
struct streams *sim_streams_of(struct sim *s, uint32_t node);

/* NULL for a node that is dead or no member. Call sim_wake after using it. */
struct services *sim_services_of(const struct sim *s, uint32_t node);

/* Sends through some active circuit of this length (0: any). ERR_NO_NODES
 * when there is none. */
enum error sim_tunnel_data(struct sim *s, uint32_t node, unsigned hops,
                           const struct endpoint *to, struct bytes payload);

/* ---- tunnel_tcp.c, for tunnel_node.c ------------------------------------ */

void sim_tcp_world(struct sim_tunnel *n, struct outlet_world *out);
/* Connects are answered. */
void sim_tcp_tick(struct sim_tunnel *n, uint64_t now);
bool sim_tcp_pending(const struct sim_tunnel *n);

#endif
