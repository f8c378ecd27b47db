/* SPDX-License-Identifier: MIT
 *
 * What an experiment is to be: the values of a scenario file, an INI file in
 * the daemon's own manner. Every key stands once, in scenario_keys.c, with its
 * limits, default and meaning; what the values do is said by the rooms that
 * read them (sim/population, sim/part).
 */
#ifndef WARREN_SIM_SCENARIO_SCENARIO_H
#define WARREN_SIM_SCENARIO_SCENARIO_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/setting/setting.h"
#include "base/text.h"
#include "dht/types/dht_config.h"
#include "sim/chance/spread.h"
#include "tunnel/member/member.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_PARTITIONS_MAX 8
#define SCENARIO_NETWORKS_MAX   16
#define SCENARIO_HOPS_MAX       4

/* [run] */
struct scenario_run {
    uint64_t seed;
    uint64_t duration; /* virtual, ns; counted from the end of the warm-up */
    uint64_t warmup;   /* ns; nothing of it is measured */
    uint64_t sample;   /* ns between two rows of results */
    unsigned threads;  /* changes nothing but the speed */
};

/* [nodes] */
enum scenario_arrival { ARRIVE_AT_ONCE, ARRIVE_EVENLY, ARRIVE_BY_CHANCE };

struct scenario_nodes {
    unsigned count;      /* that are there at a time, but for who is offline */
    unsigned bootstraps; /* of them, known to newcomers; 0: by the count */
    enum scenario_arrival arrival;
    uint64_t arrival_time;          /* ns that the first arrivals take */
    struct spread session, offline; /* of all but the bootstrap nodes */
    bool same_id; /* who comes back has its id, address and table's nodes */
    char trace[SETTING_TEXT_SIZE]; /* CSV of joins and leaves, or empty */
    double ipv6_only, dual;        /* shares; the rest has IPv4 */
    double read_only;
    enum dht_dialect dialect; /* of the DHT that is looked at */
    double both;              /* share that has an engine of the other, too */
    double cone_nat, symmetric_nat;
    double wrong_clock; /* share whose wall clock is off by clock_error */
    uint64_t clock_error;
};

/* [habits]: bit i of enum sim_habit (sim/habit.h) */
#define SCENARIO_HABITS 9

struct scenario_habits {
    double share; /* of those in the mainline DHT */
    bool has[SCENARIO_HABITS];
};

/* [network] */
struct scenario_partitions {
    unsigned count;
    struct scenario_partition {
        uint64_t from, to; /* ns after the warm-up */
        double share;      /* of the nodes, cut off from the rest */
    } at[SCENARIO_PARTITIONS_MAX];
};

struct scenario_network {
    struct spread latency; /* one way; as `regions` says where that is set */
    char regions[SETTING_TEXT_SIZE]; /* CSV matrix of one-way times, ms */
    char places[SETTING_TEXT_SIZE];  /* CSV of each node's region */
    double loss, duplicate, reorder;
    uint64_t reorder_delay;
    struct spread uplink; /* bytes a second of a node; none: no limit */
    struct scenario_partitions partitions;
};

/* [lookups], [items] */
enum scenario_popularity { POPULAR_UNIFORM, POPULAR_ZIPF };

struct scenario_lookups {
    double rate;         /* lookups a node and hour */
    unsigned keys;       /* distinct infohashes; 0: lookups of random ids */
    unsigned announcers; /* nodes that announce each */
    bool renew;          /* announcements are kept alive */
    enum scenario_popularity popularity;
    double zipf;     /* exponent */
    uint64_t probe;  /* ns between looks at who can still be found */
    unsigned traced; /* lookups whose steps are written down */
};

struct scenario_items {
    unsigned count; /* mutable ones, put by as many nodes */
    double rate;    /* gets a node and hour */
    bool renew;
};

/* [tunnels], [services] */
struct scenario_tunnels {
    unsigned relays, exits, clients;  /* nodes; all 0: no tunnels at all */
    bool hops[SCENARIO_HOPS_MAX + 1]; /* circuits that clients keep */
    double rate;                      /* datagrams a client and second */
    unsigned size;                    /* bytes of each */
};

struct scenario_services {
    unsigned keys;    /* services with keys */
    double rate;      /* connects to them, a client and hour */
    unsigned strings; /* strings that members share */
    unsigned members; /* of each string */
    unsigned hops;
};

