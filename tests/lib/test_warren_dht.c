/* SPDX-License-Identifier: MIT
 *
 * The DHT of the library for programs, and a program's DHT for the library.
 */
#include "warren_nodes.h"

#include <signal.h>
#include <sys/resource.h>

/* ---- The built-in DHT --------------------------------------------------- */

struct heard {
    unsigned peers, ended;
    int error;
    struct warren_dht_result result;
    uint16_t port;
};

static void on_peer(void *arg, const struct sockaddr *peer, socklen_t len)
{
    struct heard *h = arg;
    struct sockaddr_in in;

    assert_int_equal(len, sizeof(in));
    memcpy(&in, peer, sizeof(in));
    h->port = ntohs(in.sin_port);
    h->peers++;
}

static void on_done(void *arg, int error,
                    const struct warren_dht_result *result)
{
    struct heard *h = arg;

    h->error = error;
    h->result = *result;
    h->ended++;
}

static void run_until_ended(const unsigned *ended)
{
    while (*ended == 0)
        event_base_loop(base, EVLOOP_ONCE);
}

static void test_warren_dht(void **state)
{
    static const uint8_t hash[20] = {1, 2, 3};
    struct heard announced = {0}, found = {0}, ended = {0}, cut = {0};
    const struct warren_dht_handler a = {&announced, NULL, on_done};
    const struct warren_dht_handler f = {&found, on_peer, on_done};
    const struct warren_dht_handler e = {&ended, NULL, on_done};
    const struct warren_dht_handler c = {&cut, on_peer, on_done};
    uint64_t request = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        start(i, NULL);
    do { /* until the node has joined */
        announced = (struct heard){0};
        assert_int_equal(
            warren_dht_announce(nodes[1].w, hash, 4000, &a, &request),
            WARREN_OK);
        assert_true(request != 0);
        run_until_ended(&announced.ended);
    } while (announced.error == WARREN_ERR_NO_NODES ||
             announced.result.stored < 2);
    assert_int_equal(announced.error, WARREN_OK);

    assert_int_equal(warren_dht_get_peers(nodes[2].w, hash, &f, NULL),
                     WARREN_OK);
    run_until_ended(&found.ended);
    assert_int_equal(found.error, WARREN_OK);
    assert_int_equal(found.peers, 1);
    assert_int_equal(found.port, 4000);
    assert_true(found.result.asked > 0);

    assert_int_equal(warren_dht_withdraw(nodes[1].w, hash), WARREN_OK);
    assert_int_equal(warren_dht_withdraw(nodes[1].w, hash),
                     WARREN_ERR_NOT_FOUND);

    /* One that is cancelled is not heard of; one that runs at the end is. */
    assert_int_equal(warren_dht_get_peers(nodes[2].w, hash, &c, &request),
                     WARREN_OK);
    warren_dht_cancel(nodes[2].w, request);
    warren_dht_cancel(nodes[2].w, request);
    assert_int_equal(warren_dht_get_peers(nodes[2].w, hash, &e, NULL),
                     WARREN_OK);
    for (unsigned i = 0; i < 3; i++)
        stop(i);
    assert_int_equal(ended.ended, 1);
    assert_int_equal(ended.error, WARREN_ERR_CANCELLED);
    assert_int_equal(cut.ended, 0);
}

/* No file of this process can get longer, as on a full disk. */
static void fill_disk(bool full)
{
    static struct rlimit before;
    struct rlimit none;

    if (!full) {
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        return;
    }
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
}

/* The node of before, with what its disk has. */
static void start_again(unsigned i)
{
    const struct warren_setting settings[] = {
        {"node.data_dir", nodes[i].dir},
        {"node.listen", address_of(i)},
        {"node.testing_network", "true"},
        {"tunnel.max_relays_or_exits", "0"}};
    struct warren_options options = {.settings = settings,
                                     .setting_count = COUNT_OF(settings)};
    char why[WARREN_WHY_SIZE];

    nodes[i].w = warren_new(base, &options, why, sizeof(why));
    if (nodes[i].w == NULL)
        fail_msg("%s", why);
}

static void announce_kept(const uint8_t hash[20], bool kept)
{
    struct heard heard = {0};
    const struct warren_dht_handler h = {&heard, NULL, on_done};

    assert_int_equal(warren_dht_announce(nodes[CLIENT].w, hash, 1, &h, NULL),
                     WARREN_OK);
    run_until_ended(&heard.ended);
    assert_int_equal(heard.result.kept, kept);
}

