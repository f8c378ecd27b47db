/* SPDX-License-Identifier: MIT
 *
 * Answers to the queries of others (BEP 5, 32, 33, 42, 44, 51).
 *
 * An answer to an address that has not proved itself is no more than three
 * times the query (answer_limit.h). What does not fit is left out: peers and
 * samples first, but for a few peers, then the farthest nodes; the filters of
 * a scrape go before all of these. An item that does not fit alone is left to
 * who shows a token, and that there is one is said by `seq`. On the mainline
 * DHT nobody pads queries, and what is asked for is given while few ask: of all
 * that may be answered a LONG_PART may be longer. Who forges many sources finds
 * a poor amplifier, and all others get shorter answers meanwhile.
 *
 * service_answer looks at the rate of the source, then has a function for each
 * method put the answer together in a struct answer on the stack; answer_send
 * sheds what does not fit and sends. Those that write are in answer_store.c,
 * samples and scrapes in answer_samples.c, errors in answer_error.c. A new
 * method is a case of the switch, and what dht_message.c says of it.
 *
 * When strangers have taken all that may be answered, those go on being
 * answered who show a token of ours, and who are in our routing table: they
 * have answered a query of ours from that address. This is not enough for a
 * longer answer: who is in whose table anybody can ask.
 */
#include "dht/answer/answer.h"

#include "dht/contacts/contacts.h"
#include "dht/types/answer_limit.h"
#include "dht/types/bloom.h"
#include "dht/world/world.h"

#include <string.h>

#define ANSWER_PEERS       50  /* peers in one answer */
#define ANSWER_PEERS_LEAST 4   /* that are worth more than the farthest nodes */
#define ANSWER_KEYS        120 /* bytes of key, signature and seq of an item */

/* Of the answers that may be given, those on the mainline DHT that may have
 * more than three times the bytes of the query: one of so many. */
#define LONG_PART 10

/* ---- Sending ------------------------------------------------------------- */

static struct token_rate long_rate(const struct dht_service *s)
{
    const struct dht_config *c = &s->w->config;

    return token_rate_of((c->query_rate + LONG_PART - 1) / LONG_PART,
                         (c->query_burst + LONG_PART - 1) / LONG_PART);
}

/* The farthest node; false when there is none. */
static bool shed_node(struct dht_message *m)
{
    if (m->nodes6.len > 0)
        m->nodes6.len -= COMPACT_NODE6;
    else if (m->nodes.len > 0)
        m->nodes.len -= COMPACT_NODE4;
    else
        return false;
    return true;
}

static void shed_item(struct dht_message *m)
{
    m->has &= ~(uint32_t)(DHT_HAS_VALUE | DHT_HAS_KEY | DHT_HAS_SIGNATURE);
}

/* Removes something that can be missed; false when nothing is left. */
static bool shed(struct dht_message *m)
{
    if (m->value_count <= ANSWER_PEERS_LEAST) {
        if (m->samples.len > 0) {
            m->samples.len -= ID_BYTES;
            return true;
        }
        if (shed_node(m))
            return true;
    }
    if (m->value_count > 0)
        m->value_count--;
    else if (m->has & DHT_HAS_VALUE)
        shed_item(m);
    else
        return false;
    return true;
}

void answer_send(struct dht_service *s, struct answer *a)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    while (dht_message_write(s->w->config.dialect, &a->m, buf, sizeof(buf),
                             &len) != OK ||
           len > a->limit) {
        if (!shed(&a->m))
            return;
    }
    if (len > a->multiple) {
        const struct token_rate rate = long_rate(s);

        (void)token_bucket_take(&s->long_answers, &rate, s->w->now);
    }
    if (a->m.kind == DHT_ERROR)
        s->w->stats.errors_out++;
    else
        s->w->stats.answers_out++;
    world_send(s->w, a->to, buf, len);
}

static bool may_be_long(const struct dht_service *s)
{
    struct token_rate rate;

    if (s->w->config.dialect != DHT_DIALECT_MAINLINE)
        return false;
    rate = long_rate(s);
    return token_bucket_has(&s->long_answers, &rate, s->w->now);
}

void answer_begin(struct dht_service *s, struct answer *a,
                  const struct endpoint *to, struct bytes transaction,
                  size_t query_len)
{
    size_t limit = answer_limit(query_len, (enum family)to->family);

    dht_message_init(&a->m, DHT_RESPONSE);
    a->to = to;
    a->multiple = limit < DHT_MESSAGE_MAX ? limit : DHT_MESSAGE_MAX;
    a->limit = may_be_long(s) ? DHT_MESSAGE_MAX : a->multiple;
    a->m.transaction = transaction;
    a->m.version = bytes_of(s->w->version, sizeof(s->w->version));
    a->m.network = bytes_of_text(s->w->config.network);
    a->m.id = s->contacts->self[to->family];
    a->m.ip = *to;
    a->m.has = DHT_HAS_ID | DHT_HAS_IP;
}

/* ---- Nodes --------------------------------------------------------------- */

static bool wants(const struct answer *a, const struct dht_message *query,
                  enum family f)
{
    if (!query->want[FAMILY_IPV4] && !query->want[FAMILY_IPV6])
        return f == a->to->family;
    return query->want[f];
}

static void add_nodes(struct dht_service *s, struct answer *a,
                      const struct dht_message *query)
{
    if (wants(a, query, FAMILY_IPV4)) {
        size_t n = table_write_closest(&s->contacts->table[FAMILY_IPV4],
                                       &query->target, a->nodes, DHT_K,
                                       s->w->now);

        a->m.nodes = bytes_of(a->nodes, n);
        a->m.has |= DHT_HAS_NODES;
    }
    if (wants(a, query, FAMILY_IPV6)) {
        size_t n = table_write_closest(&s->contacts->table[FAMILY_IPV6],
                                       &query->target, a->nodes6, DHT_K,
                                       s->w->now);

        a->m.nodes6 = bytes_of(a->nodes6, n);
        a->m.has |= DHT_HAS_NODES6;
    }
}

