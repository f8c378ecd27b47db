/* SPDX-License-Identifier: MIT
 *
 * What it costs libtorrent, and aria2 if it is there, to answer queries of the
 * mainline DHT, and what it costs our daemon: the same queries from the same
 * client over loopback, each server in a process of its own, measured by its
 * processor time. They know the same nodes (aria2 fewer) and have the same
 * peers. Whatever limits rates and addresses is opened up (libtorrent_node.py).
 * What a ping costs is mostly its two system calls, which all need.
 * Transmission cannot be asked here: it drops whatever comes from 127/8.
 */
#include "dht_load.h"

#include <poll.h>

#define SCRIPT     "bench/libtorrent_node.py"
#define PYTHON     "/usr/bin/python3" /* which has Debian's libtorrent */
#define NEIGHBOURS 48
#define DATA_DIR   "/tmp/warren-bench-XXXXXX"
#define PAUSE      100 /* us; a daemon that is always busy answers fewer */

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

/* ---- Neighbours of both: they answer, and name each other --------------- */

static struct id ids[NEIGHBOURS];
static uint16_t neighbours_port;

static struct bytes name_some(uint8_t out[DHT_K * COMPACT_NODE4])
{
    for (unsigned i = 0; i < DHT_K; i++) {
        unsigned n = sim_rng_below(&rng, NEIGHBOURS);
        const struct endpoint ep = {.addr = {127, 2, 0, (uint8_t)(n + 1)},
                                    .port = neighbours_port};
        uint8_t *node = out + (size_t)i * COMPACT_NODE4;

        memcpy(node, ids[n].b, ID_BYTES);
        endpoint_write_compact(&ep, node + ID_BYTES);
    }
    return bytes_of(out, DHT_K * COMPACT_NODE4);
}

static void answer_query(int fd, const struct id *id)
{
    uint8_t in[UDP_DATAGRAM_MAX], out[DHT_MESSAGE_MAX];
    uint8_t nodes[DHT_K * COMPACT_NODE4];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n =
        recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_len);
    struct dht_message q, r;
    size_t len;

    if (n <= 0 || dht_message_read(DHT_DIALECT_MAINLINE,
                                   bytes_of(in, (size_t)n), &q) != OK)
        return;
    if (q.kind != DHT_QUERY)
        return;
    dht_message_init(&r, DHT_RESPONSE);
    r.transaction = q.transaction;
    r.id = *id;
    r.nodes = name_some(nodes);
    r.has = DHT_HAS_ID | DHT_HAS_NODES;
    if (dht_message_write(DHT_DIALECT_MAINLINE, &r, out, sizeof(out), &len) ==
        OK)
        sendto(fd, out, len, 0, (struct sockaddr *)&from, from_len);
}

static void answer_for_ever(const int *fds)
{
    struct pollfd polled[NEIGHBOURS];

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

/* They share a port. */
static pid_t start_neighbours(void)
{
    int fds[NEIGHBOURS];
    pid_t pid;

    for (uint8_t i = 0; i < NEIGHBOURS; i++)
        fds[i] = host_socket(2, (uint8_t)(i + 1), &neighbours_port);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        answer_for_ever(fds);
    for (int i = 0; i < NEIGHBOURS; i++)
        close(fds[i]);
    return pid;
}

/* ---- The servers, for server_start -------------------------------------- */

static bool has_libtorrent(void)
{
    return access(SCRIPT, R_OK) == 0 &&
           system(PYTHON " -c 'import libtorrent' 2>/dev/null") == 0;
}

static void serve_libtorrent(void *arg, int ready)
{
    char fd[16], port[16], count[16];

    (void)arg;
    snprintf(fd, sizeof(fd), "%d", ready);
    snprintf(port, sizeof(port), "%u", neighbours_port);
    snprintf(count, sizeof(count), "%d", NEIGHBOURS);
    execl(PYTHON, PYTHON, SCRIPT, fd, port, "1", count, (char *)NULL);
    die(PYTHON);
}

#define LIMIT "10000000" /* the most that may be set */

/* `arg` is the data directory. */
static void serve_daemon(void *arg, int ready)
{
    char at[32], bootstrap[32];
    uint16_t port;

    close(bound_socket(SOCKET_BUFFER, &port));
    snprintf(at, sizeof(at), "127.0.0.1:%u", port);
    snprintf(bootstrap, sizeof(bootstrap), "127.2.0.1:%u", neighbours_port);
    tell_port(ready, port);
    execl(WARREN, "warren", "run", "--data-dir", (const char *)arg, "--listen",
          at, "--testing-network", "--log-level", "error", "--mainline.enabled",
          "true", "--mainline.bootstrap", bootstrap, "--mainline.query_rate",
          LIMIT, "--mainline.query_burst", LIMIT, "--mainline.source_rate",
          LIMIT, "--mainline.source_burst", LIMIT, (char *)NULL);
    die(WARREN);
}

static bool has_aria2(void)
{
    return system("aria2c --version >/dev/null 2>&1") == 0;
}

/* It has a DHT while it has something to fetch, which nobody has. `arg` is a
 * directory. */
static void serve_aria2(void *arg, int ready)
{
    char entry[64], at[64], file[64], dir[64];
    uint16_t port;

    close(bound_socket(SOCKET_BUFFER, &port));
    snprintf(at, sizeof(at), "--dht-listen-port=%u", port);
    snprintf(entry, sizeof(entry), "--dht-entry-point=127.2.0.1:%u",
             neighbours_port);
    snprintf(dir, sizeof(dir), "--dir=%s", (const char *)arg);
    snprintf(file, sizeof(file), "--dht-file-path=%s/dht", (const char *)arg);
    tell_port(ready, port);
    execlp("aria2c", "aria2c", "--no-conf", "--quiet", "--interface=127.0.0.1",
           "--bt-enable-lpd=false", "--enable-dht6=false", at, entry, dir, file,
           "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567",
           (char *)NULL);
    die("aria2c");
}

/* ---- What they are to know ---------------------------------------------- */

/* One question and its answer, which `answer` views until the next. */
static bool ask_once(int fd, const struct dht_message *q,
                     struct dht_message *answer)
{
    static uint8_t in[UDP_DATAGRAM_MAX];
    uint8_t out[DHT_MESSAGE_MAX];
    size_t len;
    ssize_t n;

    if (dht_message_write(DHT_DIALECT_MAINLINE, q, out, sizeof(out), &len) !=
        OK)
        die("write");
    send(fd, out, len, 0);
    do { /* it pings us, too */
        n = recv(fd, in, sizeof(in), 0);
        if (n <= 0)
            return false;
    } while (dht_message_read(DHT_DIALECT_MAINLINE, bytes_of(in, (size_t)n),
                              answer) != OK ||
             answer->kind == DHT_QUERY);
    return answer->kind == DHT_RESPONSE;
}

static void begin_query(struct dht_message *q, enum dht_method method,
                        const struct id *target)
{
    dht_message_init(q, DHT_QUERY);
    q->method = method;
    q->has = DHT_HAS_ID | DHT_HAS_TARGET;
    q->transaction = bytes_of("ab", 2);
    q->target = *target;
    q->read_only = true;
}

/* Until it is up, and names so many nodes. */
static void wait_for_nodes(const struct world *w, uint16_t port, size_t nodes)
{
    struct dht_message q, a;
    int fd = connected_socket(port);

    begin_query(&q, DHT_FIND_NODE, &w->hashes[0]);
    for (int tries = 0; tries < 200; tries++) {
        usleep(100000);
        if (ask_once(fd, &q, &a) && a.nodes.len >= nodes * COMPACT_NODE4)
            break;
    }
    close(fd);
}

static bool announce_to(int fd, const struct id *hash)
{
    struct dht_message q, a;

    begin_query(&q, DHT_GET_PEERS, hash);
    if (!ask_once(fd, &q, &a) || !(a.has & DHT_HAS_TOKEN))
        return false;
    q.method = DHT_ANNOUNCE_PEER;
    q.has |= DHT_HAS_PORT | DHT_HAS_TOKEN;
    q.port = 6881;
    q.token = a.token;
    return ask_once(fd, &q, &a);
}

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
            if (!announce_to(fd, &w->hashes[i]))
                printf("an announcement was lost\n");
        }
        close(fd);
    }
}