/* What is withdrawn while the disk is full is there after a restart, and
 * whoever has withdrawn it knows. */
static void test_warren_dht_withdraw_on_a_full_disk(void **state)
{
    static const uint8_t kept[20] = {1}, lost[20] = {2};
    struct warren *w;

    (void)state;
    start(CLIENT, NULL);
    w = nodes[CLIENT].w;
    announce_kept(kept, true);
    fill_disk(true);
    announce_kept(lost, false);
    assert_int_equal(warren_dht_withdraw(w, kept), WARREN_ERR_NOT_KEPT);
    assert_int_equal(warren_dht_withdraw(w, kept), WARREN_ERR_NOT_KEPT);
    stop(CLIENT);
    fill_disk(false);
    start_again(CLIENT);
    w = nodes[CLIENT].w;
    assert_int_equal(warren_dht_withdraw(w, lost), WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_dht_withdraw(w, kept), WARREN_OK);
    stop(CLIENT);
    start_again(CLIENT);
    assert_int_equal(warren_dht_withdraw(nodes[CLIENT].w, kept),
                     WARREN_ERR_NOT_FOUND);
    stop(CLIENT);
}

/* With room again before it ends, it is written, and does not come back. */
static void test_warren_dht_withdraw_is_written_when_there_is_room(void **state)
{
    static const uint8_t hash[20] = {3};

    (void)state;
    start(CLIENT, NULL);
    announce_kept(hash, true);
    fill_disk(true);
    assert_int_equal(warren_dht_withdraw(nodes[CLIENT].w, hash),
                     WARREN_ERR_NOT_KEPT);
    fill_disk(false);
    assert_int_equal(warren_dht_withdraw(nodes[CLIENT].w, hash),
                     WARREN_ERR_NOT_FOUND);
    stop(CLIENT);
    start_again(CLIENT);
    assert_int_equal(warren_dht_withdraw(nodes[CLIENT].w, hash),
                     WARREN_ERR_NOT_FOUND);
    stop(CLIENT);
}

/* ---- The mainline DHT --------------------------------------------------- */

#define MAGNET \
    "magnet:?dn=x&xt=urn:btih:0102030000000000000000000000000000000000"
#define OFF 3 /* the node that is not in it */

static void start_mainline(void)
{
    const struct warren_setting more[] = {
        {"mainline.enabled", "true"}, {"mainline.bootstrap", address_of(0)}};

    for (unsigned i = 0; i < OFF; i++)
        start_with(i, more, COUNT_OF(more), NULL);
    start(OFF, NULL);
}

/* Announced on two nodes, as soon as they have joined. */
static void announce_in(unsigned i, enum warren_dht dht, const uint8_t hash[20],
                        uint16_t port, unsigned flags)
{
    struct heard heard;
    const struct warren_dht_handler h = {&heard, NULL, on_done};

    do {
        heard = (struct heard){0};
        assert_int_equal(warren_dht_announce_in(nodes[i].w, dht, hash, port,
                                                flags, &h, NULL),
                         WARREN_OK);
        run_until_ended(&heard.ended);
    } while (heard.error == WARREN_ERR_NO_NODES || heard.result.stored < 2);
    assert_int_equal(heard.error, WARREN_OK);
    assert_int_equal(heard.result.kept, 1);
}

static struct heard look_in(unsigned i, enum warren_dht dht,
                            const uint8_t hash[20], unsigned flags)
{
    struct heard heard = {0};
    const struct warren_dht_handler h = {&heard, on_peer, on_done};

    assert_int_equal(
        warren_dht_get_peers_in(nodes[i].w, dht, hash, flags, &h, NULL),
        WARREN_OK);
    run_until_ended(&heard.ended);
    assert_int_equal(heard.error, WARREN_OK);
    return heard;
}

/* Both engines number what they are asked from 1 on. */
static void cancel_one_of_both(const uint8_t hash[20])
{
    struct heard heard[2] = {{0}, {0}};
    const struct warren_dht_handler h[2] = {{&heard[0], NULL, on_done},
                                            {&heard[1], NULL, on_done}};
    uint64_t request[2];

    for (unsigned dht = 0; dht < 2; dht++)
        assert_int_equal(warren_dht_get_peers_in(nodes[2].w,
                                                 (enum warren_dht)dht, hash, 0,
                                                 &h[dht], &request[dht]),
                         WARREN_OK);
    assert_true(request[0] != request[1]);
    warren_dht_cancel(nodes[2].w, request[0]);
    run_until_ended(&heard[1].ended);
    assert_int_equal(heard[1].error, WARREN_OK);
    assert_int_equal(heard[0].ended, 0);
}

