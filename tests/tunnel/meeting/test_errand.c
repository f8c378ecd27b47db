/* SPDX-License-Identifier: MIT
 *
 * What is looked up for others, and that it makes no scanner of a relay.
 */
#include "tunnel/meeting/errand.h"

#include "fail_alloc.h"
#include "meeting/meeting_world.h"

static enum reason get_peers(struct world *w, struct party *p, uint32_t id)
{
    static const uint8_t hash[ID_BYTES] = {1, 2, 3};
    const struct meeting_message m = {
        .type = MEETING_DHT_GET, .id = id, .key = {hash, sizeof(hash)}};

    return say(w, p, &m);
}

static enum reason get_item(struct world *w, struct party *p, uint32_t id)
{
    static const uint8_t key[32] = {9};
    const struct meeting_message m = {
        .type = MEETING_DHT_GET, .id = id, .key = {key, sizeof(key)}};

    return say(w, p, &m);
}

/* A signed value; with another signature when it is to be junk. */
struct signed_value {
    uint8_t key[32], signature[64], bytes[MEETING_VALUE_BYTES];
    struct value value;
    struct meeting_message put;
    struct dht_provider_item item;
};

static void make_value(struct signed_value *s, int64_t seq)
{
    uint8_t seed[32] = {4}, secret[64], covered[ITEM_SIGNED_MAX];
    size_t len;

    memset(s->bytes, (int)seq, sizeof(s->bytes));
    crypto_sign_seed_keypair(s->key, secret, seed);
    assert_int_equal(
        value_from_bytes(bytes_of(s->bytes, sizeof(s->bytes)), &s->value), OK);
    len = item_signed_bytes(TEST_BYTES("\1"), seq, &s->value, covered);
    crypto_sign_detached(s->signature, NULL, covered, len, secret);
    s->put = (struct meeting_message){.type = MEETING_DHT_PUT,
                                      .id = 5,
                                      .key = {s->key, 32},
                                      .salt = TEST_BYTES("\1"),
                                      .seq = seq,
                                      .signature = s->signature,
                                      .value = s->bytes};
    s->item = (struct dht_provider_item){
        .salt = TEST_BYTES("\1"), .seq = seq, .value = &s->value};
    memcpy(s->item.key, s->key, 32);
    memcpy(s->item.signature, s->signature, 64);
}

static enum reason ask_relay(struct world *w, struct party *p, uint32_t id,
                             const struct endpoint *ep)
{
    const struct meeting_message m = {
        .type = MEETING_RELAY_ASK, .id = id, .ep = *ep};

    return say(w, p, &m);
}

static void find_peers(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        w->peers[i] = source_at(50, (uint8_t)i, 0, 1);
    w->peer_count = count;
}

/* A circuit that was told `count` endpoints. */
static struct party *seeker(struct world *w, unsigned count)
{
    struct party *p = party_of(w, 1);

    find_peers(w, count);
    get_peers(w, p, 1);
    world_tick(w);
    assert_int_equal(p->said[MEETING_DHT_PEERS], count > 0 ? 1 : 0);
    return p;
}

/* ---- Lookups ------------------------------------------------------------- */

static void test_errand_peers(void **state)
{
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = seeker(&w, 40); /* of which 32 fit */
    assert_int_equal(p->last.type, MEETING_DHT_DONE);
    assert_int_equal(p->last.id, 1);
    assert_int_equal(p->last.reason, REASON_UNKNOWN);
    assert_int_equal(p->last.asked, 30);
    assert_int_equal(p->last.answered, 20);
    w.dht_waits = true;
    get_peers(&w, p, 2);
    get_peers(&w, p, 2); /* again: it is under way */
    assert_int_equal(w.gets, 2);
    world_tick(&w);
    assert_int_equal(p->said[MEETING_DHT_DONE], 1);
    w.peer_count = 32;
    world_dht_done(&w, &w.handler, OK);
    world_run(&w, 0);
    assert_int_equal(p->said[MEETING_DHT_PEERS], 2);
    assert_int_equal(p->said[MEETING_DHT_DONE], 2);
    assert_int_equal(world_stats(&w).lookups, 0);
    world_deinit(&w);
}

