/* SPDX-License-Identifier: MIT */
#include "node/config/config_keys.h"

#include <string.h>

#define AT(member) .offset = offsetof(struct config, member)
#define FIXED      .reloadable = false
#define RELOADED   .reloadable = true
#define LIFETIME   .type = CONFIG_DURATION, .min = TIME_S, .max = 7 * DAY
#define DAY        (24 * TIME_HOUR)

const char *const config_sections[] = {"node", "dht", "tunnel", "exit",
                                       "http", "log", NULL};

const struct config_key config_keys[] = {
    /* ---- [node] ---- */
    {"node", "data_dir", CONFIG_PATH, AT(data_dir), FIXED, .flag = "data-dir",
     .meaning = "Directory for the node's identity, its database and its\n"
                "lock; created with mode 0700."},
    {"node", "listen", CONFIG_LISTEN, AT(listen), FIXED,
     .init = "0.0.0.0:7881, [::]:7881", .flag = "listen",
     .meaning = "UDP addresses of this node, a list of ADDR:PORT. Leave one\n"
                "family out to not speak it."},
    {"node", "network", CONFIG_NAME, AT(network), FIXED, .init = "main",
     .meaning = "Name of the network; nodes of other networks are strangers."},
    {"node", "testing_network", CONFIG_BOOL, AT(testing_network), FIXED,
     .init = "false", .flag = "testing-network", .flag_value = "true",
     .meaning = "Private addresses are good enough and the rules on subnets\n"
                "and node ids are off. Only for networks of your own."},
    {"node", "control", CONFIG_PATH, AT(control), FIXED, .flag = "control",
     .meaning = "Unix socket that the other warren commands talk to."},
    {"node", "receive_buffer", CONFIG_SIZE, AT(receive_buffer), FIXED,
     .min = 4096, .max = 1 << 30, .init = "4m",
     .meaning = "Kernel buffer to ask for on each UDP socket; the kernel\n"
                "grants at most net.core.rmem_max."},
    {"node", "send_buffer", CONFIG_SIZE, AT(send_buffer), FIXED, .min = 4096,
     .max = 1 << 30, .init = "1m",
     .meaning = "The same for sending; at most net.core.wmem_max."},
    {"node", "max_control_clients", CONFIG_COUNT, AT(max_control_clients),
     FIXED, .min = 1, .max = 1024, .init = "16",
     .meaning = "Programs on the control socket at a time; more wait."},

    /* ---- [dht] ---- */
    {"dht", "bootstrap", CONFIG_HOSTS, AT(bootstrap), RELOADED, .init = "",
     .flag = "bootstrap",
     .meaning = "Nodes to join through while no others are known, a list of\n"
                "HOST:PORT. Names may have many addresses."},
    {"dht", "read_only", CONFIG_BOOL, AT(dht.read_only), FIXED, .init = "false",
     .meaning = "Ask others but answer nobody (BEP 43); for machines that\n"
                "are reachable by nobody or online for minutes."},
    {"dht", "max_pending", CONFIG_COUNT, AT(dht.max_pending), RELOADED,
     .min = 1, .max = 65536, .init = "512",
     .meaning = "Queries of ours in flight."},
    {"dht", "max_lookups", CONFIG_COUNT, AT(dht.max_lookups), RELOADED,
     .min = 1, .max = 4096, .init = "64",
     .meaning = "Lookups running at the same time."},
    {"dht", "max_publications", CONFIG_COUNT, AT(dht.max_publications),
     RELOADED, .min = 1, .max = 1000000, .init = "256",
     .meaning = "Announcements and items of our own that are kept alive."},
    {"dht", "max_hashes", CONFIG_COUNT, AT(dht.max_hashes), RELOADED, .min = 1,
     .max = 10000000, .init = "10000",
     .meaning = "Info-hashes for which peers of others are stored."},
    {"dht", "max_peers", CONFIG_COUNT, AT(dht.max_peers), RELOADED, .min = 1,
     .max = 100000000, .init = "100000",
     .meaning = "Peers stored for others, overall."},
    {"dht", "max_peers_per_hash", CONFIG_COUNT, AT(dht.max_peers_per_hash),
     RELOADED, .min = 1, .max = 100000, .init = "1000",
     .meaning = "Peers stored for one info-hash."},
    {"dht", "max_peers_per_source", CONFIG_COUNT, AT(dht.max_peers_per_source),
     RELOADED, .min = 1, .max = 100000000, .init = "200",
     .meaning = "Peers stored for one IPv4 address or IPv6 /64."},
    {"dht", "max_items", CONFIG_COUNT, AT(dht.max_items), RELOADED, .min = 1,
     .max = 10000000, .init = "10000",
     .meaning = "Items (BEP 44, up to 1000 bytes) stored for others."},
    {"dht", "max_items_per_source", CONFIG_COUNT, AT(dht.max_items_per_source),
     RELOADED, .min = 1, .max = 10000000, .init = "100",
     .meaning = "Items stored for one IPv4 address or IPv6 /64."},
    {"dht", "peer_lifetime", AT(dht.peer_lifetime), RELOADED, LIFETIME,
     .init = "30m", .meaning = "A peer not announced again is forgotten."},
    {"dht", "item_lifetime", AT(dht.item_lifetime), RELOADED, LIFETIME,
     .init = "2h", .meaning = "An item not put again is forgotten."},
    {"dht", "query_rate", CONFIG_COUNT, AT(dht.query_rate), RELOADED, .min = 1,
     .max = 10000000, .init = "2000",
     .meaning = "Queries answered a second, overall."},
    {"dht", "query_burst", CONFIG_COUNT, AT(dht.query_burst), RELOADED,
     .min = 1, .max = 10000000, .init = "4000",
     .meaning = "Queries answered at once after a pause, overall."},
    {"dht", "source_rate", CONFIG_COUNT, AT(dht.source_rate), RELOADED,
     .min = 1, .max = 10000000, .init = "20",
     .meaning = "Queries answered a second for one IPv4 address or IPv6 /64."},
    {"dht", "source_burst", CONFIG_COUNT, AT(dht.source_burst), RELOADED,
     .min = 1, .max = 10000000, .init = "100",
     .meaning = "The same at once after a pause."},
    {"dht", "max_sources", CONFIG_COUNT, AT(dht.max_sources), RELOADED,
     .min = 1, .max = 1000000, .init = "4096",
     .meaning = "Sources whose rate is remembered."},
    {"dht", "bucket_refresh", AT(dht.bucket_refresh), RELOADED, LIFETIME,
     .init = "15m", .meaning = "Idle part of the routing table is refreshed."},
    {"dht", "query_timeout", CONFIG_DURATION, AT(dht.query_timeout), RELOADED,
     .min = 100 * TIME_MS, .max = TIME_MIN, .init = "10s",
     .meaning = "An answer that comes later than this is dropped."},

    /* ---- [tunnel] ---- */
    {"tunnel", "build", CONFIG_HOPS, AT(tunnel_build), RELOADED, .init = "",
     .flag = "build",
     .meaning = "Keep circuits of these numbers of hops ready, a list; empty\n"
                "for none until somebody asks."},
    {"tunnel", "min_circuits", CONFIG_COUNT, AT(tunnel.min_circuits), RELOADED,
     .min = 1, .max = 1000, .init = "2",
     .meaning = "Circuits of each number of hops that are kept at least."},
    {"tunnel", "max_circuits", CONFIG_COUNT, AT(tunnel.max_circuits), FIXED,
     .min = 1, .max = 1000, .init = "8", .meaning = "The same at most."},
    {"tunnel", "max_relays_or_exits", CONFIG_COUNT,
     AT(tunnel.max_relays_or_exits), RELOADED, .min = 0, .max = 1000000,
     .init = "1000",
     .meaning = "Circuits of others that this node takes part in; 0 to relay\n"
                "nothing and to be listed nowhere."},
    {"tunnel", "max_time", AT(tunnel.max_time), RELOADED, LIFETIME,
     .init = "10m", .meaning = "Age at which a circuit is replaced."},
    {"tunnel", "max_time_inactive", AT(tunnel.max_time_inactive), RELOADED,
     LIFETIME, .init = "5m",
     .meaning = "Time without data after which a circuit is removed."},
    {"tunnel", "max_traffic", CONFIG_BYTES, AT(tunnel.max_traffic), RELOADED,
     .min = 1 << 20, .max = (uint64_t)1 << 50, .init = "10g",
     .meaning = "Bytes after which a circuit is replaced."},
    {"tunnel", "addresses", CONFIG_ENDPOINTS, AT(tunnel_addresses), RELOADED,
     .max = DESCRIPTOR_ADDRESSES_MAX, .init = "",
     .meaning = "Where others reach this node, a list of ADDR:PORT; empty to\n"
                "learn it from other nodes."},
    {"tunnel", "relays", CONFIG_ENDPOINTS, AT(tunnel_relays), RELOADED,
     .max = CONFIG_ENDPOINTS_MAX, .init = "",
     .meaning = "Relays to ask for their descriptors at the start, a list of\n"
                "ADDR:PORT; others are found in the DHT."},
    {"tunnel", "family", CONFIG_FAMILY, AT(tunnel_family), RELOADED, .init = "",
     .meaning = "The same on all relays of one operator: no circuit goes\n"
                "through two of them. Everybody can see it."},
    {"tunnel", "bandwidth", CONFIG_BYTES, AT(tunnel.queue.bandwidth), RELOADED,
     .min = 0, .max = (uint64_t)1 << 34, .init = "0",
     .meaning = "Bytes a second relayed for others; 0 for no limit."},
    {"tunnel", "bandwidth_burst", CONFIG_BYTES,
     AT(tunnel.queue.bandwidth_burst), RELOADED, .min = 4096,
     .max = (uint64_t)1 << 34, .init = "256k",
     .meaning = "The same at once after a pause."},
    {"tunnel", "circuit_bandwidth", CONFIG_BYTES,
     AT(tunnel.queue.circuit_bandwidth), RELOADED, .min = 0,
     .max = (uint64_t)1 << 34, .init = "0",
     .meaning = "Bytes a second relayed for one circuit; 0 for no limit."},
    {"tunnel", "circuit_burst", CONFIG_BYTES, AT(tunnel.queue.circuit_burst),
     RELOADED, .min = 4096, .max = (uint64_t)1 << 34, .init = "256k",
     .meaning = "The same at once after a pause."},
    {"tunnel", "max_cells", CONFIG_COUNT, AT(tunnel.queue.max_cells), RELOADED,
     .min = 1, .max = 1000000, .init = "4096",
     .meaning = "Cells of others that wait for bandwidth."},
    {"tunnel", "max_circuit_cells", CONFIG_COUNT,
     AT(tunnel.queue.max_circuit_cells), RELOADED, .min = 1, .max = 1000000,
     .init = "64", .meaning = "The same for one circuit."},
    {"tunnel", "max_links", CONFIG_COUNT, AT(tunnel.max_links), FIXED, .min = 1,
     .max = 65535, .init = "1024", .meaning = "Links with neighbours."},
    {"tunnel", "max_half_open", CONFIG_COUNT, AT(tunnel.max_half_open), FIXED,
     .min = 1, .max = 65535, .init = "256",
     .meaning = "Links that others have opened and not used yet."},
    {"tunnel", "handshake_rate", CONFIG_COUNT, AT(tunnel.handshake_rate), FIXED,
     .min = 1, .max = 1000000, .init = "200",
     .meaning = "Links a second that others open; above it they have to\n"
                "prove their address first."},
    {"tunnel", "handshake_source_rate", CONFIG_COUNT,
     AT(tunnel.handshake_source_rate), FIXED, .min = 1, .max = 1000000,
     .init = "5",
     .meaning = "The same for one IPv4 address or IPv6 /64, which is refused\n"
                "above it."},
    {"tunnel", "create_rate", CONFIG_COUNT, AT(tunnel.create_rate), RELOADED,
     .min = 1, .max = 1000000, .init = "500",
     .meaning = "Circuits of others a second."},
    {"tunnel", "create_source_rate", CONFIG_COUNT,
     AT(tunnel.create_source_rate), RELOADED, .min = 1, .max = 1000000,
     .init = "50", .meaning = "The same from one IPv4 address or IPv6 /64."},
    {"tunnel", "max_sources", CONFIG_COUNT, AT(tunnel.max_sources), FIXED,
     .min = 1, .max = 1000000, .init = "4096",
     .meaning = "Sources whose rate is remembered."},
    {"tunnel", "max_known_relays", CONFIG_COUNT, AT(tunnel.max_known_relays),
     FIXED, .min = 1, .max = 100000, .init = "2000",
     .meaning = "Relays that are known and remembered."},
    {"tunnel", "speedtest_rate", CONFIG_COUNT, AT(tunnel.speedtest_rate), FIXED,
     .min = 1, .max = 10000000, .init = "100000",
     .meaning = "Cells of speed tests answered a second."},
    {"tunnel", "max_piece_memory", CONFIG_BYTES, AT(tunnel.max_piece_memory),
     FIXED, .min = 65536, .max = 1 << 30, .init = "1m",
     .meaning = "Memory for parts of long datagrams."},

    /* ---- [exit] ---- */
    {"exit", "become_exitnode", CONFIG_BOOL, AT(tunnel.become_exitnode), FIXED,
     .init = "false", .flag = "exit", .flag_value = "true",
     .meaning = "Let data of others leave to the Internet here."},
    {"exit", "policy", CONFIG_POLICY, AT(exit_policy), RELOADED,
     .init = "reject *:25, accept *",
     .meaning = "Where to, a list; the first line that matches decides, and\n"
                "what none matches is rejected. Only public addresses, and\n"
                "none of this node, whatever it says."},
    {"exit", "nameservers", CONFIG_ENDPOINTS, AT(exit_nameservers), RELOADED,
     .max = CONFIG_ENDPOINTS_MAX, .init = "",
     .meaning = "DNS servers, a list of ADDR:PORT; empty for those of\n"
                "/etc/resolv.conf."},
    {"exit", "max_sockets", CONFIG_COUNT, AT(tunnel.exit.max_sockets), FIXED,
     .min = 1, .max = EXIT_SOCKETS_MAX, .init = "2048",
     .meaning = "Sockets of circuits: one for each circuit and family."},
    {"exit", "max_destinations", CONFIG_COUNT, AT(tunnel.exit.max_destinations),
     FIXED, .min = 1, .max = EXIT_SOCKETS_MAX, .init = "64",
     .meaning = "Destinations of one circuit."},
    {"exit", "max_questions", CONFIG_COUNT, AT(tunnel.exit.max_questions),
     FIXED, .min = 1, .max = 65535, .init = "64",
     .meaning = "Questions to the DNS at a time."},
    {"exit", "max_waiting", CONFIG_COUNT, AT(tunnel.exit.max_waiting), FIXED,
     .min = 1, .max = 65535, .init = "256",
     .meaning = "Datagrams that wait for the DNS."},
    {"exit", "max_waiting_circuit", CONFIG_COUNT,
     AT(tunnel.exit.max_waiting_circuit), FIXED, .min = 1, .max = 65535,
     .init = "8", .meaning = "The same of one circuit."},
    {"exit", "max_names", CONFIG_COUNT, AT(tunnel.exit.max_names), FIXED,
     .min = 1, .max = 1000000, .init = "512",
     .meaning = "Names whose addresses are remembered."},
    {"exit", "rate", CONFIG_COUNT, AT(tunnel.exit.rate), FIXED, .min = 1,
     .max = 10000000, .init = "400000",
     .meaning = "Datagrams a second to the Internet, overall."},
    {"exit", "burst", CONFIG_COUNT, AT(tunnel.exit.burst), FIXED, .min = 1,
     .max = 10000000, .init = "20000",
     .meaning = "The same at once after a pause."},
    {"exit", "circuit_rate", CONFIG_COUNT, AT(tunnel.exit.circuit_rate), FIXED,
     .min = 1, .max = 10000000, .init = "200000",
     .meaning = "Datagrams a second to the Internet from one circuit."},
    {"exit", "circuit_burst", CONFIG_COUNT, AT(tunnel.exit.circuit_burst),
     FIXED, .min = 1, .max = 10000000, .init = "10000",
     .meaning = "The same at once after a pause."},
    {"exit", "silent_rate", CONFIG_COUNT, AT(tunnel.exit.silent_rate), FIXED,
     .min = 1, .max = 1000, .init = "1",
     .meaning = "Datagrams a second to a destination that does not answer."},
    {"exit", "silent_burst", CONFIG_COUNT, AT(tunnel.exit.silent_burst), FIXED,
     .min = 1, .max = 1000, .init = "5",
     .meaning = "The same at once, and to a new destination."},
    {"exit", "question_rate", CONFIG_COUNT, AT(tunnel.exit.question_rate),
     FIXED, .min = 1, .max = 1000, .init = "5",
     .meaning = "Questions to the DNS a second for one circuit."},
    {"exit", "question_burst", CONFIG_COUNT, AT(tunnel.exit.question_burst),
     FIXED, .min = 1, .max = 1000, .init = "20",
     .meaning = "The same at once after a pause."},
    {"exit", "resolve_timeout", CONFIG_DURATION,
     AT(tunnel.exit.resolve_timeout), FIXED, .min = 100 * TIME_MS,
     .max = TIME_MIN, .init = "10s",
     .meaning = "A name that takes longer is given up."},
    {"exit", "idle_timeout", AT(tunnel.exit.idle_timeout), FIXED, LIFETIME,
     .init = "2m",
     .meaning = "A circuit's sockets are closed after so long without data."},

    /* ---- [http] ---- */
    {"http", "listen", CONFIG_HTTP, AT(http_listen), FIXED,
     .init = "127.0.0.1:7882", .flag = "http",
     .meaning = "ADDR:PORT of /metrics and /health; empty for none. Whoever\n"
                "reaches it can read it: keep it on loopback."},

    /* ---- [log] ---- */
    {"log", "level", CONFIG_LEVEL, AT(log.level), RELOADED, .init = "info",
     .flag = "log-level",
     .meaning = "Least important lines to write: error, warn, info, debug."},
    {"log", "format", CONFIG_FORMAT, AT(log.format), RELOADED, .init = "text",
     .flag = "log-json", .flag_value = "json",
     .meaning = "text, or json: one object a line."},
    {"log", "addresses", CONFIG_BOOL, AT(log.addresses), RELOADED,
     .init = "false", .meaning = "Write the addresses of other nodes in full."},
    {"log", "rate", CONFIG_COUNT, AT(log.rate), RELOADED, .min = 0,
     .max = 1000000, .init = "20",
     .meaning = "Lines a minute of one kind; the rest are counted. 0: all."},
};

const size_t config_keys_count = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
               "CONFIG_KEYS_MAX must be raised");

const char *config_key_init_text(const struct config_key *key)
{
    if (key->init != NULL)
        return key->init;
    return strcmp(key->name, "control") == 0
               ? "DATA_DIR/control.sock"
               : "/var/lib/warren for root, else ~/.local/state/warren";
}

const struct config_key *config_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];

        if ((section == NULL || strcmp(section, key->section) == 0) &&
            (name == NULL || strcmp(name, key->name) == 0))
            return key;
    }
    return NULL;
}

bool config_type_is_list(enum config_type type)
{
    return type == CONFIG_LISTEN || type == CONFIG_HOSTS ||
           type == CONFIG_HOPS || type == CONFIG_ENDPOINTS ||
           type == CONFIG_POLICY;
}