/* A store that is full says so by giving no token. */
static void add_token(struct dht_service *s, struct answer *a,
                      const struct id *target, bool has_room)
{
    if (!has_room) {
        s->w->stats.refused_full++;
        return;
    }
    token_tick(&s->tokens, &s->w->random, s->w->now);
    token_make(&s->tokens, a->to, target, a->token);
    a->m.token = bytes_of(a->token, sizeof(a->token));
    a->m.has |= DHT_HAS_TOKEN;
}

/* Entries of `size` bytes that the answer still has room for. */
static size_t room_for(const struct answer *a, size_t size, size_t max)
{
    size_t taken = ANSWER_FRAME + a->m.transaction.len + a->m.network.len +
                   a->m.nodes.len + a->m.nodes6.len + a->m.token.len;
    size_t n;

    if (a->m.has & DHT_HAS_SEED_BLOOM)
        taken += BLOOM_PAIR_BYTES;
    n = a->limit > taken ? (a->limit - taken) / size : 0;
    return n < max ? n : max;
}

/* ---- Queries ------------------------------------------------------------- */

static void find_node(struct dht_service *s, struct answer *a,
                      const struct dht_message *query)
{
    add_nodes(s, a, query);
    answer_send(s, a);
}

static void get_peers(struct dht_service *s, struct answer *a,
                      const struct dht_message *query)
{
    size_t size = endpoint_compact_len(a->to) + 2, room;

    if (query->scrape)
        answer_add_filters(s, a, &query->target);

    add_nodes(s, a, query);
    add_token(
        s, a, &query->target,
        peer_store_can_store(&s->peers, &query->target, a->to, s->w->now));
    room = room_for(a, size, ANSWER_PEERS);
    if (room < ANSWER_PEERS_LEAST)
        room = ANSWER_PEERS_LEAST;
    a->m.value_count = peer_store_sample(
        &s->peers, &query->target, (enum family)a->to->family, query->no_seed,
        &s->w->random, a->m.values, room, s->w->now);
    if (a->m.value_count > 0)
        a->m.has |= DHT_HAS_VALUES;
    answer_send(s, a);
}

/* With all nodes left out. */
static bool item_fits(const struct answer *a)
{
    size_t len =
        ANSWER_FRAME + a->m.transaction.len + a->m.network.len + a->m.value.len;

    if (a->m.has & DHT_HAS_KEY)
        len += ANSWER_KEYS;
    return len <= a->limit || a->limit == DHT_MESSAGE_MAX;
}

static void get_item(struct dht_service *s, struct answer *a,
                     const struct dht_message *query)
{
    add_nodes(s, a, query);
    add_token(
        s, a, &query->target,
        item_store_can_store(&s->items, &query->target, a->to, s->w->now));
    item_store_answer(&s->items, query, s->w->now, &a->m);
    if (!item_fits(a))
        shed_item(&a->m);
    answer_send(s, a);
}

static void sample(struct dht_service *s, struct answer *a,
                   const struct dht_message *query)
{
    add_nodes(s, a, query);
    answer_add_samples(s, a, room_for(a, ID_BYTES, DHT_SAMPLES_MAX));
    answer_send(s, a);
}

/* ---- Whom ---------------------------------------------------------------- */

static bool is_contact(const struct dht_service *s, const struct endpoint *from,
                       const struct id *id)
{
    struct contact c;

    return table_find(&s->contacts->table[from->family], id, &c) &&
           endpoint_equal(&c.ep, from) &&
           contact_quality(&c.state, s->w->now) == DHT_GOOD;
}

/* The known have a limiter of their own: who floods in their name or in that of
 * their network, which costs less than to flood all, takes nothing from it. Who
 * is known is looked up only for those whom the other has refused. */
static bool admit(struct dht_service *s, const struct endpoint *from,
                  const struct dht_message *m)
{
    uint64_t now = s->w->now;

    return limiter_allow(&s->limiter, from, now) ||
           ((is_contact(s, from, &m->id) || answer_has_token(s, from, m)) &&
            limiter_allow(&s->known, from, now));
}

enum error service_answer(struct dht_service *s, const struct endpoint *from,
                          const struct dht_message *m, size_t query_len)
{
    struct answer a;

    if (s->w->config.read_only)
        return ERR_UNSUPPORTED;
    if (!admit(s, from, m))
        return ERR_RATE_LIMITED;
    s->w->stats.queries_in[m->method]++;
    if (!m->read_only)
        contacts_heard(s->contacts, &m->id, from);
    answer_begin(s, &a, from, m->transaction, query_len);
    if (a.limit < DHT_MESSAGE_MAX && answer_has_token(s, from, m))
        a.limit = DHT_MESSAGE_MAX;
    switch (m->method) {
    case DHT_PING:
        answer_send(s, &a);
        break;
    case DHT_GET_PEERS:
        get_peers(s, &a, m);
        break;
    case DHT_SAMPLE_INFOHASHES:
        sample(s, &a, m);
        break;
    case DHT_GET:
        get_item(s, &a, m);
        break;
    case DHT_ANNOUNCE_PEER:
        return answer_announce(s, &a, m);
    case DHT_PUT:
        return answer_put(s, &a, m);
    case DHT_FIND_NODE:
    case DHT_UNKNOWN_METHOD:
        find_node(s, &a, m);
        break;
    }
    return OK;
}