/* Each newer version is passed on as it comes. */
static void test_errand_items(void **state)
{
    struct signed_value old, new;
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    make_value(&old, 3);
    make_value(&new, 4);
    p = party_of(&w, 1);
    w.dht_waits = true;
    get_item(&w, p, 7);
    assert_int_equal(w.get_items, 1);
    w.handler.item(w.handler.ctx, w.handler.cookie, &old.item);
    world_run(&w, 0);
    assert_int_equal(p->last.type, MEETING_DHT_ITEM);
    assert_int_equal(p->last.id, 7);
    assert_int_equal(p->last.seq, 3);
    assert_memory_equal(p->last.signature, old.signature, 64);
    assert_memory_equal(p->last.value, old.bytes, sizeof(old.bytes));
    w.item = &new.item;
    world_dht_done(&w, &w.handler, OK);
    world_run(&w, 0);
    assert_int_equal(p->said[MEETING_DHT_ITEM], 2);
    assert_int_equal(p->last.type, MEETING_DHT_DONE);
    /* One of another length is no service's. */
    assert_int_equal(value_from_bytes(TEST_BYTES("short"), &new.value), OK);
    w.dht_waits = false;
    get_item(&w, p, 8);
    world_run(&w, 0);
    assert_int_equal(p->said[MEETING_DHT_ITEM], 2);
    assert_int_equal(p->said[MEETING_DHT_DONE], 2);
    world_deinit(&w);
}

static void test_errand_put(void **state)
{
    struct signed_value v;
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    make_value(&v, 3);
    p = party_of(&w, 1);
    say(&w, p, &v.put);
    world_run(&w, 0);
    assert_int_equal(w.puts, 1);
    assert_int_equal(p->last.type, MEETING_DHT_DONE);
    assert_int_equal(p->last.stored, 8);
    assert_int_equal(p->last.reason, REASON_UNKNOWN);
    /* A newer one is out there. */
    w.dht_waits = true;
    say(&w, p, &v.put);
    world_dht_done(&w, &w.handler, ERR_SEQ);
    world_run(&w, 0);
    assert_int_equal(p->last.reason, REASON_POLICY);
    /* A DHT that does not count. */
    say(&w, p, &v.put);
    w.handler.done(w.handler.ctx, w.handler.cookie, OK);
    world_run(&w, 0);
    assert_int_equal(p->last.reason, REASON_UNKNOWN);
    assert_int_equal(p->last.stored, 1);
    world_deinit(&w);
}

/* No DHT, or one that puts for nobody else, or is busy. */
static void test_errand_without_dht(void **state)
{
    struct signed_value v;
    struct meeting_env env;
    struct party *p;
    struct world w;

    (void)state;
    make_value(&v, 3);
    world_init(&w, 1);
    p = party_of(&w, 1);
    w.dht.put_once = NULL;
    say(&w, p, &v.put);
    assert_int_equal(p->last.reason, REASON_NO_EXIT);
    w.dht_error = ERR_FULL;
    get_peers(&w, p, 6);
    assert_int_equal(p->last.reason, REASON_FULL);
    world_deinit(&w);
    world_prepare(&w, 1);
    env = world_env(&w);
    env.dht = NULL;
    assert_int_equal(meeting_new(&w.config, &env, &w.m), OK);
    p = party_of(&w, 1);
    get_peers(&w, p, 6);
    assert_int_equal(p->last.type, MEETING_DHT_DONE);
    assert_int_equal(p->last.id, 6);
    assert_int_equal(p->last.reason, REASON_NO_EXIT);
    world_deinit(&w);
}

