/* SPDX-License-Identifier: MIT
 *
 * A hostile node is an engine like others: it answers queries with lies, and at
 * each tick attacks a victim. A new mode says in name_one what its answers
 * name, and in `attack` what it sends unasked.
 */
#include "sim/hostile.h"

#include "dht/types/dht_item.h"
#include "sim/dht_node.h"
#include "wire/krpc/dht_message.h"

#include <stdlib.h>
#include <string.h>

#define NAMED_MAX 16

struct hostile {
    struct sim *sim;
    uint32_t node;
    struct sim_hostile_config config;
    struct sim_rng rng;
    uint64_t next;   /* when it attacks by itself */
    uint32_t serial; /* so that it says something else each time */
    uint64_t asked;  /* lookups that came by */
};

/* ---- What it says ------------------------------------------------------ */

static void send_message(struct hostile *h, const struct endpoint *from,
                         const struct endpoint *to, const struct dht_message *m)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    if (dht_message_write(h->config.dialect, m, buf, sizeof(buf), &len) == OK)
        sim_send_as(h->sim, h->node, from, to, bytes_of(buf, len));
}

/* Shares the target's first 18 bytes: nearer than any honest node. */
static void id_near(struct hostile *h, const struct id *target, struct id *out)
{
    *out = *target;
    out->b[19] = (uint8_t)sim_rng_next(&h->rng);
    out->b[18] = (uint8_t)sim_rng_next(&h->rng);
}

static void made_up_endpoint(struct hostile *h, int family,
                             struct endpoint *out)
{
    struct endpoint own;

    *out = (struct endpoint){.family = (uint8_t)family, .port = 6881};
    sim_rng_fill(&h->rng, out->addr, family == FAMILY_IPV4 ? 4 : 16);
    /* Of the kind of its own, so that nobody drops it for that. */
    if (sim_endpoint(h->sim, h->node, (enum family)family, &own))
        memcpy(out->addr, own.addr, family == FAMILY_IPV4 ? 1 : 2);
}

/* The i-th node of an answer, by the mode. */
static void name_one(struct hostile *h, int family, unsigned i,
                     const struct id *target, struct id *id,
                     struct endpoint *ep)
{
    id_near(h, target, id);
    switch (h->config.mode) {
    case SIM_HOSTILE_MADE_UP:
        made_up_endpoint(h, family, ep);
        break;
    case SIM_HOSTILE_CLIQUE:
        i = (i + h->serial) % h->config.clique_count;
        *id = h->config.clique_ids[i];
        sim_endpoint(h->sim, h->config.clique[i], (enum family)family, ep);
        break;
    case SIM_HOSTILE_SELF:
    case SIM_HOSTILE_GARBAGE:
    case SIM_HOSTILE_SPOOF:
    case SIM_HOSTILE_STORE:
        sim_endpoint(h->sim, h->node, (enum family)family, ep);
        break;
    }
}

static struct bytes name_nodes(struct hostile *h, int family,
                               const struct id *target, uint8_t *buf)
{
    unsigned count = h->config.mode == SIM_HOSTILE_SELF ? 8 : NAMED_MAX;
    size_t len = 0;

    h->serial++;
    for (unsigned i = 0; i < count; i++) {
        struct endpoint ep = {0};
        struct id id;

        name_one(h, family, i, target, &id, &ep);
        memcpy(buf + len, id.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&ep, buf + len);
    }
    return bytes_of(buf, len);
}

static void answer(struct hostile *h, const struct endpoint *from,
                   const struct dht_message *q)
{
    uint8_t nodes[NAMED_MAX * COMPACT_NODE6];
    struct dht_message m;
    struct endpoint own;

    if (!sim_endpoint(h->sim, h->node, (enum family)from->family, &own))
        return;
    dht_message_init(&m, DHT_RESPONSE);
    m.transaction = q->transaction;
    m.id = h->config.id;
    m.ip = *from;
    m.has = DHT_HAS_IP | DHT_HAS_ID;
    if (q->has & DHT_HAS_TARGET) {
        struct bytes named = name_nodes(h, from->family, &q->target, nodes);

        m.has |= DHT_HAS_TOKEN;
        m.token = bytes_of("letmein!", 8);
        m.has |= from->family == FAMILY_IPV4 ? DHT_HAS_NODES : DHT_HAS_NODES6;
        if (from->family == FAMILY_IPV4)
            m.nodes = named;
        else
            m.nodes6 = named;
    }
    send_message(h, &own, from, &m);
}

