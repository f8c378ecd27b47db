/* SPDX-License-Identifier: MIT
 *
 * A client is in one of these states:
 *
 *     HANDSHAKE  what comes is the handshake's
 *     CALLING    the call is under way; what comes waits in `early`, or goes
 *                ahead (carrier_early)
 *     SPLICED    socket and stream are each other's
 *     ASSOCIATED datagrams go through (socks_udp.h) until the client closes;
 *                what comes is dropped
 *     ENDING     the last answer is on its way; what comes is dropped
 */
#include "node/socks/socks_server.h"

#include "base/timestamp.h"
#include "node/os/bind.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/os/unix_socket.h"
#include "node/socks/socks_answer.h"
#include "node/socks/socks_clients.h"
#include "node/socks/socks_handshake.h"
#include "node/socks/socks_udp.h"
#include "node/splice/splice.h"
#include "stream/stream_request.h"
#include "tunnel/traffic/carrier.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG     128
#define ACCEPTS     64                  /* a turn of the loop */
#define EARLY_MAX   ((size_t)16 * 1024) /* bytes before the answer */
#define ENDING_TIME (2 * TIME_S)        /* for the client to read its answer */
#define REST_TIME   (TIME_S / 4)        /* when there are no descriptors */

struct listener {
    struct socks_server *server;
    const struct socks_listen *config;
    unsigned index;
    int fd;
    struct unix_listener local; /* of a Unix socket */
    struct endpoint at;
    struct event *readable, *rested;
    bool is_private;
    uint64_t isolation;                    /* with is_private, as is */
    uint8_t secret[SOCKS_ISOLATION_BYTES]; /* what its clients must have */
};

struct socks_private {
    struct listener listener;
    struct socks_listen config;
};

enum client_state { HANDSHAKE, CALLING, SPLICED, ASSOCIATED, ENDING };

struct client {
    TAILQ_ENTRY(client) link;
    struct socks_server *server;
    struct listener *listener;
    struct socks_client counted;
    enum client_state state;
    int fd; /* -1: the splice's */
    struct event *readable, *writable, *late;
    struct socks_handshake handshake;
    uint32_t service; /* 0: none is held */
    struct carrier_call *call;
    struct splice *splice;
    struct association *association;
    uint8_t *early;
    size_t early_len;
};

struct socks_server {
    struct socks_world world;
    struct socks_config config;
    struct listener listeners[SOCKS_LISTENERS_MAX];
    unsigned listening;
    TAILQ_HEAD(, client) clients;
    struct socks_clients count;
    unsigned private_count;
    struct socks_udp *udp;
    struct socks_counters counters;
    uint8_t key[SOCKS_KEY_BYTES];
};

static void rearm(struct socks_server *s)
{
    s->world.rearm(s->world.arg);
}

/* ---- The end of a client ------------------------------------------------ */

static void free_events(struct client *c)
{
    if (c->readable != NULL)
        event_free(c->readable);
    if (c->writable != NULL)
        event_free(c->writable);
    if (c->late != NULL)
        event_free(c->late);
    c->readable = c->writable = c->late = NULL;
}

static void client_free(struct client *c)
{
    struct socks_server *s = c->server;
    uint64_t now = clock_now();

    if (c->call != NULL)
        carrier_cancel(c->call, now);
    if (c->splice != NULL)
        splice_free(c->splice, REASON_SHUTDOWN, now);
    if (c->association != NULL)
        socks_dissociate(c->association);
    if (c->service != 0)
        s->world.let_go(s->world.arg, c->service);
    free_events(c);
    if (c->fd >= 0)
        close(c->fd);
    TAILQ_REMOVE(&s->clients, c, link);
    socks_clients_remove(&s->count, &c->counted);
    socks_handshake_deinit(&c->handshake);
    free(c->early);
    free(c);
}

static void add_timer(struct event *timer, uint64_t time)
{
    struct timeval tv = clock_timeval(time);

    event_add(timer, &tv);
}

