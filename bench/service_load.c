/* SPDX-License-Identifier: MIT
 *
 * A program with a node inside, a client of one hidden service:
 *
 *     service_load DATA_DIR ADDRESS BOOTSTRAP SERVICE PORT RELAYS [HOPS]
 *
 * ADDRESS is the node's, BOOTSTRAP another's, both HOST:PORT. It says "ready"
 * once it knows RELAYS relays, and does then what each line of its input says:
 *
 *     ask           sends a datagram, connecting first if need be:
 *                   "answered MS", or "failed NAME MS"
 *     close         ends the connection: "closed"
 *     load SECONDS  sends as much as the service acknowledges, as circuit_load
 *                   does, and prints the same, also once more when the
 *                   rest has come
 *
 *     service_load --serve ADDRESS
 *
 * is the server behind such a service: it says where it is bound, and answers
 * to the first datagrams of whoever sends, and then to each ACK_EACH, with how
 * many there were of that sender.
 */
#include "bench.h"

#include "node/host/node.h"
#include "node/os/clock.h"
#include "node/service/service_host.h"
#include "tunnel/record/address.h"

#include <warren.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PAYLOAD  1152
#define WINDOW   1472
#define ACK_EACH 16
#define FIRST    5 /* acknowledged at once */
#define BATCH    32
#define BUFFER   (4 * 1024 * 1024)
#define PATIENCE (10 * TIME_S)
#define LOOK     20000 /* us */

struct client {
    struct event_base *base;
    struct node *node;
    struct event *input, *timer;
    struct service_listener listener;
    uint32_t service;
    uint64_t peer; /* 0: not connected */
    uint16_t port;
    unsigned relays, hops;
    const char *address;
    bool ready, asking, loading, sending;
    uint64_t asked_at;
    double begun, seconds, cpu;
    uint64_t sent, got, before;
    uint64_t given_up, got_before; /* as circuit_load's */
    uint64_t looked_at;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- The server --------------------------------------------------------- */

struct sender {
    struct sockaddr_in from;
    uint64_t got, told;
};

static struct sender *sender_of(const struct sockaddr_in *from)
{
    static struct sender senders[256];
    static unsigned next;

    for (unsigned i = 0; i < 256; i++)
        if (senders[i].from.sin_port == from->sin_port)
            return &senders[i];
    senders[next % 256] = (struct sender){.from = *from};
    return &senders[next++ % 256];
}

static void count(int s, const struct sockaddr_in *from)
{
    struct sender *sender = sender_of(from);

    sender->got++;
    if (sender->got > FIRST && sender->got - sender->told < ACK_EACH)
        return;
    sender->told = sender->got;
    sendto(s, &sender->got, sizeof(sender->got), 0,
           (const struct sockaddr *)from, sizeof(*from));
}

static void serve(int s)
{
    static uint8_t buffers[BATCH][2048];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_in from[BATCH];

    for (;;) {
        int n;

        memset(messages, 0, sizeof(messages));
        for (unsigned i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
            messages[i].msg_hdr.msg_name = &from[i];
            messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
        }
        n = recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++)
            count(s, &from[i]);
    }
}

static int run_server(const char *address)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t len = sizeof(sa);
    int size = BUFFER, s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1 ||
        bind(s, (struct sockaddr *)&sa, len) != 0 ||
        getsockname(s, (struct sockaddr *)&sa, &len) != 0)
        die("server");
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    printf("%s:%u\n", address, ntohs(sa.sin_port));
    fflush(stdout);
    serve(s);
    return 0;
}

/* ---- Asking ------------------------------------------------------------- */

static struct services *engine(const struct client *c)
{
    return service_host_engine(c->node->services);
}

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void asked(struct client *c, const char *how)
{
    c->asking = false;
    printf("%s %.3f\n", how,
           (double)time_since(c->asked_at, clock_now()) / TIME_MS);
    fflush(stdout);
}

static enum error send_one(struct client *c)
{
    static const uint8_t payload[PAYLOAD];
    enum error e = service_send(engine(c), c->service, c->port,
                                bytes_of(payload, c->loading ? PAYLOAD : 8),
                                clock_now());

    if (e == OK)
        c->sent++;
    return e;
}

/* Only now: until then the node has no circuit for it, nor builds any. */
static void reach(struct client *c)
{
    const struct config *config = &c->node->config;
    uint8_t key[32];

    if (c->service != 0)
        return;
    if (address_read(config->dht.network, bytes_of_text(c->address), key) !=
            OK ||
        service_host_reach(c->node->services, key, NULL, c->hops, clock_now(),
                           &c->service) != OK) {
        fprintf(stderr, "service_load: %s cannot be reached\n", c->address);
        exit(1);
    }
    c->listener.service = c->service;
    service_host_listen(c->node->services, &c->listener);
}

static void ask(struct client *c)
{
    c->asked_at = clock_now();
    c->asking = true;
    reach(c);
    if (send_one(c) != OK)
        asked(c, "failed send");
    service_host_rearm(c->node->services);
}

static void failed(struct client *c, const char *why)
{
    char text[64];

    snprintf(text, sizeof(text), "failed %s", why);
    asked(c, text);
}

/* ---- As much as goes ---------------------------------------------------- */

static double elapsed(const struct client *c)
{
    return bench_clock(CLOCK_MONOTONIC) - c->begun;
}

static void print(const struct client *c)
{
    printf("%lu %lu %.6f %.6f\n", (unsigned long)(c->sent - c->before),
           (unsigned long)(c->got - c->before), elapsed(c),
           bench_cpu() - c->cpu);
    fflush(stdout);
}

static void end_load(struct client *c)
{
    print(c);
    c->loading = false;
}

