/* SPDX-License-Identifier: MIT */
#include "node/dns/dns_server.h"

#include "base/source.h"
#include "base/table/shares.h"
#include "node/dns/dns_cache.h"
#include "node/os/bind.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "stream/stream_request.h"
#include "tunnel/exit/name.h"
#include "tunnel/traffic/carrier.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH     64 /* datagrams of one socket, a turn of the loop */
#define QUERY_MAX 1500

/* An exit that is asked too fast is asked again after this long, and as soon as
 * it answers. */
#define REST    (200 * TIME_MS)
#define ASK_MAX 16 /* lookups let go at once */
#define PORTS   1024

struct listener {
    struct dns_server *server;
    const struct dns_listen *config;
    int fd;
    struct endpoint at;
    struct event *readable;
    uint64_t isolation;
    struct dns_cache cache;
    unsigned resting; /* lookups */
    unsigned may_ask; /* of those, in the next turn */
};

struct waiter {
    STAILQ_ENTRY(waiter) link;
    struct endpoint from;
    struct dns_question question;
};

struct lookup {
    TAILQ_ENTRY(lookup) link;
    struct listener *listener;
    struct carrier_call *call;
    struct endpoint source; /* who has asked first */
    bool reverse;
    bool resting;            /* until exits can be asked again */
    struct endpoint address; /* whose name is asked for: reverse */
    uint64_t deadline;
    char key[DNS_TEXT_SIZE]; /* the name in the question */
    STAILQ_HEAD(, waiter) waiters;
    unsigned waiting;
};

struct dns_server {
    struct dns_server_world world;
    struct dns_server_config config;
    struct listener listeners[DNS_LISTENERS_MAX];
    unsigned listening;
    TAILQ_HEAD(, lookup) lookups;
    unsigned count;
    struct shares shares;
    struct event *rested;
    struct dns_server_counters counters;
};

/* ---- Replies ------------------------------------------------------------ */

static void reply(const struct listener *l, const struct endpoint *to,
                  const struct dns_question *q, const struct dns_reply *r)
{
    uint8_t out[DNS_DATAGRAM_MAX];
    size_t len = dns_reply_write(q, r, out);
    struct sockaddr_storage sa;
    socklen_t sa_len = sockaddr_from_endpoint(to, &sa);

    /* What the socket does not take is lost, as on the way. */
    (void)!sendto(l->fd, out, len, MSG_NOSIGNAL, (struct sockaddr *)&sa,
                  sa_len);
}

static void reply_code(const struct listener *l, const struct endpoint *to,
                       const struct dns_question *q, enum dns_rcode code)
{
    const struct dns_reply r = {.code = code, .ttl = DNS_NOTHING_TTL};

    reply(l, to, q, &r);
}

static void reply_known(const struct listener *l, const struct endpoint *to,
                        const struct dns_question *q,
                        const struct dns_known *known)
{
    const struct dns_reply r = {.code = known->code,
                                .ttl = known->ttl,
                                .addrs = known->addrs,
                                .count = known->count,
                                .name = bytes_of_text(known->name)};

    reply(l, to, q, &r);
}

/* ---- Lookups ------------------------------------------------------------ */