/* ---- What it sends unasked --------------------------------------------- */

static void random_id(struct hostile *h, struct id *out)
{
    sim_rng_fill(&h->rng, out->b, ID_BYTES);
}

static void query_init(struct hostile *h, struct dht_message *m,
                       enum dht_method method)
{
    dht_message_init(m, DHT_QUERY);
    m->method = method;
    m->has = DHT_HAS_ID | DHT_HAS_TARGET;
    m->id = h->config.id;
    random_id(h, &m->target);
    m->transaction = bytes_of("x1", 2);
}

static void send_garbage(struct hostile *h, const struct endpoint *own,
                         const struct endpoint *to)
{
    uint8_t buf[256];
    size_t len = 1 + sim_rng_below(&h->rng, sizeof(buf) - 1);
    struct dht_message m;
    size_t whole;

    if (sim_rng_below(&h->rng, 2) == 0) {
        sim_rng_fill(&h->rng, buf, len);
        buf[0] = h->config.dialect == DHT_DIALECT_MAINLINE
                     ? 'd'
                     : (uint8_t)(0x80 | (buf[0] & 0x0f)); /* like a map */
    } else {
        query_init(h, &m, DHT_FIND_NODE);
        if (dht_message_write(h->config.dialect, &m, buf, sizeof(buf),
                              &whole) != OK)
            return;
        len = sim_rng_below(&h->rng, (uint32_t)whole);
    }
    sim_send_as(h->sim, h->node, own, to, bytes_of(buf, len));
}

static void send_spoofed(struct hostile *h, const struct endpoint *to)
{
    static const enum dht_method methods[] = {
        DHT_PING, DHT_FIND_NODE, DHT_GET_PEERS, DHT_ANNOUNCE_PEER, DHT_GET};
    struct endpoint from;
    struct dht_message m;

    made_up_endpoint(h, to->family, &from);
    query_init(h, &m, methods[sim_rng_below(&h->rng, 5)]);
    random_id(h, &m.id);
    if (m.method == DHT_ANNOUNCE_PEER) {
        m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
        m.token = bytes_of("letmein!", 8);
        m.port = 1;
    }
    send_message(h, &from, to, &m);
}

/* What is stored follows from the transaction (is it an item, and a number),
 * so that nothing has to be remembered between the query and its answer. */
static void store_target(const struct hostile *h, struct bytes transaction,
                         struct id *target, struct value *value)
{
    struct dht_item item = {.value = value};
    uint8_t text[900];

    if (transaction.p[0] == 0) {
        memset(target->b, 0xaa, ID_BYTES);
        memcpy(target->b, transaction.p, transaction.len);
        memcpy(target->b + transaction.len, &h->node, sizeof(h->node));
        return;
    }
    memset(text, 'x', sizeof(text));
    memcpy(text, transaction.p, transaction.len);
    memcpy(text + transaction.len, &h->node, sizeof(h->node));
    if (value_from_bytes(bytes_of(text, sizeof(text)), value) == OK)
        dht_item_target(&item, target);
}

/* Asks for a token; the transaction says what it will be for. */
static void send_store(struct hostile *h, const struct endpoint *own,
                       const struct endpoint *to)
{
    uint8_t transaction[5];
    bool item = h->serial++ % 4 == 0;
    struct dht_message m;

    query_init(h, &m, item ? DHT_GET : DHT_GET_PEERS);
    transaction[0] = item;
    memcpy(transaction + 1, &h->serial, 4);
    m.transaction = bytes_of(transaction, sizeof(transaction));
    store_target(h, m.transaction, &m.target, &m.value);
    send_message(h, own, to, &m);
}

