/* SPDX-License-Identifier: MIT
 *
 * One check a thing that can be wrong, each on its own and in its own section
 * below, and in health_joined.c whether the node has joined: the store, the
 * machine's network, the clock, whether others reach it, circuits, what it
 * publishes, whether it is the only one of its identity, the own address, the
 * exit's names, services, paths that lose long datagrams. A check looks at
 * state that others keep up to date and adds at most a few problems, a sentence
 * of what is wrong and one of what to do each; nothing is asked of anybody, so
 * that /health is cheap. health_check puts the worst first. A check is left out
 * where another has said why: who has no network need not hear that nobody
 * answers.
 *
 * A new one is a check, a line in health_check, and a row for its code in
 * docs/operating.md.
 */
#include "base/timestamp.h"
#include "node/host/health_internal.h"
#include "node/host/own_address.h"
#include "node/host/tunnel_missing.h"
#include "node/os/clock.h"
#include "node/service/service_host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *health_level_name(enum health_level level)
{
    static const char *const names[] = {"note", "warning", "error"};

    return names[level];
}

struct health_problem *health_add(struct health *h, enum health_level level,
                                  const char *code)
{
    struct health_problem *p;

    if (h->count < HEALTH_PROBLEMS_MAX)
        h->count++;
    p = &h->problems[h->count - 1];
    p->level = level;
    p->code = code;
    p->what[0] = '\0';
    p->remedy[0] = '\0';
    return p;
}

const struct dht_host *health_dht_of(const struct node *n, enum store_dht dht)
{
    return dht == STORE_DHT ? n->dht : n->mainline;
}

bool health_has_joined(const struct node *n, enum store_dht dht)
{
    return health_dht_of(n, dht) != NULL &&
           dht_host_joined(health_dht_of(n, dht));
}

bool health_is_provider(const struct node *n, enum store_dht dht)
{
    return n->config.tunnel_dht == MEET_IN_BOTH ||
           n->config.tunnel_dht ==
               (dht == STORE_DHT ? MEET_IN_BUILTIN : MEET_IN_MAINLINE);
}

static bool has_joined_any(const struct node *n)
{
    return health_has_joined(n, STORE_DHT) ||
           health_has_joined(n, STORE_MAINLINE);
}

/* While it has not, what is said of the DHT explains that there are none. */
static bool may_find_relays(const struct node *n)
{
    return (health_is_provider(n, STORE_DHT) &&
            health_has_joined(n, STORE_DHT)) ||
           (health_is_provider(n, STORE_MAINLINE) &&
            health_has_joined(n, STORE_MAINLINE));
}

/* ---- The store ---------------------------------------------------------- */

static void check_store(const struct node *n, struct health *h)
{
    struct store_health store;
    struct health_problem *p;

    store_get_health(n->store, &store);
    if (!store.ok) {
        p = health_add(h, HEALTH_ERROR, "store");
        SAY(p->what, "the store cannot be written: %.256s", store.text);
        SAY(p->remedy,
            "see to the disk of %.256s (space, permissions); nothing "
            "has to be restarted",
            n->config.data_dir);
    }
    if (n->store_report.how == STORE_REPLACED) {
        p = health_add(h, HEALTH_WARNING, "store_replaced");
        SAY(p->what, "at the start %.256s", n->store_report.text);
        SAY(p->remedy, "delete or examine %.256s/%s", n->config.data_dir,
            n->store_report.set_aside);
    }
}

/* ---- The machine's network ---------------------------------------------- */

/* How long nothing may be taken by the kernel before it is said. */
#define REFUSED_FOR (3 * TIME_S)

static bool is_cut_off(const struct node *n)
{
    for (int f = 0; f < FAMILIES; f++) {
        const struct network_family *s =
            network_family(n->network, (enum family)f);

        if (s->listening && s->usable)
            return false;
    }
    return true;
}

static void say_cut_off(const struct node *n, uint64_t now, struct health *h)
{
    struct health_problem *p = health_add(h, HEALTH_ERROR, "no_network");
    uint64_t since = now;

    for (int f = 0; f < FAMILIES; f++)
        since = time_min(since,
                         network_family(n->network, (enum family)f)->cut_since);
    SAY(p->what,
        "this machine has no way to others, for %" PRIu64 " s: no interface "
        "that is up has an address and a route",
        time_since(since, now) / TIME_S);
    SAY(p->remedy, "see to its network (cable, DHCP, default route); the node "
                   "goes on by itself as soon as there is one");
}

