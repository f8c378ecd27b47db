/* SPDX-License-Identifier: MIT
 *
 * Whether others find what we publish: looked up soon after it was stored,
 * stored again when it was not found, when nearer nodes come, and when there
 * is somebody at last; and at which pace.
 */
#include "publish_fixture.h"

static void see(void *ctx, const struct dht_publication_info *info)
{
    struct dht_publication_info *out = ctx;

    *out = *info;
}

static struct dht_publication_info look(const struct fixture *f)
{
    struct dht_publication_info info = {.stored = 99};

    dht_publications(f->h.d, see, &info);
    return info;
}

static unsigned in_state(const struct fixture *f, enum dht_published state)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.published[state];
}

/* Announced to peers who tell us our address. */
static struct fixture *announced(size_t peers)
{
    struct fixture *f = start(peers);

    f->own = test_ep("127.0.0.99:7881");
    f->announced = test_ep("127.0.0.99:4321");
    f->target =
        test_id("00112299"); /* in our own bucket, where there is room */
    join(f);
    announce(f, 4321, false);
    run(f, 10 * TIME_S);
    assert_int_equal(f->stored, DHT_K);
    assert_int_equal(look(f).state, DHT_PUBLISHED_STORED);
    assert_true(look(f).checked == TIME_NEVER);
    return f;
}

static void test_dht_publish_found(void **state)
{
    struct fixture *f = announced(60);
    uint64_t begun = f->h.now;

    (void)state;
    f->tell_peer = true;
    run(f, 45 * TIME_S);
    assert_int_equal(look(f).state, DHT_PUBLISHED_FOUND);
    assert_int_equal(in_state(f, DHT_PUBLISHED_FOUND), 1);
    assert_in_range(look(f).checked, begun, f->h.now);
    assert_int_equal(f->stored, 2 * DHT_K);
    /* From now on it is renewed as rarely as ever. */
    run(f, 11 * TIME_MIN);
    assert_int_equal(f->stored, 2 * DHT_K);
    run(f, 6 * TIME_MIN);
    assert_int_equal(f->stored, 3 * DHT_K);
    end(f);
}

/* The peer of somebody else, or of our address under another port, is not
 * ours. */
static void test_dht_publish_missing(void **state)
{
    static const char *const others[] = {"127.0.0.98:4321", "127.0.0.99:4322"};
    struct fixture *f = announced(60);

    (void)state;
    f->tell_peer = true;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        f->announced = test_ep(others[i]);
        run(f, (i + 1) * 45 * TIME_S);
        assert_int_equal(look(f).state, DHT_PUBLISHED_MISSING);
        assert_int_equal(in_state(f, DHT_PUBLISHED_MISSING), 1);
        assert_int_equal(f->stored, (2 + i) * DHT_K);
    }
    /* Ever less often, but more often than what is found. */
    run(f, TIME_HOUR);
    assert_in_range(f->stored, 7 * DHT_K, 12 * DHT_K);
    f->announced = test_ep("127.0.0.99:4321");
    run(f, 20 * TIME_MIN);
    assert_int_equal(look(f).state, DHT_PUBLISHED_FOUND);
    end(f);
}

/* A lookup that nobody answered tells nothing of what was stored before. */
static void test_dht_publish_lookup_without_answers(void **state)
{
    struct fixture *f = announced(60);

    (void)state;
    f->tell_peer = true;
    run(f, TIME_MIN);
    assert_int_equal(look(f).state, DHT_PUBLISHED_FOUND);
    for (size_t i = 0; i < f->p.count; i++)
        f->p.peer[i].silent = true;
    run(f, 20 * TIME_MIN);
    assert_int_equal(look(f).state, DHT_PUBLISHED_FAILING);
    assert_int_equal(in_state(f, DHT_PUBLISHED_MISSING), 0);
    end(f);
}

/* `bits` of the target, and one that is none of its. */
static struct id near_target(const struct fixture *f, int bits)
{
    struct id id = f->target;

    id_set_bit(&id, bits, !id_bit(&id, bits));
    return id;
}

/* Where few nodes have it, or some that are farther, a node that we get to
 * know is to have it too. */
static void test_dht_publish_stored_where_nearer_nodes_come(void **state)
{
    struct endpoint at = test_ep("127.0.9.1:7000");
    struct fixture *f = announced(60);
    struct id far = near_target(f, 0), near = near_target(f, 100);
    unsigned before;

    (void)state;
    f->tell_peer = true;
    run(f, TIME_MIN);
    before = f->stored;
    harness_befriend(&f->h, &at, &far);
    run(f, TIME_MIN);
    assert_int_equal(f->stored, before);
    at.port++;
    harness_befriend(&f->h, &at, &near);
    run(f, 35 * TIME_S);
    assert_true(f->stored > before);
    end(f);
}

/* Those that have it are no news. */
static void test_dht_publish_holders_are_no_news(void **state)
{
    struct fixture *f = announced(60);
    const struct peer *near[DHT_K];
    unsigned before;

    (void)state;
    f->tell_peer = true;
    run(f, TIME_MIN);
    before = f->stored;
    peers_closest(&f->p, &f->target, near, DHT_K);
    for (size_t i = 0; i < DHT_K; i++)
        harness_befriend(&f->h, &near[i]->ep, &near[i]->id);
    run(f, TIME_MIN);
    assert_int_equal(f->stored, before);
    end(f);
}

/* It need not wait until its back-off is over. */
static void test_dht_publish_soon_after_joining(void **state)
{
    struct fixture *f = start(20);

    (void)state;
    announce(f, 4321, false);
    run(f, 20 * TIME_MIN);
    assert_int_equal(f->w.result.error, ERR_NO_NODES);
    assert_int_equal(look(f).state, DHT_PUBLISHED_FAILING);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    run(f, 3 * TIME_S);
    assert_true(f->stored > 0);
    run(f, 40 * TIME_S);
    assert_true(f->stored >= DHT_K);
    end(f);
}

/* Rounds that are due at once begin one after the other, the latest request
 * first. In this network each node gets two queries of each round. */
static void test_dht_publish_keeps_a_pace(void **state)
{
    struct fixture *f = start(10);
    uint64_t sent;

    (void)state;
    join(f);
    sent = f->h.sent_count;
    for (int i = 0; i < 100; i++) {
        struct id hash = test_random_id(&f->random);

        assert_int_equal(
            dht_announce(f->h.d, &hash, 1, false, NULL, f->h.now, NULL), OK);
    }
    announce(f, 4321, false);
    run(f, 2 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_in_range(f->h.sent_count - sent, 16 * DHT_K, 26 * 20 * 2);
    assert_int_equal(in_state(f, DHT_PUBLISHED_STORED) +
                         in_state(f, DHT_PUBLISHED_STARTING),
                     101);
    assert_in_range(in_state(f, DHT_PUBLISHED_STORED), 16, 28);
    run(f, 18 * TIME_S);
    assert_int_equal(in_state(f, DHT_PUBLISHED_STORED), 101);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_publish_found),
        cmocka_unit_test(test_dht_publish_missing),
        cmocka_unit_test(test_dht_publish_lookup_without_answers),
        cmocka_unit_test(test_dht_publish_stored_where_nearer_nodes_come),
        cmocka_unit_test(test_dht_publish_holders_are_no_news),
        cmocka_unit_test(test_dht_publish_soon_after_joining),
        cmocka_unit_test(test_dht_publish_keeps_a_pace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
