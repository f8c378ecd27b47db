/* SPDX-License-Identifier: MIT
 *
 * A whole DHT engine, in either dialect, under a script: the input says which
 * datagrams come in and from where, which of our queries are answered and with
 * what, what is stored with the tokens that were given, how much time passes,
 * what is asked of the interface, and what callbacks do. After each step the
 * invariants are checked.
 *
 * The script is a list of steps, each a byte that says what, and what it
 * needs. Where the input ends, zeros follow, and the script with the step.
 */

#include "fuzz.h"

#include "easy_keys.h"
#include "testing.h"

#include "dht/dht_parts.h"

#include <assert.h>
#include <string.h>

#define WAITING 32 /* our queries that may still be answered */
#define TOKENS  16 /* that others still have */
#define STEPS   28
#define TICKS   48 /* of one run */

struct query_sent {
    struct endpoint to;
    uint8_t transaction[DHT_TRANSACTION_MAX];
    size_t transaction_len;
};

/* What we gave to an address for a target. */
struct token_given {
    struct endpoint to;
    struct id target;
    uint8_t token[DHT_TOKEN_BYTES];
};

struct script {
    const uint8_t *at, *end;
    struct dht *d;
    struct dht_config config;
    uint64_t now;
    struct test_random random;
    struct query_sent waiting[WAITING];
    size_t waiting_next;
    struct token_given tokens[TOKENS];
    size_t tokens_next;
    const struct id *asked; /* of the query that is being answered */
    dht_request request;    /* that was started last */
    unsigned depth;         /* of callbacks that start requests */
    unsigned ticks;         /* that there were */
};

static uint8_t take(struct script *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

static struct bytes take_bytes(struct script *s, size_t len)
{
    struct bytes b = bytes_of(s->at, len);

    if (len > (size_t)(s->end - s->at))
        b.len = (size_t)(s->end - s->at);
    s->at += b.len;
    return b;
}

/* Few ids and few addresses, so that they meet again. */
static struct id take_id(struct script *s)
{
    struct id id = {{0}};

    id.b[0] = take(s);
    id.b[ID_BYTES - 1] = id.b[0] & 7;
    return id;
}

static struct endpoint take_endpoint(struct script *s)
{
    uint8_t n = take(s);
    struct endpoint ep = {.family = n & 1, .port = 6881};

    if (n & 1) {
        ep.addr[0] = n & 2 ? 0x24 : 0xfd;
        ep.addr[15] = n;
    } else {
        ep.addr[0] = n & 2 ? 45 : 10;
        ep.addr[2] = n >> 4;
        ep.addr[3] = n | 1;
    }
    if (n == 255)
        ep.port = 0;
    return ep;
}

/* ---- The world ----------------------------------------------------------- */

static void remember_query(struct script *s, const struct endpoint *to,
                           const struct dht_message *m)
{
    struct query_sent *q = &s->waiting[s->waiting_next++ % WAITING];

    q->to = *to;
    q->transaction_len = m->transaction.len;
    memcpy(q->transaction, m->transaction.p, m->transaction.len);
}

static void remember_token(struct script *s, const struct endpoint *to,
                           const struct dht_message *m)
{
    struct token_given *t = &s->tokens[s->tokens_next++ % TOKENS];

    assert(m->token.len == DHT_TOKEN_BYTES);
    t->to = *to;
    t->target = *s->asked;
    memcpy(t->token, m->token.p, DHT_TOKEN_BYTES);
}

/* A token that may be too old by now; NULL: none was given. */
static const struct token_given *find_token(const struct script *s,
                                            const struct endpoint *to,
                                            const struct id *target)
{
    for (size_t i = 0; i < TOKENS; i++) {
        const struct token_given *t = &s->tokens[i];

        if (endpoint_equal(&t->to, to) && id_equal(&t->target, target))
            return t;
    }
    return NULL;
}

static void on_send(void *ctx, const struct endpoint *to, struct bytes datagram)
{
    struct script *s = ctx;
    struct dht_message m;

    assert(datagram.len <= DHT_PUT_MAX);
    assert(endpoint_is_usable(to));
    assert(dht_message_read(s->config.dialect, datagram, &m) == OK);
    if (m.kind == DHT_QUERY)
        remember_query(s, to, &m);
    else if (m.has & DHT_HAS_TOKEN)
        remember_token(s, to, &m);
}

static void on_random(void *ctx, void *buf, size_t len)
{
    struct script *s = ctx;

    test_random_fill(&s->random, buf, len);
}

static void call(struct script *s);

/* Callbacks do what the input says too. */
static void meddle(struct script *s)
{
    uint8_t what = take(s);

    if (what == 1)
        dht_cancel(s->d, s->request);
    if (what == 2 && s->depth < 3) {
        s->depth++;
        call(s);
        s->depth--;
    }
}

static void on_event(void *ctx, const struct dht_event *event)
{
    assert(event->error < ERR_END_);
    meddle(ctx);
}

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *step)
{
    (void)peer;
    (void)step;
    meddle(ctx);
}