static bool is_refused(const struct network_family *s, uint64_t now)
{
    return s->usable && s->refused_since != TIME_NEVER &&
           time_since(s->refused_since, now) >= REFUSED_FOR;
}

static const char *refusal_remedy(int refusal)
{
    switch (refusal) {
    case EPERM:
    case EACCES:
        return "a firewall of this machine forbids it: let UDP out from the "
               "port of `listen`";
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        return "see to the routes and addresses of this machine (ip route, ip "
               "address)";
    }
    return "see to the network device and its driver (dmesg)";
}

static void say_refused(enum family f, const struct network_family *s,
                        enum health_level level, uint64_t now, struct health *h)
{
    struct health_problem *p = health_add(h, level, "send_failed");

    SAY(p->what, "nothing can be sent over %s, for %" PRIu64 " s: %s",
        network_family_name(f), time_since(s->refused_since, now) / TIME_S,
        strerror(s->refusal));
    SAY(p->remedy, "%s", refusal_remedy(s->refusal));
}

static void say_silent(enum family f, const struct network_family *s,
                       enum health_level level, uint64_t now, struct health *h)
{
    struct health_problem *p = health_add(h, level, "silence");

    SAY(p->what,
        "over %s nothing has come from any other node for %" PRIu64
        " s, though some were asked",
        network_family_name(f), time_since(s->silent_since, now) / TIME_S);
    SAY(p->remedy, "check that UDP gets out of this machine and its network, "
                   "and answers in (cable, firewall, provider)");
}

static void say_lost(enum family f, const struct network_family *s,
                     uint64_t now, struct health *h)
{
    struct health_problem *p = health_add(h, HEALTH_WARNING, "family_lost");

    SAY(p->what,
        "%s has no way out of this machine any more, for %" PRIu64 " s",
        network_family_name(f), time_since(s->cut_since, now) / TIME_S);
    SAY(p->remedy, "see to its addresses and default route (ip address, ip "
                   "route); the node does without it meanwhile");
}

/* Whether nodes are reached over this family. */
static bool works(const struct node *n, enum family f, uint64_t now)
{
    const struct network_family *s = network_family(n->network, f);

    return s->listening && s->usable && s->silent_since == TIME_NEVER &&
           !is_refused(s, now) &&
           (dht_host_has_joined(n->dht, f) ||
            (n->mainline != NULL && dht_host_has_joined(n->mainline, f)));
}

/* False when what is said explains that nobody answers. */
static bool check_network(const struct node *n, uint64_t now, struct health *h)
{
    bool fine = true;

    if (is_cut_off(n)) {
        say_cut_off(n, now, h);
        return false;
    }
    for (int f = 0; f < FAMILIES; f++) {
        const struct network_family *s =
            network_family(n->network, (enum family)f);
        enum family other = f == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;
        enum health_level level = works(n, other, now) ? HEALTH_WARNING
                                                       : HEALTH_ERROR;

        if (is_refused(s, now))
            say_refused((enum family)f, s, level, now, h);
        else if (s->silent_since != TIME_NEVER)
            say_silent((enum family)f, s, level, now, h);
        else if (s->was_usable && s->cut_since != TIME_NEVER)
            say_lost((enum family)f, s, now, h);
        else
            continue;
        fine = fine && level != HEALTH_ERROR;
    }
    return fine;
}

/* ---- The clock ---------------------------------------------------------- */

#define SET_THE_CLOCK "set the time right (is NTP running?)"

static void say_clock_off(int64_t behind, unsigned witnesses, struct health *h)
{
    int64_t by = behind > 0 ? behind : -behind;
    /* Descriptors are refused then, ours by others and theirs by us. What is
     * known is a lower bound, by as much as a witness may be late. */
    bool far = by + (behind > 0 ? 0 : CLOCK_HINT_AGE) >= DESCRIPTOR_SKEW;
    struct health_problem *p;

    /* One alone may be the one who is wrong. */
    p = health_add(h, far && witnesses > 1 ? HEALTH_ERROR : HEALTH_WARNING,
                   "clock_wrong");
    SAY(p->what,
        "the clock of this machine is %" PRId64 " s (%" PRId64
        " h) or more %s, as the signed descriptors of %u %s say%s",
        by, by / 3600, behind > 0 ? "behind" : "ahead", witnesses,
        witnesses == 1 ? "relay" : "relays",
        far ? ": this node refuses theirs, and they refuse its own" : "");
    SAY(p->remedy, SET_THE_CLOCK "; nothing has to be restarted");
}

