/* SPDX-License-Identifier: MIT
 *
 * Hidden services on a DHT of the program's: a table that all nodes of the test
 * share, which knows who asks it. A service with a key and a string work end to
 * end, whether the DHT is anonymous (then services ask it themselves) or not
 * (then relays ask it for them, and never the node of a service or a client).
 */
#include "warren_services.h"

#define TABLE  512
#define ITEMS  64
#define STRING "a string on a DHT of ours"

struct item {
    uint8_t key[32], salt[64], signature[64], value[1031];
    size_t salt_len, value_len;
    int64_t seq;
};

static struct {
    struct {
        uint8_t hash[20];
        unsigned node;
    } at[TABLE];
    struct item items[ITEMS];
    unsigned announced, item_count;
    uint64_t requests;
    unsigned puts[NODES], onces[NODES], gets[NODES], lookups[NODES];
} table;

static unsigned numbers[NODES];

/* ---- The table ---------------------------------------------------------- */

static unsigned number_of(void *ctx)
{
    return *(const unsigned *)ctx;
}

static int announce(void *ctx, const uint8_t hash[20])
{
    for (unsigned i = 0; i < table.announced; i++)
        if (memcmp(table.at[i].hash, hash, 20) == 0 &&
            table.at[i].node == number_of(ctx))
            return WARREN_OK;
    if (table.announced == TABLE)
        return WARREN_ERR_FULL;
    memcpy(table.at[table.announced].hash, hash, 20);
    table.at[table.announced++].node = number_of(ctx);
    return WARREN_OK;
}

static void withdraw(void *ctx, const uint8_t hash[20])
{
    for (unsigned i = 0; i < table.announced; i++)
        if (memcmp(table.at[i].hash, hash, 20) == 0 &&
            table.at[i].node == number_of(ctx))
            table.at[i--] = table.at[--table.announced];
}

static void name(const struct warren_dht_listener *l, unsigned node)
{
    struct sockaddr_in at;
    int len = sizeof(at);

    assert_int_equal(evutil_parse_sockaddr_port(address_of(node),
                                                (struct sockaddr *)&at, &len),
                     0);
    l->peer(l->ctx, l->cookie, (struct sockaddr *)&at);
}

/* Relays are under one of 256 keys each: whoever asks for one that is empty is
 * named another relay, or the search would take minutes. */
