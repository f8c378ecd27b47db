/* SPDX-License-Identifier: MIT
 *
 * Two DHTs in one store: each has rows and caps of its own, and what a file of
 * earlier versions holds belongs to the first.
 */
#include "store_fixture.h"

#include "store/schema.h"
#include "store/sql.h"

static const enum store_dht both[] = {STORE_DHT, STORE_MAINLINE};

static void count_nodes(void *ctx, const struct store_node *node)
{
    (void)node;
    (*(unsigned *)ctx)++;
}

static void add_since(void *ctx, const struct store_announcement *a)
{
    *(int64_t *)ctx += a->since;
}

static void add_seq(void *ctx, const struct store_item *item)
{
    *(int64_t *)ctx += item->seq;
}

/* Rows of the same keys that differ in what else they say. */
static void put_rows(struct store *s, enum store_dht dht, uint32_t n)
{
    struct store_node node = make_node(n, 10 + (int64_t)dht);
    struct store_announcement a = make_announcement(n);
    struct store_item item = make_item(n);

    a.since = 100 + (int64_t)dht;
    item.is_mutable = true;
    item.seq = 1000 + (int64_t)dht;
    assert_int_equal(store_put_node(s, dht, &node), OK);
    assert_int_equal(store_put_announcement(s, dht, &a), OK);
    assert_int_equal(store_put_item(s, dht, &item), OK);
}

static void assert_rows(struct store *s, enum store_dht dht, bool there,
                        uint32_t n)
{
    struct store_announcement a = make_announcement(n);
    struct store_item item = make_item(n);
    int64_t since = 0, seq = 0;
    unsigned nodes = 0;

    assert_int_equal(store_each_node(s, dht, 10, count_nodes, &nodes), OK);
    assert_int_equal(store_each_announcement(s, dht, add_since, &since), OK);
    assert_int_equal(store_each_item(s, dht, add_seq, &seq), OK);
    assert_int_equal(nodes, there);
    assert_int_equal(since, there ? 100 + (int)dht : 0);
    assert_int_equal(seq, there ? 1000 + (int)dht : 0);
    assert_int_equal(store_has_announcement(s, dht, &a.info_hash), there);
    assert_int_equal(store_has_item(s, dht, &item.target), there);
}

static void test_store_dhts_share_no_row(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_announcement a = make_announcement(7);
    struct store_item item = make_item(7);
    struct store_node node = make_node(7, 0);

    for (unsigned i = 0; i < 2; i++)
        put_rows(s, both[i], 7);
    assert_int_equal(store_flush(s, 1), OK);
    s = fixture_reopen(f);
    for (unsigned i = 0; i < 2; i++)
        assert_rows(s, both[i], true, 7);

    store_remove_node(s, STORE_MAINLINE, &node.endpoint);
    store_remove_announcement(s, STORE_MAINLINE, &a.info_hash);
    store_remove_item(s, STORE_MAINLINE, &item.target);
    assert_true(store_queues_announcement(s, STORE_MAINLINE, &a.info_hash));
    assert_false(store_queues_announcement(s, STORE_DHT, &a.info_hash));
    assert_true(store_queues_item(s, STORE_MAINLINE, &item.target));
    assert_false(store_queues_item(s, STORE_DHT, &item.target));
    assert_int_equal(store_flush(s, 1), OK);
    assert_rows(s, STORE_DHT, true, 7);
    assert_rows(s, STORE_MAINLINE, false, 7);
    assert_int_equal(fixture_health(f).items[STORE_DHT], 1);
    assert_int_equal(fixture_health(f).items[STORE_MAINLINE], 0);
}

static void test_store_dhts_have_caps_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct store *s;

    f->options.max_announcements[STORE_DHT] = 3;
    f->options.max_announcements[STORE_MAINLINE] = 1;
    f->options.max_items[STORE_DHT] = 1;
    f->options.max_items[STORE_MAINLINE] = 2;
    s = fixture_open(f);
    for (unsigned i = 0; i < 2; i++) {
        enum store_dht dht = both[i];

        for (uint32_t n = 0; n < 5; n++) {
            struct store_announcement a = make_announcement(n);
            struct store_item item = make_item(n);

            assert_int_equal(store_put_announcement(s, dht, &a),
                             n < f->options.max_announcements[dht] ? OK
                                                                   : ERR_FULL);
            assert_int_equal(store_put_item(s, dht, &item),
                             n < f->options.max_items[dht] ? OK : ERR_FULL);
        }
    }
    f->options.max_announcements[STORE_MAINLINE] = 4;
    store_configure(s, &f->options);
    for (uint32_t n = 0; n < 5; n++) {
        struct store_announcement a = make_announcement(n);

        assert_int_equal(store_put_announcement(s, STORE_MAINLINE, &a),
                         n < 4 ? OK : ERR_FULL);
    }
}

