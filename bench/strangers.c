/* SPDX-License-Identifier: MIT
 *
 * What a party with n addresses in m networks gets of what clients know and of
 * their guards, in the simulated network: each of its addresses is a relay that
 * says first that it lives in some other network. An honest network of relays,
 * each in a site of its own, stands beside it; the clients come last.
 *
 * Then what four relays have that clients are alone with at first.
 *
 *     strangers [--first] [HONEST [CLIENTS]]      100 relays, 20 clients
 *
 * The same seed gives the same figures.
 */
#include "bench.h"
#include "sim/dht_net.h"
#include "sim/tunnel_node.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PARTY_MAX 512
#define HOPS      3

static const struct {
    unsigned addresses, networks;
} parties[] = {{1, 1},  {8, 1},   {32, 1},  {100, 1},   {8, 8},
               {32, 8}, {32, 32}, {100, 8}, {100, 100}, {200, 200}};

static unsigned honest = 100, clients = 20;

static void check(enum error err)
{
    if (err != OK) {
        fprintf(stderr, "strangers: %s\n", error_text(err));
        exit(1);
    }
}

struct scene {
    enum family family;
    struct sim *sim;
    struct sim_dht_net net;
    unsigned count; /* of the party */
    struct endpoint party[PARTY_MAX];
};

/* ---- Who is there ------------------------------------------------------- */

/* Address `i` of the party: each in a site of its own, of network `network`. */
static struct endpoint party_address(enum family family, unsigned network,
                                     unsigned i)
{
    struct endpoint ep = {.family = (uint8_t)family, .port = SIM_PORT};

    if (family == FAMILY_IPV4) {
        ep.addr[0] = (uint8_t)(90 + network / 256);
        ep.addr[1] = (uint8_t)network;
        ep.addr[2] = (uint8_t)i;
        ep.addr[3] = 1;
        return ep;
    }
    ep.addr[0] = 0x26;
    ep.addr[2] = (uint8_t)(network >> 8);
    ep.addr[3] = (uint8_t)network;
    ep.addr[5] = (uint8_t)i;
    ep.addr[15] = 1;
    return ep;
}

static uint32_t add_node(struct scene *s, const struct endpoint *at)
{
    uint32_t node;

    s->net.place.at[s->family] = at;
    check(sim_dht_net_join(&s->net, &node));
    s->net.place.at[s->family] = NULL;
    sim_run_for(s->sim, 100 * TIME_MS);
    return node;
}

static void add_member(struct scene *s, uint32_t node, bool exit, bool relays)
{
    struct member_config c;

    member_config_init(&c);
    c.become_exitnode = exit;
    c.min_circuits = 1;
    if (!relays)
        c.max_relays_or_exits = 0;
    check(sim_tunnel_add(s->sim, node, &c, 0));
    sim_wake(s->sim, node);
}

static void add_party(struct scene *s, unsigned networks)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct endpoint *own = &s->party[i], said[2];
        uint32_t node;

        *own = party_address(s->family, i % networks, i / networks);
        node = add_node(s, own);
        add_member(s, node, false, true);
        said[0] = party_address(s->family, 1000 + i, 0);
        said[1] = *own;
        member_set_addresses(sim_tunnel_of(s->sim, node)->member, said, 2, 0,
                             sim_now(s->sim));
        sim_wake(s->sim, node);
    }
}

/* ---- What clients know -------------------------------------------------- */

struct view {
    unsigned known, party_known, guards, party_guards;
};

static bool is_of_party(const struct scene *s, const struct descriptor *d)
{
    for (unsigned a = 0; a < d->address_count; a++)
        for (unsigned i = 0; i < s->count; i++)
            if (endpoint_equal(&d->addresses[a], &s->party[i]))
                return true;
    return false;
}

static void look(const struct scene *s, uint32_t client, struct view *v)
{
    const struct member *t = sim_tunnel_of(s->sim, client)->member;
    const struct directory *d = member_directory(t);

    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *relay = directory_at(d, i);
        bool party = is_of_party(s, &relay->d);
        bool guard = relay->record.guard_since != 0;

        v->known++;
        v->party_known += party;
        v->guards += guard;
        v->party_guards += guard && party;
    }
}

/* `count`: addresses of the party. */
static void begin(struct scene *s, enum family family, unsigned count)
{
    struct sim_config config;

    sim_config_init(&config);
    config.addressing = SIM_ADDRESS_GLOBAL;
    *s = (struct scene){.family = family, .count = count};
    check(sim_new(&config, &s->sim));
    sim_dht_net_init(&s->net, s->sim);
    s->net.bootstraps = 4;
}

/* Adds to `v` what the clients have seen; `first` is the first of them. */
static void end(struct scene *s, uint32_t first, struct view *v)
{
    for (unsigned i = 0; i < clients; i++)
        look(s, first + i, v);
    sim_free(s->sim);
    sim_dht_net_deinit(&s->net);
}

