/* SPDX-License-Identifier: MIT
 *
 * Functions of the library called from within its callbacks. What the header
 * promises is checked at each call: a callback comes out of the loop, never
 * out of a function, and never while another callback runs.
 */
#include "warren_inside.h"

#define RELAYS 4 /* nodes 0 (the exit) to 3; the client is CLIENT */
/* For services there are more; HOST has those that the client finds. */
#define SERVICE_RELAYS 7
#define HOST           8
#define STRING         "a string"
#define SERVICE_TURNS  3
#define STREAM_TURNS   6  /* functions of streams are the first ones */
#define STATE_TURNS    30 /* as many as there are functions, or more */

/* ---- Every function out of every callback ------------------------------- */

#define HOPS      2
#define NOT_THERE "10.11.12.13:9" /* the exit's policy refuses it */

enum {
    PEER = REFUSED + 1,
    DONE,
    SENT,
    GET_PEERS,
    SERVICE_PEER,
    SERVICE_DATA,
    SERVICE_GONE,
    SERVICE_STATE,
    STREAM_VISIT,
    STREAM_OPENED,
    STREAM_DATA,
    STREAM_END,
    STREAM_WRITABLE,
    STREAM_CLOSED,
    CALLBACKS
};

static unsigned
    turn[CALLBACKS]; /* calls out of it, one function after another */
static uint64_t last_request, last_send;
static uint32_t last_service;
static struct warren_peer last_peer;
static struct warren_stream *last_stream;         /* NULL: it is gone */
static char service_address[WARREN_ADDRESS_SIZE]; /* "": there is none */

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

static void on_any_service_peer(void *arg, const struct warren_peer *peer)
{
    last_peer = *peer;
    call_a_function(arg, SERVICE_PEER);
}

static void on_any_service_data(void *arg, const struct warren_peer *peer,
                                uint16_t port, const void *payload, size_t len)
{
    (void)peer, (void)port, (void)payload, (void)len;
    call_a_function(arg, SERVICE_DATA);
}

static void on_any_service_gone(void *arg, const struct warren_peer *peer,
                                const struct warren_reason *why)
{
    (void)peer, (void)why;
    call_a_function(arg, SERVICE_GONE);
}

static void on_any_service_state(void *arg,
                                 const struct warren_service_state *state)
{
    (void)state;
    /* Each registration has one: it would end as many before a peer comes. */
    if (in_free || turn[SERVICE_STATE] < STATE_TURNS)
        call_a_function(arg, SERVICE_STATE);
}