static void check_clock(const struct node *n, struct health *h)
{
    struct health_problem *p;

    if (n->clock_off != 0) {
        say_clock_off(n->clock_off, n->clock_witnesses, h);
        return;
    }
    if (n->clock_behind == 0)
        return;
    p = health_add(h, HEALTH_WARNING, "clock");
    SAY(p->what,
        "the clock is %" PRId64 " s behind the time that this node "
        "has seen before",
        n->clock_behind);
    SAY(p->remedy, SET_THE_CLOCK);
}

/* ---- Reached by others -------------------------------------------------- */

/* A joined node is asked something by strangers within a few minutes, unless
 * nobody can reach it. */
#define ASKED_WITHIN (10 * TIME_MIN)

static uint64_t queries_received(const struct dht_stats *stats)
{
    uint64_t sum = 0;

    for (int m = 0; m < DHT_METHODS; m++)
        sum += stats->queries_in[m];
    return sum;
}

static bool is_ours(const struct node *n, const struct endpoint *ep)
{
    for (unsigned i = 0; i < udp_socket_count(n->udp); i++) {
        struct endpoint local = udp_local(n->udp, i);

        if (endpoint_equal(&local, ep))
            return true;
    }
    return false;
}

/* It has joined where it would answer, and nobody has ever asked. */
static bool is_to_be_asked(const struct node *n)
{
    const bool read_only[STORE_DHTS] = {n->config.dht.read_only,
                                        n->config.mainline.read_only};
    bool expects = false;

    for (int d = 0; d < STORE_DHTS; d++) {
        const struct dht_host *host = health_dht_of(n, (enum store_dht)d);

        if (host == NULL)
            continue;
        if (queries_received(dht_stats(dht_host_engine(host))) > 0)
            return false;
        expects = expects || (dht_host_joined(host) && !read_only[d]);
    }
    return expects;
}

/* Whether others can reach us: strangers' queries show it, silence hints at
 * the opposite. */
static void check_reachable(const struct node *n, uint64_t now,
                            struct health *h)
{
    struct config_endpoints seen = {.count = 0};
    const struct own_witnesses witnesses = {n->dht, n->mainline};
    struct health_problem *p;
    char at[ENDPOINT_TEXT_SIZE];

    if (!is_to_be_asked(n) || time_since(n->started_at, now) < ASKED_WITHIN)
        return;
    own_address_add_external(&witnesses, now, &seen);
    p = health_add(h, HEALTH_WARNING, "unreachable");
    SAY(p->what, "no query of another node has reached this one");
    for (unsigned i = 0; i < seen.count; i++) {
        if (is_ours(n, &seen.at[i]))
            continue;
        SAY(p->what,
            "no query of another node has reached this one, which "
            "others see as %s: it seems to be behind NAT or a "
            "firewall",
            endpoint_print(&seen.at[i], at));
        break;
    }
    SAY(p->remedy, "let UDP to the port of `listen` in (port forwarding, "
                   "firewall), or set read_only = true");
}

/* ---- Circuits ----------------------------------------------------------- */

/* Time that a node gets to find relays, or its own address. */
#define PATIENCE TIME_MIN

/* What is to be said of circuits of this length. Those that are asked for in
 * the settings are what the node is for, but a pool may need a moment to
 * build others. Who asks for some by hand wants to know at once which role is
 * missing. */
static bool lacks_circuits(const struct node *n, unsigned hops, uint64_t now,
                           enum health_level *level)
{
    const struct member *t = tunnel_host_member(n->tunnels);
    uint64_t since = member_empty_since(t, hops);
    bool lasts = since != TIME_NEVER && time_since(since, now) >= PATIENCE;

    *level = lasts && n->config.tunnel_build[hops] ? HEALTH_ERROR
                                                   : HEALTH_WARNING;
    return lasts ||
           (since != TIME_NEVER && member_path_of(t, hops) != PATH_FOUND);
}

static void say_circuits(const struct node *n, unsigned hops,
                         enum health_level level, uint64_t now,
                         struct health *h)
{
    const struct member *t = tunnel_host_member(n->tunnels);
    struct health_problem *p = health_add(h, level, "no_circuits");
    struct member_status s;
    struct text what;

