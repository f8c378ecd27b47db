/* SPDX-License-Identifier: MIT
 *
 * All keys of a scenario but those of the engines, which are the daemon's. A
 * default stands here and nowhere else.
 */
#include "sim/scenario/scenario_keys.h"

#include "base/timestamp.h"

#define AT(member)                               \
    .offset = offsetof(struct scenario, member), \
    .size = sizeof(((struct scenario *)0)->member)
#define DAY   (24 * TIME_HOUR)
#define NODES (1u << 22) /* SIM_NODES_MAX */

const struct setting_key scenario_keys[] = {
    /* ---- [run] ---- */
    {"run", "seed", &setting_count, AT(run.seed), .min = 0, .max = UINT64_MAX,
     .init = "1",
     .meaning = "All that is by chance follows from it: the same scenario and\n"
                "seed give the same results to the byte."},
    {"run", "duration", &setting_duration, AT(run.duration), .min = TIME_S,
     .max = 400 * DAY, .init = "1h",
     .meaning = "Virtual time that is measured."},
    {"run", "warmup", &setting_duration, AT(run.warmup), .min = 0,
     .max = 400 * DAY, .init = "10m",
     .meaning = "Virtual time before that, of which nothing is measured; the\n"
                "first nodes arrive in it."},
    {"run", "sample", &setting_duration, AT(run.sample), .min = TIME_S,
     .max = DAY, .init = "1m", .meaning = "Time between two rows of results."},
    {"run", "threads", &setting_count, AT(run.threads), .min = 1, .max = 64,
     .init = "1",
     .meaning = "Processors to use. The results do not depend on it."},

    /* ---- [nodes] ---- */
    {"nodes", "count", &setting_count, AT(nodes.count), .min = 2, .max = NODES,
     .init = "1000",
     .meaning = "Nodes that take part, those that are away for a while too."},
    {"nodes", "bootstraps", &setting_count, AT(nodes.bootstraps), .min = 0,
     .max = 1000, .init = "0",
     .meaning = "Of them, how many stay for ever and are known to newcomers;\n"
                "0: one for each 500, from 1 to 30."},
    {"nodes", "arrival", &scenario_arrival, AT(nodes.arrival), .init = "evenly",
     .meaning =
         "How the first ones arrive: at_once, evenly in arrival_time, or\n"
         "by_chance (a Poisson process) in it."},
    {"nodes", "arrival_time", &setting_duration, AT(nodes.arrival_time),
     .min = 0, .max = 30 * DAY, .init = "1m",
     .meaning = "How long it takes until all have arrived."},
    {"nodes", "session", &scenario_session, AT(nodes.session), .min = TIME_S,
     .max = 400 * DAY, .init = "forever", .meaning = "How long a node stays."},
    {"nodes", "offline", &scenario_session, AT(nodes.offline), .min = 0,
     .max = 400 * DAY, .init = "fixed 0s",
     .meaning = "How long it is away, or its place is empty, after a session."},
    {"nodes", "same_id", &setting_bool, AT(nodes.same_id), .init = "false",
     .meaning = "true: it is the same node that comes back, with its address,\n"
                "its id and the nodes that it had stored. false: another one."},
    {"nodes", "trace", &scenario_csv, AT(nodes.trace), .init = "",
     .meaning = "A CSV file of comings and goings, instead of session and\n"
                "offline: seconds,node,join or seconds,node,leave in each\n"
                "line, in the order of time."},
    {"nodes", "ipv6_only", &setting_share, AT(nodes.ipv6_only), .init = "0%",
     .meaning = "Share that has no IPv4 address."},
    {"nodes", "dual", &setting_share, AT(nodes.dual), .init = "0%",
     .meaning = "Share that has both; the rest has IPv4 alone."},
    {"nodes", "read_only", &setting_share, AT(nodes.read_only), .init = "0%",
     .meaning = "Share that asks but answers nobody (BEP 43)."},
    {"nodes", "dialect", &scenario_dialect, AT(nodes.dialect), .init = "warren",
     .meaning =
         "The DHT that the nodes are of: warren's, or the mainline DHT,\n"
         "in bencode. Lookups, items and the adversary are in it, and\n"
         "relays meet there."},
    {"nodes", "both", &setting_share, AT(nodes.both), .init = "0%",
     .meaning =
         "Share that is in the other one, too, on the same port. Relays\n"
         "and clients of these meet in both."},
    {"nodes", "cone_nat", &setting_share, AT(nodes.cone_nat), .init = "0%",
     .meaning = "Share behind a NAT that keeps one outer port for all whom a\n"
                "node talks to, and lets in only those (RFC 4787)."},
    {"nodes", "symmetric_nat", &setting_share, AT(nodes.symmetric_nat),
     .init = "0%",
     .meaning = "Share behind a NAT with an outer port for each of them."},
    {"nodes", "wrong_clock", &setting_share, AT(nodes.wrong_clock),
     .init = "0%",
     .meaning = "Share whose wall clock is wrong by clock_error, ahead or\n"
                "behind."},
    {"nodes", "clock_error", &setting_duration, AT(nodes.clock_error), .min = 0,
     .max = 400 * DAY, .init = "1h", .meaning = "By how much it is wrong."},

    /* ---- [habits] ---- */
    {"habits", "share", &setting_share, AT(habits.share), .init = "0%",
     .meaning = "Share of those in the mainline DHT that do as old clients of\n"
                "it, but no bootstrap nodes."},
    {"habits", "has", &scenario_habits, AT(habits.has), .max = SCENARIO_HABITS,
     .init = "",
     .meaning = "What they do, a list. values_alone: name no nodes where they\n"
                "have peers. basic: know BEP 5 alone, error 204 to all else.\n"
                "silent: likewise, without an answer. any_id: have an id that\n"
                "their address does not allow (BEP 42). no_ip: tell nobody\n"
                "where he is. no_token: give no token. no_implied: know no\n"
                "implied_port. no_want: know no want. no_read_only: keep who\n"
                "is read-only in their tables."},

    /* ---- [network] ---- */
    {"network", "latency", &scenario_latency, AT(network.latency),
     .min = TIME_MS, .max = 4 * TIME_S, .init = "wide",
     .meaning = "How long a datagram takes, one way. wide: places on a torus,\n"
                "10 to 130 ms. Otherwise drawn for each pair of nodes, with a\n"
                "jitter of up to a sixteenth."},
    {"network", "regions", &scenario_csv, AT(network.regions), .init = "",
     .meaning =
         "A CSV file of one-way times in ms between regions, instead of\n"
         "latency: names in the first line and the first column."},
    {"network", "places", &scenario_csv, AT(network.places), .init = "",
     .meaning = "A CSV file that says how nodes are spread over regions:\n"
                "region,share in each line, or with node,region as its first\n"
                "line that for each node. Without it, evenly."},
    {"network", "loss", &setting_share, AT(network.loss), .init = "0%",
     .meaning = "Share of all datagrams that is lost."},
    {"network", "duplicate", &setting_share, AT(network.duplicate),
     .init = "0%", .meaning = "Share that arrives twice."},
    {"network", "reorder", &setting_share, AT(network.reorder), .init = "0%",
     .meaning = "Share that is held back by up to reorder_delay."},
    {"network", "reorder_delay", &setting_duration, AT(network.reorder_delay),
     .min = TIME_MS, .max = 4 * TIME_S, .init = "200ms",
     .meaning = "By how much at most."},
    {"network", "uplink", &scenario_uplink, AT(network.uplink), .min = 1000,
     .max = (uint64_t)1 << 34, .init = "unlimited",
     .meaning = "Bytes a second that a node can send, drawn for each."},
    {"network", "partitions", &scenario_partitions, AT(network.partitions),
     .max = SCENARIO_PARTITIONS_MAX, .init = "",
     .meaning =
         "Times in which a share of the nodes is cut off from the rest,\n"
         "counted from the end of the warm-up: 20m 30m 50%, ..."},

    /* ---- [lookups] ---- */
    {"lookups", "rate", &scenario_real, AT(lookups.rate), .max = 1000000,
     .init = "1",
     .meaning = "Lookups of peers that a node makes in an hour, by chance."},
    {"lookups", "keys", &setting_count, AT(lookups.keys), .min = 0,
     .max = 1000000, .init = "100",
     .meaning = "Infohashes that are announced and looked up; 0: nothing is\n"
                "announced, and ids by chance are looked up."},
    {"lookups", "announcers", &setting_count, AT(lookups.announcers), .min = 1,
     .max = 1000, .init = "3", .meaning = "Nodes that announce each."},
    {"lookups", "renew", &setting_bool, AT(lookups.renew), .init = "true",
     .meaning = "Whether they keep the announcement alive, or do it once."},
    {"lookups", "popularity", &scenario_popularity, AT(lookups.popularity),
     .init = "uniform",
     .meaning = "Which of the infohashes is looked up: uniform, or zipf."},
    {"lookups", "zipf", &scenario_real, AT(lookups.zipf), .max = 4, .init = "1",
     .meaning = "The exponent of zipf."},
    {"lookups", "probe", &setting_duration, AT(lookups.probe),
     .min = 10 * TIME_S, .max = DAY, .init = "5m",
     .meaning =
         "How often somebody looks who can still be found of those that\n"
         "were announced, and items put, once."},
    {"lookups", "traced", &setting_count, AT(lookups.traced), .min = 0,
     .max = 10000, .init = "1",
     .meaning = "Lookups whose steps are written down, to be drawn."},

    /* ---- [items] ---- */
    {"items", "count", &setting_count, AT(items.count), .min = 0,
     .max = 1000000, .init = "0",
     .meaning = "Mutable items (BEP 44) that nodes put."},
    {"items", "rate", &scenario_real, AT(items.rate), .max = 1000000,
     .init = "1",
     .meaning = "Gets of one of them that a node makes in an hour."},
    {"items", "renew", &setting_bool, AT(items.renew), .init = "true",
     .meaning = "Whether they are kept alive, or put once."},

    /* ---- [tunnels] ---- */
    {"tunnels", "relays", &setting_count, AT(tunnels.relays), .min = 0,
     .max = 100000, .init = "0",
     .meaning =
         "Nodes that are relays. 0 here, in exits and in clients: there\n"
         "are no tunnels."},
    {"tunnels", "exits", &setting_count, AT(tunnels.exits), .min = 0,
     .max = 100000, .init = "0", .meaning = "Nodes that are exits, too."},
    {"tunnels", "clients", &setting_count, AT(tunnels.clients), .min = 0,
     .max = 100000, .init = "0",
     .meaning = "Nodes that build circuits and send through them."},
    {"tunnels", "hops", &scenario_hops, AT(tunnels.hops), .max = 4, .init = "3",
     .meaning = "Lengths of the circuits that clients keep."},
    {"tunnels", "rate", &scenario_real, AT(tunnels.rate), .max = 10000,
     .init = "0.1",
     .meaning = "Datagrams that a client sends through them in a second."},
    {"tunnels", "size", &setting_size, AT(tunnels.size), .min = 8, .max = 1200,
     .init = "100", .meaning = "Bytes of each."},

    /* ---- [services] ---- */
    {"services", "keys", &setting_count, AT(services.keys), .min = 0,
     .max = 10000, .init = "0", .meaning = "Nodes that serve a key each."},
    {"services", "rate", &scenario_real, AT(services.rate), .max = 10000,
     .init = "1",
     .meaning = "Connects to one of them that a client makes in an hour."},
    {"services", "strings", &setting_count, AT(services.strings), .min = 0,
     .max = 1000, .init = "0", .meaning = "Strings that nodes register."},
    {"services", "members", &setting_count, AT(services.members), .min = 2,
     .max = 1000, .init = "5", .meaning = "Nodes that register each."},
    {"services", "hops", &setting_count, AT(services.hops), .min = 1, .max = 3,
     .init = "3", .meaning = "Relays between a service and those it meets."},

    /* ---- [adversary] ---- */
    {"adversary", "share", &setting_share, AT(adversary.share), .init = "0%",
     .meaning = "Share of the nodes, in each role, that is one adversary's."},
    {"adversary", "count", &setting_count, AT(adversary.count), .min = 0,
     .max = NODES / 2, .init = "0",
     .meaning = "Nodes of the adversary that come on top of [nodes] count."},
    {"adversary", "relays", &setting_count, AT(adversary.relays), .min = 0,
     .max = 100000, .init = "0",
     .meaning = "The same, that are relays on top of [tunnels] relays."},
    {"adversary", "does", &scenario_behaviours, AT(adversary.does),
     .max = BEHAVIOURS, .init = "observe",
     .meaning = "What they do, a list. drop: answer no query, pass no cell.\n"
                "collude: answer with each other. crowd: take the ids nearest\n"
                "to the keys of [lookups]. made_up: name nodes that do not\n"
                "exist. relay: announce themselves wherever relays are looked\n"
                "for. refuse: extend circuits to each other only. observe: do\n"
                "as they should, and write down what they see."},
    {"adversary", "start", &setting_duration, AT(adversary.start), .min = 0,
     .max = 400 * DAY, .init = "0s",
     .meaning =
         "When they begin, after the warm-up; honest before. 0s: they have\n"
         "always been there, in the warm-up too."},
    {"adversary", "networks", &scenario_networks, AT(adversary.networks),
     .max = SCENARIO_NETWORKS_MAX, .init = "",
     .meaning = "Networks that all their addresses are in, like 24.1.0.0/16;\n"
                "none: anywhere."},
    {"adversary", "weight", &scenario_real, AT(adversary.weight), .max = 1000,
     .init = "1",
     .meaning = "How many times faster than they are their relays say to be."},

    /* ---- [variant] ---- */
    {"variant", "share", &setting_share, AT(variant), .init = "0%",
     .meaning =
         "Share of the nodes whose engines have the settings of\n"
         "[variant dht] and [variant tunnel] besides those of [dht] and\n"
         "[tunnel]."},
};

const size_t scenario_keys_count =
    sizeof(scenario_keys) / sizeof(scenario_keys[0]);
