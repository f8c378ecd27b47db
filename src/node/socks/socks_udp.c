/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_udp.h"

#include "base/text.h"
#include "node/os/bind.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/socks/socks_clients.h"
#include "node/socks/socks_datagram.h"
#include "tunnel/traffic/flow.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH        64    /* datagrams of one socket, a turn of the loop */
#define DATAGRAM_MAX 65536 /* bytes, with the head */
#define WHY_MAX      256

/* A service that an association sends to, under the name that it has used. */
struct sent_to {
    uint32_t id; /* 0: free */
    struct socks_address as;
    uint64_t at; /* of the last datagram */
};

struct association {
    TAILQ_ENTRY(association) link;
    struct socks_udp *udp;
    struct socks_client counted;
    int fd;
    struct event *readable;
    struct endpoint client; /* port 0: not known yet */
    unsigned hops;
    struct flow *flow;
    struct sent_to *services; /* SOCKS_UDP_SERVICES, or NULL */
};

struct socks_udp {
    struct socks_udp_world world;
    TAILQ_HEAD(, association) list;
    struct socks_clients count;
    struct socks_udp_counters counters;
    uint8_t buf[DATAGRAM_MAX];
};

/* ---- To the client ------------------------------------------------------ */

static void answer(struct association *a, const struct socks_address *from,
                   struct bytes payload)
{
    struct socks_udp *u = a->udp;
    size_t len = socks_datagram_write(from, payload, u->buf, sizeof(u->buf));
    struct sockaddr_storage sa;
    socklen_t sa_len = sockaddr_from_endpoint(&a->client, &sa);

    if (a->client.port == 0 || len == 0 ||
        sendto(a->fd, u->buf, len, MSG_NOSIGNAL, (struct sockaddr *)&sa,
               sa_len) < 0)
        u->counters.lost++;
    else
        u->counters.out++;
}

static void on_received(void *arg, const struct endpoint *source,
                        struct bytes payload, uint64_t now)
{
    const struct socks_address from = {.ep = *source};

    (void)now;
    answer(arg, &from, payload);
}

/* ---- Services ----------------------------------------------------------- */

static struct sent_to *find_service(const struct association *a, uint32_t id,
                                    uint16_t port)
{
    for (unsigned i = 0; a->services != NULL && i < SOCKS_UDP_SERVICES; i++) {
        struct sent_to *s = &a->services[i];

        if (s->id == id && (id == 0 || s->as.ep.port == port))
            return s;
    }
    return NULL;
}

static void let_go(struct association *a, struct sent_to *s)
{
    struct socks_udp_world *w = &a->udp->world;

    if (s->id != 0)
        w->let_go(w->arg, s->id);
    s->id = 0;
}

static struct sent_to *oldest_service(const struct association *a)
{
    struct sent_to *oldest = &a->services[0];

    for (unsigned i = 1; i < SOCKS_UDP_SERVICES; i++)
        if (a->services[i].at < oldest->at)
            oldest = &a->services[i];
    return oldest;
}

/* Takes over the caller's hold of the service. */
static struct sent_to *keep_service(struct association *a, uint32_t id,
                                    const struct socks_address *to)
{
    struct socks_udp_world *w = &a->udp->world;
    struct sent_to *s = find_service(a, id, to->ep.port);

    if (s != NULL || a->services == NULL)
        w->let_go(w->arg, id); /* it is held already, or not at all */
    if (s == NULL && a->services != NULL) {
        s = find_service(a, 0, 0);
        if (s == NULL)
            s = oldest_service(a);
        let_go(a, s);
        s->id = id;
    }
    if (s != NULL)
        s->as = *to;
    return s;
}

static bool send_to_service(struct association *a,
                            const struct socks_address *to, struct bytes data,
                            uint64_t now)
{
    struct socks_udp_world *w = &a->udp->world;
    struct sent_to *s;
    uint32_t id;

    if (a->services == NULL)
        a->services = calloc(SOCKS_UDP_SERVICES, sizeof(*a->services));
    if (w->service(w->arg, bytes_of((const uint8_t *)to->name, to->name_len),
                   a->hops, &id) != OK)
        return false;
    s = keep_service(a, id, to);
    if (s == NULL)
        return false;
    s->at = now;
    return w->service_send(w->arg, id, to->ep.port, data) == OK;
}

/* Of those who have sent to that port of it, whoever did last. */
void socks_udp_from_service(struct socks_udp *u, uint32_t service,
                            uint16_t port, struct bytes payload)
{
    struct association *a, *found = NULL;
    const struct sent_to *last = NULL;

    TAILQ_FOREACH(a, &u->list, link)
    {
        const struct sent_to *s = find_service(a, service, port);

        if (s != NULL && (last == NULL || s->at >= last->at)) {
            last = s;
            found = a;
        }
    }
    if (found != NULL)
        answer(found, &last->as, payload);
}

/* ---- From the client ---------------------------------------------------- */

static bool send_on(struct association *a, const struct socks_address *to,
                    struct bytes data, uint64_t now)
{
    struct host_port at = {.ep = to->ep};
    struct endpoint none;
    bool is_address;

    if (to->name_len > 0 &&
        name_parse(bytes_of((const uint8_t *)to->name, to->name_len), &at.name,
                   &none, &is_address) != OK)
        return false;
    return flow_send(a->flow, &at, data, now) == OK;
}

