/* SPDX-License-Identifier: MIT
 *
 * Queries answered a second on one core, by the engine behind the daemon's
 * sockets, against two baselines: a bare loop of recvmmsg and sendmmsg that
 * answers constant bytes of the same lengths, and the engine without sockets.
 * Then what an answer costs in bencode, against msgpack. A second is one of the
 * server's processor time: the client has a core of its own.
 */
#include "bench_server.h"
#include "dht/dht.h"
#include "sim/chance/rng.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NODES       400 /* made-up neighbours of the engine */
#define HASHES      16
#define PEERS       20 /* announced under each hash */
#define QUERIES     256
#define BATCH       UDP_BATCH
#define OUTSTANDING 128
#define SECONDS     3.0

#define SOCKET_BUFFER (4 << 20)

static struct sim_rng rng;

struct query {
    size_t len;
    uint8_t data[DHT_MESSAGE_MAX];
};

/* ---- An engine with neighbours and announced peers ---------------------- */

struct world {
    enum dht_dialect dialect;
    struct query queries[QUERIES];
    struct dht *dht;
    uint64_t now;
    struct udp *udp; /* answers go there, once it is not NULL */
    struct id ids[NODES];
    struct id hashes[HASHES];
    size_t queued;
    struct {
        struct endpoint from;
        size_t len;
        uint8_t data[DHT_MESSAGE_MAX];
    } queue[64];
    uint8_t last[DHT_MESSAGE_MAX]; /* the engine's last datagram */
    size_t last_len;
    uint64_t answers;
};

static void node_endpoint(unsigned i, struct endpoint *out)
{
    *out = (struct endpoint){
        .addr = {10, 1, (uint8_t)(i / 256), (uint8_t)(i % 256)}, .port = 6881};
}

/* A made-up neighbour answers a query of the engine: with eight others. */
static void neighbour(struct world *w, const struct endpoint *to,
                      struct bytes datagram)
{
    uint8_t nodes[8 * COMPACT_NODE4];
    unsigned self = (unsigned)to->addr[2] * 256 + to->addr[3];
    struct dht_message q, r;

    if (w->queued == 64 || self >= NODES ||
        dht_message_read(w->dialect, datagram, &q) != OK || q.kind != DHT_QUERY)
        return;
    for (unsigned i = 0; i < 8; i++) {
        unsigned other = sim_rng_below(&rng, NODES);
        struct endpoint ep;

        node_endpoint(other, &ep);
        memcpy(nodes + i * COMPACT_NODE4, w->ids[other].b, ID_BYTES);
        endpoint_write_compact(&ep, nodes + i * COMPACT_NODE4 + ID_BYTES);
    }
    dht_message_init(&r, DHT_RESPONSE);
    r.has = DHT_HAS_ID | DHT_HAS_NODES;
    r.id = w->ids[self];
    r.transaction = q.transaction;
    r.nodes = bytes_of(nodes, sizeof(nodes));
    w->queue[w->queued].from = *to;
    if (dht_message_write(w->dialect, &r, w->queue[w->queued].data,
                          DHT_MESSAGE_MAX, &w->queue[w->queued].len) == OK)
        w->queued++;
}

static void env_send(void *ctx, const struct endpoint *to,
                     struct bytes datagram)
{
    struct world *w = ctx;

    w->answers++;
    if (w->udp != NULL) {
        udp_send(w->udp, to, datagram);
    } else if (to->addr[0] == 10) {
        neighbour(w, to, datagram);
    } else {
        memcpy(w->last, datagram.p, datagram.len);
        w->last_len = datagram.len;
    }
}

static void env_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    sim_rng_fill(&rng, buf, len);
}

static void env_event(void *ctx, const struct dht_event *event)
{
    (void)ctx;
    (void)event;
}