/* What takes long ends, and what has come so far is told. */
static void test_errand_takes_long(void **state)
{
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    find_peers(&w, 2);
    p = party_of(&w, 1);
    w.dht_waits = true;
    get_peers(&w, p, 6);
    w.handler.peer(w.handler.ctx, w.handler.cookie, &w.peers[0]);
    world_run(&w, ERRAND_LIFE - 1);
    assert_int_equal(p->text_len, 0);
    world_run(&w, 1);
    assert_int_equal(p->said[MEETING_DHT_PEERS], 1);
    assert_int_equal(p->last.reason, REASON_TIMEOUT);
    assert_int_equal(w.cancelled, 1);
    world_deinit(&w);
}

/* Line 4: answers that come when nobody is there, or twice. */
static void test_errand_circuit_goes(void **state)
{
    struct dht_provider_handler first;
    struct party *p, *other;
    struct world w;

    (void)state;
    world_init(&w, 1);
    find_peers(&w, 2);
    p = party_of(&w, 1);
    other = party_of(&w, 2);
    w.dht_waits = true;
    get_peers(&w, p, 6);
    first = w.handler;
    get_peers(&w, other, 6);
    party_end(&w, p);
    assert_int_equal(w.cancelled, 1);
    world_dht_done(&w, &first, OK); /* one that does not keep to the rules */
    world_run(&w, 0);
    assert_int_equal(other->text_len, 0);
    world_dht_done(&w, &w.handler, OK);
    world_run(&w, 0);
    world_dht_done(&w, &w.handler, OK);
    world_run(&w, 0);
    assert_int_equal(other->said[MEETING_DHT_PEERS], 1);
    assert_int_equal(other->said[MEETING_DHT_DONE], 1);
    world_deinit(&w);
}

/* ---- Limits: line 23 ----------------------------------------------------- */

static void test_errand_limits_of_a_circuit(void **state)
{
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = party_of(&w, 1);
    w.dht_waits = true;
    get_peers(&w, p, 1);
    get_peers(&w, p, 2);
    get_peers(&w, p, 3);
    assert_int_equal(w.gets, 2);
    assert_int_equal(p->last.id, 3);
    assert_int_equal(p->last.reason, REASON_FULL);
    w.dht_waits = false;
    for (uint32_t i = 0; i < 1000; i++) {
        world_run(&w, 10 * TIME_S);
        get_peers(&w, p, 10 + i);
    }
    assert_int_equal(w.gets, ERRANDS_MAX);
    assert_int_equal(p->last.reason, REASON_FULL);
    /* Another circuit goes on. */
    get_peers(&w, party_of(&w, 2), 1);
    assert_int_equal(w.gets, ERRANDS_MAX + 1);
    world_deinit(&w);
}

static void test_errand_rates(void **state)
{
    const struct endpoint line = source_at(9, 9, 9, 9);
    struct party *p = NULL;
    struct world w;

    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 1000; i++) {
        p = party_new(&w, &line);
        get_peers(&w, p, 1);
        world_tick(&w);
    }
    assert_int_equal(p->last.reason, REASON_RATE);
    assert_int_equal(w.gets, w.config.lookup_burst / 4);
    p = party_of(&w, 1);
    get_peers(&w, p, 1);
    world_run(&w, 0);
    assert_int_equal(p->last.reason, REASON_UNKNOWN);
    /* Over all. */
    for (unsigned i = 0; i < 1000; i++) {
        get_peers(&w, party_of(&w, 2 + i), 1);
        world_tick(&w);
    }
    assert_in_range(w.gets, w.config.lookup_burst, 2 * w.config.lookup_burst);
    world_deinit(&w);
}

