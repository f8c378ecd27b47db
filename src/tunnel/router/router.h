/* SPDX-License-Identifier: MIT
 *
 * The machinery of circuits in one piece: links below, circuits of others
 * (transit) and our own above them, and the dispatch between. What the circuits
 * are for (pools, exits, the directory) is plugged in through struct
 * transit_env, struct circuit_env and the hooks below.
 */
#ifndef WARREN_TUNNEL_ROUTER_ROUTER_H
#define WARREN_TUNNEL_ROUTER_ROUTER_H

#include "tunnel/circuit/circuit.h"
#include "tunnel/crypto/responder.h"
#include "tunnel/link/link.h"
#include "tunnel/transit/transit.h"

struct router_config {
    char network[DHT_NETWORK_MAX + 1];
    uint8_t identity[32];
    uint8_t handshake_secret[NOISE_KEY_BYTES];
    struct link_config link;
    struct transit_config transit;
    struct circuit_config circuit;
};

struct router_env {
    void *ctx;   /* of send */
    void *hooks; /* of link_up to neighbour */
    struct random_source random;
    /* A relayed cell lies where it was received, and is not touched again:
     * it may be sent from there after router_receive has returned. What lies
     * elsewhere is valid during the call. */
    void (*send)(void *ctx, const struct endpoint *to, struct bytes datagram);
    /* As that of links; may be NULL. */
    void (*send_alone)(void *ctx, const struct endpoint *to,
                       struct bytes datagram);
    /* A link of ours or of somebody else is up, or gone when this returns;
     * only what was up before goes down. No link may be opened or closed
     * meanwhile. */
    void (*link_up)(void *ctx, struct link *link, uint64_t now);
    void (*link_down)(void *ctx, struct link *link, enum reason why,
                      uint64_t now);
    void (*unanswered)(void *ctx, const struct link *link, uint64_t now);
    /* What is not about links and circuits: ASK, TELL and POKE, and the cells
     * SAMPLE_ASK to PUNCTURED, whose text is padded with zeros. OK, or why it
     * is dropped. */
    enum error (*message)(void *ctx, const struct endpoint *from,
                          const struct link_message *m, uint64_t now);
    enum error (*neighbour)(void *ctx, struct link *link, enum cell_type type,
                            struct bytes text, uint64_t now);
    struct transit_env transit;
    struct circuit_env circuit;
};

struct router {
    struct router_env env;
    struct responder responder;
    struct circuit_shared shared;
    struct transits *transits;
    struct circuits *circuits;
    /* Datagrams, by reason. What is dropped inside the layers of a circuit is
     * counted there: transit_stats, circuit_stats. */
    uint64_t dropped[ERR_END_];
};

/* ERR_NO_MEMORY. The router must not move afterwards. */
enum error router_init(struct router *e, const struct router_config *config,
                       const struct router_env *env, uint64_t now);
void router_deinit(struct router *e);

/* One datagram, which may be rewritten. OK, or the reason for dropping it,
 * which is counted. */
enum error router_receive(struct router *e, const struct endpoint *from,
                          uint8_t *datagram, size_t len, uint64_t now);

/* As limiter_load (base/limiter.h), for all that costs a handshake. */
void router_set_load(struct router *e, unsigned load);
void router_tick(struct router *e, uint64_t now);
uint64_t router_next_deadline(const struct router *e);

#endif