    member_status(t, now, clock_wall(), &s);
    s.path = member_path_of(t, hops);
    text_init(&what, HEALTH_TEXT_SIZE - 1);
    if (!tunnel_missing_say(&s, &what))
        text_add(&what, "relays are known, but none could be built through "
                        "them");
    SAY(p->what, "no circuit of %u hop%s is ready: %.400s", hops,
        text_plural(hops), text_get(&what));
    SAY(p->remedy, "%s", tunnel_missing_remedy(&s));
    text_deinit(&what);
}

/* The worst length alone, the shortest of those. */
static void check_circuits(const struct node *n, uint64_t now, struct health *h)
{
    enum health_level level, worst = HEALTH_NOTE;
    unsigned length = 0;

    if (!may_find_relays(n))
        return;
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++) {
        if (!lacks_circuits(n, hops, now, &level) || level <= worst)
            continue;
        length = hops;
        worst = level;
    }
    if (length > 0)
        say_circuits(n, length, worst, now, h);
}

/* ---- What the node publishes -------------------------------------------- */

/* Time that a node has after joining to store what it publishes. */
#define STORED_WITHIN (30 * TIME_S)

/* Nodes may be joined, and lookups end well, and still nobody finds us: they
 * have no room for us, or have lost what they took. */
static void check_findable(const struct node *n, enum store_dht dht,
                           uint64_t now, struct health *h)
{
    const struct dht_host *host = health_dht_of(n, dht);
    uint64_t joined_at = host == NULL ? TIME_NEVER : dht_host_joined_at(host);
    const bool mainline = dht == STORE_MAINLINE;
    unsigned nowhere, missing, good;
    struct health_problem *p;
    struct dht_status s;

    if (joined_at == TIME_NEVER || time_since(joined_at, now) < STORED_WITHIN)
        return;
    dht_status(dht_host_engine(host), now, &s);
    nowhere = s.published[DHT_PUBLISHED_FAILING];
    missing = s.published[DHT_PUBLISHED_MISSING];
    good = s.published[DHT_PUBLISHED_FOUND] + s.published[DHT_PUBLISHED_STORED];
    if (nowhere + missing == 0)
        return;
    p = health_add(h, good > 0 ? HEALTH_WARNING : HEALTH_ERROR, "not_findable");
    SAY(p->what,
        "of the %u announcements and items that this node publishes in the %s "
        "others may not find %u: no node takes %u, and %u %s not found when "
        "looked up",
        s.publications, dht_host_name(host), nowhere + missing, nowhere,
        missing, missing == 1 ? "was" : "were");
    SAY(p->remedy,
        "they are tried again by themselves within minutes, `warren dht "
        "published%s` lists them; if it stays so, %s",
        mainline ? " --mainline" : "",
        mainline ? "see whether UDP is lost on the way"
        : nowhere > missing
            ? "the other nodes are full (`max_peers`, `max_items` and their "
              "like in the section [dht] of theirs)"
            : "see whether UDP is lost on the way, or the other nodes forget "
              "(`max_peers_per_source` in the section [dht] of theirs)");
}

/* ---- Whether it is the only one ----------------------------------------- */

/* How long somebody with our identity is told of who was heard of once. */
#define TWIN_FOR TIME_HOUR

struct own_item {
    const struct node *n;
    bool beaten;
};

/* Our own descriptor, which somebody has published anew. One that lies in the
 * future was our own, when the clock was wrong. */
static void look_at_own_item(void *ctx, const struct dht_publication_info *info)
{
    const struct member *t =
        tunnel_host_member(((struct own_item *)ctx)->n->tunnels);
    struct own_item *o = ctx;
    struct member_status s;

    if (info->state != DHT_PUBLISHED_BEATEN || info->key == NULL)
        return;
    member_status(t, clock_now(), clock_wall(), &s);
    o->beaten |= memcmp(info->key, s.identity, sizeof(s.identity)) == 0 &&
                 info->beaten_by <= (int64_t)clock_wall() + DESCRIPTOR_SKEW;
}