static void await(struct client *c, uint64_t time)
{
    add_timer(c->late, time);
}

/* ---- Answers ------------------------------------------------------------ */

/* False when the client is gone, or has to read first. */
static bool flush(struct client *c)
{
    struct bytes out = socks_handshake_output(&c->handshake);
    ssize_t r;

    if (out.len == 0)
        return true;
    r = send(c->fd, out.p, out.len, MSG_NOSIGNAL);
    if (r > 0)
        socks_handshake_sent(&c->handshake, (size_t)r);
    if (r == (ssize_t)out.len)
        return true;
    if (r < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    event_add(c->writable, NULL);
    return false;
}

/* What was answered is to be read before the socket goes: it is closed when
 * the client has closed it, or does not for long. */
static void end(struct client *c)
{
    c->state = ENDING;
    await(c, ENDING_TIME);
    event_add(c->readable, NULL);
    if (flush(c))
        shutdown(c->fd, SHUT_WR);
}

static void refuse(struct client *c, enum reason why)
{
    c->server->counters.refused++;
    socks_handshake_refuse(&c->handshake, why);
    end(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;

    (void)fd;
    (void)what;
    if (flush(c) && c->state == ENDING)
        shutdown(c->fd, SHUT_WR);
}

/* ---- The call ----------------------------------------------------------- */

static void send_early(struct client *c, uint64_t now)
{
    size_t took;

    if (c->early_len == 0)
        return;
    took = carrier_early(c->call, bytes_of(c->early, c->early_len), now);
    c->early_len -= took;
    memmove(c->early, c->early + took, c->early_len);
}

static void on_asked(void *arg, uint64_t now)
{
    send_early(arg, now);
}

static void on_spliced_over(void *arg, enum error why)
{
    struct client *c = arg;

    (void)why;
    c->splice = NULL;
    client_free(c);
}

static void splice_with(struct client *c, struct stream *st, uint64_t now)
{
    struct splice_env env = {.base = c->server->world.base,
                             .arg = c->server->world.arg,
                             .rearm = c->server->world.rearm};
    struct bytes first = bytes_of(c->early, c->early_len);
    uint8_t *early = c->early;
    int fd = c->fd;
    enum error e;

    if (!flush(c)) {
        stream_reset(st, REASON_IO, now);
        client_free(c);
        return;
    }
    free_events(c);
    c->early = NULL;
    c->early_len = 0;
    c->fd = -1;
    c->state = SPLICED;
    e = splice_new(&env, fd, st, first, on_spliced_over, c, now, &c->splice);
    free(early);
    if (e != OK)
        client_free(c);
}

static void on_answered(void *arg, struct stream *st,
                        const struct stream_answer *answer, uint64_t now)
{
    struct client *c = arg;
    struct endpoint at;

    c->call = NULL;
    if (!socks_answer_choose(&c->handshake.request, answer,
                             c->server->config.local_too, &at)) {
        refuse(c, REASON_RESOLVE);
        return;
    }
    c->server->counters.opened++;
    if (c->handshake.request.command == SOCKS_REVERSE)
        socks_handshake_named(&c->handshake, answer->name);
    else
        socks_handshake_done(&c->handshake,
                             answer->address_count > 0 ? &at : NULL);
    if (st != NULL)
        splice_with(c, st, now);
    else
        end(c);
}

static void on_failed(void *arg, enum reason why, uint64_t now)
{
    struct client *c = arg;

    (void)now;
    c->call = NULL;
    refuse(c, why);
}

/* ---- What is asked for -------------------------------------------------- */

/* Of the listener, and of user and password at it. */
static uint64_t isolation_of(const struct client *c)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    const struct listener *l = c->listener;
    uint8_t index = (uint8_t)l->index;
    crypto_generichash_state state;

    if (l->is_private)
        return l->isolation;
    crypto_generichash_init(&state, c->server->key, sizeof(c->server->key),
                            sizeof(hash));
    crypto_generichash_update(&state, &index, 1);
    crypto_generichash_update(&state, c->handshake.request.isolation,
                              SOCKS_ISOLATION_BYTES);
    crypto_generichash_final(&state, hash, sizeof(hash));
    return bytes_get_number(hash, 8);
}

static enum reason target_service(struct client *c,
                                  struct carrier_target *target)
{
    const struct socks_address *to = &c->handshake.request.to;
    struct socks_world *w = &c->server->world;
    enum error e;

    if (c->handshake.request.command != SOCKS_CONNECT)
        return REASON_RESOLVE; /* it has no address */
    e = w->service(w->arg, bytes_of((const uint8_t *)to->name, to->name_len),
                   target->hops, &target->service);
    if (e == ERR_SYNTAX)
        return REASON_RESOLVE;
    if (e != OK)
        return REASON_FULL;
    c->service = target->service;
    target->request =
        (struct stream_request){.kind = STREAM_PORT, .port = to->ep.port};
    return REASON_UNKNOWN;
}

/* REASON_UNKNOWN: it can be asked for. */
static enum reason target_of(struct client *c, struct carrier_target *target)
{
    const struct socks_address *to = &c->handshake.request.to;

    *target = (struct carrier_target){
        .hops = c->listener->config->hops,
        .isolation = isolation_of(c),
        .timeout = c->server->config.connect_time,
        .request = {.ep = to->ep,
                    .port = to->ep.port,
                    .name = bytes_of((const uint8_t *)to->name, to->name_len)}};
    if (socks_address_is_service(to))
        return target_service(c, target);
    if (to->name_len > STREAM_NAME_MAX)
        return REASON_PROTOCOL;
    switch (c->handshake.request.command) {
    case SOCKS_CONNECT:
        target->request.kind = STREAM_CONNECT;
        return REASON_UNKNOWN;
    case SOCKS_RESOLVE:
        target->request.kind = STREAM_RESOLVE;
        return REASON_UNKNOWN;
    case SOCKS_REVERSE:
        target->request.kind = STREAM_REVERSE;
        return REASON_UNKNOWN;
    case SOCKS_ASSOCIATE:
        break;
    }
    return REASON_VERSION;
}

static void call(struct client *c, uint64_t now)
{
    static const struct carrier_handler handler = {
        .asked = on_asked, .answered = on_answered, .failed = on_failed};
    struct carrier_target target;
    enum reason why = target_of(c, &target);

    if (why == REASON_UNKNOWN && carrier_open(c->server->world.carrier, &target,
                                              &handler, c, now, &c->call) != OK)
        why = REASON_FULL;
    if (why != REASON_UNKNOWN) {
        refuse(c, why);
        return;
    }
    c->state = CALLING;
    event_del(c->late); /* the call has a time of its own */
    rearm(c->server);
}

/* ---- Associations ------------------------------------------------------- */

/* Where the client has reached us; through a Unix socket: this machine. */
static bool reached_at(const struct client *c, struct endpoint *out)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (c->listener->config->is_unix) {
        *out = (struct endpoint){.addr = {127, 0, 0, 1}};
        return true;
    }
    return getsockname(c->fd, (struct sockaddr *)&sa, &len) == 0 &&
           sockaddr_to_endpoint((struct sockaddr *)&sa, out) == OK;
}

