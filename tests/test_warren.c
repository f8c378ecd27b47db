/* SPDX-License-Identifier: MIT
 *
 * The library as a program has it: ten nodes in one process on one loop, each
 * on an address of its own in 127.60.0.0/24.
 */
#include <warren.h>

#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES   10
#define EXIT    0 /* also the one to join through */
#define CLIENT  9
#define PORT    "7960"
#define ECHO    "127.60.1.1:7961"
#define PATIENT 30 /* s */
#define TEXT    256

struct node {
    struct warren *w;
    unsigned opened, closed, answers, refused, lines;
    uint32_t from; /* circuit of the last answer */
    struct sockaddr_in source;
    char last[2048], why[64];
    size_t last_len;
};

static struct event_base *base;
static struct node nodes[NODES];
static char root[] = "/tmp/warren-lib-XXXXXX";

/* ---- A node ------------------------------------------------------------- */

static void on_opened(void *arg, uint32_t circuit, unsigned hops)
{
    struct node *n = arg;

    assert_true(circuit != 0);
    assert_in_range(hops, 1, 4);
    n->opened++;
}

static void on_closed(void *arg, uint32_t circuit, unsigned hops, unsigned hop,
                      const struct warren_reason *why)
{
    struct node *n = arg;

    (void)circuit;
    assert_true(hop <= hops);
    assert_true(strlen(why->text) > 0);
    snprintf(n->why, sizeof(n->why), "%s", why->name);
    n->closed++;
}

static void on_data(void *arg, uint32_t circuit, const struct sockaddr *source,
                    socklen_t source_len, const char *type, const void *payload,
                    size_t len)
{
    struct node *n = arg;

    assert_string_equal(type, "data");
    assert_int_equal(source_len, sizeof(n->source));
    assert_true(len <= sizeof(n->last));
    memcpy(&n->source, source, sizeof(n->source));
    memcpy(n->last, payload, len);
    n->last_len = len;
    n->from = circuit;
    n->answers++;
}

static void on_refused(void *arg, uint32_t circuit,
                       const struct warren_reason *why)
{
    struct node *n = arg;

    (void)circuit;
    snprintf(n->why, sizeof(n->why), "%s", why->name);
    n->refused++;
}

static void on_log(void *arg, enum warren_log_level level, const char *line)
{
    struct node *n = arg;

    (void)level;
    assert_true(strlen(line) > 0);
    n->lines++;
}

static struct warren_options options_of(struct node *n)
{
    return (struct warren_options){.arg = n,
                                   .log = on_log,
                                   .opened = on_opened,
                                   .closed = on_closed,
                                   .data = on_data,
                                   .refused = on_refused};
}

static void start(unsigned i, const struct warren_dht_provider *dht)
{
    struct node *n = &nodes[i];
    struct warren_options options = options_of(n);
    char dir[TEXT], listen[TEXT], why[WARREN_WHY_SIZE];
    const struct warren_setting settings[] = {
        {"node.data_dir", dir},
        {"node.listen", listen},
        {"node.testing_network", "true"},
        {"dht.bootstrap", "127.60.0.1:" PORT},
        {"exit.become_exitnode", i == EXIT ? "true" : "false"},
        {"tunnel.max_relays_or_exits", i == CLIENT ? "0" : "100"},
    };

    memset(n, 0, sizeof(*n));
    snprintf(dir, sizeof(dir), "%s/%u", root, i);
    snprintf(listen, sizeof(listen), "127.60.0.%u:" PORT, i + 1);
    options.settings = settings;
    options.setting_count = sizeof(settings) / sizeof(settings[0]);
    options.dht_provider = dht;
    n->w = warren_new(base, &options, why, sizeof(why));
    if (n->w == NULL)
        fail_msg("%s", why);
}

static void stop(unsigned i)
{
    warren_free(nodes[i].w);
    nodes[i].w = NULL;
}

/* ---- The loop ----------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Runs the loop until `there` is true of the node, or fails. */
static void wait_for(const char *what, bool (*there)(const struct node *n),
                     const struct node *n)
{
    const struct timeval step = {.tv_usec = 10000};
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    char status[1024];

    evtimer_add(tick, &step);
    for (unsigned i = 0; !there(n); i++) {
        if (i == PATIENT * 100) {
            warren_status(n->w, status, sizeof(status));
            fail_msg("not within %d s: %s\n%s", PATIENT, what, status);
        }
        event_base_loop(base, EVLOOP_ONCE);
    }
    event_free(tick);
}

