/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"
#include "testing.h"

static void test_store_creates_file(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    fixture_open(f);
    assert_int_equal(f->report.how, STORE_CREATED);
    assert_string_equal(f->report.text, "created warren.db");
    assert_string_equal(f->report.set_aside, "");
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    fixture_reopen(f);
    assert_int_equal(f->report.how, STORE_OPENED);
    assert_string_equal(f->report.text, "opened warren.db");
}

static void test_store_nodes_round_trip(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct node_list l;

    for (uint32_t n = 0; n < 100; n++) {
        struct store_node node = make_node(n, 5000 + n);

        assert_int_equal(store_put_node(s, STORE_DHT, &node), OK);
    }
    assert_int_equal(store_flush(s, 1), OK);
    s = fixture_reopen(f);
    l = list_nodes(s, 1000);
    assert_int_equal(l.count, 100);
    for (uint32_t i = 0; i < 100; i++) {
        struct store_node want = make_node(99 - i, 5099 - i);

        assert_same_node(&l.nodes[i], &want);
    }
    free(l.nodes);
    l = list_nodes(s, 7);
    assert_int_equal(l.count, 7);
    free(l.nodes);
    l = list_nodes(s, 0);
    assert_int_equal(l.count, 0);
}

static void test_store_endpoint_is_the_key_of_a_node(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_node node = make_node(1, 10);
    struct store_node other_id = make_node(2, 20);
    struct store_node other_port = node;
    struct node_list l;

    other_id.endpoint = node.endpoint;
    other_port.endpoint.port++;
    store_put_node(s, STORE_DHT, &node);
    store_put_node(s, STORE_DHT, &other_port);
    assert_int_equal(store_flush(s, 1), OK);
    store_put_node(s, STORE_DHT, &other_id);
    assert_int_equal(store_flush(s, 1), OK);
    l = list_nodes(s, 10);
    assert_int_equal(l.count, 2);
    assert_same_node(&l.nodes[0], &other_id);
    assert_same_node(&l.nodes[1], &other_port);
    free(l.nodes);
}

static void check_announcement(void *ctx, const struct store_announcement *a)
{
    uint32_t *seen = ctx;
    struct store_announcement want;
    uint32_t n;

    memcpy(&n, a->info_hash.b, sizeof(n));
    want = make_announcement(n);
    assert_memory_equal(a->info_hash.b, want.info_hash.b, ID_BYTES);
    assert_int_equal(a->port, want.port);
    assert_int_equal(a->implied_port, want.implied_port);
    assert_true(a->since == want.since);
    assert_int_equal(a->seed, want.seed);
    (*seen)++;
}

static enum error withdraw(struct store *s, uint32_t n)
{
    struct store_announcement a = make_announcement(n);

    return store_remove_announcement(s, STORE_DHT, &a.info_hash);
}

static void test_store_announcements_round_trip(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    uint32_t seen = 0;

    for (uint32_t n = 0; n < 20; n++) {
        struct store_announcement a = make_announcement(n);

        assert_int_equal(store_put_announcement(s, STORE_DHT, &a), OK);
    }
    assert_int_equal(store_flush(s, 1), OK);
    s = fixture_reopen(f);
    assert_int_equal(
        store_each_announcement(s, STORE_DHT, check_announcement, &seen), OK);
    assert_int_equal(seen, 20);
    assert_int_equal(withdraw(s, 7), OK);
    assert_int_equal(store_flush(s, 1), OK);
    seen = 0;
    assert_int_equal(
        store_each_announcement(s, STORE_DHT, check_announcement, &seen), OK);
    assert_int_equal(seen, 19);
}

static void check_item(void *ctx, const struct store_item *i)
{
    uint32_t *seen = ctx;
    struct store_item want;
    uint32_t n;

    memcpy(&n, i->target.b, sizeof(n));
    want = make_item(n);
    assert_memory_equal(i->target.b, want.target.b, ID_BYTES);
    assert_int_equal(i->is_mutable, want.is_mutable);
    assert_memory_equal(i->key, want.key, sizeof(want.key));
    assert_memory_equal(i->signature, want.signature, sizeof(want.signature));
    assert_true(i->seq == want.seq && i->since == want.since);
    assert_int_equal(i->salt_len, want.salt_len);
    assert_memory_equal(i->salt, want.salt, sizeof(want.salt));
    assert_int_equal(i->value.len, want.value.len);
    assert_memory_equal(i->value.mp, want.value.mp, want.value.len);
    (*seen)++;
}