static void associate(struct client *c, uint64_t now)
{
    struct associate wish = {.client = c->counted.from,
                             .port = c->handshake.request.to.ep.port,
                             .hops = c->listener->config->hops,
                             .isolation = isolation_of(c)};
    struct endpoint at;
    enum error e = ERR_IO;

    if (reached_at(c, &wish.reached))
        e = socks_associate(c->server->udp, &wish, now, &at, &c->association);
    if (e != OK) {
        refuse(c, e == ERR_IO ? REASON_IO : REASON_FULL);
        return;
    }
    c->server->counters.opened++;
    c->state = ASSOCIATED;
    event_del(c->late);
    socks_handshake_done(&c->handshake, &at);
    flush(c); /* one that is gone is found to be so where it is read */
    rearm(c->server);
}

/* ---- Bytes -------------------------------------------------------------- */

/* What comes before the answer. False: there is no room for more. */
static bool keep_early(struct client *c, struct bytes data)
{
    if (data.len == 0)
        return true;
    if (c->early == NULL)
        c->early = malloc(EARLY_MAX);
    if (c->early == NULL || data.len > EARLY_MAX - c->early_len)
        return false;
    memcpy(c->early + c->early_len, data.p, data.len);
    c->early_len += data.len;
    return true;
}

static bool is_stranger(const struct client *c)
{
    return c->listener->is_private &&
           sodium_memcmp(c->handshake.request.isolation, c->listener->secret,
                         SOCKS_ISOLATION_BYTES) != 0;
}