static void check_twin(const struct node *n, uint64_t now, struct health *h)
{
    const struct directory_twin *twin =
        member_twin(tunnel_host_member(n->tunnels));
    struct own_item own = {.n = n};
    bool told = twin->told_at != 0 && time_since(twin->told_at, now) < TWIN_FOR;
    char at[ENDPOINT_TEXT_SIZE];
    struct health_problem *p;

    for (int d = 0; d < STORE_DHTS; d++)
        if (health_dht_of(n, (enum store_dht)d) != NULL)
            dht_publications(
                dht_host_engine(health_dht_of(n, (enum store_dht)d)),
                look_at_own_item, &own);
    if (!told && !own.beaten)
        return;
    p = health_add(h, HEALTH_ERROR, "same_identity");
    if (told)
        SAY(p->what,
            "another node has the identity of this one, at %s: circuits and "
            "lookups reach now the one, now the other",
            endpoint_print(&twin->at, at));
    else
        SAY(p->what, "another node has the identity of this one, and has "
                     "published a newer address for it: others will not find "
                     "this one");
    SAY(p->remedy,
        "two nodes run with copies of one data directory: stop one of them, or "
        "delete identity.key and handshake.key in %.256s, and start it again",
        n->config.data_dir);
}

/* ---- The own address ---------------------------------------------------- */

static void say_unreached(const struct node *n, uint64_t now, struct health *h)
{
    struct member_status s;
    struct health_problem *p;

    member_status(tunnel_host_member(n->tunnels), now, clock_wall(), &s);
    if (s.published || s.unproven == 0)
        return;
    p = health_add(h, HEALTH_NOTE, "not_reached");
    SAY(p->what, "this node relays for nobody, because nobody has reached it "
                 "at the address that others see it at");
    SAY(p->remedy, "wait until two nodes of other networks have; if they do "
                   "not, forward a port to this node, or set `addresses` in "
                   "the section [tunnel]");
}

static void check_published(const struct node *n, uint64_t now,
                            struct health *h)
{
    const struct own_witnesses witnesses = {n->dht, n->mainline};
    struct config_endpoints seen = {.count = 0};
    struct health_problem *p;
    bool known = false;

    if (n->config.tunnel.max_relays_or_exits == 0 || !has_joined_any(n) ||
        n->config.dht.read_only || time_since(n->started_at, now) < PATIENCE)
        return;
    if (tunnel_host_addresses(n->tunnels)->count > 0) {
        say_unreached(n, now, h);
        return;
    }
    own_address_add_external(&witnesses, now, &seen);
    for (unsigned i = 0; i < seen.count; i++)
        known = known || seen.at[i].port == 0;
    p = health_add(h, HEALTH_NOTE, "no_address");
    SAY(p->what,
        "this node relays for nobody, because it does not know the "
        "%s at which others reach it%s",
        known ? "port" : "address",
        known ? ": each sees another one (a symmetric NAT)" : "");
    SAY(p->remedy,
        "%s `addresses` in the section [tunnel]; to not relay at all, "
        "set max_relays_or_exits = 0",
        known ? "forward a port to this node, and name it in"
              : "wait until enough nodes of the DHT have told it, or set");
}

/* ---- The exit's names --------------------------------------------------- */

static void check_exit(const struct node *n, uint64_t now, struct health *h)
{
    struct exit_names_state names = {0};
    struct health_problem *p;

    if (!n->config.tunnel.become_exitnode ||
        !tunnel_host_names(n->tunnels, &names))
        return;
    if (tunnel_host_nameservers(n->tunnels) == 0 ||
        (names.assumed && names.failing)) {
        p = health_add(h, HEALTH_WARNING, "no_nameserver");
        SAY(p->what,
            "this exit knows no DNS server, so it sends to addresses only");
        SAY(p->remedy, "name one in /etc/resolv.conf, or in `nameservers` in "
                       "the section [exit], and send SIGHUP");
    } else if (names.failing) {
        p = health_add(h, HEALTH_WARNING, "names_fail");
        SAY(p->what,
            "this exit resolves no names, for %" PRIu64 " s: %s; it sends to "
            "addresses only",
            time_since(names.since, now) / TIME_S, names.why);
        SAY(p->remedy, "see to the servers in /etc/resolv.conf, or name "
                       "others in `nameservers` in the section [exit] and "
                       "send SIGHUP");
    }
}

/* ---- Services ----------------------------------------------------------- */

/* How long a service may take to be reachable before it is said, and how many
 * are named. */
#define SERVICE_PATIENCE TIME_MIN
#define SERVICES_NAMED   3

/* What is to be done about a service that others cannot reach. */
static const char *service_remedy(enum service_problem p)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    switch (p) {
    case SERVICE_STARTING:
    case SERVICE_NO_PATH:
    case SERVICE_NO_POINT:
        return "more relays have to be known, six or more: see `warren peers`; "
               "the node goes on trying";
    case SERVICE_NOT_STORED:
    case SERVICE_NOT_VERIFIED:
        return "see how the node stands in the DHT, and whether its clock is "
               "right; it goes on trying";
    case SERVICE_PROBE_FAILED:
        return "it takes other introduction points by itself; if it stays so, "
               "see `warren service show`, and the clock of this machine";
    default:
        return "see `warren service show`; the node goes on trying";
    }