static void look(struct node *n)
{
    struct warren_service_state state;
    char status[256];

    assert_true(warren_status(n->w, status, sizeof(status)) > 0);
    assert_true(warren_tunnels_ready(n->w) >= 0);
    warren_service_state(n->w, last_service, &state);
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

/* Without circuits so many may wait that no more can. */
static void deliver_or_not(struct node *n, uint64_t isolation)
{
    int e = deliver(n, isolation);

    assert_true(e == WARREN_OK || e == WARREN_ERR_FULL);
}

static void deliver_one(struct node *n)
{
    deliver_or_not(n, 0);
}

static void deliver_isolated(struct node *n)
{
    deliver_or_not(n, 5);
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

static void scrape(struct node *n)
{
    const struct warren_dht_handler h = {n, on_any_peer, on_any_done};

    warren_dht_scrape_in(n->w, WARREN_DHT_BUILT_IN, hash, &h, &last_request);
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

static int register_it(struct node *n, const char *identifier)
{
    const struct warren_service_options o = {.arg = n,
                                             .on_peer = on_any_service_peer,
                                             .on_data = on_any_service_data,
                                             .on_gone = on_any_service_gone,
                                             .on_state = on_any_service_state};

    return warren_register_service(n->w, identifier, 1, &o, &last_service);
}

static void register_string(struct node *n)
{
    assert_int_equal(register_it(n, STRING), WARREN_OK);
}

static void register_address(struct node *n)
{
    if (service_address[0] != '\0')
        assert_int_equal(register_it(n, service_address), WARREN_OK);
}

/* Not before it had a peer: there are so many callbacks that none would. */
static void unregister(struct node *n)
{
    if (last_peer.service == last_service)
        warren_unregister_service(n->w, last_service);
}

static void send_to_peer(struct node *n)
{
    warren_tunnel_data(n->w, 0, last_peer.destination, "data", "x", 1);
}

static void send_to_service(struct node *n)
{
    char to[WARREN_ADDRESS_SIZE + 8];

    snprintf(to, sizeof(to), "%s:7", service_address);
    warren_tunnel_data(n->w, 0, to, "data", "x", 1);
}

static void close_peer(struct node *n)
{
    warren_close_peer(n->w, last_peer.id);
}

/* ---- Streams ---- */

static void on_any_opened(void *arg, struct warren_stream *st)
{
    (void)st;
    call_a_function(arg, STREAM_OPENED);
}

static size_t on_any_stream_data(void *arg, struct warren_stream *st,
                                 const void *data, size_t len)
{
    (void)data;
    call_a_function(arg, STREAM_DATA);
    if (turn[STREAM_DATA] % 2 != 0)
        return len;
    warren_stream_resume(st); /* or it would stand in the way of others */
    return len / 2;
}

static void on_any_end(void *arg, struct warren_stream *st)
{
    (void)st;
    call_a_function(arg, STREAM_END);
}

static void on_any_writable(void *arg, struct warren_stream *st)
{
    (void)st;
    call_a_function(arg, STREAM_WRITABLE);
}

static void on_any_closed(void *arg, struct warren_stream *st, int error,
                          const struct warren_reason *why)
{
    (void)error, (void)why;
    call_a_function(arg, STREAM_CLOSED);
    last_stream = last_stream == st ? NULL : last_stream;
}

static struct warren_stream_handler any_stream(struct node *n)
{
    return (struct warren_stream_handler){.arg = n,
                                          .on_opened = on_any_opened,
                                          .on_data = on_any_stream_data,
                                          .on_end = on_any_end,
                                          .on_writable = on_any_writable,
                                          .on_closed = on_any_closed};
}

static int on_any_visit(void *arg, struct warren_stream *st,
                        const struct warren_peer *peer, uint16_t port,
                        struct warren_stream_handler *handler)
{
    (void)peer, (void)port;
    last_stream = st;
    call_a_function(arg, STREAM_VISIT);
    *handler = any_stream(arg);
    return 1;
}

/* To whom there is: a peer, or a host that the exits refuse. */
static int connect_stream(struct node *n)
{
    const struct warren_stream_handler h = any_stream(n);
    char to[WARREN_PEER_SIZE + 8] = NOT_THERE;

    if (last_peer.id != 0)
        snprintf(to, sizeof(to), "%s:80", last_peer.destination);
    return warren_connect(n->w, 0, to, 1, &h, &last_stream);
}

static void connect_one(struct node *n)
{
    int e = connect_stream(n);

    assert_true(e == WARREN_OK || e == WARREN_ERR_NOT_FOUND ||
                e == WARREN_ERR_FULL);
}

/* More than is taken at once. */
static void write_stream(struct node *n)
{
    static const uint8_t much[5 * 1000 * 1000];

    (void)n;
    if (last_stream != NULL)
        warren_stream_write(last_stream, much, sizeof(much));
}

static void shut_stream(struct node *n)
{
    (void)n;
    if (last_stream != NULL)
        warren_stream_shutdown(last_stream);
}

static void resume_stream(struct node *n)
{
    (void)n;
    if (last_stream != NULL)
        warren_stream_resume(last_stream);
}

static void reset_stream(struct node *n)
{
    struct warren_stream *st = last_stream;

    (void)n;
    last_stream = NULL;
    if (st != NULL)
        warren_stream_reset(st);
}

static void listen_one(struct node *n)
{
    const struct warren_stream_listener l = {n, on_any_visit};
    static unsigned calls;

    warren_listen(n->w, last_service, 80, calls++ % 8 == 7 ? NULL : &l);
}

static void (*const functions[])(struct node *n) = {listen_one,
                                                    connect_one,
                                                    write_stream,
                                                    resume_stream,
                                                    shut_stream,
                                                    reset_stream,
                                                    look,
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
                                                    scrape,
                                                    announce,
                                                    withdraw,
                                                    cancel,
                                                    register_string,
                                                    register_address,
                                                    send_to_peer,
                                                    send_to_service,
                                                    close_peer,
                                                    unregister};

_Static_assert(STATE_TURNS >= COUNT_OF(functions), "each has its turn");

static void nothing_begins(struct node *n)
{
    static const struct warren_dht_handler nobody;
    char address[WARREN_ADDRESS_SIZE];

    assert_int_equal(register_it(n, STRING), WARREN_ERR_CANCELLED);
    assert_int_equal(warren_new_service(n->w, address), WARREN_ERR_CANCELLED);
    assert_int_equal(
        warren_tunnel_data(n->w, 0, "p1.peer.warren", "data", "x", 1),
        WARREN_ERR_CANCELLED);
    send_to_service(n);
    close_peer(n);
    unregister(n);
    assert_int_equal(warren_build_tunnels(n->w, HOPS), WARREN_ERR_CANCELLED);
    assert_int_equal(deliver(n, 0), WARREN_ERR_CANCELLED);
    assert_int_equal(connect_stream(n), WARREN_ERR_CANCELLED);
    assert_int_equal(warren_listen(n->w, 1, 80, NULL), WARREN_ERR_CANCELLED);
    write_stream(n);
    resume_stream(n);
    assert_int_equal(warren_dht_get_peers(n->w, hash, &nobody, NULL),
                     WARREN_ERR_CANCELLED);
    assert_int_equal(warren_dht_announce(n->w, hash, 1, &nobody, NULL),
                     WARREN_ERR_CANCELLED);
    assert_int_equal(
        warren_dht_scrape_in(n->w, WARREN_DHT_BUILT_IN, hash, &nobody, NULL),
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

/* ---- Out of those of services ------------------------------------------- */

/* Says something to each that comes, so that there is something to hear. */
static void on_host_peer(void *arg, const struct warren_peer *peer)
{
    struct node *n = arg;

    warren_tunnel_data(n->w, 0, peer->destination, "data", "welcome", 7);
}

static void on_host_data(void *arg, const struct warren_peer *peer,
                         uint16_t port, const void *payload, size_t len)
{
    struct node *n = arg;

    (void)port;
    warren_tunnel_data(n->w, 0, peer->destination, "data", payload, len);
}

static void start_host(void)
{
    struct node *n = &nodes[HOST];
    const struct warren_service_options o = {
        .arg = n, .on_peer = on_host_peer, .on_data = on_host_data};

    start_with(HOST, NULL, 0, NULL);
    assert_int_equal(warren_new_service(n->w, service_address), WARREN_OK);
    assert_int_equal(
        warren_register_service(n->w, service_address, 1, &o, NULL), WARREN_OK);
    assert_int_equal(warren_register_service(n->w, STRING, 1, &o, NULL),
                     WARREN_OK);
}

static bool services_are_through(const struct node *n)
{
    static unsigned again;
    struct node *client = (struct node *)(uintptr_t)n;
    bool through = true;

    if (again++ % 32 == 0) {
        CALL(register_string(client));
        CALL(register_address(client));
    }
    if (again % 128 == 0)
        CALL(close_peer(client));
    for (unsigned i = SERVICE_PEER; i <= SERVICE_STATE; i++)
        through = through && turn[i] >= SERVICE_TURNS;
    return through;
}

static void test_warren_functions_in_service_callbacks(void **state)
{
    (void)state;
    memset(turn, 0, sizeof(turn));
    for (unsigned i = 0; i < SERVICE_RELAYS; i++)
        start(i, NULL);
    start_host();
    start(CLIENT, NULL);
    if (!run_until(services_are_through, &nodes[CLIENT], PATIENCE))
        for (unsigned i = SERVICE_PEER; i <= SERVICE_STATE; i++)
            if (turn[i] < SERVICE_TURNS)
                fail_msg("callback %u came %u times only", i, turn[i]);
    stop_in_free(CLIENT);
    stop(HOST);
    for (unsigned i = 0; i < SERVICE_RELAYS; i++)
        stop(i);
    service_address[0] = '\0';
}

/* ---- Out of those of streams -------------------------------------------- */

/* The host says again what it hears, and ends when that does; and it opens a
 * stream to each that comes. */
static size_t on_host_stream_data(void *arg, struct warren_stream *st,
                                  const void *data, size_t len)
{
    (void)arg;
    warren_stream_write(st, data, len);
    return len;
}

static void on_host_stream_end(void *arg, struct warren_stream *st)
{
    (void)arg;
    warren_stream_shutdown(st);
}

static const struct warren_stream_handler host_stream = {
    .on_data = on_host_stream_data, .on_end = on_host_stream_end};

static int on_host_visit(void *arg, struct warren_stream *st,
                         const struct warren_peer *peer, uint16_t port,
                         struct warren_stream_handler *handler)
{
    struct node *n = arg;
    char to[WARREN_PEER_SIZE + 8];
    struct warren_stream *own;

    (void)st, (void)port;
    *handler = host_stream;
    snprintf(to, sizeof(to), "%s:80", peer->destination);
    if (warren_connect(n->w, 0, to, 1, &host_stream, &own) == WARREN_OK)
        warren_stream_write(own, "hello", 5);
    return 1;
}

static void listen_at_host(void)
{
    struct node *n = &nodes[HOST];
    const struct warren_service_options o = {.arg = n};
    const struct warren_stream_listener l = {n, on_host_visit};
    const char *const services[] = {service_address, STRING};

    for (unsigned i = 0; i < 2; i++) {
        uint32_t service;

        assert_int_equal(
            warren_register_service(n->w, services[i], 1, &o, &service),
            WARREN_OK);
        assert_int_equal(warren_listen(n->w, service, 80, &l), WARREN_OK);
    }
}

static bool streams_are_through(const struct node *n)
{
    static unsigned again;
    struct node *client = (struct node *)(uintptr_t)n;
    bool through = true;

    if (again++ % 32 == 0) {
        CALL(register_string(client));
        CALL(listen_one(client));
        CALL(register_address(client));
        CALL(listen_one(client));
    }
    if (again % 8 == 0) {
        CALL(connect_one(client));
        CALL(write_stream(client));
    }
    if (again % 16 == 0)
        CALL(shut_stream(client));
    for (unsigned i = STREAM_VISIT; i <= STREAM_CLOSED; i++)
        through = through && turn[i] >= STREAM_TURNS;
    return through;
}

static void test_warren_functions_in_stream_callbacks(void **state)
{
    (void)state;
    memset(turn, 0, sizeof(turn));
    memset(&last_peer, 0, sizeof(last_peer));
    last_stream = NULL;
    for (unsigned i = 0; i < SERVICE_RELAYS; i++)
        start(i, NULL);
    start_host();
    listen_at_host();
    start(CLIENT, NULL);
    if (!run_until(streams_are_through, &nodes[CLIENT], PATIENCE))
        for (unsigned i = STREAM_VISIT; i <= STREAM_CLOSED; i++)
            if (turn[i] < STREAM_TURNS)
                fail_msg("callback %u came %u times only", i, turn[i]);
    CALL(connect_one(&nodes[CLIENT]));
    stop_in_free(CLIENT);
    stop(HOST);
    for (unsigned i = 0; i < SERVICE_RELAYS; i++)
        stop(i);
    service_address[0] = '\0';
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
    static unsigned again;
    struct node *client = (struct node *)(uintptr_t)n;

    /* Relays that are wanted anew are looked for at once. */
    if (again++ % 2 == 0) {
        CALL(warren_unregister_service(n->w, last_service));
        CALL(stop_pool(client));
    } else {
        CALL(build(client));
    }
    return turn[GET_PEERS] >= COUNT_OF(functions);
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
        cmocka_unit_test_teardown(test_warren_functions_in_callbacks, stop_all),
        cmocka_unit_test_teardown(test_warren_functions_in_service_callbacks,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_functions_in_stream_callbacks,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_functions_in_their_dht, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
