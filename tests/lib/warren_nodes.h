/* SPDX-License-Identifier: MIT
 *
 * Nodes made with libwarren, for the tests of the library: all in this process
 * on one loop, each on an address of its own. Addresses are made from the
 * process id, so that tests that run at the same time do not meet.
 */
#ifndef WARREN_TESTS_WARREN_NODES_H
#define WARREN_TESTS_WARREN_NODES_H

#include <warren.h>

#include <arpa/inet.h>
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

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define NODES    10
#define EXIT     0 /* also the one to join through */
#define CLIENT   9
#define PORT     7960
#define PATIENCE 60 /* s */
#define TEXT     256
#define MORE     8 /* settings of a test */

struct node {
    struct warren *w;
    char dir[64]; /* new with each start */
    unsigned opened, closed, answers, refused, lines;
    uint32_t circuits[32]; /* that are open */
    unsigned open, most_open;
    uint32_t from; /* circuit of the last answer */
    struct sockaddr_in source;
    char last[2048], why[64];
    size_t last_len;
    unsigned closed_hop;
};

/* Callbacks of struct warren_options, for `hook`. */
enum called { OPENED, CLOSED, DATA, REFUSED };

/* What a test does besides, at the end of a callback. NULL: nothing. */
static void (*hook)(struct node *n, unsigned called);

static inline void call_hook(struct node *n, unsigned called)
{
    if (hook != NULL)
        hook(n, called);
}

static struct event_base *base;
static struct node nodes[NODES];
static const char *config_file; /* of nodes that are started now, or NULL */
static char root[] = "/tmp/warren-lib-XXXXXX";

/* 127.x.y.LAST:PORT, in a ring of texts. */
static inline const char *address(unsigned last)
{
    static char ring[8][TEXT];
    static unsigned next;
    unsigned pid = (unsigned)getpid();
    char *text = ring[next++ % 8];

    snprintf(text, TEXT, "127.%u.%u.%u:%d", 220 + pid % 32, pid / 32 % 256,
             last, PORT);
    return text;
}

static inline const char *address_of(unsigned i)
{
    return address(i + 1);
}

#define ECHO address(200)

/* ---- A node ------------------------------------------------------------- */

/* Among those that are open; n->open when it is not. */
static inline unsigned place_of(const struct node *n, uint32_t circuit)
{
    unsigned i = 0;

    while (i < n->open && n->circuits[i] != circuit)
        i++;
    return i;
}

static inline void on_opened(void *arg, uint32_t circuit, unsigned hops)
{
    struct node *n = arg;

    assert_true(circuit != 0);
    assert_in_range(hops, 1, 4);
    n->opened++;
    if (place_of(n, circuit) == n->open) {
        assert_true(n->open < COUNT_OF(n->circuits));
        n->circuits[n->open++] = circuit;
    }
    n->most_open = n->open > n->most_open ? n->open : n->most_open;
    call_hook(n, OPENED);
}

static inline void on_closed(void *arg, uint32_t circuit, unsigned hops,
                             unsigned hop, const struct warren_reason *why)
{
    struct node *n = arg;
    unsigned place = place_of(n, circuit);

    assert_true(hop <= hops);
    assert_true(strlen(why->text) > 0);
    snprintf(n->why, sizeof(n->why), "%s", why->name);
    n->closed_hop = hop;
    n->closed++;
    if (place < n->open)
        n->circuits[place] = n->circuits[--n->open];
    call_hook(n, CLOSED);
}

static inline void on_data(void *arg, uint32_t circuit,
                           const struct sockaddr *source, socklen_t source_len,
                           const char *type, const void *payload, size_t len)
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
    call_hook(n, DATA);
}

static inline void on_refused(void *arg, uint32_t circuit,
                              const struct warren_reason *why)
{
    struct node *n = arg;

    (void)circuit;
    snprintf(n->why, sizeof(n->why), "%s", why->name);
    n->refused++;
    call_hook(n, REFUSED);
}