static void settle(struct world *w)
{
    uint64_t until = w->now + 5 * TIME_MIN;

    for (; w->now < until; w->now += 10 * TIME_MS) {
        size_t n = w->queued;

        w->queued = 0;
        for (size_t i = 0; i < n; i++) {
            uint8_t copy[DHT_MESSAGE_MAX];
            struct endpoint from = w->queue[i].from;

            memcpy(copy, w->queue[i].data, w->queue[i].len);
            dht_receive(w->dht, &from, bytes_of(copy, w->queue[i].len), w->now);
        }
        if (dht_next_deadline(w->dht) <= w->now)
            dht_tick(w->dht, w->now);
    }
}

static size_t write_query(const struct world *w, struct dht_message *m,
                          uint8_t *out)
{
    static const struct id client = {{1, 2, 3}};
    size_t len = 0;

    m->id = client;
    m->transaction = bytes_of("ab", 2);
    if (dht_message_write(w->dialect, m, out, DHT_MESSAGE_MAX, &len) != OK)
        exit(1);
    return len;
}

static void announce(struct world *w, const struct id *hash, uint8_t client)
{
    struct endpoint from = {.addr = {192, 168, 0, client}, .port = 6881};
    uint8_t buf[DHT_MESSAGE_MAX];
    struct dht_message m, r;
    size_t len;

    dht_message_init(&m, DHT_QUERY);
    m.method = DHT_GET_PEERS;
    m.has = DHT_HAS_ID | DHT_HAS_TARGET;
    m.target = *hash;
    len = write_query(w, &m, buf);
    dht_receive(w->dht, &from, bytes_of(buf, len), w->now);
    if (dht_message_read(w->dialect, bytes_of(w->last, w->last_len), &r) != OK)
        exit(1);
    m.method = DHT_ANNOUNCE_PEER;
    m.has |= DHT_HAS_PORT | DHT_HAS_TOKEN;
    m.port = 6881;
    m.token = r.token;
    len = write_query(w, &m, buf);
    dht_receive(w->dht, &from, bytes_of(buf, len), w->now);
}

static void world_init(struct world *w, enum dht_dialect dialect)
{
    const struct dht_env env = {w, env_send, env_random, env_event};
    struct dht_config config;
    struct dht_status status;

    sim_rng_init(&rng, 1, 0);
    w->dialect = dialect;
    w->now = TIME_HOUR;
    dht_config_init(&config);
    config.dialect = dialect;
    config.testing_network = true;
    config.family[FAMILY_IPV6] = false;
    config.query_rate = config.source_rate = 50 * 1000 * 1000;
    config.query_burst = config.source_burst = 50 * 1000 * 1000;
    if (dht_new(&config, &env, w->now, &w->dht) != OK)
        exit(1);
    for (unsigned i = 0; i < NODES; i++)
        sim_rng_fill(&rng, w->ids[i].b, ID_BYTES);
    for (unsigned i = 0; i < 8; i++) {
        struct endpoint ep;

        node_endpoint(i, &ep);
        dht_bootstrap_add(w->dht, &ep, w->now);
    }
    settle(w);
    for (unsigned i = 0; i < HASHES; i++) {
        sim_rng_fill(&rng, w->hashes[i].b, ID_BYTES);
        for (uint8_t k = 1; k <= PEERS; k++)
            announce(w, &w->hashes[i], k);
    }
    dht_status(w->dht, w->now, &status);
    printf("the engine has %u good nodes, %u hashes, %u peers\n",
           status.good[0], status.hashes, status.peers);
}

/* ---- The questions ------------------------------------------------------ */

/* As long as those of a node, for answers as long as they come. */
static void make_queries(struct world *w, enum dht_method method)
{
    static const uint8_t zeros[130];

    for (unsigned i = 0; i < QUERIES; i++) {
        struct dht_message m;

        dht_message_init(&m, DHT_QUERY);
        m.method = method;
        m.has = method == DHT_PING ? DHT_HAS_ID : DHT_HAS_ID | DHT_HAS_TARGET;
        if (method == DHT_GET_PEERS) {
            m.target = w->hashes[i % HASHES];
            if (w->dialect == DHT_DIALECT_WARREN)
                m.padding = bytes_of(zeros, sizeof(zeros));
        } else if (method == DHT_FIND_NODE) {
            sim_rng_fill(&rng, m.target.b, ID_BYTES);
        }
        w->queries[i].len = write_query(w, &m, w->queries[i].data);
    }
}