static void on_echo(evutil_socket_t fd, short what, void *arg)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    uint8_t buf[2048];
    ssize_t n =
        recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

    (void)what;
    (void)arg;
    if (n >= 0)
        sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static struct event *echo_new(void)
{
    struct sockaddr_storage at;
    int len = sizeof(at), fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct event *echo;

    assert_int_equal(
        evutil_parse_sockaddr_port(ECHO, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)len), 0);
    echo = event_new(base, fd, EV_READ | EV_PERSIST, on_echo, NULL);
    event_add(echo, NULL);
    return echo;
}

static void echo_free(struct event *echo)
{
    close(event_get_fd(echo));
    event_free(echo);
}

/* ---- Tests -------------------------------------------------------------- */

static bool is_ready(const struct node *n)
{
    return warren_tunnels_ready(n->w) >= 1.0;
}

static bool has_answer(const struct node *n)
{
    return n->answers > 0;
}

static bool has_closed(const struct node *n)
{
    return n->closed > 0;
}

static void send_and_hear(struct node *n, unsigned hops)
{
    uint32_t ids[8];
    char large[1800];
    unsigned count;

    assert_int_equal(warren_build_tunnels(n->w, hops), WARREN_OK);
    wait_for("circuits of this length", is_ready, n);
    count = warren_active_data_circuits(n->w, hops, ids, 8);
    assert_in_range(count, 1, 8);
    n->answers = 0;
    assert_int_equal(warren_tunnel_data(n->w, ids[0], ECHO, "data", "hello", 5),
                     WARREN_OK);
    wait_for("an answer of the echo server", has_answer, n);
    assert_int_equal(n->from, ids[0]);
    assert_int_equal(n->last_len, 5);
    assert_memory_equal(n->last, "hello", 5);
    assert_int_equal(ntohs(n->source.sin_port), 7961);

    /* To where it came from, and longer than a cell. */
    memset(large, 'x', sizeof(large));
    n->answers = 0;
    assert_int_equal(warren_tunnel_data_to(n->w, ids[0],
                                           (struct sockaddr *)&n->source,
                                           "data", large, sizeof(large)),
                     WARREN_OK);
    wait_for("the long answer", has_answer, n);
    assert_int_equal(n->last_len, sizeof(large));
}

static void refuse_what_is_wrong(struct warren *w)
{
    static const char large[70000];
    uint32_t id;

    assert_true(warren_active_data_circuits(w, 0, &id, 1) >= 1);
    assert_int_equal(warren_tunnel_data(w, id, "no port", "data", "1", 1),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_tunnel_data(w, id, "127.60.0.1:0", "data", "1", 1),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_tunnel_data(w, id, ECHO, "stream", "1", 1),
                     WARREN_ERR_UNSUPPORTED);
    assert_int_equal(warren_tunnel_data(w, id, ECHO, "data", large, 70000),
                     WARREN_ERR_TOO_LARGE);
    assert_int_equal(warren_tunnel_data(w, UINT32_MAX, ECHO, "data", "1", 1),
                     WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_close_circuit(w, UINT32_MAX), WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_build_tunnels(w, 0), WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_build_tunnels(w, 5), WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_stop_tunnels(w, 5), WARREN_ERR_ARGUMENT);
}

static void close_one(struct node *n)
{
    uint32_t id;

    n->closed = 0;
    assert_true(warren_active_data_circuits(n->w, 3, &id, 1) >= 1);
    assert_int_equal(warren_close_circuit(n->w, id), WARREN_OK);
    wait_for("the circuit is closed", has_closed, n);
    assert_string_equal(n->why, "requested");
    wait_for("the pool replaces it", is_ready, n);
}

static void test_warren_ten_nodes(void **state)
{
    struct event *echo = echo_new();
    struct node *client = &nodes[CLIENT];
    char status[2048];

    (void)state;
    for (unsigned i = 0; i < NODES; i++)
        start(i, NULL);
    send_and_hear(client, 1);
    send_and_hear(client, 3);
    refuse_what_is_wrong(client->w);
    close_one(client);
    assert_true(client->opened >= 4);
    assert_true(client->lines > 0);

    assert_true(warren_status(client->w, status, sizeof(status)) > 0);
    assert_non_null(strstr(status, "circuits"));
    assert_true(warren_status(client->w, NULL, 0) > 0);

    client->closed = 0;
    stop(CLIENT);
    assert_true(client->closed > 0);
    assert_string_equal(client->why, "shutdown");
    for (unsigned i = 0; i < CLIENT; i++)
        stop(i);
    echo_free(echo);
}

/* ---- The DHT ------------------------------------------------------------ */

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

static void run_until(const unsigned *ended)
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
        run_until(&announced.ended);
    } while (announced.error == WARREN_ERR_NO_NODES ||
             announced.result.stored < 2);
    assert_int_equal(announced.error, WARREN_OK);

    assert_int_equal(warren_dht_get_peers(nodes[2].w, hash, &f, NULL),
                     WARREN_OK);
    run_until(&found.ended);
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