static struct view run(enum family family, unsigned addresses,
                       unsigned networks)
{
    static struct scene s;
    struct view v = {0};
    uint32_t first;

    begin(&s, family, addresses);
    for (int f = 0; f < FAMILIES; f++)
        s.net.place.family[f] = f == (int)family;
    for (unsigned i = 0; i < honest; i++)
        add_member(&s, add_node(&s, NULL), i % 8 == 7, true);
    add_party(&s, networks);
    sim_run_for(s.sim, 20 * TIME_MIN);
    first = sim_nodes(s.sim);
    for (unsigned i = 0; i < clients; i++) {
        uint32_t node = add_node(&s, NULL);

        add_member(&s, node, false, false);
        check(sim_tunnel_build(s.sim, node, HOPS));
    }
    sim_run_for(s.sim, 15 * TIME_MIN);
    end(&s, first, &v);
    return v;
}

/* ---- The first minutes -------------------------------------------------- */

#define FIRST 4 /* relays of the party that is met first */

static const unsigned alone_for[] = {8, 60, 180, 600, 1500, 2400}; /* s */

static void isolate(struct scene *s, uint32_t first_client, bool alone)
{
    for (uint32_t i = 0; i < sim_nodes(s->sim); i++)
        if (i < FIRST || i >= first_client)
            sim_partition(s->sim, i, alone);
}

static void add_clients(struct scene *s)
{
    for (unsigned i = 0; i < clients; i++) {
        uint32_t node;

        check(sim_dht_net_join(&s->net, &node));
        sim_partition(s->sim, node, 1);
        add_member(s, node, false, false);
        check(sim_tunnel_build(s->sim, node, HOPS));
    }
}

/* Clients that know no other bootstrap nodes, and are alone with the first four
 * relays for so long. */
static struct view run_alone(unsigned seconds)
{
    static struct scene s;
    struct view v = {0};
    uint32_t first;

    begin(&s, FAMILY_IPV4, FIRST);
    for (unsigned i = 0; i < honest + FIRST; i++)
        add_member(&s, add_node(&s, NULL), i % 8 == 7, true);
    for (unsigned i = 0; i < FIRST; i++)
        sim_endpoint(s.sim, i, FAMILY_IPV4, &s.party[i]);
    sim_run_for(s.sim, 20 * TIME_MIN);
    first = sim_nodes(s.sim);
    isolate(&s, first, true);
    add_clients(&s);
    sim_run_for(s.sim, seconds * TIME_S);
    isolate(&s, first, false);
    sim_run_for(s.sim, 15 * TIME_MIN);
    end(&s, first, &v);
    return v;
}

static double percent(unsigned part, unsigned whole)
{
    return whole == 0 ? 0 : 100.0 * part / whole;
}

static void print(enum family family)
{
    printf("%s: %u honest relays, %u clients\n",
           family == FAMILY_IPV4 ? "IPv4, networks are /16s"
                                 : "IPv6, networks are /32s",
           honest, clients);
    printf("  %9s %9s %9s | %9s %9s %9s\n", "addresses", "networks", "of all",
           "of a view", "of guards", "a view");
    for (size_t i = 0; i < sizeof(parties) / sizeof(parties[0]); i++) {
        unsigned n = parties[i].addresses, m = parties[i].networks;
        struct view v = run(family, n, m);

        printf("  %9u %9u %7.0f %% | %7.1f %% %7.1f %% %9.1f\n", n, m,
               percent(n, n + honest), percent(v.party_known, v.known),
               percent(v.party_guards, v.guards), (double)v.known / clients);
        fflush(stdout);
    }
}

static void print_alone(void)
{
    printf("Alone with %u relays at first, of %u\n", FIRST, honest + FIRST);
    printf("  %9s | %9s %9s %9s\n", "seconds", "of a view", "of guards",
           "a view");
    for (size_t i = 0; i < sizeof(alone_for) / sizeof(alone_for[0]); i++) {
        struct view v = run_alone(alone_for[i]);

        printf("  %9u | %7.1f %% %7.1f %% %9.1f\n", alone_for[i],
               percent(v.party_known, v.known),
               percent(v.party_guards, v.guards), (double)v.known / clients);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    bool first = argc > 1 && strcmp(argv[1], "--first") == 0;

    argc -= first;
    argv += first;
    if (argc > 1)
        honest = (unsigned)atoi(argv[1]);
    if (argc > 2)
        clients = (unsigned)atoi(argv[2]);
    if (honest < 8 || clients < 1 || sodium_init() < 0) {
        fprintf(stderr, "usage: strangers [--first] [HONEST [CLIENTS]]\n");
        return 1;
    }
    for (int f = 0; f < FAMILIES && !first; f++)
        print((enum family)f);
    print_alone();
    return 0;
}