static void test_warren_mainline(void **state)
{
    uint8_t hash[20];
    struct heard heard;

    (void)state;
    start_mainline();
    assert_int_equal(warren_magnet_hash(MAGNET, hash), WARREN_OK);
    announce_in(1, WARREN_DHT_MAINLINE, hash, 4000, 0);
    heard = look_in(2, WARREN_DHT_MAINLINE, hash, 0);
    assert_int_equal(heard.peers, 1);
    assert_int_equal(heard.port, 4000);

    /* The other one knows nothing of it. */
    announce_in(1, WARREN_DHT_BUILT_IN, hash, 4001, 0);
    heard = look_in(2, WARREN_DHT_BUILT_IN, hash, 0);
    assert_int_equal(heard.peers, 1);
    assert_int_equal(heard.port, 4001);
    assert_int_equal(
        warren_dht_withdraw_in(nodes[1].w, WARREN_DHT_MAINLINE, hash),
        WARREN_OK);
    assert_int_equal(
        warren_dht_withdraw_in(nodes[1].w, WARREN_DHT_MAINLINE, hash),
        WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_dht_withdraw(nodes[1].w, hash), WARREN_OK);
    cancel_one_of_both(hash);
}

static void test_warren_mainline_seeds(void **state)
{
    static const uint8_t hash[20] = {9};
    struct heard heard = {0};
    const struct warren_dht_handler h = {&heard, NULL, on_done};

    (void)state;
    start_mainline();
    announce_in(0, WARREN_DHT_MAINLINE, hash, 4000, WARREN_DHT_SEED);
    announce_in(1, WARREN_DHT_MAINLINE, hash, 4001, 0);
    assert_int_equal(
        warren_dht_scrape_in(nodes[2].w, WARREN_DHT_MAINLINE, hash, &h, NULL),
        WARREN_OK);
    run_until_ended(&heard.ended);
    assert_int_equal(heard.error, WARREN_OK);
    assert_true(heard.result.scraped > 0);
    assert_true(heard.result.seeds > 0.5 && heard.result.seeds < 1.5);
    assert_true(heard.result.downloaders > 0.5 &&
                heard.result.downloaders < 1.5);
    heard = look_in(2, WARREN_DHT_MAINLINE, hash, WARREN_DHT_NO_SEEDS);
    assert_int_equal(heard.peers, 1);
    assert_int_equal(heard.port, 4001);
}