static void test_store_items_round_trip(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_item item;
    uint32_t seen = 0;

    /* 0: one byte; 65: no salt; 129: 64 bytes of salt; 1,030: 1,031 bytes */
    for (uint32_t n = 0; n < VALUE_MSGPACK_MAX; n += n < 130 ? 1 : 9) {
        struct store_item i = make_item(n);

        assert_int_equal(store_put_item(s, STORE_DHT, &i), OK);
        seen++;
    }
    assert_int_equal(store_flush(s, 1), OK);
    s = fixture_reopen(f);
    assert_int_equal(fixture_health(f).items[STORE_DHT], seen);
    seen = 0;
    assert_int_equal(store_each_item(s, STORE_DHT, check_item, &seen), OK);
    assert_int_equal(seen, fixture_health(f).items[STORE_DHT]);
    item = make_item(0);
    assert_int_equal(store_remove_item(s, STORE_DHT, &item.target), OK);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).items[STORE_DHT], seen - 1);
}

static void assert_has(struct store *s, bool announcement, bool item)
{
    struct store_announcement a = make_announcement(1);
    struct store_item i = make_item(1);

    assert_int_equal(store_has_announcement(s, STORE_DHT, &a.info_hash),
                     announcement);
    assert_int_equal(store_has_item(s, STORE_DHT, &i.target), item);
}

static void assert_queues(struct store *s, bool announcement, bool item)
{
    struct store_announcement a = make_announcement(1);
    struct store_item i = make_item(1);

    assert_int_equal(store_queues_announcement(s, STORE_DHT, &a.info_hash),
                     announcement);
    assert_int_equal(store_queues_item(s, STORE_DHT, &i.target), item);
}

/* Queued or written: what the next start will find. */
static void test_store_tells_what_it_has(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_announcement a = make_announcement(1);
    struct store_item i = make_item(1);

    assert_has(s, false, false);
    assert_int_equal(store_put_announcement(s, STORE_DHT, &a), OK);
    assert_has(s, true, false);
    assert_queues(s, true, false);
    assert_int_equal(store_put_item(s, STORE_DHT, &i), OK);
    assert_has(s, true, true);
    assert_queues(s, true, true);
    assert_int_equal(store_flush(s, 1), OK);
    assert_has(s, true, true);
    assert_queues(s, false, false);
    assert_int_equal(store_remove_announcement(s, STORE_DHT, &a.info_hash), OK);
    assert_has(s, false, true);
    assert_queues(s, true, false);
    assert_int_equal(store_flush(s, 1), OK);
    assert_has(s, false, true);
}

static void test_store_settings_round_trip(void **state)
{
    static const uint8_t longest[STORE_SETTING_BYTES] = {1, 0, 2};
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    uint8_t buf[STORE_SETTING_BYTES];
    size_t len = 77;

    assert_int_equal(store_get_setting(s, "a", buf, sizeof(buf), &len),
                     ERR_NOT_FOUND);
    assert_int_equal(len, 77);
    store_put_setting(s, "a", bytes_of(longest, sizeof(longest)));
    store_put_setting(s, "empty", bytes_of(NULL, 0));
    for (int round = 0; round < 2; round++) { /* queued, then stored */
        assert_int_equal(store_get_setting(s, "a", buf, sizeof(buf), &len), OK);
        assert_int_equal(len, sizeof(longest));
        assert_memory_equal(buf, longest, len);
        assert_int_equal(store_get_setting(s, "empty", buf, 0, &len), OK);
        assert_int_equal(len, 0);
        assert_int_equal(store_get_setting(s, "a", buf, 255, &len),
                         ERR_NO_SPACE);
        assert_int_equal(len, 0);
        assert_int_equal(store_flush(s, 1), OK);
        s = fixture_reopen(f);
    }
    store_remove_setting(s, "a");
    assert_int_equal(store_get_setting(s, "a", buf, sizeof(buf), &len),
                     ERR_NOT_FOUND);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(store_get_setting(s, "a", buf, sizeof(buf), &len),
                     ERR_NOT_FOUND);
    assert_int_equal(fixture_health(f).settings, 1);
}

