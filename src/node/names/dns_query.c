/* SPDX-License-Identifier: MIT
 *
 * A question has a channel of c-ares of its own: what c-ares remembers of
 * servers, its caches and its choice among several are nothing to us (they
 * differ between its versions), and to cancel a question is to free its
 * channel. c-ares opens sockets and says which it wants watched
 * (on_socket_state); how long it waits is ours to say (the timer).
 *
 * A channel must not be freed out of its own callbacks: the last answer wakes
 * the timer, from which the question ends.
 */
#include "node/names/dns_query.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#define CARES_NO_DEPRECATED /* of version 1.28, not yet in Debian 12 */
#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define HEADER_SIZE   12    /* of a DNS message; the question follows */
#define CHANNEL_WAITS 60000 /* ms; longer than anybody asks */

/* A socket that c-ares has opened. */
struct watch {
    SLIST_ENTRY(watch) link;
    int fd;
    struct event *event;
};

/* The question for one family, or for the name of an address of it. */
struct part {
    struct dns_query *query;
    enum family family;
    enum dns_result result;
    bool reverse;
};

struct dns_query {
    struct event_base *base;
    dns_query_fn *done;
    void *arg;
    ares_channel channel;
    SLIST_HEAD(, watch) watches;
    struct event *timer;
    struct part parts[FAMILIES];
    unsigned waiting; /* parts without an answer */
    bool ending;
    unsigned zone;
    char name[DNS_NAME_SIZE]; /* as it was asked for */
    struct dns_answer answer;
};

/* ---- Results ------------------------------------------------------------ */

const char *dns_result_text(enum dns_result result)
{
    switch (result) {
    case DNS_FOUND:
        break;
    case DNS_NO_NAME:
        return "there is no such name";
    case DNS_NO_ADDRESS:
        return "the name has no address";
    case DNS_SILENT:
        return "no name server answers";
    case DNS_FAILED:
        return "the name servers say that they failed (SERVFAIL)";
    case DNS_REFUSED:
        return "the name servers refuse to answer";
    case DNS_USELESS:
        return "the name servers' answers are of no use";
    }
    return "the name was found";
}

bool dns_result_is_answer(enum dns_result result)
{
    return result == DNS_FOUND || result == DNS_NO_NAME ||
           result == DNS_NO_ADDRESS;
}

static enum dns_result result_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return DNS_FOUND;
    case ARES_ENODATA:
        return DNS_NO_ADDRESS;
    case ARES_ENOTFOUND:
        return DNS_NO_NAME;
    case ARES_ESERVFAIL:
        return DNS_FAILED;
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
        return DNS_REFUSED;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return DNS_SILENT;
    default:
        return DNS_USELESS;
    }
}

/* Of two families: addresses count most, then that something went wrong, then
 * that there is no such name. */
static enum dns_result both(enum dns_result a, enum dns_result b)
{
    if (a == DNS_FOUND || b == DNS_FOUND)
        return DNS_FOUND;
    if (!dns_result_is_answer(a))
        return a;
    if (!dns_result_is_answer(b))
        return b;
    return a == DNS_NO_NAME ? a : b;
}

/* ---- Sockets ------------------------------------------------------------ */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct dns_query *q = arg;

    ares_process_fd(q->channel, (what & EV_READ) ? fd : ARES_SOCKET_BAD,
                    (what & EV_WRITE) ? fd : ARES_SOCKET_BAD);
}

static struct watch *find_watch(const struct dns_query *q, int fd)
{
    struct watch *w;

    SLIST_FOREACH(w, &q->watches, link)
    {
        if (w->fd == fd)
            break;
    }
    return w;
}

static void drop_watch(struct dns_query *q, struct watch *w)
{
    SLIST_REMOVE(&q->watches, w, watch, link);
    if (w->event != NULL)
        event_free(w->event);
    free(w);
}

/* Neither: it is about to be closed. Out of memory the question stays without
 * an answer. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable,
                            int writable)
{
    struct dns_query *q = arg;
    struct watch *w = find_watch(q, fd);
    short what = EV_PERSIST;

    if (w != NULL)
        drop_watch(q, w);
    if (!readable && !writable)
        return;
    if (readable)
        what |= EV_READ;
    if (writable)
        what |= EV_WRITE;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return;
    w->fd = fd;
    w->event = event_new(q->base, fd, what, on_ready, q);
    SLIST_INSERT_HEAD(&q->watches, w, link);
    if (w->event == NULL || event_add(w->event, NULL) != 0)
        drop_watch(q, w);
}

/* ---- Answers ------------------------------------------------------------ */