static void receive_handshake(struct client *c, struct bytes data)
{
    switch (socks_handshake_receive(&c->handshake, &data)) {
    case SOCKS_READING:
        if (!flush(c) && !event_pending(c->writable, EV_WRITE, NULL))
            client_free(c);
        break;
    case SOCKS_ASKED:
        if (is_stranger(c)) {
            refuse(c, REASON_POLICY);
            break;
        }
        socks_clients_asked(&c->server->count, &c->counted);
        if (c->handshake.request.command == SOCKS_ASSOCIATE) {
            associate(c, clock_now());
            break;
        }
        if (!keep_early(c, data)) {
            client_free(c);
            break;
        }
        call(c, clock_now());
        break;
    case SOCKS_OPEN:
    case SOCKS_OVER:
        c->server->counters.senseless++;
        end(c);
        break;
    }
}

static void receive_early(struct client *c, struct bytes data)
{
    uint64_t now = clock_now();

    if (!keep_early(c, data)) {
        client_free(c);
        return;
    }
    send_early(c, now);
    if (c->early_len == EARLY_MAX)
        event_del(c->readable); /* until the answer */
    rearm(c->server);
}

static size_t room_of(const struct client *c)
{
    return c->state == CALLING ? EARLY_MAX - c->early_len : EARLY_MAX;
}

/* A client that has sent all that it has to say may still want the answer, also
 * when it went ahead; one that has said nothing is gone. */
static void on_end_of_file(struct client *c)
{
    if (c->state == CALLING && c->early != NULL)
        event_del(c->readable);
    else
        client_free(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    uint8_t buf[EARLY_MAX];
    ssize_t r = recv(fd, buf, room_of(c), 0);

    (void)what;
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (r < 0)
        client_free(c);
    else if (r == 0)
        on_end_of_file(c);
    else if (c->state == HANDSHAKE)
        receive_handshake(c, bytes_of(buf, (size_t)r));
    else if (c->state == CALLING)
        receive_early(c, bytes_of(buf, (size_t)r));
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;

    (void)fd;
    (void)what;
    if (c->state == HANDSHAKE)
        c->server->counters.late++;
    client_free(c);
}

/* ---- Clients ------------------------------------------------------------ */

static struct client *client_of(struct socks_client *counted)
{
    return (struct client *)(void *)((char *)counted -
                                     offsetof(struct client, counted));
}

static bool make_room(struct socks_server *s, const struct endpoint *source)
{
    struct socks_client *victim;

    if (!socks_clients_find(&s->count, source, clock_now(), &victim))
        return false;
    if (victim != NULL)
        client_free(client_of(victim));
    return true;
}

static bool make_events(struct client *c)
{
    struct event_base *base = c->server->world.base;

    c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, c->fd, EV_WRITE, on_writable, c);
    c->late = evtimer_new(base, on_late, c);
    return c->readable != NULL && c->writable != NULL && c->late != NULL &&
           event_add(c->readable, NULL) == 0;
}