static void start(struct server *s, void (*serve)(void *arg, int ready),
                  void *arg, const struct world *w, size_t nodes)
{
    server_start(s, serve, arg);
    wait_for_nodes(w, s->port, nodes);
    announce_peers(w, s->port);
}

/* ---- All of them
 * ---------------------------------------------------------------- */

/* Bytes of an answer to the first query. */
static size_t answer_len(const struct world *w, uint16_t port)
{
    uint8_t in[UDP_DATAGRAM_MAX];
    int fd = connected_socket(port);
    ssize_t n;

    send(fd, w->queries[0].data, w->queries[0].len, 0);
    n = recv(fd, in, sizeof(in), 0);
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

static void compare(struct world *w, const struct server *ours,
                    const struct server *libtorrent, const struct server *aria2,
                    enum dht_method method)
{
    double we, they;

    make_queries(w, method);
    we = answers_of(w, ours, PAUSE);
    they = answers_of(w, libtorrent, PAUSE);
    printf("%s: %zu bytes asked, %zu answered, by libtorrent %zu\n",
           dht_method_name(method), w->queries[0].len,
           answer_len(w, ours->port), answer_len(w, libtorrent->port));
    bench_ratio("  processor time of an answer", microseconds(we), "us",
                microseconds(they), "<= 20 %");
    if (aria2 != NULL)
        bench_ratio("  against aria2", microseconds(we), "us",
                    microseconds(answers_of(w, aria2, PAUSE)), "");
}

int main(void)
{
    static struct world w;
    char data_dir[] = DATA_DIR, cleanup[sizeof(DATA_DIR) + 16];
    struct server ours, libtorrent, aria2;
    const struct server *third = has_aria2() ? &aria2 : NULL;
    pid_t neighbours;

    if (!has_libtorrent()) {
        printf("skipped: " PYTHON " has no libtorrent (python3-libtorrent), or "
               "this is not the project's folder\n");
        return 0;
    }
    if (mkdtemp(data_dir) == NULL)
        die(data_dir);
    world_init(&w, DHT_DIALECT_MAINLINE); /* for its hashes and queries */
    neighbours = start_neighbours();
    start(&ours, serve_daemon, data_dir, &w, DHT_K);
    start(&libtorrent, serve_libtorrent, NULL, &w, DHT_K);
    if (third != NULL)
        start(&aria2, serve_aria2, data_dir, &w, 1);
    bench_title("libtorrent");
    compare(&w, &ours, &libtorrent, third, DHT_PING);
    compare(&w, &ours, &libtorrent, third, DHT_FIND_NODE);
    compare(&w, &ours, &libtorrent, third, DHT_GET_PEERS);
    if (third != NULL)
        server_stop(&aria2);
    server_stop(&libtorrent);
    server_stop(&ours);
    kill(neighbours, SIGKILL);
    waitpid(neighbours, NULL, 0);
    dht_free(w.dht);
    snprintf(cleanup, sizeof(cleanup), "rm -r %s", data_dir);
    return system(cleanup);
}