/* Many nodes of one push out none of the other: on disk, and in the queue,
 * where those of which there are more make room. */
static void test_store_dhts_have_room_for_nodes_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct store *s;

    f->options.max_nodes = 20;
    f->options.queue_bytes = 10000;
    s = fixture_open(f);
    for (uint32_t n = 0; n < 10; n++) {
        struct store_node node = make_node(n, n);

        assert_int_equal(store_put_node(s, STORE_DHT, &node), OK);
    }
    for (uint32_t n = 0; n < 200; n++) {
        struct store_node node = make_node(n, n);

        assert_int_equal(store_put_node(s, STORE_MAINLINE, &node), OK);
    }
    assert_true(fixture_health(f).dropped > 0);
    assert_int_equal(store_flush(s, 1), OK);
    assert_int_equal(fixture_health(f).nodes[STORE_DHT], 10);
    assert_int_equal(fixture_health(f).nodes[STORE_MAINLINE], 20);
    assert_true(fixture_health(f).pruned > 0);
}

/* "Newest" is by the order of flushes over both, and goes on after a reopen of
 * a file whose last flush was of the other one alone. */
static void test_store_dhts_count_flushes_together(void **state)
{
    struct fixture *f = *state;
    struct store *s = fixture_open(f);
    struct store_node node = make_node(2, 500), newer = make_node(4, 1);
    struct node_list l;

    for (uint32_t n = 0; n < 5; n++) {
        assert_int_equal(store_put_node(s, STORE_MAINLINE, &node), OK);
        assert_int_equal(store_flush(s, 1), OK);
    }
    s = fixture_reopen(f);
    assert_int_equal(store_put_node(s, STORE_MAINLINE, &newer), OK);
    assert_int_equal(store_flush(s, 1), OK);
    l = list_nodes_of(s, STORE_MAINLINE, 1);
    assert_int_equal(l.count, 1);
    assert_same_node(&l.nodes[0], &newer);
    free(l.nodes);
}

/* A file of the last version that knew one DHT, killed at any statement of the
 * migration: SQLite rolls back, and the next start has all that was there. */
static void test_store_dhts_keep_what_an_old_file_has(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    struct store *s;

    for (int interrupted = 0; interrupted < 2; interrupted++) {
        fixture_empty_dir(f);
        assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
        assert_int_equal(sql_exec(db, "PRAGMA journal_mode = WAL"), OK);
        assert_int_equal(schema_migrate(db, schema_migrations, 0, 5), OK);
        assert_int_equal(
            sql_exec(db, "INSERT INTO node VALUES (x'0a0000011ae1',"
                         "zeroblob(20), 77, 1);"
                         "INSERT INTO announcement VALUES "
                         "(zeroblob(20), 6881, 0, 5);"
                         "INSERT INTO item (target, value, since) VALUES "
                         "(zeroblob(20), x'01', 1);"),
            OK);
        if (interrupted) {
            assert_int_equal(sql_exec(db, "BEGIN IMMEDIATE"), OK);
            assert_int_equal(sql_exec(db, "CREATE TABLE mainline_node (a)"),
                             OK);
        }
        sqlite3_close(db);
        s = fixture_open(f);
        assert_int_equal(f->report.how, STORE_OPENED);
        assert_int_equal(f->report.schema_before, 5);
        assert_int_equal(fixture_health(f).nodes[STORE_DHT], 1);
        assert_int_equal(fixture_health(f).announcements[STORE_DHT], 1);
        assert_int_equal(fixture_health(f).items[STORE_DHT], 1);
        assert_int_equal(fixture_health(f).nodes[STORE_MAINLINE], 0);
        put_rows(s, STORE_MAINLINE, 3);
        assert_int_equal(store_flush(s, 1), OK);
        s = fixture_reopen(f);
        assert_rows(s, STORE_MAINLINE, true, 3);
        assert_int_equal(fixture_health(f).items[STORE_DHT], 1);
        fixture_close(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_store_dhts_share_no_row),
        store_test(test_store_dhts_have_caps_of_their_own),
        store_test(test_store_dhts_have_room_for_nodes_of_their_own),
        store_test(test_store_dhts_count_flushes_together),
        store_test(test_store_dhts_keep_what_an_old_file_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