static void client_new(struct listener *l, int fd,
                       const struct endpoint *source)
{
    struct socks_server *s = l->server;
    struct client *c = calloc(1, sizeof(*c));
    int one = 1;

    if (c == NULL) {
        close(fd);
        return;
    }
    c->server = s;
    c->listener = l;
    c->fd = fd;
    socks_handshake_init(&c->handshake, s->key);
    if (socks_clients_add(&s->count, &c->counted, source, clock_now()) != OK) {
        close(fd);
        free(c);
        return;
    }
    TAILQ_INSERT_TAIL(&s->clients, c, link);
    s->counters.clients++;
    if (!l->config->is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!make_events(c)) {
        client_free(c);
        return;
    }
    await(c, s->config.handshake_time);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    event_add(l->readable, NULL);
}

/* Without a rest the loop would spin on the client that it cannot accept. */
static void rest(struct listener *l)
{
    event_del(l->readable);
    add_timer(l->rested, REST_TIME);
}

static bool is_out_of_descriptors(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS ||
           errnum == ENOMEM;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    /* Who comes through a Unix socket. */
    static const struct endpoint local_source = {.addr = {127, 0, 0, 1},
                                                 .port = 1};
    struct listener *l = arg;
    struct socks_server *s = l->server;

    (void)what;
    for (unsigned i = 0; i < ACCEPTS; i++) {
        struct endpoint source = local_source;
        struct sockaddr_storage sa;
        socklen_t len = sizeof(sa);
        int client = accept4(fd, (struct sockaddr *)&sa, &len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (client < 0) {
            if (is_out_of_descriptors(errno))
                rest(l);
            return;
        }
        if (!l->config->is_unix)
            sockaddr_to_endpoint((struct sockaddr *)&sa, &source);
        if (!make_room(s, &source)) {
            s->counters.crowded++;
            close(client);
            continue;
        }
        client_new(l, client, &source);
    }
}

/* ---- Listeners ---------------------------------------------------------- */

static enum error open_listener(struct listener *l, struct text *why)
{
    enum error e;

    if (l->config->is_unix) {
        e = unix_listen(l->config->path, &l->local, why);
        if (e == OK)
            l->fd = l->local.fd;
        return e;
    }
    e = bind_socket(SOCK_STREAM, &l->config->at, "[socks] listen", &l->fd,
                    &l->at, why);
    if (e == OK && listen(l->fd, BACKLOG) != 0) {
        text_addf(why, "cannot listen: %s", strerror(errno));
        close(l->fd);
        e = ERR_IO;
    }
    return e;
}

static void close_listener(struct listener *l)
{
    if (l->readable != NULL)
        event_free(l->readable);
    if (l->rested != NULL)
        event_free(l->rested);
    if (l->config->is_unix)
        unix_unlisten(&l->local);
    else
        close(l->fd);
}

static enum error await_clients(struct listener *l)
{
    struct event_base *base = l->server->world.base;

    l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
    l->rested = evtimer_new(base, on_rested, l);
    if (l->readable == NULL || l->rested == NULL ||
        event_add(l->readable, NULL) != 0)
        return ERR_NO_MEMORY;
    return OK;
}

static enum error listen_at(struct socks_server *s, unsigned i,
                            struct text *why)
{
    struct listener *l = &s->listeners[i];
    enum error e;

    *l = (struct listener){
        .server = s, .config = &s->config.listen[i], .index = i, .fd = -1};
    e = open_listener(l, why);
    if (e != OK)
        return e;
    s->listening++;
    return await_clients(l);
}

/* ---- Private listeners -------------------------------------------------- */

static uint64_t private_isolation(const struct socks_server *s,
                                  struct bytes name)
{
    static const uint8_t private_ones = UINT8_MAX; /* no listener's index */
    uint8_t hash[crypto_generichash_BYTES_MIN];
    crypto_generichash_state state;
    uint64_t alone;

    if (name.len == 0) {
        s->world.random.fill(s->world.random.ctx, &alone, sizeof(alone));
        return alone;
    }
    crypto_generichash_init(&state, s->key, sizeof(s->key), sizeof(hash));
    crypto_generichash_update(&state, &private_ones, 1);
    crypto_generichash_update(&state, name.p, name.len);
    crypto_generichash_final(&state, hash, sizeof(hash));
    return bytes_get_number(hash, 8);
}

enum error socks_server_open(struct socks_server *s,
                             const struct socks_wish *wish,
                             struct socks_private **out, struct endpoint *at,
                             struct text *why)
{
    struct socks_private *p;
    struct listener *l;
    enum error e;

    if (s->private_count >= s->config.max_private)
        return ERR_FULL;
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->config = (struct socks_listen){.at = {.addr = {127, 0, 0, 1}},
                                      .hops = wish->hops};
    l = &p->listener;
    *l = (struct listener){.server = s,
                           .config = &p->config,
                           .fd = -1,
                           .is_private = true,
                           .isolation = private_isolation(s, wish->isolation)};
    e = open_listener(l, why);
    if (e != OK) {
        free(p);
        return e;
    }
    socks_isolation(s->key, bytes_of_text(SOCKS_PRIVATE_USER),
                    bytes_of_text(wish->password), l->secret);
    s->private_count++;
    e = await_clients(l);
    if (e != OK) {
        socks_server_close(p);
        return e;
    }
    *at = l->at;
    *out = p;
    return OK;
}

void socks_server_close(struct socks_private *p)
{
    struct socks_server *s = p->listener.server;
    struct client *c, *next;

    s->private_count--;
    close_listener(&p->listener);
    for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->listener == &p->listener)
            client_free(c);
    }
    sodium_memzero(p, sizeof(*p));
    free(p);
}