/* ---- Without sockets ---------------------------------------------------- */

static double engine_only(struct world *w)
{
    const struct endpoint from = {.addr = {127, 0, 0, 1}, .port = 5000};
    double start = bench_cpu();
    uint64_t n = 0;

    w->answers = 0;
    while (bench_cpu() - start < SECONDS) {
        for (unsigned i = 0; i < QUERIES; i++, n++)
            dht_receive(w->dht, &from,
                        bytes_of(w->queries[i].data, w->queries[i].len),
                        w->now += TIME_US);
        if (dht_next_deadline(w->dht) <= w->now)
            dht_tick(w->dht, w->now);
    }
    start = bench_cpu() - start;
    if (w->answers < n)
        printf("only %.1f %% answered\n",
               100.0 * (double)w->answers / (double)n);
    return (double)w->answers / start;
}

/* ---- Servers, each in a process of its own ------------------------------ */

static void on_receive(void *arg, const struct endpoint *from,
                       uint8_t *datagram, size_t len, unsigned socket)
{
    struct world *w = arg;

    (void)socket;
    dht_receive(w->dht, from, bytes_of(datagram, len), w->now += TIME_US);
}

/* `w` has the engine; without one, the daemon's sockets and constant bytes. */
static void on_receive_constant(void *arg, const struct endpoint *from,
                                uint8_t *datagram, size_t len, unsigned socket)
{
    struct world *w = arg;

    (void)datagram;
    (void)len;
    (void)socket;
    udp_send(w->udp, from, bytes_of(w->last, w->last_len));
}

enum server_kind { ENGINE, CONSTANT, BARE };

struct serving {
    struct world *w;
    enum server_kind kind;
};

static void serve_udp(struct world *w, bool constant, int ready)
{
    const struct udp_handlers handlers = {
        .arg = w, .receive = constant ? on_receive_constant : on_receive};

    event_base_dispatch(listen_udp(&handlers, ready, &w->udp));
}