static void fill_window(struct client *c)
{
    if (c->sending && elapsed(c) >= c->seconds) {
        print(c);
        c->sending = false;
    }
    while (c->sending && c->sent - c->got - c->given_up < WINDOW)
        if (send_one(c) != OK)
            break;
}

static void begin_load(struct client *c, double seconds)
{
    c->loading = c->sending = true;
    c->given_up = c->sent - c->got;
    c->before = c->got;
    c->seconds = seconds;
    c->begun = bench_clock(CLOCK_MONOTONIC);
    c->cpu = bench_cpu();
    fill_window(c);
    service_host_rearm(c->node->services);
}

static void acknowledged(struct client *c, struct bytes payload)
{
    uint64_t got;

    if (payload.len != sizeof(got))
        return;
    memcpy(&got, payload.p, sizeof(got));
    if (got <= c->got || got > c->sent)
        return;
    c->got = got;
    if (c->got + c->given_up > c->sent)
        c->given_up = c->sent - c->got;
    fill_window(c);
}

/* ---- Told --------------------------------------------------------------- */

static void on_event(void *arg, const struct service_event *e)
{
    struct client *c = arg;

    if (e->kind == SERVICE_EVENT_PEER) {
        c->peer = e->peer;
    } else if (e->kind == SERVICE_EVENT_GONE) {
        c->peer = 0;
        c->sent = c->got = 0;
        if (c->asking)
            failed(c, reason_name(e->why));
    } else if (e->kind == SERVICE_EVENT_STATE && c->asking &&
               e->problem != SERVICE_FINE && e->problem != SERVICE_STARTING) {
        failed(c, service_problem_name(e->problem));
    } else if (e->kind == SERVICE_EVENT_DATA) {
        if (c->asking)
            asked(c, "answered");
        acknowledged(c, e->payload);
    }
}

static bool read_line(struct client *c, char *line)
{
    double seconds;

    if (strcmp(line, "ask\n") == 0) {
        ask(c);
    } else if (strcmp(line, "close\n") == 0) {
        if (c->peer != 0)
            service_peer_close(engine(c), c->peer, clock_now());
        service_host_rearm(c->node->services);
        say("closed");
    } else if (sscanf(line, "load %lf", &seconds) == 1) {
        begin_load(c, seconds);
    } else {
        return false;
    }
    return true;
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    char line[64];
    ssize_t n = read(fd, line, sizeof(line) - 1);

    (void)what;
    line[n > 0 ? n : 0] = '\0';
    if (n <= 0 || !read_line(c, line))
        event_base_loopbreak(c->base);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    struct member *m = tunnel_host_member(c->node->tunnels);
    uint64_t now = clock_now();

    (void)fd, (void)what;
    if (!c->ready && directory_count(member_directory(m)) >= c->relays) {
        c->ready = true;
        say("ready");
    }
    if (c->asking && time_since(c->asked_at, now) > PATIENCE)
        failed(c, "silent");
    if (!c->loading || time_since(c->looked_at, now) < TIME_S / 10)
        return;
    c->looked_at = now;
    if (c->got == c->got_before) {
        c->given_up = c->sent - c->got;
        if (!c->sending) /* the rest has come */
            end_load(c);
    }
    c->got_before = c->got;
    fill_window(c);
    service_host_rearm(c->node->services);
}

/* ---- Beginning ---------------------------------------------------------- */

static void start_node(struct client *c, char **argv)
{
    const char *level = getenv("SERVICE_LOAD_LOG");
    const struct warren_setting settings[] = {
        {"node.data_dir", argv[1]},
        {"node.listen", argv[2]},
        {"node.testing_network", "true"},
        {"dht.bootstrap", argv[3]},
        {"tunnel.max_relays_or_exits", "0"},
        {"log.level", level == NULL ? "error" : level},
    };
    struct config_input input = {.settings = settings,
                                 .setting_count =
                                     sizeof(settings) / sizeof(settings[0])};
    struct config config;
    struct log *log;
    struct text why;

    text_init(&why, CONFIG_ERRORS_MAX);
    c->base = event_base_new();
    if (c->base == NULL)
        die("event_base_new");
    if (config_load(&input, &config, &why) != OK ||
        (log = log_new(&config.log, NULL, NULL)) == NULL ||
        node_new(c->base, &config, log, NULL, &c->node, &why) != OK) {
        fprintf(stderr, "service_load: %s\n", text_get(&why));
        exit(1);
    }
    text_deinit(&why);
}

int main(int argc, char **argv)
{
    struct client c = {0};
    struct timeval look = {.tv_usec = LOOK};

    if (sodium_init() < 0)
        return 1;
    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        return run_server(argv[2]);
    if (argc != 7 && argc != 8) {
        fprintf(stderr, "usage: service_load DATA_DIR ADDRESS BOOTSTRAP "
                        "SERVICE PORT RELAYS [HOPS]\n");
        return 2;
    }
    start_node(&c, argv);
    c.port = (uint16_t)atoi(argv[5]);
    c.relays = (unsigned)atoi(argv[6]);
    c.address = argv[4];
    c.hops = argc == 8 ? (unsigned)atoi(argv[7]) : 3;
    c.listener = (struct service_listener){.arg = &c, .event = on_event};
    c.input =
        event_new(c.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &c);
    c.timer = event_new(c.base, -1, EV_PERSIST, on_timer, &c);
    if (c.input == NULL || c.timer == NULL || event_add(c.input, NULL) != 0 ||
        event_add(c.timer, &look) != 0)
        die("event_new");
    event_base_dispatch(c.base);
    service_host_unlisten(c.node->services, &c.listener);
    node_free(c.node);
    event_free(c.input);
    event_free(c.timer);
    event_base_free(c.base);
    return 0;
}