#pragma GCC diagnostic pop
}

static bool is_unreachable(const struct hosted *s, uint64_t now)
{
    return s->id != 0 && s->problem != SERVICE_FINE &&
           s->problem != SERVICE_ALONE &&
           time_since(s->problem_since, now) >= SERVICE_PATIENCE;
}

static void say_service(const struct hosted *s, struct health *h)
{
    struct health_problem *p;

    if (s->id == 0) {
        p = health_add(h, HEALTH_WARNING, "service_stopped");
        SAY(p->what, "the service %s does not run: %s", s->name, s->why);
        SAY(p->remedy,
            "see to that and send SIGHUP, or take it away with "
            "`warren service remove %s`",
            s->name);
        return;
    }
    p = health_add(h, HEALTH_WARNING, "service");
    SAY(p->what, "others cannot reach the service %s: %s", s->name,
        s->problem == SERVICE_STARTING ? "it could not be published yet"
                                       : service_problem_text(s->problem));
    SAY(p->remedy, "%s", service_remedy(s->problem));
}

static void check_services(const struct node *n, uint64_t now, struct health *h)
{
    unsigned wrong = 0;
    struct health_problem *p;

    for (unsigned i = 0; i < service_host_count(n->services); i++) {
        const struct hosted *s = service_host_at(n->services, i);

        if (s->id != 0 && !is_unreachable(s, now))
            continue;
        if (wrong++ < SERVICES_NAMED)
            say_service(s, h);
    }
    if (wrong <= SERVICES_NAMED)
        return;
    p = health_add(h, HEALTH_WARNING, "services");
    SAY(p->what, "so it is with %u more services", wrong - SERVICES_NAMED);
    SAY(p->remedy, "see `warren service list`");
}

/* ---- Paths that lose long datagrams ------------------------------------- */

/* One neighbour behind a narrow path is that one's affair; most of them are
 * ours. */
static void check_paths(const struct node *n, uint64_t now, struct health *h)
{
    struct health_problem *p;
    struct member_status s;
    bool lost;

    member_status(tunnel_host_member(n->tunnels), now, clock_wall(), &s);
    if (s.paths.parts + s.paths.lost <= s.paths.whole)
        return;
    lost = s.paths.lost > s.paths.parts;
    p = health_add(h, lost ? HEALTH_WARNING : HEALTH_NOTE,
                   lost ? "long_datagrams" : "narrow_path");
    SAY(p->what, "long datagrams are lost on the way to %u of %u neighbours%s",
        s.paths.parts + s.paths.lost,
        s.paths.whole + s.paths.parts + s.paths.lost,
        lost ? ", even in halves: little data will pass"
             : " (a small MTU, and no ICMP to say so): they go in halves");
    SAY(p->remedy, "let ICMP \"fragmentation needed\" and \"packet too big\" "
                   "through, or look at the MTU of tunnels (VPN, PPPoE) on "
                   "the way");
}

/* ---- All of it ---------------------------------------------------------- */

void health_check(const struct node *n, uint64_t now, struct health *out)
{
    struct health found = {0};

    check_store(n, &found);
    if (check_network(n, now, &found)) {
        health_check_joined(n, now, &found);
        health_check_mainline(n, now, &found);
    }
    check_clock(n, &found);
    check_reachable(n, now, &found);
    check_circuits(n, now, &found);
    for (int d = 0; d < STORE_DHTS; d++)
        check_findable(n, (enum store_dht)d, now, &found);
    check_twin(n, now, &found);
    check_published(n, now, &found);
    check_exit(n, now, &found);
    check_services(n, now, &found);
    check_paths(n, now, &found);
    out->count = 0;
    for (int level = HEALTH_ERROR; level >= HEALTH_NOTE; level--) {
        for (size_t i = 0; i < found.count; i++) {
            if ((int)found.problems[i].level == level)
                out->problems[out->count++] = found.problems[i];
        }
    }
}

bool health_is_ok(const struct health *h, struct text *reason)
{
    if (h->count == 0 || h->problems[0].level != HEALTH_ERROR)
        return true;
    text_add(reason, h->problems[0].what);
    return false;
}