static void lookup_free(struct lookup *k)
{
    struct dns_server *s = k->listener->server;
    struct waiter *w;

    if (k->call != NULL)
        carrier_cancel(k->call, clock_now());
    while ((w = STAILQ_FIRST(&k->waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&k->waiters, link);
        free(w);
    }
    TAILQ_REMOVE(&s->lookups, k, link);
    s->count--;
    k->listener->resting -= k->resting;
    shares_remove(&s->shares, &k->source);
    free(k);
}

static void finish(struct lookup *k, const struct dns_known *known)
{
    const struct waiter *w;

    STAILQ_FOREACH(w, &k->waiters, link)
    {
        reply_known(k->listener, &w->from, &w->question, known);
    }
    lookup_free(k);
}

static void give_up(struct lookup *k)
{
    const struct dns_known known = {.code = DNS_RCODE_FAILED,
                                    .ttl = DNS_NOTHING_TTL};

    k->listener->server->counters.failed++;
    finish(k, &known);
}

static void look_at_resting(struct dns_server *s, uint64_t after)
{
    struct timeval tv = {.tv_usec = (suseconds_t)(after / TIME_US)};

    (void)evtimer_add(s->rested, &tv);
}

/* Exits are asked too fast: it waits for its turn, until it is too late. */
static void rest(struct lookup *k)
{
    k->resting = true;
    k->listener->resting++;
    if (!evtimer_pending(k->listener->server->rested, NULL))
        look_at_resting(k->listener->server, REST);
}

/* An exit has looked something up: it may do more. */
static void let_go_on(struct listener *l)
{
    if (l->resting == 0)
        return;
    l->may_ask = l->may_ask + 2 < ASK_MAX ? l->may_ask + 2 : ASK_MAX;
    look_at_resting(l->server, 0);
}

static void on_answered(void *arg, struct stream *st,
                        const struct stream_answer *answer, uint64_t now)
{
    struct lookup *k = arg;
    struct dns_known known;

    (void)st;
    k->call = NULL;
    let_go_on(k->listener);
    if (dns_known_take(&known, answer, k->reverse,
                       k->listener->server->config.local_too)) {
        k->listener->server->counters.found++;
        dns_cache_add(&k->listener->cache, k->key, &known, now);
    } else { /* of what it says nothing may be told */
        k->listener->server->counters.missing++;
        known = (struct dns_known){.ttl = DNS_NOTHING_TTL};
        dns_cache_add(&k->listener->cache, k->key, &known, now);
    }
    finish(k, &known);
}

static void on_failed(void *arg, enum reason why, uint64_t now)
{
    struct lookup *k = arg;
    struct dns_known known = {.code = DNS_RCODE_FAILED, .ttl = DNS_NOTHING_TTL};

    k->call = NULL;
    if (why == REASON_RATE && k->deadline > now) {
        rest(k);
        return;
    }
    if (why == REASON_NO_NAME || why == REASON_RESOLVE) {
        let_go_on(k->listener);
        known.code = why == REASON_NO_NAME ? DNS_RCODE_NO_NAME : DNS_RCODE_OK;
        k->listener->server->counters.missing++;
        dns_cache_add(&k->listener->cache, k->key, &known, now);
    } else {
        k->listener->server->counters.failed++;
    }
    finish(k, &known);
}

static bool add_waiter(struct lookup *k, const struct endpoint *from,
                       const struct dns_question *q)
{
    struct waiter *w;

    STAILQ_FOREACH(w, &k->waiters, link)
    {
        if (endpoint_equal(&w->from, from) && w->question.id == q->id &&
            w->question.type == q->type)
            return true; /* it is said again */
    }
    w = k->waiting < DNS_WAITERS_MAX ? calloc(1, sizeof(*w)) : NULL;
    if (w == NULL)
        return false;
    w->from = *from;
    w->question = *q;
    STAILQ_INSERT_TAIL(&k->waiters, w, link);
    k->waiting++;
    return true;
}

static struct lookup *find_lookup(const struct listener *l, const char *key)
{
    struct lookup *k;

    TAILQ_FOREACH(k, &l->server->lookups, link)
    {
        if (k->listener == l && strcmp(k->key, key) == 0)
            return k;
    }
    return NULL;
}

/* Lookups under way, by the port of who asked first: those of a socket, and now
 * and then of another one. */
static void count_ports(const struct dns_server *s, uint16_t held[PORTS])
{
    const struct lookup *k;

    memset(held, 0, PORTS * sizeof(held[0]));
    TAILQ_FOREACH(k, &s->lookups, link)
    {
        held[k->source.port % PORTS]++;
    }
}

static unsigned held_by(const uint16_t held[PORTS], const struct lookup *k)
{
    return held[k->source.port % PORTS];
}

/* All programs of a machine are one source: of the socket that has most the
 * last lookup makes way for one that has none. */
static void make_way(struct dns_server *s, const struct endpoint *from)
{
    struct lookup *k, *most = NULL;
    uint16_t held[PORTS];

    count_ports(s, held);
    if (held[from->port % PORTS] > 0)
        return;
    TAILQ_FOREACH(k, &s->lookups, link)
    {
        if (endpoint_same_addr(&k->source, from) && held_by(held, k) > 1 &&
            (most == NULL || held_by(held, k) >= held_by(held, most)))
            most = k;
    }
    if (most != NULL) {
        s->counters.crowded++;
        give_up(most);
    }
}

static bool has_room(const struct dns_server *s, const struct endpoint *from)
{
    if (s->count >= s->config.max_questions)
        return false;
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        enum source_level at = (enum source_level)level;

        if (source_counts(from, at) &&
            shares_count(&s->shares, from, at) >=
                source_allowance(at, s->config.max_source,
                                 s->config.max_questions))
            return false;
    }
    return true;
}

