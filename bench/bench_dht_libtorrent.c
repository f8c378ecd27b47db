/* SPDX-License-Identifier: MIT
 *
 * What it costs libtorrent to answer queries of the mainline DHT, and what it
 * costs us: the same queries from the same client over loopback, each server in
 * a process of its own, measured by its processor time. Both know nodes to
 * answer with and have the same number of peers. Of libtorrent whatever limits
 * rates and addresses is opened up (libtorrent_node.py). What a ping costs is
 * mostly its two system calls, which both need. Transmission cannot be asked
 * here: it drops whatever comes from 127/8.
 */
#include "dht_load.h"

#include <poll.h>

#define SCRIPT     "bench/libtorrent_node.py"
#define PYTHON     "/usr/bin/python3" /* which has Debian's libtorrent */
#define NEIGHBOURS 48

/* 127.2.0.1 and on are neighbours, 127.1.0.1 and on have peers. */
static int host_socket(uint8_t net, uint8_t host, uint16_t *port)
{
    struct sockaddr_in sa = loopback(*port);
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    sa.sin_addr.s_addr = htonl(127u << 24 | (uint32_t)net << 16 | host);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        die("bind");
    *port = ntohs(sa.sin_port);
    return fd;
}

/* ---- Neighbours of libtorrent: they answer, and know nobody ---------------
 */

static void answer_query(int fd, const struct id *id)
{
    uint8_t in[UDP_DATAGRAM_MAX], out[DHT_MESSAGE_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n =
        recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_len);
    struct dht_message q, r;
    size_t len;

    if (n <= 0 ||
        dht_message_read(DHT_DIALECT_MAINLINE, bytes_of(in, (size_t)n), &q) !=
            OK ||
        q.kind != DHT_QUERY)
        return;
    dht_message_init(&r, DHT_RESPONSE);
    r.transaction = q.transaction;
    r.id = *id;
    r.nodes = bytes_of(NULL, 0);
    r.has = DHT_HAS_ID | DHT_HAS_NODES;
    if (dht_message_write(DHT_DIALECT_MAINLINE, &r, out, sizeof(out), &len) ==
        OK)
        sendto(fd, out, len, 0, (struct sockaddr *)&from, from_len);
}

static void answer_for_ever(const int *fds)
{
    struct pollfd polled[NEIGHBOURS];
    struct id ids[NEIGHBOURS];

    for (int i = 0; i < NEIGHBOURS; i++) {
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        sim_rng_fill(&rng, ids[i].b, ID_BYTES);
    }
    while (poll(polled, NEIGHBOURS, -1) >= 0) {
        for (int i = 0; i < NEIGHBOURS; i++) {
            if (polled[i].revents & POLLIN)
                answer_query(fds[i], &ids[i]);
        }
    }
    _exit(1);
}

/* They share a port, which is returned. */
static uint16_t start_neighbours(pid_t *pid)
{
    int fds[NEIGHBOURS];
    uint16_t port = 0;

    for (uint8_t i = 0; i < NEIGHBOURS; i++)
        fds[i] = host_socket(2, (uint8_t)(i + 1), &port);
    *pid = fork();
    if (*pid < 0)
        die("fork");
    if (*pid == 0)
        answer_for_ever(fds);
    for (int i = 0; i < NEIGHBOURS; i++)
        close(fds[i]);
    return port;
}

/* ---- libtorrent
 * ------------------------------------------------------------*/

static bool has_libtorrent(void)
{
    return access(SCRIPT, R_OK) == 0 &&
           system(PYTHON " -c 'import libtorrent' 2>/dev/null") == 0;
}

/* For server_start; `arg` is the port of the neighbours. */
static void serve_libtorrent(void *arg, int ready)
{
    char fd[16], port[16], count[16];

    snprintf(fd, sizeof(fd), "%d", ready);
    snprintf(port, sizeof(port), "%u", *(const uint16_t *)arg);
    snprintf(count, sizeof(count), "%d", NEIGHBOURS);
    execl(PYTHON, PYTHON, SCRIPT, fd, port, "1", count, (char *)NULL);
    die(PYTHON);
}