static void on_item(void *ctx, const struct dht_item *item,
                    const struct dht_step *step)
{
    (void)step;
    assert(dht_item_verify(item) == OK);
    meddle(ctx);
}

static void on_step(void *ctx, const struct dht_step *step)
{
    (void)step;
    meddle(ctx);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    assert(result->closest_count <= DHT_K);
    assert(result->answered <= result->asked);
    meddle(ctx);
}

static void on_samples(void *ctx, const struct dht_samples *samples)
{
    assert(samples->samples.len % DHT_HASH_BYTES == 0);
    meddle(ctx);
}

/* ---- Steps --------------------------------------------------------------- */

static void give(struct script *s, const struct endpoint *from,
                 const struct dht_message *m)
{
    uint8_t buf[2 * DHT_MESSAGE_MAX];
    size_t len;

    s->asked = &m->target;
    if (dht_message_write(s->config.dialect, m, buf, sizeof(buf), &len) == OK)
        dht_receive(s->d, from, bytes_of(buf, len), s->now);
}

static void step_raw(struct script *s)
{
    static const struct id unknown;
    struct endpoint from = take_endpoint(s);
    size_t len = (size_t)take(s) * 4;

    s->asked = &unknown;
    dht_receive(s->d, &from, take_bytes(s, len), s->now);
}

static size_t make_nodes(struct script *s, uint8_t *out, unsigned count,
                         enum family family)
{
    size_t len = 0;

    for (unsigned i = 0; i < count; i++) {
        struct id id = take_id(s);
        struct endpoint ep = take_endpoint(s);

        ep.family = (uint8_t)family;
        memcpy(out + len, id.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&ep, out + len);
    }
    return len;
}

static void add_item(struct script *s, struct dht_message *m,
                     struct value *value)
{
    static const uint8_t zeros[64];
    uint8_t len = take(s);

    if (value_from_bytes(take_bytes(s, len), value) != OK)
        return;
    m->value = *value;
    m->has |= DHT_HAS_VALUE;
    if (len & 1) {
        m->key = zeros;
        m->signature = zeros;
        m->seq = take(s);
        m->has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
    }
}

/* An answer to one of our queries, true or false to its form. */
static void step_answer(struct script *s)
{
    const struct query_sent *q = &s->waiting[take(s) % WAITING];
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    uint8_t nodes6[DHT_NODES_MAX * COMPACT_NODE6];
    uint8_t flags = take(s);
    struct dht_message m;
    struct value value;

    if (q->transaction_len == 0)
        return;
    dht_message_init(&m, flags & 1 ? DHT_ERROR : DHT_RESPONSE);
    m.transaction = bytes_of(q->transaction, q->transaction_len);
    m.id = take_id(s);
    m.has |= DHT_HAS_ID;
    if (flags & 1) {
        m.error_code = 200u + take(s);
        m.error_text = bytes_of_text("no");
        m.has &= ~(uint32_t)DHT_HAS_ID;
    }
    if (flags & 2) {
        m.nodes =
            bytes_of(nodes, make_nodes(s, nodes, take(s) % 17, FAMILY_IPV4));
        m.has |= DHT_HAS_NODES;
    }
    if (flags & 4) {
        m.nodes6 =
            bytes_of(nodes6, make_nodes(s, nodes6, take(s) % 17, FAMILY_IPV6));
        m.has |= DHT_HAS_NODES6;
    }
    if (flags & 8) {
        m.token = take_bytes(s, 1 + take(s) % DHT_TOKEN_MAX);
        if (m.token.len > 0)
            m.has |= DHT_HAS_TOKEN;
    }
    if (flags & 16) {
        for (m.value_count = take(s) % 8; m.value_count > 0; m.value_count--)
            m.values[m.value_count - 1] = take_endpoint(s);
        m.value_count = 1;
        m.has |= DHT_HAS_VALUES;
    }
    if (flags & 32) {
        m.ip = take_endpoint(s);
        m.has |= DHT_HAS_IP;
    }
    if (flags & 64)
        add_item(s, &m, &value);
    give(s, &q->to, &m);
}

