/* SPDX-License-Identifier: MIT
 *
 * Functions of the library called from within its callbacks. What the header
 * promises is checked at each call: a callback comes out of the loop, never
 * out of a function, and never while another callback runs.
 */
#include "warren_nodes.h"

#define RELAYS 4 /* nodes 0 (the exit) to 3; the client is CLIENT */

static const uint8_t hash[20] = {4, 7, 1};

/* Where the program is: in a function of the library, in a callback. */
static bool in_function, in_callback, in_free;

static void come_in(void)
{
    assert_false(in_function && !in_free);
    assert_false(in_callback);
    in_callback = true;
}

static void go_out(void)
{
    in_callback = false;
}

/* One call of a function that may not call back. */
#define CALL(call)           \
    do {                     \
        in_function = true;  \
        call;                \
        in_function = false; \
    } while (0)

/* ---- One request ends another ------------------------------------------- */

struct round {
    struct warren *w;
    unsigned ended;
    int error, withdrawn;
};

static void on_round(void *arg, int error,
                     const struct warren_dht_result *result)
{
    struct round *r = arg;

    (void)result;
    come_in();
    r->ended++;
    r->error = error;
    if (r->w != NULL)
        CALL(r->withdrawn = warren_dht_withdraw(r->w, hash));
    go_out();
}

static bool never(const struct node *n)
{
    (void)n;
    return false;
}

/* The second announcement ends the first one, which in its `done` withdraws
 * the second one. */