static void test_store_refuses_wrong_shapes(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    char key[STORE_SETTING_KEY + 1];
    uint8_t value[STORE_SETTING_BYTES + 1] = {0};
    struct store_node node = make_node(1, 1);
    struct store_announcement a = make_announcement(1);
    struct store_item i = make_item(1);

    memset(key, 'k', sizeof(key));
    key[STORE_SETTING_KEY] = '\0';
    assert_int_equal(store_put_setting(s, key, bytes_of(NULL, 0)),
                     ERR_TOO_LARGE);
    assert_int_equal(store_remove_setting(s, key), ERR_TOO_LARGE);
    assert_int_equal(store_put_setting(s, "", bytes_of(NULL, 0)),
                     ERR_TOO_LARGE);
    assert_int_equal(store_put_setting(s, "k", bytes_of(value, sizeof(value))),
                     ERR_TOO_LARGE);
    node.endpoint.port = 0;
    assert_int_equal(store_put_node(s, STORE_DHT, &node), ERR_RANGE);
    a.port = 0;
    assert_int_equal(store_put_announcement(s, STORE_DHT, &a), ERR_RANGE);
    i.salt_len = STORE_SALT_MAX + 1;
    assert_int_equal(store_put_item(s, STORE_DHT, &i), ERR_RANGE);
    i = make_item(1);
    i.value.len = VALUE_MSGPACK_MAX + 1;
    assert_int_equal(store_put_item(s, STORE_DHT, &i), ERR_RANGE);
    assert_int_equal(fixture_health(f).queued, 0);
    key[STORE_SETTING_KEY - 1] = '\0';
    assert_int_equal(store_put_setting(s, key, bytes_of(NULL, 0)), OK);
}

static void test_store_coalesces_changes_of_one_key(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_node node = make_node(4, 0);
    struct node_list l;
    size_t bytes;

    store_put_node(s, STORE_DHT, &node);
    bytes = fixture_health(f).queued_bytes;
    for (node.last_seen = 1; node.last_seen < 1000; node.last_seen++)
        assert_int_equal(store_put_node(s, STORE_DHT, &node), OK);
    assert_int_equal(fixture_health(f).queued, 1);
    assert_int_equal(fixture_health(f).queued_bytes, bytes);
    assert_int_equal(store_remove_node(s, STORE_DHT, &node.endpoint), OK);
    assert_int_equal(fixture_health(f).queued, 1);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 0);
    store_remove_node(s, STORE_DHT, &node.endpoint);
    store_put_node(s, STORE_DHT, &node);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).queued, 0);
    assert_int_equal(fixture_health(f).queued_bytes, 0);
    l = list_nodes(s, 10);
    assert_int_equal(l.count, 1);
    assert_same_node(&l.nodes[0], &node);
    free(l.nodes);
}

static void test_store_close_forgets_the_queue(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_node node = make_node(1, 1);

    store_put_node(s, STORE_DHT, &node);
    fixture_reopen(f);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 0);
}

static void test_store_keeps_the_newest_nodes(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    struct node_list l;

    f->options.max_nodes = 50;
    s = fixture_open(f);
    for (uint32_t n = 0; n < 120; n++) {
        struct store_node node = make_node(n, 100 + n);

        store_put_node(s, STORE_DHT, &node);
        if (n % 40 == 39)
            assert_int_equal(store_flush(s, 1), OK);
    }
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 50);
    assert_int_equal(fixture_health(f).pruned, 70);
    l = list_nodes(s, 1000);
    assert_int_equal(l.count, 50);
    for (uint32_t i = 0; i < 50; i++)
        assert_true(l.nodes[i].last_seen == 219 - i);
    free(l.nodes);
}

static void put_announcements(struct store *s, uint32_t from, uint32_t to,
                              enum error want)
{
    for (uint32_t n = from; n < to; n++) {
        struct store_announcement a = make_announcement(n);

        assert_int_equal(store_put_announcement(s, STORE_DHT, &a), want);
    }
}