static struct lookup *lookup_new(struct listener *l,
                                 const struct endpoint *from, const char *key)
{
    struct dns_server *s = l->server;
    struct lookup *k = calloc(1, sizeof(*k));

    if (k == NULL)
        return NULL;
    if (shares_add(&s->shares, from) != OK) {
        free(k);
        return NULL;
    }
    k->listener = l;
    k->source = *from;
    memcpy(k->key, key, strlen(key));
    STAILQ_INIT(&k->waiters);
    TAILQ_INSERT_TAIL(&s->lookups, k, link);
    s->count++;
    return k;
}

static bool ask_exit(struct lookup *k, uint64_t now)
{
    static const struct carrier_handler handler = {.answered = on_answered,
                                                   .failed = on_failed};
    struct dns_server *s = k->listener->server;
    struct carrier_target target = {.hops = k->listener->config->hops,
                                    .isolation = k->listener->isolation,
                                    .timeout = k->deadline - now};

    if (k->reverse)
        target.request =
            (struct stream_request){.kind = STREAM_REVERSE, .ep = k->address};
    else
        target.request = (struct stream_request){.kind = STREAM_RESOLVE,
                                                 .name = bytes_of_text(k->key)};
    return carrier_open(s->world.carrier, &target, &handler, k, now,
                        &k->call) == OK;
}

/* False when it cannot be looked up now. */
static bool look_up(struct listener *l, const struct endpoint *from,
                    const struct dns_question *q,
                    const struct stream_request *request, uint64_t now)
{
    struct lookup *k = find_lookup(l, q->name);

    if (k != NULL) {
        l->server->counters.joined++;
        return add_waiter(k, from, q);
    }
    if (!has_room(l->server, from))
        make_way(l->server, from);
    k = has_room(l->server, from) ? lookup_new(l, from, q->name) : NULL;
    if (k == NULL)
        return false;
    k->reverse = request->kind == STREAM_REVERSE;
    k->address = request->ep;
    k->deadline = time_after(now, l->server->config.timeout);
    if (!add_waiter(k, from, q) || (l->resting == 0 && !ask_exit(k, now))) {
        lookup_free(k);
        return false;
    }
    if (k->call == NULL) /* behind others that rest */
        rest(k);
    l->server->counters.lookups++;
    return true;
}

/* ---- Resting ------------------------------------------------------------ */

/* Of the socket that has least under way, so that nobody waits for all that
 * another one asks; of its own the oldest. */
static struct lookup *next_resting(const struct listener *l)
{
    struct lookup *k, *best = NULL;
    uint16_t held[PORTS];

    count_ports(l->server, held);
    TAILQ_FOREACH(k, &l->server->lookups, link)
    {
        if (k->listener == l && k->resting &&
            (best == NULL || held_by(held, k) < held_by(held, best)))
            best = k;
    }
    return best;
}

static void go_on(struct listener *l, uint64_t now)
{
    unsigned count = l->may_ask > 0 ? l->may_ask : 1;

    l->may_ask = 0;
    for (; count > 0 && l->resting > 0; count--) {
        struct lookup *k = next_resting(l);

        k->resting = false;
        l->resting--;
        if (!ask_exit(k, now))
            give_up(k);
    }
}