/* It repeats the name letter by letter. */
static bool is_ours(const struct dns_query *q, const unsigned char *message,
                    int len)
{
    char *asked = NULL;
    long taken;
    bool same;

    if (len <= HEADER_SIZE ||
        ares_expand_name(message + HEADER_SIZE, message, len, &asked, &taken) !=
            ARES_SUCCESS)
        return false;
    same = strcmp(asked, q->name) == 0;
    ares_free_string(asked);
    return same;
}

/* Those of one family leave room for the other: it may be the one that can be
 * reached from here. */
static bool has_room(const struct dns_answer *a, enum family family)
{
    unsigned count = 0;

    for (size_t i = 0; i < a->count; i++)
        count += a->addrs[i].family == family;
    return count < DNS_ADDRESSES;
}

static void add(struct dns_answer *a, enum family family, const void *addr,
                int ttl)
{
    struct endpoint ep = {.family = family};
    uint64_t lives = ttl > 0 ? (uint64_t)ttl * TIME_S : 0;

    if (!has_room(a, family))
        return;
    memcpy(ep.addr, addr, family == FAMILY_IPV6 ? 16 : 4);
    a->addrs[a->count] = ep;
    if (a->count++ == 0 || lives < a->ttl)
        a->ttl = lives;
}

static enum dns_result read_ipv4(struct dns_answer *a,
                                 const unsigned char *message, int len)
{
    struct ares_addrttl found[DNS_ADDRESSES];
    int count = DNS_ADDRESSES;
    int status = ares_parse_a_reply(message, len, NULL, found, &count);

    if (status != ARES_SUCCESS)
        return result_of(status);
    for (int i = 0; i < count; i++)
        add(a, FAMILY_IPV4, &found[i].ipaddr, found[i].ttl);
    return count > 0 ? DNS_FOUND : DNS_NO_ADDRESS;
}

static enum dns_result read_ipv6(struct dns_answer *a,
                                 const unsigned char *message, int len)
{
    struct ares_addr6ttl found[DNS_ADDRESSES];
    int count = DNS_ADDRESSES;
    int status = ares_parse_aaaa_reply(message, len, NULL, found, &count);

    if (status != ARES_SUCCESS)
        return result_of(status);
    for (int i = 0; i < count; i++)
        add(a, FAMILY_IPV6, &found[i].ip6addr, found[i].ttl);
    return count > 0 ? DNS_FOUND : DNS_NO_ADDRESS;
}

static enum dns_result read_name(struct dns_answer *a, enum family family,
                                 const unsigned char *message, int len)
{
    static const uint8_t unused[16];
    bool v6 = family == FAMILY_IPV6;
    struct hostent *host = NULL;
    int status = ares_parse_ptr_reply(message, len, unused, v6 ? 16 : 4,
                                      v6 ? AF_INET6 : AF_INET, &host);
    enum dns_result result = result_of(status);

    if (result == DNS_FOUND &&
        (host->h_name == NULL || strlen(host->h_name) >= sizeof(a->name)))
        result = DNS_USELESS;
    if (result == DNS_FOUND) {
        snprintf(a->name, sizeof(a->name), "%s", host->h_name);
        a->ttl = DNS_REVERSE_TTL;
    }
    if (host != NULL)
        ares_free_hostent(host);
    return result;
}

static enum dns_result read_answer(const struct part *p,
                                   const unsigned char *message, int len)
{
    struct dns_answer *a = &p->query->answer;

    if (p->reverse)
        return read_name(a, p->family, message, len);
    return p->family == FAMILY_IPV6 ? read_ipv6(a, message, len)
                                    : read_ipv4(a, message, len);
}

static void on_answer(void *arg, int status, int timeouts,
                      unsigned char *message, int len)
{
    struct part *p = arg;
    struct dns_query *q = p->query;

    (void)timeouts;
    if (q->ending)
        return;
    p->result = result_of(status);
    if (message != NULL && dns_result_is_answer(p->result) &&
        !is_ours(q, message, len))
        p->result = DNS_USELESS;
    if (p->result == DNS_FOUND)
        p->result = read_answer(p, message, len);
    if (--q->waiting == 0)
        event_active(q->timer, EV_TIMEOUT, 0);
}

