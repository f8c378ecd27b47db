/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/liar.h"

#include "base/random_source.h"
#include "dht/types/node_id.h"
#include "wire/krpc/dht_message.h"

#include <stdlib.h>
#include <string.h>

#define NAMED      8
#define MADE_UP    16384 /* so that some are near to whatever is asked for */
#define BOUND_BITS 21    /* of an id, by its address (BEP 42) */

/* ---- What they share ----------------------------------------------------- */

enum error liar_ring_init(struct liar_ring *ring, struct sim *sim,
                          size_t friends)
{
    *ring = (struct liar_ring){.sim = sim};
    for (int f = 0; f < FAMILIES; f++) {
        enum error err = id_index_init(&ring->friends[f], friends);

        if (err == OK)
            err = id_index_init(&ring->nobody[f], MADE_UP);
        if (err != OK) {
            liar_ring_deinit(ring);
            return err;
        }
    }
    return OK;
}

void liar_ring_deinit(struct liar_ring *ring)
{
    for (int f = 0; f < FAMILIES; f++) {
        id_index_deinit(&ring->friends[f]);
        id_index_deinit(&ring->nobody[f]);
        free(ring->made_up[f]);
        ring->made_up[f] = NULL;
    }
}

static void fill(void *ctx, void *buf, size_t len)
{
    sim_rng_fill(ctx, buf, len);
}

/* Global, and of no network that addresses are made in (sim/address.h). */
static void make_up_address(enum family f, struct sim_rng *rng,
                            struct endpoint *out)
{
    *out = (struct endpoint){.family = (uint8_t)f, .port = 6881};
    sim_rng_fill(rng, out->addr, f == FAMILY_IPV4 ? 4 : 8);
    if (f == FAMILY_IPV4)
        out->addr[0] = (uint8_t)(130 + out->addr[0] % 32);
    else
        out->addr[0] = 0x24;
}

enum error liar_ring_make_up(struct liar_ring *ring, struct sim_rng *rng)
{
    const struct random_source random = {rng, fill};

    for (int f = 0; f < FAMILIES; f++) {
        struct endpoint *eps = malloc(MADE_UP * sizeof(*eps));
        enum error err = eps == NULL ? ERR_NO_MEMORY : OK;

        ring->made_up[f] = eps;
        for (uint32_t i = 0; err == OK && i < MADE_UP; i++) {
            struct id id;

            make_up_address((enum family)f, rng, &eps[i]);
            node_id_generate(&eps[i], (uint8_t)sim_rng_next(rng), &random, &id);
            err = id_index_add(&ring->nobody[f], &id, i);
        }
        if (err != OK)
            return err;
    }
    return OK;
}

/* ---- Whom it names ------------------------------------------------------- */

static size_t put_node(uint8_t *buf, const struct id *id,
                       const struct endpoint *ep)
{
    memcpy(buf, id->b, ID_BYTES);
    return ID_BYTES + endpoint_write_compact(ep, buf + ID_BYTES);
}

static size_t name_friends(const struct liar *l, enum family f,
                           const struct id *target, uint8_t *buf)
{
    struct id_entry near[NAMED];
    size_t n = id_index_nearest(&l->ring->friends[f], target, NAMED, near);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        struct endpoint ep;

        if (sim_endpoint(l->ring->sim, near[i].who, f, &ep))
            len += put_node(buf + len, &near[i].id, &ep);
    }
    return len;
}

/* All bits but those that the address decides are the target's. */
static void bring_near(const struct id *target, struct id *id)
{
    const uint8_t free_bits = 0xff >> BOUND_BITS % 8;

    id->b[2] = (uint8_t)((id->b[2] & ~free_bits) | (target->b[2] & free_bits));
    memcpy(id->b + 3, target->b + 3, ID_BYTES - 4);
}

