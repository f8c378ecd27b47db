/* SPDX-License-Identifier: MIT
 *
 * Reaching a node behind a NAT through a neighbour of both:
 *
 *     client  --PUNCTURE [target]-->  introducer  (has links to both)
 *                                     introducer  --PUNCTURED [client]-->
 *     client  <--POKE--  target       the target's NAT is open now, and
 *     client  --INIT-->  target       an INIT gets through
 *
 * Both texts are msgpack arrays of one compact endpoint. The introducer tells
 * only those it has a live link with, exactly at that endpoint, and names the
 * client by the address that the client's link proved, never by one from a
 * message. What the target sends is one POKE, smaller by far than the cell
 * that asked for it. Each step is limited by source, by target and over all,
 * so that nobody is made to send, or to get, more than a trickle.
 */
#ifndef WARREN_TUNNEL_LINK_PUNCTURE_H
#define WARREN_TUNNEL_LINK_PUNCTURE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/limiter.h"
#include "tunnel/link/cell.h"

#include <stdbool.h>
#include <stdint.h>

#define PUNCTURE_NEIGHBOURS 3 /* asked for one target */
#define PUNCTURE_RECENT     32
#define PUNCTURE_AGAIN      (10 * UINT64_C(1000000000)) /* ns, same target */

struct link;

struct puncture_env {
    void *ctx;
    struct random_source random;
    void (*send)(void *ctx, const struct endpoint *to, struct bytes datagram);
    bool (*send_cell)(void *ctx, struct link *link, enum cell_type type,
                      struct bytes text, uint64_t now);
    /* The link that is up with exactly this endpoint, or NULL. */
    struct link *(*find)(void *ctx, const struct endpoint *ep);
    /* Up to `max` links that are up, chosen at random, into `out`. */
    unsigned (*pick)(void *ctx, struct link **out, unsigned max);
};

struct puncture_config {
    bool testing_network; /* addresses that are not global are fine */
    unsigned max_sources; /* whose rate is remembered, in each limiter */
    /* A second, of one source (or target) and over all. */
    unsigned source_rate, source_burst, rate, burst;
};

void puncture_config_init(struct puncture_config *config);

/* Counters since creation. */
struct puncture_stats {
    uint64_t asked, introduced, poked;
};

struct puncture {
    struct puncture_config config;
    struct puncture_env env;
    struct limiter askers;  /* who asks us to introduce */
    struct limiter targets; /* whom we tell about somebody */
    struct limiter tellers; /* who makes us poke */
    struct limiter poked;   /* whom we poke */
    struct {
        struct endpoint target;
        uint64_t at;
    } recent[PUNCTURE_RECENT]; /* whom we asked for lately */
    unsigned recent_next;
    struct puncture_stats stats;
};

void puncture_init(struct puncture *p, const struct puncture_config *config,
                   const struct puncture_env *env);
void puncture_deinit(struct puncture *p);

/* Asks up to PUNCTURE_NEIGHBOURS neighbours to have `target` poke us, when a
 * link to it does not open. They learn of our interest, so a client does it
 * only after trying directly. ERR_RATE_LIMITED (asked lately), ERR_NO_NODES,
 * ERR_ADDRESS. */
enum error puncture_ask(struct puncture *p, const struct endpoint *target,
                        uint64_t now);
/* The same when `asker` has us open the link: no more than he could ask the
 * neighbours himself. */
enum error puncture_ask_for(struct puncture *p, const struct endpoint *target,
                            const struct endpoint *asker, uint64_t now);

/* PUNCTURE and PUNCTURED from the link `link` that is up with `ep`.
 * ERR_RATE_LIMITED, ERR_NOT_FOUND (no link with the target), ERR_ADDRESS,
 * errors of mp_parse_first and mp_reader. */
enum error puncture_receive_ask(struct puncture *p, const struct link *link,
                                const struct endpoint *ep, struct bytes text,
                                uint64_t now);
enum error puncture_receive_told(struct puncture *p, const struct endpoint *ep,
                                 struct bytes text, uint64_t now);

#endif
