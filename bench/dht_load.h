/* SPDX-License-Identifier: MIT
 *
 * A server that answers queries of the DHT in a process of its own, and how
 * many it answers in a second of its processor time.
 */
#ifndef WARREN_BENCH_DHT_LOAD_H
#define WARREN_BENCH_DHT_LOAD_H

#include "bench_server.h"
#include "dht_world.h"

#define BATCH       UDP_BATCH
#define OUTSTANDING 128
#define SECONDS     3.0

#define SOCKET_BUFFER (4 << 20)

/* ---- The engine behind the daemon's sockets ------------------------------ */

static inline void on_receive(void *arg, const struct endpoint *from,
                              uint8_t *datagram, size_t len, unsigned socket)
{
    struct world *w = arg;

    (void)socket;
    dht_receive(w->dht, from, bytes_of(datagram, len), w->now += TIME_US);
}

/* For server_start; `arg` is the world. */
static inline void serve_engine(void *arg, int ready)
{
    const struct udp_handlers handlers = {.arg = arg, .receive = on_receive};
    struct world *w = arg;

    event_base_dispatch(listen_udp(&handlers, ready, &w->udp));
}

/* ---- The client --------------------------------------------------------- */

static inline int connected_socket(uint16_t port)
{
    struct sockaddr_in sa = loopback(port);
    uint16_t own;
    int fd = bound_socket(SOCKET_BUFFER, &own);

    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        die("connect");
    receive_timeout(fd, 50000);
    return fd;
}

static inline void ask(struct world *w, int fd, unsigned at)
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
static inline unsigned take(int fd)
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

/* Answers a second of the server's processor time. With a pause, in us, before
 * each batch, the server is not busy all the time. */
static inline double answers_of(struct world *w, const struct server *server,
                                unsigned pause)
{
    const unsigned window = pause > 0 ? BATCH : OUTSTANDING;
    unsigned out = 0, at = 0;
    uint64_t answered = 0;
    int fd = connected_socket(server->port);
    double wall = bench_clock(CLOCK_MONOTONIC);
    double cpu = bench_clock(server->clock);

    while (bench_clock(CLOCK_MONOTONIC) - wall < SECONDS) {
        unsigned n;

        for (; out + BATCH <= window; out += BATCH, at += BATCH)
            ask(w, fd, at);
        n = take(fd);
        answered += n;
        out = n == 0 ? 0 : out - (n < out ? n : out); /* 0: some were lost */
        if (out == 0 && pause > 0)
            usleep(pause);
    }
    cpu = bench_clock(server->clock) - cpu;
    close(fd);
    if (answered + window < at / 100 * 99)
        printf("only %.1f %% answered\n",
               100.0 * (double)answered / (double)at);
    return (double)answered / cpu;
}

static inline double microseconds(double per_second)
{
    return 1e6 / per_second;
}

#endif