static void end_late(struct dns_server *s, uint64_t now)
{
    struct lookup *k = TAILQ_FIRST(&s->lookups);

    while (k != NULL) {
        struct lookup *next = TAILQ_NEXT(k, link);

        if (k->resting && k->deadline <= now)
            give_up(k);
        k = next;
    }
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct dns_server *s = arg;
    uint64_t now = clock_now();
    unsigned resting = 0;

    (void)fd;
    (void)what;
    end_late(s, now);
    for (unsigned i = 0; i < s->listening; i++) {
        go_on(&s->listeners[i], now);
        resting += s->listeners[i].resting;
    }
    if (resting > 0)
        look_at_resting(s, REST);
    s->world.rearm(s->world.arg);
}

/* ---- Questions ---------------------------------------------------------- */

static bool request_name(const struct dns_question *q, struct name *name,
                         struct stream_request *out)
{
    struct endpoint ep;
    bool is_address;

    if (name_parse(bytes_of_text(q->name), name, &ep, &is_address) != OK ||
        is_address)
        return false;
    *out = (struct stream_request){
        .kind = STREAM_RESOLVE,
        .name = bytes_of((const uint8_t *)name->text, name->len)};
    return true;
}

/* Who is asked for an address of this network would learn how it is made. */
static bool request_reverse(const struct dns_server *s,
                            const struct dns_question *q,
                            struct stream_request *out)
{
    *out = (struct stream_request){.kind = STREAM_REVERSE};
    return dns_reverse_read(q->name, &out->ep) &&
           (s->config.local_too || endpoint_is_global(&out->ep));
}

/* A name under in-addr.arpa or ip6.arpa has no address. */
static bool is_of_address(const struct dns_question *q)
{
    struct endpoint ep;

    return dns_reverse_read(q->name, &ep);
}

/* One that exits are not asked for, as .warren and .onion. */
static bool is_kept_back(const struct dns_question *q)
{
    struct endpoint ep;
    struct name name;
    bool is_address;

    return name_parse(bytes_of_text(q->name), &name, &ep, &is_address) ==
           ERR_UNSUPPORTED;
}

/* What is said without an exit; FAILED: one is to be asked. */
static enum dns_rcode code_here(const struct dns_question *q)
{
    if (q->edns.version > 0)
        return DNS_RCODE_BAD_VERSION;
    if (q->opcode != 0 || q->class != DNS_CLASS_IN)
        return DNS_RCODE_NOT_IMPLEMENTED;
    if (is_kept_back(q))
        return dns_name_is_localhost(q->name) ? DNS_RCODE_OK
                                              : DNS_RCODE_NO_NAME;
    switch (q->type) {
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA:
        if (is_of_address(q) || dns_question_is_of_root(q))
            return DNS_RCODE_OK;
        return q->name[0] == '\0' ? DNS_RCODE_NO_NAME : DNS_RCODE_FAILED;
    case DNS_TYPE_PTR:
        if (q->name[0] == '\0' && !dns_question_is_of_root(q))
            return DNS_RCODE_NO_NAME;
        /* NXDOMAIN would be of all names below as well (RFC 8020). */
        return is_of_address(q) ? DNS_RCODE_FAILED : DNS_RCODE_OK;
    case DNS_TYPE_HTTPS:
    case DNS_TYPE_SVCB:
        return DNS_RCODE_OK;
    default:
        return DNS_RCODE_NOT_IMPLEMENTED;
    }
}

/* RFC 6761 §6.3 */
static void answer_localhost(const struct listener *l,
                             const struct endpoint *from,
                             const struct dns_question *q)
{
    const struct dns_reply r = {
        .ttl = DNS_LOCALHOST_TTL, .addrs = dns_localhost, .count = FAMILIES};

    reply(l, from, q, &r);
}

static void answer(struct listener *l, const struct endpoint *from,
                   const struct dns_question *q, uint64_t now)
{
    struct dns_server *s = l->server;
    struct stream_request request;
    enum dns_rcode code = code_here(q);
    struct dns_known known;
    struct name name;

    if (code == DNS_RCODE_OK && dns_name_is_localhost(q->name)) {
        answer_localhost(l, from, q);
    } else if (code != DNS_RCODE_FAILED) {
        reply_code(l, from, q, code);
    } else if (q->type == DNS_TYPE_PTR ? !request_reverse(s, q, &request)
                                       : !request_name(q, &name, &request)) {
        reply_code(l, from, q, DNS_RCODE_NO_NAME);
    } else if (dns_cache_find(&l->cache, q->name, now, &known)) {
        s->counters.cached++;
        reply_known(l, from, q, &known);
    } else if (!look_up(l, from, q, &request, now)) {
        s->counters.crowded++;
        reply_code(l, from, q, DNS_RCODE_FAILED);
    }
}