/* In turn, as long as there are of both: who takes the first few has some of
 * each. */
static void alternate(struct dns_answer *a)
{
    struct endpoint in_turn[FAMILIES * DNS_ADDRESSES];
    size_t next[2] = {0}, n = 0;

    while (n < a->count)
        for (unsigned turn = 0; turn < 2; turn++) {
            size_t *i = &next[turn];

            while (*i < a->count &&
                   (a->addrs[*i].family == a->addrs[0].family) != (turn == 0))
                ++*i;
            if (*i < a->count)
                in_turn[n++] = a->addrs[(*i)++];
        }
    memcpy(a->addrs, in_turn, n * sizeof(in_turn[0]));
}

/* Time is up, or all is answered. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct dns_query *q = arg;
    dns_query_fn *done = q->done;
    void *who = q->arg;
    struct dns_answer answer = q->answer;

    (void)fd;
    (void)what;
    answer.result =
        both(q->parts[FAMILY_IPV4].result, q->parts[FAMILY_IPV6].result);
    alternate(&answer);
    dns_query_free(q);
    done(who, &answer);
}

/* ---- Life --------------------------------------------------------------- */

static void shuffle_case(char *name)
{
    for (; *name != '\0'; name++)
        if (((*name >= 'a' && *name <= 'z') ||
             (*name >= 'A' && *name <= 'Z')) &&
            randombytes_uniform(2) == 0)
            *name ^= 'a' ^ 'A';
}

/* Everything is said, so that c-ares looks into no file. Without NOCHECKRESP
 * its version 1.18 keeps it to itself that a server has failed or refused. */
static ares_channel channel_new(struct dns_query *q)
{
    static char lookups[] = "b", no_file[] = "/dev/null";
    struct in_addr nobody = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                 ARES_FLAG_NOCHECKRESP,
        .timeout = CHANNEL_WAITS,
        .tries = 1,
        .servers = &nobody,
        .nservers = 1,
        .lookups = lookups,
        .resolvconf_path = no_file,
        .sock_state_cb = q == NULL ? NULL : on_socket_state,
        .sock_state_cb_data = q,
    };
    ares_channel channel = NULL;
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
                ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_RESOLVCONF;

    if (q != NULL)
        given |= ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
    given |= ARES_OPT_QUERY_CACHE; /* for no time at all */
#endif
    return ares_init_options(&channel, &o, given) == ARES_SUCCESS ? channel
                                                                  : NULL;
}

/* Before it is connected: where a link-local address is reached. c-ares has no
 * zones in its version 1.18. */
static int on_socket(ares_socket_t fd, int type, void *arg)
{
    struct dns_query *q = arg;
    int zone = (int)q->zone;

    (void)type;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &zone, sizeof(zone));
}

/* As it is: newer versions want a text to name the interface. */
static bool set_zoned_server(struct dns_query *q,
                             const struct dns_place *server)
{
    struct ares_addr_port_node node = {.family = AF_INET6,
                                       .udp_port = server->ep.port,
                                       .tcp_port = server->ep.port};

    memcpy(&node.addr, server->ep.addr, endpoint_addr_len(&server->ep));
    q->zone = server->zone;
    ares_set_socket_configure_callback(q->channel, on_socket, q);
    return ares_set_servers_ports(q->channel, &node) == ARES_SUCCESS;
}

static bool open_channel(struct dns_query *q, const struct dns_place *server)
{
    char text[ENDPOINT_TEXT_SIZE];

    q->channel = channel_new(q);
    if (q->channel == NULL)
        return false;
    if (server->zone != 0)
        return set_zoned_server(q, server);
    return ares_set_servers_ports_csv(
               q->channel, endpoint_print(&server->ep, text)) == ARES_SUCCESS;
}

static void ask(struct dns_query *q, enum family family, bool reverse)
{
    struct part *p = &q->parts[family];
    int type = family == FAMILY_IPV6 ? ns_t_aaaa : ns_t_a;

    p->query = q;
    p->family = family;
    p->result = DNS_SILENT;
    p->reverse = reverse;
    ares_query(q->channel, q->name, ns_c_in, reverse ? ns_t_ptr : type,
               on_answer, p);
}