static inline void on_log(void *arg, enum warren_log_level level,
                          const char *line)
{
    struct node *n = arg;

    (void)level;
    assert_true(strlen(line) > 0);
    n->lines++;
}

static inline void start_with(unsigned i, const struct warren_setting *more,
                              size_t count,
                              const struct warren_dht_provider *dht)
{
    struct node *n = &nodes[i];
    struct warren_options options = {.arg = n,
                                     .log = on_log,
                                     .opened = on_opened,
                                     .closed = on_closed,
                                     .data = on_data,
                                     .refused = on_refused,
                                     .dht_provider = dht};
    static unsigned starts;
    char why[WARREN_WHY_SIZE];
    struct warren_setting settings[4 + MORE] = {
        {"node.data_dir", n->dir},
        {"node.listen", address_of(i)},
        {"node.testing_network", "true"},
        {"dht.bootstrap", address_of(0)},
    };

    assert_true(count <= MORE);
    for (size_t k = 0; k < count; k++)
        settings[4 + k] = more[k];
    memset(n, 0, sizeof(*n));
    snprintf(n->dir, sizeof(n->dir), "%s/%u", root, starts++);
    options.config_file = config_file;
    options.settings = settings;
    options.setting_count = 4 + count;
    n->w = warren_new(base, &options, why, sizeof(why));
    if (n->w == NULL)
        fail_msg("%s", why);
}

/* The exit, the client, or a relay. */
static inline void start(unsigned i, const struct warren_dht_provider *dht)
{
    const struct warren_setting exit[] = {{"exit.become_exitnode", "true"}};
    const struct warren_setting client[] = {
        {"tunnel.max_relays_or_exits", "0"}};

    start_with(i, i == EXIT ? exit : client, i == EXIT || i == CLIENT, dht);
}

static inline void stop(unsigned i)
{
    warren_free(nodes[i].w);
    nodes[i].w = NULL;
}

/* ---- The loop ----------------------------------------------------------- */

static inline void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Runs the loop until `there` is true of the node; false when it was not in
 * `seconds`. */
static inline bool run_until(bool (*there)(const struct node *n),
                             const struct node *n, unsigned seconds)
{
    const struct timeval step = {.tv_usec = 10000};
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    struct timeval now, end;
    bool is_there;

    evtimer_add(tick, &step);
    evutil_gettimeofday(&now, NULL);
    end = now;
    end.tv_sec += (time_t)seconds;
    while (!(is_there = there(n)) && evutil_timercmp(&now, &end, <)) {
        event_base_loop(base, EVLOOP_ONCE);
        evutil_gettimeofday(&now, NULL);
    }
    event_free(tick);
    return is_there;
}

static inline void wait_for(const char *what,
                            bool (*there)(const struct node *n),
                            const struct node *n)
{
    char status[1024];

    if (run_until(there, n, PATIENCE))
        return;
    warren_status(n->w, status, sizeof(status));
    fail_msg("not within %d s: %s\n%s", PATIENCE, what, status);
}

static inline bool is_ready(const struct node *n)
{
    return warren_tunnels_ready(n->w) >= 1.0;
}

static inline bool has_answer(const struct node *n)
{
    return n->answers > 0;
}

static inline bool has_closed(const struct node *n)
{
    return n->closed > 0;
}

/* ---- The echo server ---------------------------------------------------- */

static inline void on_echo(evutil_socket_t fd, short what, void *arg)
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

static inline struct event *echo_new(void)
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

static inline void echo_free(struct event *echo)
{
    close(event_get_fd(echo));
    event_free(echo);
}

/* ---- The program -------------------------------------------------------- */

static inline int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL || mkdtemp(root) == NULL;
}

/* After each test: one that failed leaves its nodes. */
static inline int stop_all(void **state)
{
    (void)state;
    for (unsigned i = NODES; i-- > 0;)
        stop(i);
    return 0;
}

static inline int tear_down(void **state)
{
    char command[TEXT];

    (void)state;
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    libevent_global_shutdown();
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

#endif
