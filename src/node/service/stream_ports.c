/* SPDX-License-Identifier: MIT
 *
 *     DIALLING   the peer waits (carrier_visit), until the server is there
 *     SPLICED    its stream and the server's socket are each other's
 */
#include "node/service/stream_ports.h"

#include "base/bytes.h"
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/splice/dial.h"
#include "node/splice/splice.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct server_stream {
    LIST_ENTRY(server_stream) link;
    struct stream_ports *ports;
    struct carrier_visit *visit; /* DIALLING */
    struct dial *dial;
    struct event *late;
    struct splice *splice;
    bool tells_peer;
    uint64_t peer;
    uint16_t port;
};

struct stream_ports {
    struct stream_ports_env env;
    unsigned max;
    LIST_HEAD(, server_stream) streams;
    struct stream_ports_counters counters;
};

/* ---- PROXY protocol, version 2 ------------------------------------------ */

static uint8_t *put(uint8_t *at, const void *p, size_t len)
{
    memcpy(at, p, len);
    return at + len;
}

/* An address of the unique local ones (RFC 4193), so that no server takes a
 * peer for somebody of the Internet. */
static uint8_t *put_address(uint8_t *at, uint64_t number)
{
    memset(at, 0, 16);
    at[0] = 0xfd;
    bytes_put_number(at + 8, 8, number);
    return at + 16;
}

void proxy_head_write(uint64_t peer, uint16_t port,
                      uint8_t out[PROXY_HEAD_BYTES])
{
    static const uint8_t head[] = {
        '\r', '\n', '\r', '\n', 0,    '\r', '\n',
        'Q',  'U',  'I',  'T',  '\n', 0x21, /* version 2, PROXY */
        0x21,                               /* TCP over IPv6 */
        0,    36};
    uint8_t *at = put(out, head, sizeof(head));

    at = put_address(at, peer);
    at = put_address(at, 0);
    bytes_put_number(at, 2, 0);
    bytes_put_number(at + 2, 2, port);
}

/* ---- The end ------------------------------------------------------------ */

static void server_stream_free(struct server_stream *s)
{
    struct stream_ports *p = s->ports;

    if (s->dial != NULL)
        dial_free(s->dial);
    if (s->late != NULL)
        event_free(s->late);
    if (s->splice != NULL)
        splice_free(s->splice, REASON_SHUTDOWN, clock_now());
    LIST_REMOVE(s, link);
    p->counters.now--;
    free(s);
}

static void refuse(struct server_stream *s, enum reason why)
{
    struct stream_ports *p = s->ports;

    if (why == REASON_REFUSED)
        p->counters.refused++;
    else
        p->counters.unreachable++;
    carrier_refuse(s->visit, why, clock_now());
    server_stream_free(s);
    p->env.rearm(p->env.arg);
}

static void on_over(void *arg, enum error why)
{
    struct server_stream *s = arg;

    (void)why;
    s->splice = NULL;
    server_stream_free(s);
}

/* ---- The server --------------------------------------------------------- */

/* An empty socket has room for it. */
static bool tell_peer(const struct server_stream *s, int fd)
{
    uint8_t head[PROXY_HEAD_BYTES];

    if (!s->tells_peer)
        return true;
    proxy_head_write(s->peer, s->port, head);
    return send(fd, head, sizeof(head), MSG_NOSIGNAL) == sizeof(head);
}

static void on_dialled(void *arg, enum error e, int fd)
{
    struct server_stream *s = arg;
    struct stream_ports *p = s->ports;
    struct splice_env env = {
        .base = p->env.base, .arg = p->env.arg, .rearm = p->env.rearm};
    uint64_t now = clock_now();
    struct stream *st;

    s->dial = NULL;
    if (e == OK && !tell_peer(s, fd)) {
        close(fd);
        e = ERR_IO;
    }
    if (e != OK) {
        refuse(s, e == ERR_REMOTE ? REASON_REFUSED : REASON_UNREACHABLE);
        return;
    }
    event_free(s->late);
    s->late = NULL;
    p->counters.to_server++;
    st = carrier_take(s->visit, NULL, NULL, now);
    s->visit = NULL;
    if (splice_new(&env, fd, st, bytes_of(NULL, 0), on_over, s, now,
                   &s->splice) != OK)
        server_stream_free(s);
    p->env.rearm(p->env.arg);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    refuse(arg, REASON_TIMEOUT);
}

