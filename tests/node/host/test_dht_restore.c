/* SPDX-License-Identifier: MIT
 *
 * What a DHT node finds in its store at the start, of which anything may be
 * damaged.
 */
#include "node/host/dht_restore.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void send_nothing(void *ctx, const struct endpoint *to,
                         struct bytes datagram)
{
    (void)ctx, (void)to, (void)datagram;
}

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static void on_event(void *ctx, const struct dht_event *event)
{
    (void)ctx, (void)event;
}

static struct store *open_store(char *dir)
{
    struct store *store;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_open(dir, NULL, &store, NULL), OK);
    return store;
}

static void close_store(struct store *store, const char *dir)
{
    char path[64];

    store_close(store);
    snprintf(path, sizeof(path), "%s/" STORE_FILE_NAME, dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void put_item(struct store *store, uint8_t n, struct bytes value)
{
    struct store_item item = {.target = {{n}}};

    item.value.len = (uint16_t)value.len;
    memcpy(item.value.mp, value.p, value.len);
    assert_int_equal(store_put_item(store, STORE_DHT, &item), OK);
}

/* The bytes of a value are looked at before anything is made of them; the
 * items beside it are published as ever. */
static void test_dht_restore_item_that_is_no_value_is_refused(void **state)
{
    char dir[] = "/tmp/warren-restore-XXXXXX";
    struct store *store = open_store(dir);
    struct test_random random = {1};
    struct dht_env env = {&random, send_nothing, fill, on_event};
    struct dht_restored restored;
    struct dht_config config;
    struct dht *d;

    (void)state;
    put_item(store, 1, TEST_BYTES("\xc1"));       /* nothing of msgpack */
    put_item(store, 2, TEST_BYTES("\xc4\x05xx")); /* cut off */
    put_item(store, 3, TEST_BYTES("\xc0"));       /* nil, which no value is */
    put_item(store, 4, TEST_BYTES("\x01\x02"));   /* and more behind it */
    put_item(store, 5, TEST_BYTES("\xc4\x02ok"));
    assert_int_equal(store_flush(store, 1), OK);
    dht_config_init(&config);
    assert_int_equal(dht_new(&config, &env, TIME_HOUR, &d), OK);

    dht_restore_all(d, store, STORE_DHT, TIME_HOUR, &restored);
    assert_int_equal(restored.items, 1);
    assert_int_equal(restored.failures, 4);

    dht_free(d);
    close_store(store, dir);
}

/* The ids and nodes of one are not those of the other. */
static void test_dht_restore_of_two_dhts(void **state)
{
    char dir[] = "/tmp/warren-restore-XXXXXX";
    struct store *store = open_store(dir);
    struct test_random random = {1};
    struct dht_env env = {&random, send_nothing, fill, on_event};
    struct dht_restored restored;
    struct endpoint ep;
    struct id id = {{1}};

    (void)state;
    assert_int_equal(endpoint_parse("198.51.100.1:7881", &ep), OK);
    dht_restore_keep_node(store, STORE_MAINLINE, &id, &ep);
    for (int d = 0; d < STORE_DHTS; d++) {
        id.b[0] = (uint8_t)(10 + d);
        dht_restore_keep_id(store, (enum store_dht)d, FAMILY_IPV4, &id);
    }
    assert_int_equal(store_flush(store, 1), OK);
    for (int d = 0; d < STORE_DHTS; d++) {
        enum store_dht dht = (enum store_dht)d;
        struct dht_config config;
        struct dht *engine;

        dht_config_init(&config);
        config.family[FAMILY_IPV4] = true;
        dht_restore_ids(store, dht, &config);
        assert_true(config.has_id[FAMILY_IPV4]);
        assert_int_equal(config.id[FAMILY_IPV4].b[0], 10 + d);
        assert_int_equal(dht_new(&config, &env, TIME_HOUR, &engine), OK);
        dht_restore_all(engine, store, dht, TIME_HOUR, &restored);
        assert_int_equal(restored.nodes, dht == STORE_MAINLINE);
        dht_free(engine);
    }
    close_store(store, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_restore_item_that_is_no_value_is_refused),
        cmocka_unit_test(test_dht_restore_of_two_dhts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