static void step_query(struct script *s)
{
    static const uint8_t wrong[DHT_TOKEN_BYTES];
    struct endpoint from = take_endpoint(s);
    uint8_t flags = take(s);
    struct dht_message m;
    struct value value;

    dht_message_init(&m, DHT_QUERY);
    m.method = (enum dht_method)(take(s) % (DHT_UNKNOWN_METHOD + 1));
    m.transaction = bytes_of_text("tx");
    m.id = take_id(s);
    m.target = take_id(s);
    m.read_only = (flags & 1) != 0;
    m.want[FAMILY_IPV4] = (flags & 2) != 0;
    m.want[FAMILY_IPV6] = (flags & 4) != 0;
    m.implied_port = (flags & 8) != 0;
    m.port = take(s);
    m.token = bytes_of(wrong, DHT_TOKEN_BYTES);
    m.has |= DHT_HAS_ID | DHT_HAS_TARGET;
    if (m.method == DHT_ANNOUNCE_PEER || m.method == DHT_PUT)
        m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
    if (flags & 6)
        m.has |= DHT_HAS_WANT;
    if (m.method == DHT_PUT)
        add_item(s, &m, &value);
    give(s, &from, &m);
}

/* Whoever stores asks first, unless it has a token. */
static void store_with_token(struct script *s, const struct endpoint *from,
                             struct dht_message *write, enum dht_method read)
{
    const struct token_given *t = find_token(s, from, &write->target);
    struct dht_message m;

    write->transaction = bytes_of_text("tx");
    write->has |= DHT_HAS_ID | DHT_HAS_TOKEN;
    if (t == NULL) {
        dht_message_init(&m, DHT_QUERY);
        m.method = read;
        m.transaction = write->transaction;
        m.id = write->id;
        m.target = write->target;
        m.has |= DHT_HAS_ID | DHT_HAS_TARGET;
        give(s, from, &m);
        t = find_token(s, from, &write->target);
    }
    if (t == NULL)
        return;
    write->token = bytes_of(t->token, DHT_TOKEN_BYTES);
    give(s, from, write);
}

static void step_announce(struct script *s)
{
    struct endpoint from = take_endpoint(s);
    uint8_t flags = take(s);
    struct dht_message m;

    dht_message_init(&m, DHT_QUERY);
    m.method = DHT_ANNOUNCE_PEER;
    m.id = take_id(s);
    m.target = take_id(s);
    m.port = flags;
    m.implied_port = (flags & 1) != 0;
    m.has |= DHT_HAS_TARGET | DHT_HAS_PORT;
    store_with_token(s, &from, &m, DHT_GET_PEERS);
}

/* An item that is what it says, of few keys and salts. */
static void step_put(struct script *s)
{
    static const uint8_t salts[4] = "abc";
    struct endpoint from = take_endpoint(s);
    uint8_t flags = take(s), secret[64], seed[32] = {flags & 3};
    uint8_t n = take(s);
    struct value value;
    struct dht_item item = {.value = &value, .mutable_item = flags & 4};
    struct dht_message m;

    if (value_from_bytes(bytes_of(&n, 1), &value) != OK)
        return;
    dht_message_init(&m, DHT_QUERY);
    m.method = DHT_PUT;
    m.id = take_id(s);
    m.value = value;
    m.has |= DHT_HAS_VALUE;
    if (item.mutable_item) {
        item.seq = (int64_t)(flags >> 6) - 1;
        item.salt = bytes_of(salts, flags >> 4 & 3);
        crypto_sign_seed_keypair(item.key, secret, seed);
        dht_item_sign(&item, secret);
        m.key = item.key;
        m.signature = item.signature;
        m.seq = item.seq;
        m.salt = item.salt;
        m.cas = (int64_t)(n & 3) - 1;
        m.has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
        m.has |= item.salt.len > 0 ? DHT_HAS_SALT : 0;
        m.has |= flags & 8 ? DHT_HAS_CAS : 0;
    }
    dht_item_target(&item, &m.target);
    store_with_token(s, &from, &m, DHT_GET);
}