/* At once: a quarter for one host. */
static void test_errand_places(void **state)
{
    const struct endpoint line = source_at(9, 9, 9, 9);
    struct party *p;
    struct world w;

    (void)state;
    world_prepare(&w, 1);
    w.config.lookup_rate = w.config.lookup_burst = 10000;
    world_begin(&w);
    w.dht_waits = true;
    for (unsigned i = 0; i < 100; i++) {
        p = party_new(&w, &line);
        get_peers(&w, p, 1);
    }
    assert_int_equal(world_stats(&w).lookups, w.config.max_lookups / 4);
    for (unsigned i = 0; i < 100; i++) {
        p = party_of(&w, i);
        get_peers(&w, p, 1);
        if (i == 0)
            assert_int_equal(world_stats(&w).lookups,
                             w.config.max_lookups / 4 + 1);
    }
    assert_int_equal(world_stats(&w).lookups, w.config.max_lookups);
    assert_int_equal(p->last.reason, REASON_FULL);
    world_run(&w, ERRAND_LIFE);
    get_peers(&w, p, 2);
    assert_int_equal(world_stats(&w).lookups, 1);
    world_deinit(&w);
}

/* Junk costs no lookup. */
static void test_errand_put_of_junk(void **state)
{
    struct signed_value v;
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    make_value(&v, 3);
    for (unsigned i = 0; i < 100; i++) {
        p = party_of(&w, i);
        v.signature[i % 64] ^= 1;
        say(&w, p, &v.put);
        v.signature[i % 64] ^= 1;
        assert_int_equal(p->last.type, MEETING_DHT_DONE);
        assert_int_equal(p->last.reason, REASON_PROTOCOL);
    }
    v.put.seq = 4;
    say(&w, p, &v.put);
    v.put.seq = 3;
    v.put.salt = TEST_BYTES("\2");
    say(&w, p, &v.put);
    assert_int_equal(w.puts, 0);
    v.put.salt = TEST_BYTES("\1");
    say(&w, p, &v.put);
    assert_int_equal(w.puts, 1);
    world_deinit(&w);
}

/* ---- Relays -------------------------------------------------------------- */

static void test_errand_relay(void **state)
{
    struct endpoint ep;
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = seeker(&w, 3);
    ep = w.peers[1];
    ask_relay(&w, p, 9, &ep);
    ask_relay(&w, p, 9, &ep);
    assert_int_equal(w.tells, 1);
    assert_true(endpoint_equal(&w.told[0], &ep));
    assert_int_equal(p->said[MEETING_RELAY_TOLD], 0);
    meeting_told(w.m, &ep, TEST_BYTES("descriptor"), w.wall, w.now);
    assert_int_equal(p->last.type, MEETING_RELAY_TOLD);
    assert_int_equal(p->last.id, 9);
    assert_true(bytes_is_text(p->last.descriptor, "descriptor"));
    /* Known already. */
    w.tell_at_once = TEST_BYTES("other");
    ask_relay(&w, p, 10, &ep);
    assert_true(bytes_is_text(p->last.descriptor, "other"));
    /* Nobody answers, or the directory has no place. */
    w.tell_at_once = bytes_of(NULL, 0);
    ask_relay(&w, p, 11, &ep);
    world_run(&w, ERRAND_LIFE);
    assert_int_equal(p->last.id, 11);
    assert_int_equal(p->last.descriptor.len, 0);
    w.tell_error = ERR_FULL;
    ask_relay(&w, p, 12, &ep);
    assert_int_equal(p->last.id, 12);
    assert_int_equal(p->last.descriptor.len, 0);
    assert_int_equal(world_stats(&w).lookups, 0);
    world_deinit(&w);
}