static enum error dial_server(struct server_stream *s,
                              const struct config_port *to)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_un *local = (void *)&sa;
    socklen_t len;

    if (to->is_unix) {
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, to->path, strlen(to->path) + 1);
        len = sizeof(*local);
    } else {
        len = sockaddr_from_endpoint(&to->to, &sa);
    }
    return dial_new(s->ports->env.base, (struct sockaddr *)&sa, len, NULL,
                    on_dialled, s, &s->dial);
}

/* ---- Visits ------------------------------------------------------------- */

static const struct config_port *find_port(const struct stream_ports *p,
                                           uint32_t service, uint16_t port)
{
    const struct config_ports *ports = p->env.ports(p->env.arg, service);

    for (unsigned i = 0; ports != NULL && i < ports->count; i++)
        if (ports->at[i].is_tcp && ports->at[i].port == port)
            return &ports->at[i];
    return NULL;
}

static struct server_stream *server_stream_new(struct stream_ports *p,
                                               struct carrier_visit *v)
{
    static const struct timeval time = {.tv_sec = STREAM_DIAL_TIME / TIME_S};
    struct server_stream *s = p->counters.now < p->max ? calloc(1, sizeof(*s))
                                                       : NULL;

    if (s == NULL)
        return NULL;
    s->ports = p;
    s->visit = v;
    s->late = evtimer_new(p->env.base, on_late, s);
    if (s->late == NULL || event_add(s->late, &time) != 0) {
        free(s);
        return NULL;
    }
    LIST_INSERT_HEAD(&p->streams, s, link);
    p->counters.now++;
    return s;
}

static void on_visited(void *ctx, struct carrier_visit *v, uint32_t service,
                       uint64_t peer, uint16_t port, uint64_t now)
{
    struct stream_ports *p = ctx;
    const struct config_port *to = find_port(p, service, port);
    struct server_stream *s;
    enum error e;

    if (to == NULL) {
        p->counters.no_port++;
        carrier_refuse(v, REASON_REFUSED, now);
        return;
    }
    s = server_stream_new(p, v);
    if (s == NULL) {
        carrier_refuse(v, REASON_FULL, now);
        return;
    }
    s->tells_peer = to->tells_peer;
    s->peer = peer;
    s->port = port;
    carrier_visit_set(v, s);
    e = dial_server(s, to);
    if (e != OK) {
        s->dial = NULL;
        refuse(s, e == ERR_REMOTE ? REASON_REFUSED : REASON_UNREACHABLE);
    }
}

static void on_parted(void *ctx, struct carrier_visit *v, uint64_t now)
{
    (void)ctx;
    (void)now;
    server_stream_free(carrier_visit_get(v));
}

void stream_ports_host(struct stream_ports *p, struct carrier_host *host)
{
    *host = (struct carrier_host){
        .ctx = p, .visited = on_visited, .parted = on_parted};
}

/* ---- Life --------------------------------------------------------------- */

enum error stream_ports_new(const struct stream_ports_env *env, unsigned max,
                            struct stream_ports **out)
{
    struct stream_ports *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return ERR_NO_MEMORY;
    p->env = *env;
    p->max = max;
    LIST_INIT(&p->streams);
    *out = p;
    return OK;
}

void stream_ports_free(struct stream_ports *p)
{
    if (p == NULL)
        return;
    while (!LIST_EMPTY(&p->streams))
        server_stream_free(LIST_FIRST(&p->streams));
    free(p);
}

void stream_ports_configure(struct stream_ports *p, unsigned max)
{
    p->max = max;
}

const struct stream_ports_counters *
stream_ports_counters(const struct stream_ports *p)
{
    return &p->counters;
}