/* ---- Settings ----------------------------------------------------------- */

static void expect_refusal(const struct warren_setting *settings, size_t count,
                           const char *file, const char *expected)
{
    struct warren_options options = {
        .config_file = file, .settings = settings, .setting_count = count};
    char why[WARREN_WHY_SIZE] = "";

    assert_null(warren_new(base, &options, why, sizeof(why)));
    if (strstr(why, expected) == NULL)
        fail_msg("'%s' does not tell of '%s'", why, expected);
    assert_true(why[strlen(why) - 1] != '\n');
    assert_null(warren_new(base, &options, NULL, 0));
}

static void test_warren_bad_settings(void **state)
{
    char dir[TEXT], file[TEXT];
    const struct warren_setting wrong[] = {{"tunnel.min_circuit", "3"},
                                           {"dht.max_items", "many"}};
    const struct warren_setting empty[] = {{"node.data_dir", NULL}};
    const struct warren_setting unbound[] = {
        {"node.data_dir", dir}, {"node.listen", "192.0.2.77:7960"}};
    const struct warren_setting held[] = {{"node.data_dir", dir},
                                          {"node.listen", "127.60.0.99:" PORT}};
    FILE *f;

    (void)state;
    expect_refusal(wrong, 2, NULL, "did you mean tunnel.min_circuits?");
    expect_refusal(wrong, 2, NULL, "dht.max_items: max_items is 'many' but");
    expect_refusal(empty, 1, NULL, "node.data_dir: has no value");
    expect_refusal(NULL, 0, "/nonexistent.ini", "cannot be read");
    snprintf(dir, sizeof(dir), "%s/unbound", root);
    expect_refusal(unbound, 2, NULL, "192.0.2.77");

    snprintf(file, sizeof(file), "%s/bad.ini", root);
    f = fopen(file, "w");
    assert_non_null(f);
    fputs("[node]\nlisten = here\n", f);
    fclose(f);
    expect_refusal(NULL, 0, file, "bad.ini:2: ");

    start(1, NULL);
    snprintf(dir, sizeof(dir), "%s/1", root);
    expect_refusal(held, 2, NULL, "in use");
    stop(1);
}

/* A file gives what the program does not. */
static void test_warren_config_file(void **state)
{
    struct warren_options options = {.log = on_log, .arg = &nodes[0]};
    char file[TEXT], dir[TEXT];
    const struct warren_setting settings[] = {
        {"node.data_dir", dir}, {"node.listen", "127.60.0.1:" PORT}};
    FILE *f;

    (void)state;
    snprintf(file, sizeof(file), "%s/good.ini", root);
    snprintf(dir, sizeof(dir), "%s/file", root);
    f = fopen(file, "w");
    assert_non_null(f);
    fputs("[node]\ndata_dir = /nonexistent/x\ntesting_network = true\n", f);
    fclose(f);
    options.config_file = file;
    options.settings = settings;
    options.setting_count = 2;
    nodes[0].w = warren_new(base, &options, NULL, 0);
    assert_non_null(nodes[0].w);
    stop(0);
    assert_int_equal(access(dir, F_OK), 0);
}

static void test_warren_again_and_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        start(0, NULL);
        start(1, NULL);
        assert_int_equal(warren_build_tunnels(nodes[1].w, 2), WARREN_OK);
        event_base_loop(base, EVLOOP_NONBLOCK);
        stop(0);
        stop(1);
    }
    warren_free(NULL);
}

static void test_warren_error_texts(void **state)
{
    (void)state;
    for (int e = WARREN_OK; e <= WARREN_ERR_FAILED; e++)
        assert_string_not_equal(warren_error_text(e), "unknown error");
    assert_string_equal(warren_error_text(-1), "unknown error");
    assert_string_equal(warren_error_text(WARREN_ERR_FAILED + 1),
                        "unknown error");
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
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons(7960)};

        if (memcmp(shared.at[i].hash, hash, 20) != 0)
            continue;
        at.sin_addr.s_addr = htonl(0x7f3c0001 + shared.at[i].node);
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

/* ------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL || mkdtemp(root) == NULL;
}

static int tear_down(void **state)
{
    char command[TEXT];

    (void)state;
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    libevent_global_shutdown();
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warren_bad_settings),
        cmocka_unit_test(test_warren_config_file),
        cmocka_unit_test(test_warren_again_and_again),
        cmocka_unit_test(test_warren_error_texts),
        cmocka_unit_test(test_warren_dht),
        cmocka_unit_test(test_warren_own_dht),
        cmocka_unit_test(test_warren_ten_nodes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