static void test_warren_withdraw_in_done_of_replaced(void **state)
{
    struct round first = {0}, second = {0};
    const struct warren_dht_handler h[2] = {{&first, NULL, on_round},
                                            {&second, NULL, on_round}};
    uint64_t id[2] = {0};
    int e;

    (void)state;
    start(0, NULL);
    first.w = nodes[0].w;
    CALL(e = warren_dht_announce(nodes[0].w, hash, 4000, &h[0], &id[0]));
    assert_int_equal(e, WARREN_OK);
    CALL(e = warren_dht_announce(nodes[0].w, hash, 4001, &h[1], &id[1]));
    assert_int_equal(e, WARREN_OK);
    assert_true(id[0] != 0 && id[1] != 0 && id[0] != id[1]);
    assert_int_equal(first.ended + second.ended, 0);
    while (second.ended == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(first.ended, 1);
    assert_int_equal(first.error, WARREN_ERR_CANCELLED);
    assert_int_equal(first.withdrawn, WARREN_OK);
    assert_int_equal(second.error, WARREN_ERR_CANCELLED);
    run_until(never, &nodes[0], 1);
    assert_int_equal(first.ended + second.ended, 2);
    CALL(e = warren_dht_withdraw(nodes[0].w, hash));
    assert_int_equal(e, WARREN_ERR_NOT_FOUND);
    stop(0);
}

/* What has ended, but was not told yet, can still be cancelled. */
static void test_warren_cancel_before_it_is_told(void **state)
{
    struct round first = {0}, second = {0};
    const struct warren_dht_handler h[2] = {{&first, NULL, on_round},
                                            {&second, NULL, on_round}};
    uint64_t id[2] = {0};

    (void)state;
    start(0, NULL);
    warren_dht_announce(nodes[0].w, hash, 4000, &h[0], &id[0]);
    warren_dht_announce(nodes[0].w, hash, 4001, &h[1], &id[1]);
    warren_dht_cancel(nodes[0].w, id[0]);
    warren_dht_withdraw(nodes[0].w, hash);
    warren_dht_cancel(nodes[0].w, id[1]);
    warren_dht_cancel(nodes[0].w, id[1]);
    run_until(never, &nodes[0], 1);
    assert_int_equal(first.ended + second.ended, 0);
    stop(0);
}

/* Who announces again whenever an announcement was replaced keeps two of them
 * ending each other; the loop goes on nevertheless. */
struct stubborn {
    struct warren *w;
    unsigned ended;
    int error;
};

static void on_replaced(void *arg, int error,
                        const struct warren_dht_result *result)
{
    struct stubborn *s = arg;
    const struct warren_dht_handler h = {s, NULL, on_replaced};

    (void)result;
    s->ended++;
    s->error = warren_dht_announce(s->w, hash, 4000, &h, NULL);
    if (!in_free)
        assert_int_equal(error == WARREN_OK || error == WARREN_ERR_NO_NODES ||
                             error == WARREN_ERR_CANCELLED,
                         1);
}

static void test_warren_announce_in_done(void **state)
{
    struct stubborn s = {0};
    const struct warren_dht_handler h = {&s, NULL, on_replaced};

    (void)state;
    start(0, NULL);
    s.w = nodes[0].w;
    assert_int_equal(warren_dht_announce(s.w, hash, 4000, &h, NULL), WARREN_OK);
    assert_int_equal(warren_dht_announce(s.w, hash, 4000, &h, NULL), WARREN_OK);
    run_until(never, &nodes[0], 1);
    assert_true(s.ended > 10);
    assert_int_equal(s.error, WARREN_OK);
    in_free = true;
    stop(0);
    in_free = false;
    assert_int_equal(s.error, WARREN_ERR_CANCELLED);
}

/* ---- Every function out of every callback ------------------------------- */

#define HOPS      2
#define NOT_THERE "10.11.12.13:9" /* the exit's policy refuses it */

enum { PEER = REFUSED + 1, DONE, SENT, GET_PEERS, CALLBACKS };

static unsigned
    turn[CALLBACKS]; /* calls out of it, one function after another */
static uint64_t last_request, last_send;

static void call_a_function(struct node *n, unsigned callback);

static uint32_t active(const struct node *n)
{
    uint32_t id = UINT32_MAX;

    warren_active_data_circuits(n->w, 0, &id, 1);
    return id;
}

static void on_any_peer(void *arg, const struct sockaddr *peer, socklen_t len)
{
    (void)peer, (void)len;
    call_a_function(arg, PEER);
}

static void on_any_done(void *arg, int error,
                        const struct warren_dht_result *result)
{
    (void)error, (void)result;
    call_a_function(arg, DONE);
}

static void on_any_answer(void *arg, int error,
                          const struct warren_answer *answer)
{
    (void)answer;
    assert_int_not_equal(error, WARREN_ERR_FAILED);
    call_a_function(arg, SENT);
}

static void look(struct node *n)
{
    char status[256];

    assert_true(warren_status(n->w, status, sizeof(status)) > 0);
    assert_true(warren_tunnels_ready(n->w) >= 0);
}

static void build(struct node *n)
{
    assert_int_equal(warren_build_tunnels(n->w, HOPS), WARREN_OK);
}

static void stop_pool(struct node *n)
{
    assert_int_equal(warren_stop_tunnels(n->w, HOPS), WARREN_OK);
}

static void close_one(struct node *n)
{
    warren_close_circuit(n->w, active(n));
}

static void send_data(struct node *n)
{
    warren_tunnel_data(n->w, active(n), ECHO, "data", "x", 1);
}

static void send_refused(struct node *n)
{
    warren_tunnel_data(n->w, active(n), NOT_THERE, "data", "x", 1);
}

static void send_to(struct node *n)
{
    struct sockaddr_storage at;
    int len = sizeof(at);

    evutil_parse_sockaddr_port(ECHO, (struct sockaddr *)&at, &len);
    warren_tunnel_data_to(n->w, active(n), (struct sockaddr *)&at, "data", "x",
                          1);
}

static int deliver(struct node *n, uint64_t isolation)
{
    const struct warren_send_handler h = {n, on_any_answer};
    const struct warren_sending what = {.destination = ECHO,
                                        .payload = "deliver",
                                        .len = 7,
                                        .hops = 1,
                                        .isolation = isolation};

    return warren_tunnel_send(n->w, &what, &h, &last_send);
}

static void deliver_one(struct node *n)
{
    assert_int_equal(deliver(n, 0), WARREN_OK);
}

static void deliver_isolated(struct node *n)
{
    assert_int_equal(deliver(n, 5), WARREN_OK);
}

static void cancel_delivery(struct node *n)
{
    warren_tunnel_send_cancel(n->w, last_send);
}

static void get_peers(struct node *n)
{
    const struct warren_dht_handler h = {n, on_any_peer, on_any_done};

    warren_dht_get_peers(n->w, hash, &h, &last_request);
}

static void announce(struct node *n)
{
    const struct warren_dht_handler h = {n, NULL, on_any_done};

    assert_int_equal(warren_dht_announce(n->w, hash, 4000, &h, &last_request),
                     WARREN_OK);
}

static void withdraw(struct node *n)
{
    warren_dht_withdraw(n->w, hash);
}

static void cancel(struct node *n)
{
    warren_dht_cancel(n->w, last_request);
}

static void (*const functions[])(struct node *n) = {look,
                                                    build,
                                                    stop_pool,
                                                    close_one,
                                                    send_data,
                                                    send_refused,
                                                    send_to,
                                                    deliver_one,
                                                    deliver_isolated,
                                                    cancel_delivery,
                                                    get_peers,
                                                    announce,
                                                    withdraw,
                                                    cancel};

static void nothing_begins(struct node *n)
{
    static const struct warren_dht_handler nobody;

    assert_int_equal(warren_build_tunnels(n->w, HOPS), WARREN_ERR_CANCELLED);
    assert_int_equal(deliver(n, 0), WARREN_ERR_CANCELLED);
    assert_int_equal(warren_dht_get_peers(n->w, hash, &nobody, NULL),
                     WARREN_ERR_CANCELLED);
    assert_int_equal(warren_dht_announce(n->w, hash, 1, &nobody, NULL),
                     WARREN_ERR_CANCELLED);
    send_data(n);
    close_one(n);
    look(n);
}

static void call_a_function(struct node *n, unsigned callback)
{
    if (in_free) {
        nothing_begins(n);
        return;
    }
    come_in();
    CALL(functions[turn[callback]++ % COUNT_OF(functions)](n));
    go_out();
}

static bool is_through(const struct node *n)
{
    static unsigned again;
    bool through = true;

    if (again++ % 4 == 0) { /* so that there is something to tell */
        CALL(send_data((struct node *)(uintptr_t)n));
        CALL(send_refused((struct node *)(uintptr_t)n));
        CALL(get_peers((struct node *)(uintptr_t)n));
        CALL(deliver_one((struct node *)(uintptr_t)n));
    }
    if (again % 40 == 0) {
        CALL(close_one((struct node *)(uintptr_t)n));
        CALL(build((struct node *)(uintptr_t)n));
    }
    for (unsigned i = 0; i < GET_PEERS; i++)
        through = through && turn[i] >= COUNT_OF(functions);
    return through;
}

static void hook_client(struct node *n, unsigned called)
{
    if (n == &nodes[CLIENT])
        call_a_function(n, called);
}

static void stop_in_free(unsigned i)
{
    in_free = true;
    stop(i);
    in_free = false;
}

static void test_warren_functions_in_callbacks(void **state)
{
    struct event *echo = echo_new();

    (void)state;
    memset(turn, 0, sizeof(turn));
    for (unsigned i = 0; i < RELAYS; i++)
        start(i, NULL);
    start(CLIENT, NULL);
    assert_int_equal(warren_build_tunnels(nodes[CLIENT].w, 1), WARREN_OK);
    assert_int_equal(warren_dht_announce(nodes[1].w, hash, 4000, NULL, NULL),
                     WARREN_OK);
    hook = hook_client;
    if (!run_until(is_through, &nodes[CLIENT], PATIENCE))
        for (unsigned i = 0; i < GET_PEERS; i++)
            if (turn[i] < COUNT_OF(functions))
                fail_msg("callback %u came %u times only", i, turn[i]);
    build(&nodes[CLIENT]);
    deliver_one(&nodes[CLIENT]);
    get_peers(&nodes[CLIENT]);
    stop_in_free(CLIENT);
    hook = NULL;
    for (unsigned i = 0; i < RELAYS; i++)
        stop(i);
    echo_free(echo);
}

/* ---- Out of the functions of a program's DHT ---------------------------- */

static int their_announce(void *ctx, const uint8_t h[20])
{
    (void)ctx, (void)h;
    return WARREN_OK;
}

static void their_withdraw(void *ctx, const uint8_t h[20])
{
    (void)ctx, (void)h;
}

/* They are asked, also out of functions: so nothing is checked of that. */
static int their_get_peers(void *ctx, const uint8_t h[20],
                           const struct warren_dht_listener *l,
                           uint64_t *request)
{
    struct node *n = ctx;

    (void)h;
    *request = 1;
    if (n->w != NULL)
        functions[turn[GET_PEERS]++ % COUNT_OF(functions)](n);
    for (unsigned i = 0; i < RELAYS; i++) {
        struct sockaddr_storage at;
        int len = sizeof(at);

        evutil_parse_sockaddr_port(address_of(i), (struct sockaddr *)&at, &len);
        l->peer(l->ctx, l->cookie, (struct sockaddr *)&at);
    }
    l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static int their_put(void *ctx, const struct warren_dht_item *item)
{
    (void)ctx, (void)item;
    return WARREN_OK;
}

static int their_get_item(void *ctx, const uint8_t key[32], const void *salt,
                          size_t salt_len, const struct warren_dht_listener *l,
                          uint64_t *request)
{
    (void)ctx, (void)key, (void)salt, (void)salt_len;
    *request = 1;
    l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static void their_cancel(void *ctx, uint64_t request)
{
    (void)ctx, (void)request;
}

static bool has_asked_often(const struct node *n)
{
    CALL(build((struct node *)(uintptr_t)n));
    return turn[GET_PEERS] >= 2 * COUNT_OF(functions);
}

static void test_warren_functions_in_their_dht(void **state)
{
    const struct warren_dht_provider dht = {.ctx = &nodes[CLIENT],
                                            .announce = their_announce,
                                            .withdraw = their_withdraw,
                                            .get_peers = their_get_peers,
                                            .put = their_put,
                                            .get_item = their_get_item,
                                            .cancel = their_cancel};
    struct event *echo = echo_new();

    (void)state;
    memset(turn, 0, sizeof(turn));
    for (unsigned i = 0; i < RELAYS; i++)
        start(i, NULL);
    start(CLIENT, &dht);
    build(&nodes[CLIENT]);
    wait_for("their DHT is asked", has_asked_often, &nodes[CLIENT]);
    for (unsigned i = 0; i < RELAYS; i++)
        stop(i);
    stop_in_free(CLIENT);
    echo_free(echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_withdraw_in_done_of_replaced,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_cancel_before_it_is_told,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_announce_in_done, stop_all),
        cmocka_unit_test_teardown(test_warren_functions_in_callbacks, stop_all),
        cmocka_unit_test_teardown(test_warren_functions_in_their_dht, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