static void test_warren_mainline_off_and_wrong(void **state)
{
    static const uint8_t hash[20] = {1};
    uint8_t out[20] = {7};
    struct warren *w;
    uint64_t request = 5;

    (void)state;
    start(OFF, NULL);
    w = nodes[OFF].w;
    for (unsigned dht = 1; dht < 4; dht++) {
        int error = dht == 1 ? WARREN_ERR_UNSUPPORTED : WARREN_ERR_ARGUMENT;
        enum warren_dht in = (enum warren_dht)dht;

        assert_int_equal(
            warren_dht_get_peers_in(w, in, hash, 0, NULL, &request), error);
        assert_int_equal(warren_dht_scrape_in(w, in, hash, NULL, &request),
                         error);
        assert_int_equal(
            warren_dht_announce_in(w, in, hash, 1, 0, NULL, &request), error);
        assert_int_equal(warren_dht_withdraw_in(w, in, hash), error);
    }
    assert_int_equal(warren_dht_get_peers_in(w, WARREN_DHT_BUILT_IN, hash,
                                             WARREN_DHT_SEED, NULL, &request),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_dht_announce_in(w, WARREN_DHT_BUILT_IN, hash, 1,
                                            WARREN_DHT_NO_SEEDS, NULL,
                                            &request),
                     WARREN_ERR_ARGUMENT);
    assert_true(request == 5);
    assert_int_equal(warren_magnet_hash("magnet:?dn=x", out),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(out[0], 7);
}

/* ---- A DHT of the program's --------------------------------------------- */

/* Shared by all nodes of the test: one table of announcements and items. */
#define TABLE 512

struct shared {
    unsigned announced, items, asked;
    struct {
        uint8_t hash[20];
        unsigned node;
    } at[TABLE];
    struct {
        uint8_t key[32], signature[64], value[1031];
        size_t value_len;
        int64_t seq;
    } item[NODES];
};

static struct shared shared;
static unsigned numbers[NODES];

static int their_announce(void *ctx, const uint8_t hash[20])
{
    const unsigned *number = ctx;

    if (shared.announced == TABLE)
        return WARREN_ERR_FULL;
    memcpy(shared.at[shared.announced].hash, hash, 20);
    shared.at[shared.announced++].node = *number;
    return WARREN_OK;
}

static void their_withdraw(void *ctx, const uint8_t hash[20])
{
    (void)ctx;
    (void)hash;
}

static int their_get_peers(void *ctx, const uint8_t hash[20],
                           const struct warren_dht_listener *l,
                           uint64_t *request)
{
    (void)ctx;
    *request = ++shared.asked;
    for (unsigned i = 0; i < shared.announced; i++) {
        struct sockaddr_in at;
        int len = sizeof(at);

        if (memcmp(shared.at[i].hash, hash, 20) != 0)
            continue;
        evutil_parse_sockaddr_port(address_of(shared.at[i].node),
                                   (struct sockaddr *)&at, &len);
        l->peer(l->ctx, l->cookie, (struct sockaddr *)&at);
    }
    l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static int their_put(void *ctx, const struct warren_dht_item *item)
{
    const unsigned *number = ctx;

    memcpy(shared.item[*number].key, item->key, 32);
    memcpy(shared.item[*number].signature, item->signature, 64);
    assert_true(item->value_len <= sizeof(shared.item[0].value));
    memcpy(shared.item[*number].value, item->value, item->value_len);
    shared.item[*number].value_len = item->value_len;
    shared.item[*number].seq = item->seq;
    shared.items++;
    return WARREN_OK;
}

static int their_get_item(void *ctx, const uint8_t key[32], const void *salt,
                          size_t salt_len, const struct warren_dht_listener *l,
                          uint64_t *request)
{
    (void)ctx;
    (void)salt;
    *request = ++shared.asked;
    for (unsigned i = 0; i < NODES; i++) {
        struct warren_dht_item item = {.salt_len = salt_len,
                                       .seq = shared.item[i].seq,
                                       .value = shared.item[i].value,
                                       .value_len = shared.item[i].value_len};

        if (memcmp(shared.item[i].key, key, 32) != 0)
            continue;
        memcpy(item.key, key, 32);
        memcpy(item.signature, shared.item[i].signature, 64);
        l->item(l->ctx, l->cookie, &item);
    }
    l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static void their_cancel(void *ctx, uint64_t request)
{
    (void)ctx;
    (void)request;
}

static bool is_published(const struct node *n)
{
    (void)n;
    return shared.items > 0 && shared.announced > 0;
}

static bool has_asked(const struct node *n)
{
    (void)n;
    return shared.asked > 0;
}

static void test_warren_own_dht(void **state)
{
    struct warren_dht_provider dht[2];

    (void)state;
    memset(&shared, 0, sizeof(shared));
    for (unsigned i = 0; i < 2; i++) {
        numbers[i] = i;
        dht[i] = (struct warren_dht_provider){.ctx = &numbers[i],
                                              .announce = their_announce,
                                              .withdraw = their_withdraw,
                                              .get_peers = their_get_peers,
                                              .put = their_put,
                                              .get_item = their_get_item,
                                              .cancel = their_cancel};
        start(i, &dht[i]);
    }
    wait_for("a relay publishes itself", is_published, &nodes[0]);
    assert_int_equal(warren_build_tunnels(nodes[1].w, 1), WARREN_OK);
    wait_for("the client asks", has_asked, &nodes[1]);
    wait_for("circuits without the built-in DHT", is_ready, &nodes[1]);
    stop(1);
    stop(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_dht, stop_all),
        cmocka_unit_test_teardown(test_warren_mainline, stop_all),
        cmocka_unit_test_teardown(test_warren_mainline_seeds, stop_all),
        cmocka_unit_test_teardown(test_warren_mainline_off_and_wrong, stop_all),
        cmocka_unit_test_teardown(test_warren_dht_withdraw_on_a_full_disk,
                                  stop_all),
        cmocka_unit_test_teardown(
            test_warren_dht_withdraw_is_written_when_there_is_room, stop_all),
        cmocka_unit_test_teardown(test_warren_own_dht, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