/* ---- Life --------------------------------------------------------------- */

static enum error make_udp(struct socks_server *s)
{
    struct socks_udp_world world = {.base = s->world.base,
                                    .random = s->world.random,
                                    .flows = s->world.flows,
                                    .arg = s->world.arg,
                                    .service = s->world.service,
                                    .let_go = s->world.let_go,
                                    .service_send = s->world.service_send,
                                    .rearm = s->world.rearm};

    return socks_udp_new(&world, s->config.max_associations,
                         s->config.max_source_associations, &s->udp);
}

enum error socks_server_new(const struct socks_world *world,
                            const struct socks_config *config,
                            struct socks_server **out, struct text *why)
{
    struct socks_server *s = calloc(1, sizeof(*s));
    enum error e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->world = *world;
    s->config = *config;
    TAILQ_INIT(&s->clients);
    socks_clients_init(&s->count, config->max_clients, config->max_source,
                       &world->random);
    world->random.fill(world->random.ctx, s->key, sizeof(s->key));
    e = make_udp(s);
    for (unsigned i = 0; i < config->listen_count && e == OK; i++)
        e = listen_at(s, i, why);
    if (e != OK) {
        socks_server_free(s);
        return e;
    }
    *out = s;
    return OK;
}

void socks_server_free(struct socks_server *s)
{
    if (s == NULL)
        return;
    while (!TAILQ_EMPTY(&s->clients))
        client_free(TAILQ_FIRST(&s->clients));
    while (s->listening > 0)
        close_listener(&s->listeners[--s->listening]);
    socks_udp_free(s->udp);
    socks_clients_deinit(&s->count);
    sodium_memzero(s->key, sizeof(s->key));
    free(s);
}

const struct endpoint *socks_server_at(const struct socks_server *s, unsigned i)
{
    return &s->listeners[i].at;
}

unsigned socks_server_clients(const struct socks_server *s)
{
    return s->count.count;
}

unsigned socks_server_private(const struct socks_server *s)
{
    return s->private_count;
}

const struct socks_counters *socks_server_counters(const struct socks_server *s)
{
    return &s->counters;
}

struct socks_udp *socks_server_udp(const struct socks_server *s)
{
    return s->udp;
}