static void step_time(struct script *s)
{
    uint8_t by = take(s);
    uint64_t until =
        s->now + ((uint64_t)(by & 7) + 1) * (TIME_MS << (by >> 3) % 28);

    while (dht_next_deadline(s->d) <= until && s->ticks++ < TICKS) {
        uint64_t at = dht_next_deadline(s->d);

        s->now = at > s->now ? at : s->now;
        dht_tick(s->d, s->now);
    }
    /* Or the host was asleep, and one tick comes much too late. */
    s->now = until;
    if (by & 1)
        dht_tick(s->d, s->now);
}

static void put_item(struct script *s, const struct dht_handler *handler)
{
    static const uint8_t secret[64];
    struct value value;
    struct dht_item item = {.value = &value, .mutable_item = take(s) & 1};
    uint8_t n = take(s);

    item.seq = n;
    if (value_from_bytes(bytes_of(&n, 1), &value) != OK)
        return;
    if (item.mutable_item)
        dht_item_sign(&item, secret);
    dht_put(s->d, &item, n & 1 ? &item.seq : NULL, handler, s->now,
            &s->request);
}

static void reconfigure(struct script *s)
{
    s->config.max_pending = 1u + take(s);
    s->config.max_lookups = 1u + take(s) % 16;
    s->config.max_publications = 1u + take(s) % 16;
    s->config.read_only = take(s) & 1;
    assert(dht_reconfigure(s->d, &s->config) == OK);
}

static void call(struct script *s)
{
    struct dht_handler handler = {s, on_peer, on_item, on_step, on_done};
    uint8_t what = take(s) % 12;
    struct id id = take_id(s);
    struct endpoint ep = take_endpoint(s);
    struct dht_status status;

    switch (what) {
    case 0:
        dht_find_node(s->d, &id, &handler, s->now, &s->request);
        break;
    case 1:
        dht_get_peers(s->d, &id, &handler, s->now, &s->request);
        break;
    case 2:
        dht_get_item(s->d, &id, bytes_of(NULL, 0), &handler, s->now,
                     &s->request);
        break;
    case 3:
        dht_announce(s->d, &id, ep.port, id.b[0] & 1, &handler, s->now,
                     &s->request);
        break;
    case 4:
        put_item(s, &handler);
        break;
    case 5:
        dht_withdraw(s->d, &id);
        break;
    case 6:
        dht_cancel(s->d, take(s) & 1 ? s->request : take(s));
        break;
    case 7:
        dht_ping(s->d, &ep, &handler, s->now, &s->request);
        break;
    case 8:
        dht_sample(s->d, &ep, &id, on_samples, &handler, s->now, &s->request);
        break;
    case 9:
        dht_node_add(s->d, &id, &ep, s->now);
        break;
    case 10:
        dht_bootstrap_add(s->d, &ep, s->now);
        break;
    default:
        reconfigure(s);
        dht_status(s->d, s->now, &status);
        break;
    }
}

/* ---- The whole ----------------------------------------------------------- */

static void check(const struct script *s)
{
    const struct dht *d = s->d;

    for (int f = 0; f < FAMILIES; f++)
        table_check(&d->contacts.table[f]);
    queries_check(&d->queries);
    assert(d->depth == 0);
    assert(d->service.peers.peers <= s->config.max_peers);
    assert(d->service.items.items <= s->config.max_items);
    for (const struct lookup *l = d->lookups.first; l != NULL; l = l->next)
        assert(!l->dead);
}

static void start(struct script *s)
{
    const struct dht_env env = {s, on_send, on_random, on_event};
    uint8_t flags = take(s);

    dht_config_init(&s->config);
    s->config.testing_network = flags & 1;
    s->config.family[FAMILY_IPV6] = (flags & 2) != 0;
    if (flags & 64)
        s->config.dialect = DHT_DIALECT_MAINLINE;
    s->config.max_peers = 8;
    s->config.max_hashes = 4;
    s->config.max_items = 4;
    s->config.max_sources = 16;
    s->now = (uint64_t)take(s) * TIME_HOUR;
    assert(dht_new(&s->config, &env, s->now, &s->d) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script s;

    s = (struct script){.at = data, .end = data + size, .random = {1}};
    start(&s);
    for (unsigned i = 0; i < STEPS && s.at < s.end; i++) {
        switch (take(&s) % 8) {
        case 0:
            step_raw(&s);
            break;
        case 1:
        case 2:
            step_answer(&s);
            break;
        case 3:
            step_query(&s);
            break;
        case 4:
            step_time(&s);
            break;
        case 5:
            step_announce(&s);
            break;
        case 6:
            step_put(&s);
            break;
        default:
            call(&s);
            break;
        }
        check(&s);
    }
    dht_free(s.d);
    return 0;
}