static void test_store_refuses_rows_over_their_cap(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    struct store_item i = make_item(1);

    f->options.max_announcements[STORE_DHT] = 10;
    f->options.max_items[STORE_DHT] = 1;
    f->options.max_settings = 1;
    s = fixture_open(f);
    put_announcements(s, 0, 6, OK);
    assert_int_equal(store_flush(s, 1), OK);
    put_announcements(s, 6, 10, OK);
    put_announcements(s, 10, 12, ERR_FULL);
    put_announcements(s, 0, 10, OK); /* known ones: stored and queued */
    assert_int_equal(store_flush(s, 1), OK);
    put_announcements(s, 10, 12, ERR_FULL);
    withdraw(s, 3);
    assert_int_equal(store_flush(s, 1), OK);
    put_announcements(s, 10, 11, OK);
    put_announcements(s, 11, 12, ERR_FULL);
    /* A new one that is withdrawn before it is written makes room. */
    withdraw(s, 10);
    put_announcements(s, 11, 12, OK);
    put_announcements(s, 10, 11, ERR_FULL);

    assert_int_equal(store_put_item(s, STORE_DHT, &i), OK);
    i = make_item(2);
    assert_int_equal(store_put_item(s, STORE_DHT, &i), ERR_FULL);
    assert_int_equal(store_put_setting(s, "a", bytes_of("x", 1)), OK);
    assert_int_equal(store_put_setting(s, "b", bytes_of("x", 1)), ERR_FULL);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).announcements[STORE_DHT], 10);
    assert_int_equal(fixture_health(f).dropped, 0);
    /* Rows that are there are not new, however often they are put. */
    withdraw(s, 11);
    assert_int_equal(store_flush(s, 1), OK);
    put_announcements(s, 0, 3, OK);
    put_announcements(s, 0, 3, OK);
    put_announcements(s, 20, 21, OK);
    put_announcements(s, 21, 22, ERR_FULL);
}

static void test_store_takes_new_caps(void **state)
{
    struct fixture *f = *state;
    struct store *s;

    f->options.max_announcements[STORE_DHT] = 4;
    s = fixture_open(f);
    put_announcements(s, 0, 4, OK);
    put_announcements(s, 4, 5, ERR_FULL);
    f->options.max_announcements[STORE_DHT] = 8;
    store_configure(s, &f->options);
    put_announcements(s, 4, 8, OK);
    put_announcements(s, 8, 9, ERR_FULL);
    assert_int_equal(store_flush(s, 1), OK);
    f->options.max_announcements[STORE_DHT] = 2;
    store_configure(s, &f->options);
    put_announcements(s, 0, 8, OK); /* what is there stays */
    put_announcements(s, 8, 9, ERR_FULL);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).announcements[STORE_DHT], 8);
}

/* Old nodes go first, then new ones; what is ours is refused last. */
static void test_store_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    struct store_item i;
    uint32_t n, items = 0;

    f->options.queue_bytes = 10000;
    s = fixture_open(f);
    for (n = 0; n < 200; n++) {
        struct store_node node = make_node(n, n);

        assert_int_equal(store_put_node(s, STORE_DHT, &node), OK);
        assert_true(fixture_health(f).queued_bytes <= 10000);
    }
    assert_true(fixture_health(f).queued < 200);
    assert_int_equal(fixture_health(f).dropped + fixture_health(f).queued, 200);
    for (i = make_item(0); store_put_item(s, STORE_DHT, &i) == OK;
         i = make_item(items))
        items++;
    assert_true(items > 5);
    assert_int_equal(fixture_health(f).dropped, 201);
    assert_true(fixture_health(f).queued_bytes <= 10000);
    i = make_item(0);
    i.seq++;
    assert_int_equal(store_put_item(s, STORE_DHT, &i),
                     OK); /* takes its own place */
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).items[STORE_DHT], items);
}

/* A removal gives way to a longer change of its own key, with and without
 * room for the difference. */
static void test_store_full_queue_replaces_its_oldest(void **state)
{
    struct fixture *f = *state;

    for (size_t bytes = 2000; bytes < 2200; bytes += 8) {
        struct store_node node;
        size_t full;

        f->options.queue_bytes = bytes;
        fixture_open(f);
        for (uint32_t n = 0; n < 100; n++) {
            node = make_node(n, n);
            assert_int_equal(
                store_remove_node(f->store, STORE_DHT, &node.endpoint), OK);
        }
        full = fixture_health(f).queued;
        node = make_node((uint32_t)(100 - full), 1); /* the oldest left */
        assert_int_equal(store_put_node(f->store, STORE_DHT, &node), OK);
        assert_in_range(fixture_health(f).queued, full - 1, full);
        assert_true(fixture_health(f).queued_bytes <= bytes);
        assert_int_equal(store_flush(f->store, 1), OK);
        assert_int_equal(fixture_health(f).nodes[STORE_DHT], 1);
        fixture_close(f);
        fixture_empty_dir(f);
    }
}