static size_t name_nobody(const struct liar *l, enum family f,
                          const struct id *target, uint8_t *buf)
{
    struct id_entry near[NAMED];
    size_t n = id_index_nearest(&l->ring->nobody[f], target, NAMED, near);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        bring_near(target, &near[i].id);
        len +=
            put_node(buf + len, &near[i].id, &l->ring->made_up[f][near[i].who]);
    }
    return len;
}

/* Where no address decides anything the ids are right at the target. */
static size_t name_nobody_here(struct liar *l, const struct endpoint *own,
                               const struct id *target, uint8_t *buf)
{
    size_t len = 0;

    for (unsigned i = 0; i < NAMED; i++) {
        struct endpoint ep = *own;
        struct id id = *target;

        sim_rng_fill(&l->rng, id.b + ID_BYTES - 2, 2);
        sim_rng_fill(&l->rng, ep.addr + 1, endpoint_addr_len(&ep) - 1);
        len += put_node(buf + len, &id, &ep);
    }
    return len;
}

static size_t name_nodes(struct liar *l, const struct endpoint *own,
                         const struct id *target, uint8_t *buf)
{
    enum family f = (enum family)own->family;

    if (l->way != LIAR_MADE_UP)
        return name_friends(l, f, target, buf);
    return endpoint_is_global(own) ? name_nobody(l, f, target, buf)
                                   : name_nobody_here(l, own, target, buf);
}

/* ---- What it says -------------------------------------------------------- */

static void answer(struct liar *l, struct sim_dht *n,
                   const struct endpoint *from, const struct dht_message *q)
{
    uint8_t nodes[NAMED * COMPACT_NODE6], buf[DHT_MESSAGE_MAX];
    struct dht_message m;
    struct endpoint own;
    size_t len;

    if (!sim_endpoint(n->sim, n->node, (enum family)from->family, &own))
        return;
    dht_message_init(&m, DHT_RESPONSE);
    m.transaction = q->transaction;
    m.network = q->network;
    m.id = n->id[from->family];
    m.ip = *from;
    m.has = DHT_HAS_IP | DHT_HAS_ID;
    if (q->method != DHT_ANNOUNCE_PEER && q->method != DHT_PUT) {
        struct bytes named =
            bytes_of(nodes, name_nodes(l, &own, &q->target, nodes));

        m.has |= DHT_HAS_TOKEN;
        m.token = bytes_of("letmein!", 8);
        m.has |= own.family == FAMILY_IPV4 ? DHT_HAS_NODES : DHT_HAS_NODES6;
        *(own.family == FAMILY_IPV4 ? &m.nodes : &m.nodes6) = named;
    }
    if (dht_message_write(n->dialect, &m, buf, sizeof(buf), &len) == OK)
        sim_send(n->sim, n->node, from, bytes_of(buf, len));
}

static bool looks_up(const struct dht_message *q)
{
    return q->method == DHT_FIND_NODE || q->method == DHT_GET_PEERS ||
           q->method == DHT_GET;
}

/* Pings it answers like anybody, so as to be kept. */
static bool lies_about(const struct liar *l, const struct dht_message *q)
{
    bool wanted = looks_up(q) || q->method == DHT_ANNOUNCE_PEER;

    if (wanted && l->crowds && id_equal(&q->target, &l->key))
        return true;
    return l->way != LIAR_HONEST && (wanted || q->method == DHT_PUT);
}

static bool takes(struct sim_dht *n, const struct endpoint *from,
                  struct bytes datagram)
{
    struct liar *l = n->takes_arg;
    struct dht_message q;

    if (!l->ring->lies || dht_message_read(n->dialect, datagram, &q) != OK ||
        q.kind != DHT_QUERY)
        return false;
    l->seen += q.method == DHT_GET_PEERS || q.method == DHT_GET;
    if (l->way == LIAR_DROP)
        return true;
    if (!lies_about(l, &q))
        return false;
    answer(l, n, from, &q);
    return true;
}

void liar_stand(struct liar *l, struct sim_dht *n)
{
    n->takes = takes;
    n->takes_arg = l;
}
