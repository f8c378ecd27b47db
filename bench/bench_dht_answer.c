/* SPDX-License-Identifier: MIT
 *
 * Queries answered a second on one core, by the engine behind the daemon's
 * sockets, against two baselines: a bare loop of recvmmsg and sendmmsg that
 * answers constant bytes of the same lengths, and the engine without sockets.
 * Then what an answer costs in bencode, against msgpack. A second is one of the
 * server's processor time: the client has a core of its own.
 */
#include "dht_load.h"

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

/* The daemon's sockets and constant bytes. */
static void on_receive_constant(void *arg, const struct endpoint *from,
                                uint8_t *datagram, size_t len, unsigned socket)
{
    struct world *w = arg;

    (void)datagram;
    (void)len;
    (void)socket;
    udp_send(w->udp, from, bytes_of(w->last, w->last_len));
}

static void serve_constant(void *arg, int ready)
{
    const struct udp_handlers handlers = {.arg = arg,
                                          .receive = on_receive_constant};
    struct world *w = arg;

    event_base_dispatch(listen_udp(&handlers, ready, &w->udp));
}

static void serve_bare(void *arg, int ready)
{
    static uint8_t buffers[BATCH][UDP_DATAGRAM_MAX];
    const struct world *w = arg;
    struct sockaddr_in from[BATCH];
    struct mmsghdr in[BATCH] = {0}, out[BATCH] = {0};
    struct iovec in_iov[BATCH], out_iov[BATCH];
    uint8_t answer[DHT_MESSAGE_MAX];
    uint16_t port;
    int fd = bound_socket(SOCKET_BUFFER, &port);

    memcpy(answer, w->last, w->last_len);
    for (int i = 0; i < BATCH; i++) {
        in_iov[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
        out_iov[i] = (struct iovec){answer, w->last_len};
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

static double measure(struct world *w, void (*serve)(void *arg, int ready))
{
    struct server server;
    double answers;

    server_start(&server, serve, w);
    answers = answers_of(w, &server, 0);
    server_stop(&server);
    return answers;
}

static void compare(struct world *w, struct world *mainline,
                    enum dht_method method)
{
    double bare, constant, engine, alone, bencode, bencode_alone;

    make_queries(w, method);
    make_queries(mainline, method);
    alone = engine_only(w); /* leaves an answer in w->last */
    bencode_alone = engine_only(mainline);
    bare = measure(w, serve_bare);
    constant = measure(w, serve_constant);
    engine = measure(w, serve_engine);
    bencode = measure(mainline, serve_engine);
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