/* The answer to what send_store asked: now it stores. */
static void use_token(struct hostile *h, const struct endpoint *from,
                      const struct dht_message *r)
{
    struct endpoint own;
    struct dht_message m;
    bool item;

    if (h->config.mode != SIM_HOSTILE_STORE || !(r->has & DHT_HAS_TOKEN) ||
        r->transaction.len != 5 ||
        !sim_endpoint(h->sim, h->node, (enum family)from->family, &own))
        return;
    item = r->transaction.p[0] != 0;
    query_init(h, &m, item ? DHT_PUT : DHT_ANNOUNCE_PEER);
    m.token = r->token;
    store_target(h, r->transaction, &m.target, &m.value);
    m.port = 6881;
    m.has = item ? DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_VALUE
                 : m.has | DHT_HAS_TOKEN | DHT_HAS_PORT;
    send_message(h, &own, from, &m);
}

/* ---- The engine -------------------------------------------------------- */

static void hostile_receive(void *engine, const struct endpoint *from,
                            struct bytes datagram, uint64_t now)
{
    struct hostile *h = engine;
    struct dht_message m;

    (void)now;
    if (dht_message_read(h->config.dialect, datagram, &m) != OK)
        return;
    h->asked += m.kind == DHT_QUERY &&
                (m.method == DHT_GET_PEERS || m.method == DHT_GET);
    if (m.kind == DHT_QUERY)
        answer(h, from, &m);
    else if (m.kind == DHT_RESPONSE)
        use_token(h, from, &m);
}

static void attack(struct hostile *h, const struct endpoint *own,
                   const struct endpoint *to)
{
    struct dht_message m;

    switch (h->config.mode) {
    case SIM_HOSTILE_GARBAGE:
        send_garbage(h, own, to);
        break;
    case SIM_HOSTILE_SPOOF:
        send_spoofed(h, to);
        break;
    case SIM_HOSTILE_STORE:
        send_store(h, own, to);
        break;
    case SIM_HOSTILE_SELF:
    case SIM_HOSTILE_MADE_UP:
    case SIM_HOSTILE_CLIQUE:
        query_init(h, &m, DHT_FIND_NODE); /* here I am */
        send_message(h, own, to, &m);
        break;
    }
}

static void hostile_tick(void *engine, uint64_t now)
{
    struct hostile *h = engine;
    uint32_t victim =
        h->config.victims[sim_rng_below(&h->rng, h->config.victim_count)];

    h->next = now + h->config.interval;
    for (int f = 0; f < FAMILIES; f++) {
        struct endpoint own, to;

        if (sim_endpoint(h->sim, h->node, (enum family)f, &own) &&
            sim_endpoint(h->sim, victim, (enum family)f, &to))
            attack(h, &own, &to);
    }
}

static uint64_t hostile_next_deadline(void *engine)
{
    struct hostile *h = engine;

    return h->config.interval == 0 || h->config.victim_count == 0 ? TIME_NEVER
                                                                  : h->next;
}

static const struct sim_engine hostile_engine = {.receive = hostile_receive,
                                                 .tick = hostile_tick,
                                                 .next_deadline =
                                                     hostile_next_deadline,
                                                 .free = free};

enum error sim_hostile_add(struct sim *s, const struct sim_place *place,
                           const struct sim_hostile_config *config,
                           uint32_t *out)
{
    struct hostile *h = malloc(sizeof(*h));
    enum error err;
    uint64_t seed;

    if (h == NULL)
        return ERR_NO_MEMORY;
    *h = (struct hostile){.sim = s, .config = *config, .next = sim_now(s)};
    err = sim_node_add(s, place, &h->node);
    if (err != OK) {
        free(h);
        return err;
    }
    sim_random(s, h->node, &seed, sizeof(seed));
    sim_rng_init(&h->rng, seed, 0);
    sim_attach(s, h->node, sim_plane_of(config->dialect), &hostile_engine, h);
    *out = h->node;
    return OK;
}

uint64_t sim_hostile_asked(const struct sim *s, uint32_t node)
{
    const struct hostile *h = sim_engine_of(s, node, sim_dht_plane(s));

    return h == NULL ? 0 : h->asked;
}