/* Only what this very circuit was told, and no more than a few. */
static void test_errand_is_no_scanner(void **state)
{
    struct party *p, *other;
    struct endpoint ep;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = seeker(&w, 10);
    other = party_of(&w, 2);
    ask_relay(&w, other, 1, &w.peers[0]);
    assert_int_equal(other->last.descriptor.len, 0);
    for (unsigned i = 0; i < 1000; i++) {
        ep = source_at(60, (uint8_t)i, (uint8_t)(i >> 8), 1);
        ask_relay(&w, p, 100 + i, &ep);
    }
    ep = w.peers[0];
    ep.port++;
    ask_relay(&w, p, 1, &ep);
    assert_int_equal(w.tells, 0);
    for (unsigned i = 0; i < 10; i++)
        ask_relay(&w, p, 5000 + i, &w.peers[i]);
    assert_int_equal(w.tells, ERRAND_ASKS);
    /* Another circuit with its own lookup is served. */
    get_peers(&w, other, 2);
    world_run(&w, 0);
    ask_relay(&w, other, 3, &w.peers[0]);
    assert_int_equal(w.tells, ERRAND_ASKS + 1);
    world_deinit(&w);
}

/* Two circuits that ask one relay: one answer is for both. */
static void test_errand_relay_for_two(void **state)
{
    struct party *p, *other;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = seeker(&w, 1);
    other = party_of(&w, 2);
    get_peers(&w, other, 1);
    world_run(&w, 0);
    ask_relay(&w, p, 5, &w.peers[0]);
    ask_relay(&w, other, 6, &w.peers[0]);
    meeting_told(w.m, &w.peers[0], TEST_BYTES("d"), w.wall, w.now);
    assert_int_equal(p->last.id, 5);
    assert_int_equal(other->last.id, 6);
    world_deinit(&w);
}

static void test_errand_kinds_of_circuits(void **state)
{
    const struct endpoint ep = source_at(1, 2, 3, 4);
    const struct auth a = auth_of(1);
    struct party *p;
    struct world w;

    (void)state;
    world_init(&w, 1);
    p = party_of(&w, 1);
    establish(&w, p, &a, NULL, NULL);
    assert_int_equal(get_peers(&w, p, 1), REASON_PROTOCOL);
    assert_int_equal(ask_relay(&w, p, 1, &ep), REASON_PROTOCOL);
    p = party_of(&w, 2);
    get_peers(&w, p, 1);
    assert_int_equal(establish(&w, p, &a, NULL, NULL), REASON_PROTOCOL);
    assert_int_equal(introduce(&w, p, a.id, 1, 0), REASON_UNKNOWN);
    world_deinit(&w);
}

static void test_errand_without_memory(void **state)
{
    unsigned n;

    (void)state;
    for (n = 1;; n++) {
        struct party *p;
        struct world w;
        bool failed;

        world_init(&w, 1);
        p = party_of(&w, 1);
        find_peers(&w, 1);
        fail_alloc_at(n);
        get_peers(&w, p, 1);
        world_run(&w, 0);
        ask_relay(&w, p, 2, &w.peers[0]);
        failed = fail_alloc_end();
        get_peers(&w, p, 3);
        world_run(&w, 0);
        assert_int_equal(p->last.reason, REASON_UNKNOWN);
        ask_relay(&w, p, 4, &w.peers[0]);
        assert_true(w.tells >= 1);
        world_deinit(&w);
        if (!failed)
            break;
    }
    assert_in_range(n, 4, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errand_peers),
        cmocka_unit_test(test_errand_items),
        cmocka_unit_test(test_errand_put),
        cmocka_unit_test(test_errand_without_dht),
        cmocka_unit_test(test_errand_takes_long),
        cmocka_unit_test(test_errand_circuit_goes),
        cmocka_unit_test(test_errand_limits_of_a_circuit),
        cmocka_unit_test(test_errand_rates),
        cmocka_unit_test(test_errand_places),
        cmocka_unit_test(test_errand_put_of_junk),
        cmocka_unit_test(test_errand_relay),
        cmocka_unit_test(test_errand_is_no_scanner),
        cmocka_unit_test(test_errand_relay_for_two),
        cmocka_unit_test(test_errand_kinds_of_circuits),
        cmocka_unit_test(test_errand_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