/* Node 1 was stored while the clock was a day ahead; node 2 came after it was
 * set right, node 3 while it stood in 1970. */
static void test_store_survives_a_clock_set_back(void **state)
{
    static const int64_t times[] = {90000, 3600, 5};
    static const uint32_t newest_first[] = {3, 2, 1};
    struct fixture *f = *state;
    struct store *s;
    struct node_list l;

    f->options.max_nodes = 3;
    s = fixture_open(f);
    for (uint32_t n = 0; n <= 3; n++) {
        struct store_node node = make_node(n, n == 0 ? 99999 : times[n - 1]);

        store_put_node(s, STORE_DHT, &node);
        assert_int_equal(store_flush(s, node.last_seen), OK);
        f->options.wall = node.last_seen;
        s = fixture_reopen(f);
    }
    l = list_nodes(s, 10);
    assert_int_equal(l.count, 3); /* the oldest by order, 0, made room */
    for (uint32_t i = 0; i < 3; i++) {
        struct store_node want =
            make_node(newest_first[i], times[newest_first[i] - 1]);

        assert_same_node(&l.nodes[i], &want);
    }
    free(l.nodes);
}

static void test_store_flush_of_nothing_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);

    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).flushes, 0);
    assert_true(fixture_health(f).ok);
    assert_int_equal(fixture_health(f).error, OK);
}

static void put_while_reading(void *ctx, const struct store_node *node)
{
    struct store_node copy = *node;

    copy.last_seen++;
    assert_int_equal(store_put_node(ctx, STORE_DHT, &copy), OK);
}

static void test_store_queues_while_reading(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_node a = make_node(1, 1), b = make_node(2, 2);

    store_put_node(s, STORE_DHT, &a);
    store_put_node(s, STORE_DHT, &b);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(store_each_node(s, STORE_DHT, 10, put_while_reading, s),
                     OK);
    assert_int_equal(fixture_health(f).queued, 2);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 2);
}

/* Random puts, removals, flushes and restarts against an array. */
#define MODEL_KEYS 64
static void test_store_agrees_with_a_model(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    int64_t now[MODEL_KEYS] = {0}, stored[MODEL_KEYS] = {0}; /* 0: absent */
    struct test_random r = test_seed(20261122);

    for (int step = 1; step < 20000; step++) {
        uint32_t n = test_random_below(&r, MODEL_KEYS);
        struct store_node node = make_node(n, step);
        uint32_t dice = test_random_below(&r, 200);

        if (dice < 120) {
            assert_int_equal(store_put_node(s, STORE_DHT, &node), OK);
            now[n] = step;
        } else if (dice < 195) {
            assert_int_equal(store_remove_node(s, STORE_DHT, &node.endpoint),
                             OK);
            now[n] = 0;
        } else if (dice < 199) {
            assert_int_equal(store_flush(s, step), OK);
            memcpy(stored, now, sizeof(stored));
        } else {
            struct node_list l;
            size_t want = 0;

            s = fixture_reopen(f);
            memcpy(now, stored, sizeof(now));
            for (int k = 0; k < MODEL_KEYS; k++)
                want += stored[k] != 0;
            l = list_nodes(s, 1000);
            assert_int_equal(l.count, want);
            for (size_t i = 0; i < l.count; i++) {
                memcpy(&n, l.nodes[i].id.b, sizeof(n));
                assert_true(l.nodes[i].last_seen == stored[n]);
            }
            free(l.nodes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_store_creates_file),
        store_test(test_store_nodes_round_trip),
        store_test(test_store_endpoint_is_the_key_of_a_node),
        store_test(test_store_announcements_round_trip),
        store_test(test_store_items_round_trip),
        store_test(test_store_tells_what_it_has),
        store_test(test_store_settings_round_trip),
        store_test(test_store_refuses_wrong_shapes),
        store_test(test_store_coalesces_changes_of_one_key),
        store_test(test_store_close_forgets_the_queue),
        store_test(test_store_keeps_the_newest_nodes),
        store_test(test_store_refuses_rows_over_their_cap),
        store_test(test_store_takes_new_caps),
        store_test(test_store_queue_is_bounded),
        store_test(test_store_full_queue_replaces_its_oldest),
        store_test(test_store_survives_a_clock_set_back),
        store_test(test_store_flush_of_nothing_writes_nothing),
        store_test(test_store_queues_while_reading),
        store_test(test_store_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