/* [adversary] */
enum scenario_behaviour {
    BEHAVE_DROP,    /* answers no query */
    BEHAVE_COLLUDE, /* answers with its accomplices */
    BEHAVE_CROWD,   /* takes the ids nearest to a target */
    BEHAVE_MADE_UP, /* names nodes that do not exist */
    BEHAVE_RELAY,   /* goes out of its way to be a relay */
    BEHAVE_REFUSE,  /* extends to its accomplices only */
    BEHAVE_OBSERVE, /* does as it should, and writes down what it sees */
    BEHAVIOURS
};

struct scenario_networks {
    unsigned count;
    struct scenario_prefix {
        struct endpoint ep; /* without a port */
        unsigned bits;
    } at[SCENARIO_NETWORKS_MAX];
};

struct scenario_adversary {
    double share;    /* of the nodes, in each role */
    unsigned count;  /* and so many more */
    unsigned relays; /* and so many more that are relays */
    bool does[BEHAVIOURS];
    uint64_t start; /* ns after the warm-up; until then they are honest */
    struct scenario_networks networks; /* of its addresses; none: any */
    double weight; /* by which its relays say that they are faster */
};

/* Settings of the engines, by the daemon's own keys. */
struct scenario_engines {
    struct dht_config dht;
    struct member_config tunnel;
};

struct scenario {
    struct scenario_run run;
    struct scenario_nodes nodes;
    struct scenario_habits habits;
    struct scenario_network network;
    struct scenario_lookups lookups;
    struct scenario_items items;
    struct scenario_tunnels tunnels;
    struct scenario_services services;
    struct scenario_adversary adversary;
    double variant; /* share of the nodes whose engines are engines[1] */
    struct scenario_engines engines[2];
};

/* ---- scenario_load.c ----------------------------------------------------- */

/* The daemon's keys that a scenario may set, for each of the two engines: rows
 * whose values stand in base[0] and base[1], which hold the defaults. */
struct scenario_daemon {
    const struct setting_key *keys;
    size_t key_count;
    bool (*may_set)(const struct setting_key *key);
    void *base[2];
};

/* One key from a command line: "network.loss", "5%". */
struct scenario_override {
    const char *name, *value;
    const char *where; /* "--set": what a mistake is reported with */
};

/* The defaults; engines[] has those of the engines. */
void scenario_init(struct scenario *s);

/* The nodes that stay for ever: as set, or by the count. */
unsigned scenario_bootstraps(const struct scenario *s);

/* Which DHT it is about, in words: NULL where it is warren's own alone. */
const char *scenario_dht(const struct scenario *s);

/* Reads `path` (NULL: nothing), then the overrides, and reports every mistake
 * as a line in `errors`, "FILE:LINE: ..." or "--set: ...". `daemon` may be
 * NULL: then keys of engines are unknown. ERR_SYNTAX when there was a mistake,
 * ERR_IO when the file cannot be read; `out` changes on success, but for
 * engines[], which follow from what is in daemon->base then. */
enum error scenario_load(const char *path, const struct scenario_daemon *daemon,
                         const struct scenario_override *overrides,
                         size_t count, struct scenario *out,
                         struct text *errors);

/* An INI file of every key with its meaning, limits and default. */
void scenario_print_defaults(const struct scenario_daemon *daemon,
                             struct text *out);

/* All values but the seed and the threads, one "section.key = value" a line:
 * what the results depend on. */
void scenario_print_values(const struct scenario *s,
                           const struct scenario_daemon *daemon,
                           struct text *out);

/* From now on the files that it names are found from everywhere: those that
 * are not absolute stand beside the scenario's own, `path` (NULL: in the
 * working directory). ERR_RANGE: a path gets too long. */
enum error scenario_resolve(struct scenario *s, const char *path);

#define SCENARIO_HASH_SIZE 65 /* BLAKE2b-256 in hex, with its terminator */
/* Of what scenario_print_values says, and of the files that it names, once it
 * has been resolved; the same on every machine. ERR_IO: `why` says which. */
enum error scenario_hash(const struct scenario *s, const char *values,
                         char out[SCENARIO_HASH_SIZE], struct text *why);

#endif