static void serve_bare(struct world *w, int ready)
{
    static uint8_t buffers[BATCH][UDP_DATAGRAM_MAX];
    struct sockaddr_in from[BATCH];
    struct mmsghdr in[BATCH] = {0}, out[BATCH] = {0};
    struct iovec in_iov[BATCH], out_iov[BATCH];
    uint16_t port;
    int fd = bound_socket(SOCKET_BUFFER, &port);

    for (int i = 0; i < BATCH; i++) {
        in_iov[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
        out_iov[i] = (struct iovec){w->last, w->last_len};
        in[i].msg_hdr.msg_iov = &in_iov[i];
        out[i].msg_hdr.msg_iov = &out_iov[i];
        in[i].msg_hdr.msg_iovlen = out[i].msg_hdr.msg_iovlen = 1;
        in[i].msg_hdr.msg_name = out[i].msg_hdr.msg_name = &from[i];
        out[i].msg_hdr.msg_namelen = sizeof(from[i]);
    }
    tell_port(ready, port);
    for (;;) {
        int n;

        for (int i = 0; i < BATCH; i++)
            in[i].msg_hdr.msg_namelen = sizeof(from[i]);
        n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
        if (n > 0)
            sendmmsg(fd, out, (unsigned)n, 0);
    }
}

static void serve(void *arg, int ready)
{
    const struct serving *s = arg;

    if (s->kind == BARE)
        serve_bare(s->w, ready);
    serve_udp(s->w, s->kind == CONSTANT, ready);
}

/* ---- The client --------------------------------------------------------- */

static int connected_socket(uint16_t port)
{
    struct sockaddr_in sa = loopback(port);
    uint16_t own;
    int fd = bound_socket(SOCKET_BUFFER, &own);

    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        die("connect");
    receive_timeout(fd, 50000);
    return fd;
}

static void ask(struct world *w, int fd, unsigned at)
{
    struct mmsghdr out[BATCH] = {0};
    struct iovec iov[BATCH];

    for (unsigned i = 0; i < BATCH; i++) {
        struct query *q = &w->queries[(at + i) % QUERIES];

        iov[i] = (struct iovec){q->data, q->len};
        out[i].msg_hdr.msg_iov = &iov[i];
        out[i].msg_hdr.msg_iovlen = 1;
    }
    sendmmsg(fd, out, BATCH, 0);
}

/* Datagrams that came at once; 0 when none came in a while. */
static unsigned take(int fd)
{
    static uint8_t buffers[BATCH][UDP_DATAGRAM_MAX];
    struct mmsghdr in[BATCH] = {0};
    struct iovec iov[BATCH];
    int n;

    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
        in[i].msg_hdr.msg_iov = &iov[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
    return n > 0 ? (unsigned)n : 0;
}

/* Answers a second of the server's processor time. */
static double measure(struct world *w, enum server_kind kind)
{
    struct serving serving = {w, kind};
    unsigned out = 0, at = 0;
    uint64_t answered = 0;
    struct server server;
    double wall, cpu;
    int fd;

    server_start(&server, serve, &serving);
    fd = connected_socket(server.port);
    wall = bench_clock(CLOCK_MONOTONIC);
    cpu = bench_clock(server.clock);
    while (bench_clock(CLOCK_MONOTONIC) - wall < SECONDS) {
        unsigned n;

        for (; out + BATCH <= OUTSTANDING; out += BATCH, at += BATCH)
            ask(w, fd, at);
        n = take(fd);
        answered += n;
        out = n == 0 ? 0 : out - (n < out ? n : out); /* 0: some were lost */
    }
    cpu = bench_clock(server.clock) - cpu;
    server_stop(&server);
    close(fd);
    return (double)answered / cpu;
}

static double microseconds(double per_second)
{
    return 1e6 / per_second;
}

static void compare(struct world *w, struct world *mainline,
                    enum dht_method method)
{
    double bare, constant, engine, alone, bencode, bencode_alone;

    make_queries(w, method);
    make_queries(mainline, method);
    alone = engine_only(w); /* leaves an answer in w->last */
    bencode_alone = engine_only(mainline);
    bare = measure(w, BARE);
    constant = measure(w, CONSTANT);
    engine = measure(w, ENGINE);
    bencode = measure(mainline, ENGINE);
    printf("%s: %zu bytes asked, %zu answered; in bencode %zu and %zu\n",
           dht_method_name(method), w->queries[0].len, w->last_len,
           mainline->queries[0].len, mainline->last_len);
    bench_ratio("  answered", engine, "1/s", bare, ">= 60 % of bare");
    bench_ratio("  our sockets, constant bytes", constant, "1/s", bare, "");
    bench_ratio("  engine without sockets", alone, "1/s", bare, "");
    bench_ratio("  answered, against engine alone", engine, "1/s", alone, "");
    bench_value("  processor time of an answer", microseconds(engine), "us",
                "<= 5");
    bench_value("  of it, the engine", microseconds(alone), "us", "");
    bench_ratio("  in bencode, against msgpack", microseconds(bencode), "us",
                microseconds(engine), "<= 115 %");
    bench_ratio("  of it, the engine", microseconds(bencode_alone), "us",
                microseconds(alone), "");
}

int main(void)
{
    static struct world w, mainline;

    world_init(&w, DHT_DIALECT_WARREN);
    world_init(&mainline, DHT_DIALECT_MAINLINE);
    bench_title("baseline");
    compare(&w, &mainline, DHT_PING);
    compare(&w, &mainline, DHT_FIND_NODE);
    compare(&w, &mainline, DHT_GET_PEERS);
    dht_free(w.dht);
    dht_free(mainline.dht);
    return 0;
}
