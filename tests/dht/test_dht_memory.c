/* SPDX-License-Identifier: MIT
 *
 * The whole engine with the Nth allocation failing, for every N: each request
 * that began ends once, nothing leaks, and afterwards all is as before.
 */
#include "dht_harness.h"
#include "fail_alloc.h"

#include "dht/dht_parts.h"

#include <sodium.h>

#define PEERS 24
#define RTT   (20 * TIME_MS)
#define QUEUE 1024

/* Nothing here allocates: what fails is the engine's. */
struct trial {
    struct dht *d;
    uint64_t now;
    struct test_random random;
    struct peers p;
    struct id target;
    size_t sent_count, taken;
    struct sent sent[QUEUE];
    uint8_t token[DHT_TOKEN_BYTES]; /* that we gave to the last who asked */
    unsigned started, done;
};

static void on_send(void *ctx, const struct endpoint *to, struct bytes datagram)
{
    struct trial *w = ctx;
    struct sent *s = &w->sent[w->sent_count++ % QUEUE];

    assert_true(w->sent_count - w->taken <= QUEUE);
    s->to = *to;
    s->len = datagram.len;
    memcpy(s->bytes, datagram.p, datagram.len);
    assert_int_equal(
        dht_message_read(DHT_DIALECT_WARREN, bytes_of(s->bytes, s->len), &s->m),
        OK);
    if (s->m.kind == DHT_RESPONSE && (s->m.has & DHT_HAS_TOKEN))
        memcpy(w->token, s->m.token.p, sizeof(w->token));
}

static void on_random(void *ctx, void *buf, size_t len)
{
    struct trial *w = ctx;

    test_random_fill(&w->random, buf, len);
}

static void on_event(void *ctx, const struct dht_event *event)
{
    (void)ctx;
    (void)event;
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct trial *w = ctx;

    (void)result;
    w->done++;
}

static void give(struct trial *w, const struct endpoint *from,
                 const struct dht_message *m)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(
        dht_message_write(DHT_DIALECT_WARREN, m, buf, sizeof(buf), &len), OK);
    dht_receive(w->d, from, bytes_of(buf, len), w->now);
}

/* Everybody is honest and stores nothing but one peer under the target. */
static void answer(struct trial *w, const struct sent *s)
{
    const struct peer *peer = peers_at(&w->p, &s->to);
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    struct dht_message m;

    if (peer == NULL || s->m.kind != DHT_QUERY)
        return;
    harness_answer(&m, s, &peer->id);
    if (s->m.has & DHT_HAS_TARGET) {
        m.nodes = peers_nodes(&w->p, &s->m.target, DHT_K, nodes);
        m.has |= DHT_HAS_NODES;
    }
    if (s->m.method == DHT_GET_PEERS || s->m.method == DHT_GET) {
        m.token = TEST_BYTES("tokentok");
        m.has |= DHT_HAS_TOKEN;
    }
    if (s->m.method == DHT_GET_PEERS) {
        m.values[0] = w->p.peer[0].ep;
        m.value_count = 1;
        m.has |= DHT_HAS_VALUES;
    }
    give(w, &s->to, &m);
}

static void run(struct trial *w, uint64_t duration)
{
    uint64_t until = w->now + duration;

    for (;;) {
        uint64_t next = dht_next_deadline(w->d);
        size_t sent = w->sent_count;

        if (w->taken < sent) {
            w->now += RTT;
            dht_tick(w->d, w->now);
            while (w->taken < sent)
                answer(w, &w->sent[w->taken++ % QUEUE]);
        } else if (next > until) {
            break;
        } else {
            w->now = next > w->now ? next : w->now;
            dht_tick(w->d, w->now);
        }
    }
    w->now = w->now < until ? until : w->now;
}

static void count(struct trial *w, enum error err)
{
    assert_true(err == OK || err == ERR_NO_MEMORY || err == ERR_FULL);
    w->started += err == OK;
}

static void publish(struct trial *w, const struct dht_handler *handler)
{
    struct value value;
    struct dht_item item = {.value = &value, .seq = 1, .mutable_item = true};
    uint8_t secret[crypto_sign_SECRETKEYBYTES], seed[crypto_sign_SEEDBYTES];

    test_random_fill(&w->random, seed, sizeof(seed));
    crypto_sign_seed_keypair(item.key, secret, seed);
    assert_int_equal(value_from_bytes(TEST_BYTES("value"), &value), OK);
    dht_item_sign(&item, secret);
    count(w, dht_put(w->d, &item, NULL, handler, w->now, NULL));
    count(w, dht_announce(w->d, &w->target, 1, false, handler, w->now, NULL));
    run(w, TIME_S);
    count(w, dht_announce(w->d, &w->target, 2, false, handler, w->now, NULL));
}