static void take(struct listener *l, struct bytes in,
                 const struct endpoint *from, uint64_t now)
{
    struct dns_server *s = l->server;
    struct dns_question q;
    enum error e = dns_question_read(in, &q);

    if (e == OK) {
        s->counters.questions++;
        answer(l, from, &q, now);
        return;
    }
    s->counters.senseless++;
    if (e == ERR_SYNTAX)
        reply_code(l, from, &q, DNS_RCODE_FORMAT);
}

static bool receive(struct listener *l, uint64_t now)
{
    uint8_t in[QUERY_MAX];
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof(sa);
    struct endpoint from;
    ssize_t r =
        recvfrom(l->fd, in, sizeof(in), 0, (struct sockaddr *)&sa, &sa_len);

    if (r < 0)
        return false;
    if (sockaddr_to_endpoint((struct sockaddr *)&sa, &from) == OK &&
        from.port != 0)
        take(l, bytes_of(in, (size_t)r), &from, now);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    uint64_t now = clock_now();

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < BATCH; i++)
        if (!receive(l, now))
            break;
    l->server->world.rearm(l->server->world.arg);
}

/* ---- Life --------------------------------------------------------------- */

static enum error listen_at(struct dns_server *s, unsigned i, struct text *why)
{
    const struct random_source *random = &s->world.random;
    struct listener *l = &s->listeners[i];
    enum error e;

    *l = (struct listener){
        .server = s, .config = &s->config.listen[i], .fd = -1};
    e = bind_socket(SOCK_DGRAM, &l->config->at, "[dns] listen", &l->fd, &l->at,
                    why);
    if (e != OK)
        return e;
    s->listening++;
    random->fill(random->ctx, &l->isolation, sizeof(l->isolation));
    dns_cache_init(&l->cache, s->config.max_cached, random);
    l->readable =
        event_new(s->world.base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    if (l->readable == NULL || event_add(l->readable, NULL) != 0)
        return ERR_NO_MEMORY;
    return OK;
}

static void close_listener(struct listener *l)
{
    if (l->readable != NULL)
        event_free(l->readable);
    dns_cache_deinit(&l->cache);
    close(l->fd);
}

enum error dns_server_new(const struct dns_server_world *world,
                          const struct dns_server_config *config,
                          struct dns_server **out, struct text *why)
{
    struct dns_server *s = calloc(1, sizeof(*s));
    enum error e = OK;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->world = *world;
    s->config = *config;
    TAILQ_INIT(&s->lookups);
    shares_init(&s->shares, &world->random);
    s->rested = evtimer_new(world->base, on_rested, s);
    if (s->rested == NULL)
        e = ERR_NO_MEMORY;
    for (unsigned i = 0; i < config->listen_count && e == OK; i++)
        e = listen_at(s, i, why);
    if (e != OK) {
        dns_server_free(s);
        return e;
    }
    *out = s;
    return OK;
}

void dns_server_free(struct dns_server *s)
{
    if (s == NULL)
        return;
    while (!TAILQ_EMPTY(&s->lookups))
        lookup_free(TAILQ_FIRST(&s->lookups));
    while (s->listening > 0)
        close_listener(&s->listeners[--s->listening]);
    shares_deinit(&s->shares);
    if (s->rested != NULL)
        event_free(s->rested);
    free(s);
}

const struct endpoint *dns_server_at(const struct dns_server *s, unsigned i)
{
    return &s->listeners[i].at;
}

unsigned dns_server_lookups(const struct dns_server *s)
{
    return s->count;
}

const struct dns_server_counters *
dns_server_counters(const struct dns_server *s)
{
    return &s->counters;
}