static int get_peers(void *ctx, const uint8_t hash[20],
                     const struct warren_dht_listener *l, uint64_t *request)
{
    bool named = false;

    *request = ++table.requests;
    table.lookups[number_of(ctx)]++;
    for (unsigned i = 0; i < table.announced; i++) {
        if (memcmp(table.at[i].hash, hash, 20) != 0)
            continue;
        name(l, table.at[i].node);
        named = true;
    }
    if (!named)
        name(l, (unsigned)(table.requests % RELAYS));
    l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static struct item *find(const uint8_t *key, const void *salt, size_t salt_len)
{
    for (unsigned i = 0; i < table.item_count; i++) {
        struct item *it = &table.items[i];

        if (memcmp(it->key, key, 32) == 0 && it->salt_len == salt_len &&
            (salt_len == 0 || memcmp(it->salt, salt, salt_len) == 0))
            return it;
    }
    return NULL;
}

static int keep(const struct warren_dht_item *item)
{
    struct item *it = find(item->key, item->salt, item->salt_len);

    if (it == NULL && table.item_count == ITEMS)
        return WARREN_ERR_FULL;
    if (it == NULL)
        it = &table.items[table.item_count++];
    else if (item->seq < it->seq)
        return WARREN_ERR_FAILED;
    assert_true(item->value_len <= sizeof(it->value));
    *it = (struct item){.salt_len = item->salt_len,
                        .value_len = item->value_len,
                        .seq = item->seq};
    memcpy(it->key, item->key, sizeof(it->key));
    memcpy(it->signature, item->signature, sizeof(it->signature));
    memcpy(it->value, item->value, item->value_len);
    if (item->salt_len > 0)
        memcpy(it->salt, item->salt, item->salt_len);
    return WARREN_OK;
}

static int put(void *ctx, const struct warren_dht_item *item)
{
    table.puts[number_of(ctx)]++;
    return keep(item);
}

static int put_once(void *ctx, const struct warren_dht_item *item,
                    const struct warren_dht_listener *l, uint64_t *request)
{
    *request = ++table.requests;
    table.onces[number_of(ctx)]++;
    l->done(l->ctx, l->cookie, keep(item));
    return WARREN_OK;
}

static int get_item(void *ctx, const uint8_t key[32], const void *salt,
                    size_t salt_len, const struct warren_dht_listener *l,
                    uint64_t *request)
{
    const struct item *it = find(key, salt, salt_len);

    *request = ++table.requests;
    table.gets[number_of(ctx)]++;
    if (it != NULL) {
        struct warren_dht_item item = {.salt = it->salt,
                                       .salt_len = it->salt_len,
                                       .seq = it->seq,
                                       .value = it->value,
                                       .value_len = it->value_len};

        memcpy(item.key, it->key, sizeof(item.key));
        memcpy(item.signature, it->signature, sizeof(item.signature));
        l->item(l->ctx, l->cookie, &item);
    }
    l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static void cancel(void *ctx, uint64_t request)
{
    (void)ctx, (void)request;
}

/* ---- The nodes ---------------------------------------------------------- */

static void start_all(int anonymous)
{
    static struct warren_dht_provider dht[NODES];
    const struct warren_setting client[] = {
        {"tunnel.max_relays_or_exits", "0"}};

    memset(&table, 0, sizeof(table));
    memset(programs, 0, sizeof(programs));
    for (unsigned i = 0; i < NODES; i++) {
        numbers[i] = i;
        dht[i] = (struct warren_dht_provider){.ctx = &numbers[i],
                                              .announce = announce,
                                              .withdraw = withdraw,
                                              .get_peers = get_peers,
                                              .put = put,
                                              .get_item = get_item,
                                              .cancel = cancel,
                                              .put_once = put_once,
                                              .anonymous = anonymous};
        start_with(i, client, i >= RELAYS, &dht[i]);
    }
}

static bool is_published(const struct node *n)
{
    struct warren_service_state state;

    assert_int_equal(
        warren_service_state(n->w, programs[ALICE].service, &state), WARREN_OK);
    return state.published && state.points > 0;
}

/* Alice serves a key; Bob, who knows the address, asks and is answered. */
static void serve_and_reach(void)
{
    char address[WARREN_ADDRESS_SIZE], to[WARREN_ADDRESS_SIZE + 8];

    assert_int_equal(warren_new_service(nodes[ALICE].w, address), WARREN_OK);
    assert_int_equal(register_it(ALICE, address, 1), WARREN_OK);
    wait_for("it is published", is_published, &nodes[ALICE]);
    assert_int_equal(register_it(BOB, address, 1), WARREN_OK);
    snprintf(to, sizeof(to), "%s:53", address);
    assert_int_equal(say_to(BOB, to, "question"), WARREN_OK);
    wait_count("Alice is asked", &programs[ALICE].heard, 1);
    assert_string_equal(programs[ALICE].last, "question");
    assert_int_equal(answer(ALICE, ":53", "answer"), WARREN_OK);
    wait_count("Bob is answered", &programs[BOB].heard, 1);
    assert_string_equal(programs[BOB].last, "answer");
}

static void meet_at_a_string(void)
{
    unsigned told = programs[ALICE].told;

    assert_int_equal(register_it(ALICE, STRING, 1), WARREN_OK);
    assert_int_equal(register_it(CAROL, STRING, 1), WARREN_OK);
    wait_count("Carol is found", &programs[CAROL].told, 1);
    wait_count("and finds Alice", &programs[ALICE].told, told + 1);
    assert_int_equal(answer(CAROL, "", "hello"), WARREN_OK);
    wait_count("Alice hears", &programs[ALICE].heard, 2);
    assert_string_equal(programs[ALICE].last, "hello");
}

static unsigned of_relays(const unsigned counts[NODES])
{
    unsigned sum = 0;

    for (unsigned i = 0; i < RELAYS; i++)
        sum += counts[i];
    return sum;
}

/* ---- Tests -------------------------------------------------------------- */

/* What a service publishes and what is asked about it comes from relays. */
static void test_warren_provider_through_relays(void **state)
{
    (void)state;
    start_all(0);
    serve_and_reach();
    meet_at_a_string();
    assert_true(of_relays(table.onces) >= 2); /* both replicas */
    assert_true(of_relays(table.gets) > 0);
    for (unsigned i = ALICE; i <= CAROL; i++)
        assert_int_equal(table.puts[i] + table.onces[i], 0);
}

/* They are asked of it without a relay between. */
static void test_warren_provider_anonymous(void **state)
{
    (void)state;
    start_all(1);
    serve_and_reach();
    meet_at_a_string();
    assert_true(table.onces[ALICE] >= 2);
    assert_true(table.gets[BOB] > 0);
    assert_true(table.lookups[CAROL] > 0);
    assert_int_equal(of_relays(table.onces), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_provider_through_relays,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_provider_anonymous, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