/* Somebody stores a peer and an item with us. */
static void be_asked(struct trial *w, const struct peer *asker)
{
    const enum dht_method methods[] = {DHT_GET_PEERS, DHT_ANNOUNCE_PEER,
                                       DHT_GET, DHT_PUT};
    struct dht_item item = {0};
    struct value value;
    struct dht_message m;

    assert_int_equal(value_from_bytes(TEST_BYTES("theirs"), &value), OK);
    item.value = &value;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct id target = w->target;

        if (methods[i] == DHT_GET || methods[i] == DHT_PUT)
            dht_item_target(&item, &target);
        harness_query(&m, methods[i], &asker->id,
                      methods[i] == DHT_PUT ? NULL : &target);
        m.token = bytes_of(w->token, sizeof(w->token));
        if (methods[i] == DHT_ANNOUNCE_PEER || methods[i] == DHT_PUT)
            m.has |= DHT_HAS_TOKEN;
        if (methods[i] == DHT_PUT) {
            m.value = value;
            m.has |= DHT_HAS_VALUE;
        }
        m.port = 1;
        m.has |= methods[i] == DHT_ANNOUNCE_PEER ? DHT_HAS_PORT : 0;
        give(w, &asker->ep, &m);
    }
}

static void live(struct trial *w)
{
    const struct dht_handler handler = {.ctx = w, .done = on_done};
    const struct id other = test_id("abcdef");

    dht_bootstrap_add(w->d, &w->p.peer[0].ep, w->now);
    dht_node_add(w->d, &w->p.peer[1].id, &w->p.peer[1].ep, w->now);
    run(w, 10 * TIME_S);
    be_asked(w, &w->p.peer[2]);
    count(w, dht_get_peers(w->d, &w->target, &handler, w->now, NULL));
    count(w, dht_ping(w->d, &w->p.peer[3].ep, &handler, w->now, NULL));
    count(w, dht_scrape(w->d, &w->target, &handler, w->now, NULL));
    count(w, dht_get_item(w->d, &other, TEST_BYTES("salt"), &handler, w->now,
                          NULL));
    publish(w, &handler);
    run(w, 30 * TIME_S);
}

/* As if nothing had happened. */
static void check(struct trial *w)
{
    struct witness all_well;
    struct dht_handler handler = witness_handler(&all_well);

    assert_int_equal(w->done, w->started);
    assert_int_equal(dht_bootstrap_add(w->d, &w->p.peer[0].ep, w->now), OK);
    run(w, 10 * TIME_MIN);
    assert_int_equal(dht_get_peers(w->d, &w->target, &handler, w->now, NULL),
                     OK);
    run(w, 30 * TIME_S);
    assert_int_equal(all_well.done, 1);
    assert_int_equal(all_well.result.error, OK);
    assert_in_range(all_well.result.answered, DHT_K, PEERS);
    assert_in_range(all_well.peer_count, 1, 2);
    be_asked(w, &w->p.peer[5]);
    assert_true(w->d->service.peers.peers > 0 && w->d->service.items.items > 0);
    assert_int_equal(w->d->request_count, 0);
    for (int f = 0; f < FAMILIES; f++)
        table_check(&w->d->contacts.table[f]);
}

/* A lookup of our own id for which there was no memory comes later. */
static void test_dht_memory_own_lookup_comes_later(void **state)
{
    struct trial *w = calloc(1, sizeof(*w));
    const struct dht_env env = {w, on_send, on_random, on_event};
    struct dht_config config;
    uint64_t before;

    (void)state;
    assert_non_null(w);
    w->now = 1000 * TIME_S;
    w->random = test_seed(6);
    w->target = test_id("c0ffee");
    peers_make(&w->p, PEERS, &w->random);
    dht_config_init(&config);
    config.testing_network = true;
    assert_int_equal(dht_new(&config, &env, w->now, &w->d), OK);
    assert_int_equal(dht_bootstrap_add(w->d, &w->p.peer[0].ep, w->now), OK);
    run(w, 2 * TIME_MIN);
    w->d->maintain.join[FAMILY_IPV4].at = w->now;
    before = dht_stats(w->d)->lookups_started;
    fail_alloc_at(1);
    dht_tick(w->d, w->now);
    assert_true(fail_alloc_end());
    assert_true(dht_stats(w->d)->lookups_started == before);
    run(w, 10 * TIME_MIN);
    assert_true(dht_stats(w->d)->lookups_started > before);
    dht_free(w->d);
    free(w);
}

static void test_dht_memory_nth_allocation_fails(void **state)
{
    const struct dht_env env = {NULL, on_send, on_random, on_event};
    const struct test_random random = test_seed(5);
    bool failed = true;
    unsigned n;

    (void)state;
    for (n = 1; failed; n++) {
        struct trial *w = calloc(1, sizeof(*w));
        struct dht_env own = env;
        struct dht_config config;
        enum error err;

        assert_non_null(w);
        w->now = 1000 * TIME_S;
        w->random = random;
        w->target = test_id("c0ffee");
        peers_make(&w->p, PEERS, &w->random);
        own.ctx = w;
        dht_config_init(&config);
        config.testing_network = true;
        fail_alloc_at(n);
        err = dht_new(&config, &own, w->now, &w->d);
        if (err == OK)
            live(w);
        failed = fail_alloc_end();
        if (err == OK) {
            check(w);
            dht_free(w->d);
        }
        assert_true(err == OK || (err == ERR_NO_MEMORY && failed));
        free(w);
    }
    printf("%u allocations\n", n - 2);
    assert_true(n > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_memory_own_lookup_comes_later),
        cmocka_unit_test(test_dht_memory_nth_allocation_fails),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