/* Nothing is asked yet. */
static struct dns_query *query_new(struct event_base *base,
                                   const struct dns_place *server,
                                   const char *name, uint64_t timeout,
                                   dns_query_fn *done, void *arg)
{
    struct timeval tv = clock_timeval(timeout);
    struct dns_query *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->base = base;
    q->done = done;
    q->arg = arg;
    for (int f = 0; f < FAMILIES; f++)
        q->parts[f].result = DNS_NO_ADDRESS;
    snprintf(q->name, sizeof(q->name), "%s", name);
    shuffle_case(q->name);
    q->timer = evtimer_new(base, on_timer, q);
    if (q->timer == NULL || !open_channel(q, server) ||
        evtimer_add(q->timer, &tv) != 0) {
        dns_query_free(q);
        return NULL;
    }
    return q;
}

struct dns_query *dns_query_new(struct event_base *base,
                                const struct dns_place *server,
                                const char *name, const bool families[FAMILIES],
                                uint64_t timeout, dns_query_fn *done, void *arg)
{
    struct dns_query *q = query_new(base, server, name, timeout, done, arg);

    if (q == NULL)
        return NULL;
    for (int f = 0; f < FAMILIES; f++)
        q->waiting += families[f];
    for (int f = 0; f < FAMILIES; f++)
        if (families[f])
            ask(q, (enum family)f, false);
    return q;
}

/* "1.2.0.192.in-addr.arpa", and the nibbles of ip6.arpa. */
static void reverse_name(const struct endpoint *address,
                         char out[DNS_NAME_SIZE])
{
    bool v6 = address->family == FAMILY_IPV6;
    size_t at = 0;

    for (size_t i = endpoint_addr_len(address); i-- > 0;) {
        unsigned b = address->addr[i];

        at += (size_t)(v6 ? snprintf(out + at, DNS_NAME_SIZE - at, "%x.%x.",
                                     b & 15, b >> 4)
                          : snprintf(out + at, DNS_NAME_SIZE - at, "%u.", b));
    }
    snprintf(out + at, DNS_NAME_SIZE - at, v6 ? "ip6.arpa" : "in-addr.arpa");
}

struct dns_query *dns_query_reverse(struct event_base *base,
                                    const struct dns_place *server,
                                    const struct endpoint *address,
                                    uint64_t timeout, dns_query_fn *done,
                                    void *arg)
{
    char name[DNS_NAME_SIZE];
    struct dns_query *q;

    reverse_name(address, name);
    q = query_new(base, server, name, timeout, done, arg);
    if (q == NULL)
        return NULL;
    q->waiting = 1;
    ask(q, (enum family)address->family, true);
    return q;
}

void dns_query_free(struct dns_query *q)
{
    if (q == NULL)
        return;
    q->ending = true;
    if (q->channel != NULL)
        ares_destroy(q->channel);
    while (!SLIST_EMPTY(&q->watches))
        drop_watch(q, SLIST_FIRST(&q->watches));
    if (q->timer != NULL)
        event_free(q->timer);
    free(q);
}

/* ---- The hosts file ----------------------------------------------------- */

static void take_host(struct dns_answer *out, const struct hostent *host)
{
    enum family family = host->h_addrtype == AF_INET6 ? FAMILY_IPV6
                                                      : FAMILY_IPV4;

    for (char **addr = host->h_addr_list; *addr != NULL; addr++)
        add(out, family, *addr, 0);
}

void dns_look_in_hosts(const char *name, const bool families[FAMILIES],
                       struct dns_answer *out)
{
    static const int kinds[FAMILIES] = {
        [FAMILY_IPV4] = AF_INET, [FAMILY_IPV6] = AF_INET6};
    ares_channel channel = channel_new(NULL);

    *out = (struct dns_answer){.result = DNS_NO_NAME};
    if (channel == NULL)
        return;
    for (int f = 0; f < FAMILIES; f++) {
        struct hostent *host = NULL;

        if (families[f] && ares_gethostbyname_file(channel, name, kinds[f],
                                                   &host) == ARES_SUCCESS)
            take_host(out, host);
        if (host != NULL)
            ares_free_hostent(host);
    }
    if (out->count > 0)
        out->result = DNS_FOUND;
    ares_destroy(channel);
}