/* One question and its answer, which `answer` views until the next. */
static bool ask_once(int fd, const struct dht_message *q,
                     struct dht_message *answer)
{
    static uint8_t in[UDP_DATAGRAM_MAX];
    uint8_t out[DHT_MESSAGE_MAX];
    size_t len;
    ssize_t n;

    if (dht_message_write(DHT_DIALECT_MAINLINE, q, out, sizeof(out), &len) !=
            OK ||
        send(fd, out, len, 0) < 0)
        die("send");
    do { /* it pings us, too */
        n = recv(fd, in, sizeof(in), 0);
        if (n <= 0)
            return false;
    } while (dht_message_read(DHT_DIALECT_MAINLINE, bytes_of(in, (size_t)n),
                              answer) != OK ||
             answer->kind == DHT_QUERY);
    return answer->kind == DHT_RESPONSE;
}

static bool announce_to(int fd, const struct id *hash, uint8_t host)
{
    struct dht_message q, a;

    dht_message_init(&q, DHT_QUERY);
    q.method = DHT_GET_PEERS;
    q.has = DHT_HAS_ID | DHT_HAS_TARGET;
    q.transaction = bytes_of("ab", 2);
    q.id.b[0] = host;
    q.target = *hash;
    q.read_only = true;
    if (!ask_once(fd, &q, &a) || !(a.has & DHT_HAS_TOKEN))
        return false;
    q.method = DHT_ANNOUNCE_PEER;
    q.has |= DHT_HAS_PORT | DHT_HAS_TOKEN;
    q.port = 6881;
    q.token = a.token;
    return ask_once(fd, &q, &a);
}

/* As many as the engine has. */
static void announce_peers(const struct world *w, uint16_t port)
{
    const struct sockaddr_in to = loopback(port);

    for (uint8_t host = 1; host <= PEERS; host++) {
        uint16_t any = 0;
        int fd = host_socket(1, host, &any);

        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
            die("connect");
        receive_timeout(fd, 999999);
        for (int i = 0; i < HASHES; i++) {
            if (!announce_to(fd, &w->hashes[i], host))
                printf("an announcement was lost\n");
        }
        close(fd);
    }
}

/* ---- Both
 * -------------------------------------------------------------------*/

/* Bytes of an answer to the first query. */
static size_t answer_len(struct world *w, uint16_t port)
{
    uint8_t in[UDP_DATAGRAM_MAX];
    int fd = connected_socket(port);
    ssize_t n;

    send(fd, w->queries[0].data, w->queries[0].len, 0);
    n = recv(fd, in, sizeof(in), 0);
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

static void compare(struct world *w, const struct server *libtorrent,
                    enum dht_method method)
{
    struct server server;
    double ours, theirs;
    size_t len;

    make_queries(w, method);
    server_start(&server, serve_engine, w);
    len = answer_len(w, server.port);
    ours = answers_of(w, &server);
    server_stop(&server);
    theirs = answers_of(w, libtorrent);
    printf("%s: %zu bytes asked, %zu answered, by libtorrent %zu\n",
           dht_method_name(method), w->queries[0].len, len,
           answer_len(w, libtorrent->port));
    bench_ratio("  processor time of an answer", microseconds(ours), "us",
                microseconds(theirs), "<= 20 %");
}

int main(void)
{
    static struct world w;
    struct server libtorrent;
    pid_t neighbours;
    uint16_t port;

    if (!has_libtorrent()) {
        printf("skipped: " PYTHON " has no libtorrent (python3-libtorrent), or "
               "this is not the project's folder\n");
        return 0;
    }
    world_init(&w, DHT_DIALECT_MAINLINE);
    port = start_neighbours(&neighbours);
    server_start(&libtorrent, serve_libtorrent, &port);
    announce_peers(&w, libtorrent.port);
    bench_title("libtorrent");
    compare(&w, &libtorrent, DHT_PING);
    compare(&w, &libtorrent, DHT_FIND_NODE);
    compare(&w, &libtorrent, DHT_GET_PEERS);
    server_stop(&libtorrent);
    kill(neighbours, SIGKILL);
    waitpid(neighbours, NULL, 0);
    dht_free(w.dht);
    return 0;
}
