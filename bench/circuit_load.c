/* SPDX-License-Identifier: MIT
 *
 * A program with a node inside, which sends as much as one circuit takes to
 * a UDP server behind the exit:
 *
 *     circuit_load DATA_DIR ADDRESS BOOTSTRAP SERVER HOPS SECONDS
 *
 * ADDRESS is the node's, BOOTSTRAP another's, both HOST:PORT; SERVER is an
 * address that the server is bound to, in a process of its own. It counts what
 * comes and says so for each ACK_EACH datagrams, so that WINDOW are under way.
 *
 * Prints "begin" when it starts to send; then, and once more after the rest
 * has come: datagrams sent, datagrams that the server has, seconds, processor
 * seconds of this process.
 */
#include "bench.h"

#include <warren.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PAYLOAD  1152
#define WINDOW   1472
#define ACK_EACH 16
#define FIRST    5 /* acknowledged at once: exits send little to the silent */
#define BATCH    32
#define BUFFER   (4 * 1024 * 1024)

struct load {
    struct event_base *base;
    struct warren *node;
    struct event *timer;
    struct sockaddr_in server;
    unsigned hops;
    double seconds, begun, cpu;
    uint32_t circuit;
    uint64_t sent, got;
    uint64_t given_up; /* of those sent: no longer waited for */
    uint64_t got_before;
    bool sending, was_refused;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- The server --------------------------------------------------------- */

static void serve(int s)
{
    static uint8_t buffers[BATCH][2048];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_in from;
    uint64_t got = 0, told = 0;

    for (;;) {
        int n;

        memset(messages, 0, sizeof(messages));
        for (unsigned i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        messages[0].msg_hdr.msg_name = &from;
        messages[0].msg_hdr.msg_namelen = sizeof(from);
        n = recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n <= 0)
            continue;
        got += (uint64_t)n;
        if (got <= FIRST || got - told >= ACK_EACH) {
            told = got;
            sendto(s, &got, sizeof(got), 0, (struct sockaddr *)&from,
                   sizeof(from));
        }
    }
}

static pid_t start_server(struct load *l, const char *address)
{
    socklen_t len = sizeof(l->server);
    int size = BUFFER, s = socket(AF_INET, SOCK_DGRAM, 0);
    pid_t child;

    l->server = (struct sockaddr_in){.sin_family = AF_INET};
    if (s < 0 || inet_pton(AF_INET, address, &l->server.sin_addr) != 1 ||
        bind(s, (struct sockaddr *)&l->server, len) != 0 ||
        getsockname(s, (struct sockaddr *)&l->server, &len) != 0)
        die("server");
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if ((child = fork()) < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(s);
    }
    close(s);
    return child;
}

/* ---- The client --------------------------------------------------------- */

static double elapsed(const struct load *l)
{
    return bench_clock(CLOCK_MONOTONIC) - l->begun;
}

static void print(const struct load *l)
{
    printf("%lu %lu %.6f %.6f\n", (unsigned long)l->sent, (unsigned long)l->got,
           elapsed(l), bench_cpu() - l->cpu);
    fflush(stdout);
}

static void fill_window(struct load *l)
{
    static const uint8_t payload[PAYLOAD];
    unsigned window = l->got < FIRST ? 1 : WINDOW;

    if (elapsed(l) >= l->seconds) {
        if (l->sending)
            print(l);
        l->sending = false;
    }
    while (l->sending && l->sent - l->got - l->given_up < window) {
        int e = warren_tunnel_data_to(l->node, l->circuit,
                                      (struct sockaddr *)&l->server, "data",
                                      payload, sizeof(payload));

        if (e != WARREN_OK) {
            fprintf(stderr, "circuit_load: %s\n", warren_error_text(e));
            exit(1);
        }
        l->sent++;
    }
}

static void opened(void *arg, uint32_t circuit, unsigned hops)
{
    struct load *l = arg;

    if (l->circuit != 0 || hops != l->hops)
        return;
    l->circuit = circuit;
    puts("begin");
    fflush(stdout);
    l->sending = true;
    l->begun = bench_clock(CLOCK_MONOTONIC);
    l->cpu = bench_cpu();
}

static void closed(void *arg, uint32_t circuit, unsigned hops, unsigned hop,
                   const struct warren_reason *why)
{
    const struct load *l = arg;

    (void)hops;
    if (circuit != l->circuit || l->begun == 0)
        return;
    fprintf(stderr, "circuit_load: hop %u closed the circuit: %s\n", hop,
            why->text);
    exit(1);
}

static void refused(void *arg, uint32_t circuit,
                    const struct warren_reason *why)
{
    struct load *l = arg;

    (void)circuit;
    if (!l->was_refused)
        fprintf(stderr, "circuit_load: the exit does not send: %s\n",
                why->text);
    l->was_refused = true;
}

static void data(void *arg, uint32_t circuit, const struct sockaddr *source,
                 socklen_t source_len, const char *type, const void *payload,
                 size_t len)
{
    struct load *l = arg;
    uint64_t got;

    (void)circuit, (void)source, (void)source_len, (void)type;
    if (len != sizeof(got))
        return;
    memcpy(&got, payload, sizeof(got));
    if (got <= l->got || got > l->sent)
        return;
    l->got = got;
    if (l->got + l->given_up > l->sent)
        l->given_up = l->sent - l->got;
    fill_window(l);
}

/* Begins, and goes on when nothing came for a tenth of a second. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct load *l = arg;

    (void)fd, (void)what;
    if (l->circuit == 0)
        return;
    if (l->got == l->got_before) {
        l->given_up = l->sent - l->got;
        if (!l->sending)
            event_base_loopbreak(l->base);
    }
    l->got_before = l->got;
    fill_window(l);
}

static void start_node(struct load *l, char **argv)
{
    const struct warren_setting settings[] = {
        {"node.data_dir", argv[1]},          {"node.listen", argv[2]},
        {"node.testing_network", "true"},    {"dht.bootstrap", argv[3]},
        {"tunnel.max_relays_or_exits", "0"}, {"log.level", "error"},
    };
    struct warren_options options = {
        .settings = settings,
        .setting_count = sizeof(settings) / sizeof(settings[0]),
        .arg = l,
        .opened = opened,
        .closed = closed,
        .refused = refused,
        .data = data,
    };
    struct timeval tenth = {.tv_usec = 100000};
    char why[WARREN_WHY_SIZE];

    l->base = event_base_new();
    if (l->base == NULL)
        die("event_base_new");
    l->node = warren_new(l->base, &options, why, sizeof(why));
    if (l->node == NULL) {
        fprintf(stderr, "circuit_load: %s\n", why);
        exit(1);
    }
    l->timer = event_new(l->base, -1, EV_PERSIST, on_timer, l);
    if (l->timer == NULL || event_add(l->timer, &tenth) != 0)
        die("event_new");
    warren_build_tunnels(l->node, l->hops);
}

int main(int argc, char **argv)
{
    struct load l = {0};
    pid_t server;

    if (argc != 7) {
        fprintf(stderr, "usage: circuit_load DATA_DIR ADDRESS BOOTSTRAP "
                        "SERVER HOPS SECONDS\n");
        return 2;
    }
    l.hops = (unsigned)atoi(argv[5]);
    l.seconds = atof(argv[6]);
    server = start_server(&l, argv[4]);
    start_node(&l, argv);
    event_base_dispatch(l.base);
    print(&l);
    l.begun = 0;
    warren_free(l.node);
    event_free(l.timer);
    event_base_loop(l.base, EVLOOP_NONBLOCK);
    event_base_free(l.base);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