static void take(struct association *a, struct bytes in,
                 const struct endpoint *from, uint64_t now)
{
    struct socks_udp_counters *counters = &a->udp->counters;
    struct socks_address to;
    struct bytes data;
    enum error e = socks_datagram_read(in, &to, &data);

    if (e == ERR_UNSUPPORTED) {
        counters->fragments++;
        return;
    }
    if (e != OK) {
        counters->senseless++;
        return;
    }
    a->client.port = from->port;
    counters->in++;
    if (!(socks_address_is_service(&to) ? send_to_service(a, &to, data, now)
                                        : send_on(a, &to, data, now)))
        counters->lost++;
}

static bool is_client(const struct association *a, const struct endpoint *from)
{
    return endpoint_same_addr(from, &a->client) &&
           (a->client.port == 0 || a->client.port == from->port);
}

static bool receive(struct association *a, uint64_t now)
{
    struct socks_udp *u = a->udp;
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof(sa);
    struct endpoint from;
    ssize_t r = recvfrom(a->fd, u->buf, sizeof(u->buf), 0,
                         (struct sockaddr *)&sa, &sa_len);

    if (r < 0)
        return false;
    if (sockaddr_to_endpoint((struct sockaddr *)&sa, &from) != OK ||
        !is_client(a, &from))
        u->counters.strange++;
    else
        take(a, bytes_of(u->buf, (size_t)r), &from, now);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct association *a = arg;
    uint64_t now = clock_now();

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < BATCH; i++)
        if (!receive(a, now))
            break;
    a->udp->world.rearm(a->udp->world.arg);
}

/* ---- Associations ------------------------------------------------------- */

static enum error open_socket(struct association *a,
                              const struct endpoint *reached,
                              struct endpoint *at)
{
    struct endpoint any = *reached;
    struct text why;
    enum error e;

    any.port = 0;
    text_init(&why, WHY_MAX);
    e = bind_socket(SOCK_DGRAM, &any, "[socks] listen", &a->fd, at, &why);
    text_deinit(&why);
    return e == OK ? OK : ERR_IO;
}

static enum error start(struct association *a, const struct associate *wish,
                        uint64_t now, struct endpoint *at)
{
    struct socks_udp *u = a->udp;
    enum error e = open_socket(a, &wish->reached, at);

    if (e != OK)
        return e;
    e = flow_open(u->world.flows, wish->hops, wish->isolation, on_received, a,
                  now, &a->flow);
    if (e != OK)
        return e;
    a->readable =
        event_new(u->world.base, a->fd, EV_READ | EV_PERSIST, on_readable, a);
    return a->readable != NULL && event_add(a->readable, NULL) == 0
               ? OK
               : ERR_NO_MEMORY;
}

static bool has_room(struct socks_udp *u, const struct endpoint *client,
                     uint64_t now)
{
    struct socks_client *victim;

    return socks_clients_find(&u->count, client, now, &victim) &&
           victim == NULL;
}

static struct association *
association_new(struct socks_udp *u, const struct associate *wish, uint64_t now)
{
    struct association *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    if (socks_clients_add(&u->count, &a->counted, &wish->client, now) != OK) {
        free(a);
        return NULL;
    }
    socks_clients_asked(&u->count, &a->counted); /* it makes no way */
    a->udp = u;
    a->fd = -1;
    a->client = wish->client;
    a->client.port = wish->port;
    a->hops = wish->hops;
    TAILQ_INSERT_TAIL(&u->list, a, link);
    return a;
}

enum error socks_associate(struct socks_udp *u, const struct associate *wish,
                           uint64_t now, struct endpoint *at,
                           struct association **out)
{
    struct association *a;
    enum error e;

    if (!has_room(u, &wish->client, now)) {
        u->counters.crowded++;
        return ERR_FULL;
    }
    a = association_new(u, wish, now);
    if (a == NULL)
        return ERR_NO_MEMORY;
    e = start(a, wish, now, at);
    if (e != OK) {
        socks_dissociate(a);
        return e;
    }
    u->counters.associations++;
    *out = a;
    return OK;
}

void socks_dissociate(struct association *a)
{
    if (a->readable != NULL)
        event_free(a->readable);
    if (a->flow != NULL)
        flow_close(a->flow);
    for (unsigned i = 0; a->services != NULL && i < SOCKS_UDP_SERVICES; i++)
        let_go(a, &a->services[i]);
    free(a->services);
    if (a->fd >= 0)
        close(a->fd);
    TAILQ_REMOVE(&a->udp->list, a, link);
    socks_clients_remove(&a->udp->count, &a->counted);
    free(a);
}

/* ---- Life --------------------------------------------------------------- */

enum error socks_udp_new(const struct socks_udp_world *world, unsigned max,
                         unsigned max_source, struct socks_udp **out)
{
    struct socks_udp *u = calloc(1, sizeof(*u));

    if (u == NULL)
        return ERR_NO_MEMORY;
    u->world = *world;
    TAILQ_INIT(&u->list);
    socks_clients_init(&u->count, max, max_source, &world->random);
    *out = u;
    return OK;
}

void socks_udp_free(struct socks_udp *u)
{
    if (u == NULL)
        return;
    socks_clients_deinit(&u->count);
    free(u);
}

unsigned socks_udp_count(const struct socks_udp *u)
{
    return u->count.count;
}

const struct socks_udp_counters *socks_udp_counters(const struct socks_udp *u)
{
    return &u->counters;
}
