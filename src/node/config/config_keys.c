/* SPDX-License-Identifier: MIT
 *
 * All settings. A row names the member of struct config that holds the value,
 * its kind (struct setting_type) and its limits; everything else reads this
 * table: file, environment, flags, `config default`, help, reload, the
 * table in docs/operating.md.
 *
 * A default stands in one place: in `init` for a member of struct config
 * itself, in dht_config_init or member_config_init for one of an engine's,
 * and 0, false or an empty list where neither says anything.
 */
#include "node/config/config_keys.h"

#include <string.h>

#define AT(member)                             \
    .offset = offsetof(struct config, member), \
    .size = sizeof(((struct config *)0)->member)
#define FIXED    .reloadable = false
#define RELOADED .reloadable = true
#define LIFETIME .type = &setting_duration, .min = TIME_S, .max = 7 * DAY
#define DAY      (24 * TIME_HOUR)

/* In the order of their enumerations. */
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};
static const char *const places[] = {"builtin", "mainline", "both", NULL};

const struct setting_type config_level = {SETTING_CHOICE, .names = levels};
const struct setting_type config_format = {SETTING_CHOICE, .names = formats};
const struct setting_type config_meeting_place = {SETTING_CHOICE,
                                                  .names = places};

const char *const config_sections[] = {
    "node",  "dht", "mainline", "tunnel", "exit", "services", "meeting",
    "socks", "dns", "streams",  "http",   "log",  NULL};

/* What can be set of a DHT: rows of `section` for the struct dht_config `m`.
 * The caps on peers are PEER_STORE_HASH_MAX and PEER_STORE_SOURCE_MAX. */
/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): offsetof takes no parentheses */
#define DHT_KEYS(section, m) \
    {section, "read_only", &setting_bool, AT(m.read_only), FIXED, \
     .meaning = "Ask others but answer nobody (BEP 43); for machines that\n" \
                "are reachable by nobody or online for minutes."}, \
    {section, "max_pending", &setting_count, AT(m.max_pending), RELOADED, \
     .min = 1, .max = 65536, .meaning = "Queries of ours in flight."}, \
    {section, "max_lookups", &setting_count, AT(m.max_lookups), RELOADED, \
     .min = 1, .max = 4096, .meaning = "Lookups running at the same time."}, \
    {section, "max_publications", &setting_count, AT(m.max_publications), \
     RELOADED, .min = 1, .max = 1000000, \
     .meaning = "Announcements and items of our own that are kept alive."}, \
    {section, "max_hashes", &setting_count, AT(m.max_hashes), RELOADED, \
     .min = 1, .max = 10000000, \
     .meaning = "Info-hashes for which peers of others are stored."}, \
    {section, "max_peers", &setting_count, AT(m.max_peers), RELOADED, \
     .min = 1, .max = 100000000, \
     .meaning = "Peers stored for others, overall."}, \
    {section, "max_peers_per_hash", &setting_count, AT(m.max_peers_per_hash), \
     RELOADED, .min = 1, .max = 65535, \
     .meaning = "Peers stored for one info-hash."}, \
    {section, "max_peers_per_source", &setting_count, \
     AT(m.max_peers_per_source), RELOADED, .min = 1, .max = 4095, \
     .meaning = \
         "Peers stored for one IPv4 address or IPv6 /64. A /56 may have\n" \
         "twice as many, a /24 or /48 four times, a /16 or /32 sixteen\n" \
         "times."}, \
    {section, "max_items", &setting_count, AT(m.max_items), RELOADED, \
     .min = 1, .max = 10000000, \
     .meaning = "Items (BEP 44, up to 1000 bytes) stored for others."}, \
    {section, "max_items_per_source", &setting_count, \
     AT(m.max_items_per_source), RELOADED, .min = 1, .max = 10000000, \
     .meaning = \
         "Items stored for one IPv4 address or IPv6 /64. A /56 may have\n" \
         "twice as many, a /24 or /48 four times, a /16 or /32 sixteen\n" \
         "times."}, \
    {section, "peer_lifetime", AT(m.peer_lifetime), RELOADED, LIFETIME, \
     .meaning = "A peer not announced again is forgotten."}, \
    {section, "item_lifetime", AT(m.item_lifetime), RELOADED, LIFETIME, \
     .meaning = "An item not put again is forgotten."}, \
    {section, "query_rate", &setting_count, AT(m.query_rate), RELOADED, \
     .min = 1, .max = 10000000, \
     .meaning = "Queries answered a second, overall; fewer while the process\n"\
                "is busy. Answers have some 300 bytes."}, \
    {section, "query_burst", &setting_count, AT(m.query_burst), RELOADED, \
     .min = 1, .max = 10000000, \
     .meaning = "Queries answered at once after a pause, overall."}, \
    {section, "source_rate", &setting_count, AT(m.source_rate), RELOADED, \
     .min = 1, .max = 10000000, \
     .meaning = \
         "Queries answered a second for one IPv4 address or IPv6 /64. A\n" \
         "/56 may ask twice as often, a /24 or /48 four times, a /16 or\n" \
         "/32 sixteen times."}, \
    {section, "source_burst", &setting_count, AT(m.source_burst), RELOADED, \
     .min = 1, .max = 10000000, .meaning = "The same at once after a pause."}, \
    {section, "max_sources", &setting_count, AT(m.max_sources), RELOADED, \
     .min = 1, .max = 1000000, \
     .meaning = "Sources whose rate is remembered."}, \
    {section, "bucket_refresh", AT(m.bucket_refresh), RELOADED, LIFETIME, \
     .meaning = "Idle part of the routing table is refreshed."}, \
    {section, "query_timeout", &setting_duration, AT(m.query_timeout), \
     RELOADED, .min = 100 * TIME_MS, .max = TIME_MIN, \
     .meaning = "An answer that comes later than this is dropped."}
/* NOLINTEND(bugprone-macro-parentheses) */
/* clang-format on */

const struct setting_key config_keys[] = {
    /* ---- [node] ---- */
    {"node", "data_dir", &setting_path, AT(data_dir), FIXED, .flag = "data-dir",
     .shown = "/var/lib/warren for root, else ~/.local/state/warren",
     .meaning = "Directory for the node's identity, its database and its\n"
                "lock; created with mode 0700."},
    {"node", "listen", &config_listen, AT(listen), FIXED,
     .max = CONFIG_ENDPOINTS_MAX, .init = "0.0.0.0:7881, [::]:7881",
     .flag = "listen",
     .meaning = "UDP addresses of this node, a list of ADDR:PORT. Leave one\n"
                "family out to not speak it."},
    {"node", "network", &setting_name, AT(dht.network), FIXED, .min = 1,
     .max = DHT_NETWORK_MAX,
     .meaning = "Name of the network; nodes of other networks are strangers."},
    {"node", "testing_network", &setting_bool, AT(dht.testing_network), FIXED,
     .flag = "testing-network", .flag_value = "true",
     .meaning = "Private addresses are good enough and the rules on subnets\n"
                "and node ids are off. Only for networks of your own."},
    {"node", "control", &setting_path, AT(control), FIXED, .flag = "control",
     .shown = "DATA_DIR/control.sock",
     .meaning = "Unix socket that the other warren commands talk to."},
    {"node", "receive_buffer", &setting_size, AT(receive_buffer), FIXED,
     .min = 4096, .max = 1 << 30, .init = "4m",
     .meaning = "Kernel buffer to ask for on each UDP socket; the kernel\n"
                "grants at most net.core.rmem_max."},
    {"node", "send_buffer", &setting_size, AT(send_buffer), FIXED, .min = 4096,
     .max = 1 << 30, .init = "1m",
     .meaning = "The same for sending; at most net.core.wmem_max."},
    {"node", "max_control_clients", &setting_count, AT(max_control_clients),
     FIXED, .min = 1, .max = 1024, .init = "16",
     .meaning = "Programs on the control socket at a time; then an idle one\n"
                "makes way, or the next one waits."},

    /* ---- [dht] ---- */
    {"dht", "bootstrap", &config_hosts, AT(bootstrap), RELOADED,
     .max = CONFIG_BOOTSTRAP_MAX, .flag = "bootstrap",
     .meaning = "Nodes to join through while no others are known, a list of\n"
                "HOST:PORT. Names may have many addresses."},
    DHT_KEYS("dht", dht),

    /* ---- [mainline] ---- */
    {"mainline", "enabled", &setting_bool, AT(mainline_enabled), FIXED,
     .meaning =
         "Whether this node is one of BitTorrent's mainline DHT too, on\n"
         "the same UDP ports."},
    {"mainline", "bootstrap", &config_mainline_hosts, AT(mainline_bootstrap),
     RELOADED, .max = CONFIG_BOOTSTRAP_MAX,
     .meaning =
         "Nodes of it to join through while no others are known, a list\n"
         "of HOST:PORT."},
    {"mainline", "bootstrap_files", &config_files, AT(mainline_files), RELOADED,
     .max = CONFIG_FILES_MAX,
     .meaning =
         "Tables that other programs have saved, a list of PATH: dht.dat of\n"
         "Transmission or aria2, the session state of libtorrent. Some of\n"
         "their nodes are asked at a time while no others are known."},
    DHT_KEYS("mainline", mainline),

    /* ---- [tunnel] ---- */
    {"tunnel", "build", &config_hops, AT(tunnel_build), RELOADED,
     .flag = "build",
     .meaning = "Keep circuits of these numbers of hops ready, a list; empty\n"
                "for none until somebody asks."},
    {"tunnel", "min_circuits", &setting_count, AT(tunnel.min_circuits),
     RELOADED, .min = 1, .max = 1000,
     .meaning = "Circuits of each number of hops that are kept at least."},
    {"tunnel", "max_circuits", &setting_count, AT(tunnel.max_circuits), FIXED,
     .min = 1, .max = 1000, .meaning = "The same at most."},
    {"tunnel", "max_relays_or_exits", &setting_count,
     AT(tunnel.max_relays_or_exits), RELOADED, .min = 0, .max = 1000000,
     .meaning = "Circuits of others that this node takes part in; 0 to relay\n"
                "nothing and to be listed nowhere."},
    {"tunnel", "introduce", &setting_bool, AT(tunnel.introduces), FIXED,
     .meaning = "Whether a relay introduces others to hidden services, has\n"
                "them meet here and looks up for them; see [meeting]."},
    {"tunnel", "dht_provider", &config_meeting_place, AT(tunnel_dht), FIXED,
     .init = "builtin",
     .meaning =
         "The DHT that relays and services publish in and are found in:\n"
         "this network's own, the mainline DHT of BitTorrent, which\n"
         "needs no bootstrap node of this network, or both. mainline\n"
         "and both need enabled = true in [mainline]."},
    {"tunnel", "max_time", AT(tunnel.max_time), RELOADED, LIFETIME,
     .meaning = "Age at which a circuit is replaced."},
    {"tunnel", "max_time_inactive", AT(tunnel.max_time_inactive), RELOADED,
     LIFETIME,
     .meaning = "Time without data after which a circuit is removed."},
    {"tunnel", "max_traffic", &setting_size, AT(tunnel.max_traffic), RELOADED,
     .min = 1 << 20, .max = (uint64_t)1 << 50,
     .meaning = "Bytes after which a circuit is replaced."},
    {"tunnel", "addresses", &config_endpoints, AT(tunnel_addresses), RELOADED,
     .max = DESCRIPTOR_ADDRESSES_MAX,
     .meaning = "Where others reach this node, a list of ADDR:PORT; empty to\n"
                "learn it from other nodes."},
    {"tunnel", "relays", &config_endpoints, AT(tunnel_relays), RELOADED,
     .max = CONFIG_ENDPOINTS_MAX,
     .meaning = "Relays to ask for their descriptors at the start, a list of\n"
                "ADDR:PORT; others are found in the DHT."},
    {"tunnel", "family", &setting_name, AT(tunnel_family), RELOADED,
     .max = DHT_NETWORK_MAX,
     .meaning = "The same on all relays of one operator: no circuit goes\n"
                "through two of them. Everybody can see it."},
    {"tunnel", "bandwidth", &setting_size, AT(tunnel.queue.bandwidth), RELOADED,
     .min = 0, .max = (uint64_t)1 << 34,
     .meaning = "Bytes a second relayed for others; 0 for no limit."},
    {"tunnel", "bandwidth_burst", &setting_size,
     AT(tunnel.queue.bandwidth_burst), RELOADED, .min = 4096,
     .max = (uint64_t)1 << 34, .meaning = "The same at once after a pause."},
    {"tunnel", "circuit_bandwidth", &setting_size,
     AT(tunnel.queue.circuit_bandwidth), RELOADED, .min = 0,
     .max = (uint64_t)1 << 34,
     .meaning = "Bytes a second relayed for one circuit; 0 for no limit."},
    {"tunnel", "circuit_burst", &setting_size, AT(tunnel.queue.circuit_burst),
     RELOADED, .min = 4096, .max = (uint64_t)1 << 34,
     .meaning = "The same at once after a pause."},
    {"tunnel", "max_cells", &setting_count, AT(tunnel.queue.max_cells),
     RELOADED, .min = 1, .max = 1000000,
     .meaning = "Cells of others that wait for bandwidth."},
    {"tunnel", "max_circuit_cells", &setting_count,
     AT(tunnel.queue.max_circuit_cells), RELOADED, .min = 1, .max = 1000000,
     .meaning = "The same for one circuit."},
    {"tunnel", "max_links", &setting_count, AT(tunnel.max_links), FIXED,
     .min = 1, .max = 65535, .meaning = "Links with neighbours."},
    {"tunnel", "max_half_open", &setting_count, AT(tunnel.max_half_open), FIXED,
     .min = 1, .max = 65535,
     .meaning = "Links that others have opened and not used yet."},
    {"tunnel", "handshake_rate", &setting_count, AT(tunnel.handshake_rate),
     FIXED, .min = 1, .max = 1000000,
     .meaning = "Links a second that others open; above it they have to\n"
                "prove their address first."},
    {"tunnel", "handshake_source_rate", &setting_count,
     AT(tunnel.handshake_source_rate), FIXED, .min = 1, .max = 1000000,
     .meaning = "The same for one IPv4 address or IPv6 /64, which is refused\n"
                "above it."},
    {"tunnel", "create_rate", &setting_count, AT(tunnel.create_rate), RELOADED,
     .min = 1, .max = 1000000,
     .meaning = "Circuits of others a second, as many extensions of them, and\n"
                "as many links whose opener has proved its address. Less\n"
                "while the node is busy; those known from before go first."},
    {"tunnel", "create_source_rate", &setting_count,
     AT(tunnel.create_source_rate), RELOADED, .min = 1, .max = 1000000,
     .meaning = "Circuits a second from one IPv4 address or IPv6 /64, and a\n"
                "quarter as many extensions."},
    {"tunnel", "max_sources", &setting_count, AT(tunnel.max_sources), FIXED,
     .min = 1, .max = 1000000, .meaning = "Sources whose rate is remembered."},
    {"tunnel", "max_known_relays", &setting_count, AT(tunnel.max_known_relays),
     FIXED, .min = 1, .max = 100000,
     .meaning = "Relays that are known and remembered."},
    {"tunnel", "speedtest_rate", &setting_count, AT(tunnel.speedtest_rate),
     FIXED, .min = 1, .max = 10000000,
     .meaning = "Cells of speed tests answered a second."},
    {"tunnel", "max_piece_memory", &setting_size, AT(tunnel.max_piece_memory),
     FIXED, .min = 65536, .max = 1 << 30,
     .meaning = "Memory for parts of long datagrams."},

    /* ---- [exit] ---- */
    {"exit", "become_exitnode", &setting_bool, AT(tunnel.become_exitnode),
     FIXED, .flag = "exit", .flag_value = "true",
     .meaning = "Let data of others leave to the Internet here."},
    {"exit", "policy", &config_policy, AT(exit_policy), RELOADED,
     .max = CONFIG_POLICY_MAX, .init = "reject *:25, accept *",
     .meaning = "Where to, a list; the first line that matches decides, and\n"
                "what none matches is rejected. Only public addresses, and\n"
                "none of this node, whatever it says; of the networks that\n"
                "this machine is in (IPv6: the /56) only what a line accepts\n"
                "that is no wider than they are."},
    {"exit", "tcp", &setting_bool, AT(tunnel.exit_tcp), FIXED,
     .meaning = "An exit connects streams too, not only sends datagrams."},
    {"exit", "tcp_policy", &config_policy, AT(exit_tcp_policy), RELOADED,
     .max = CONFIG_POLICY_MAX,
     .meaning = "Where to, likewise. Empty: as policy says, but never to\n"
                "ports that are abused: 25, 119, 135-139, 445, 563. (Mail\n"
                "is submitted, at 465 and 587, by those who have proved who\n"
                "they are.)"},
    {"exit", "nameservers", &config_endpoints, AT(exit_nameservers), RELOADED,
     .max = CONFIG_ENDPOINTS_MAX,
     .meaning = "DNS servers, a list of ADDR:PORT; empty for those of\n"
                "/etc/resolv.conf."},
    {"exit", "max_sockets", &setting_count, AT(tunnel.exit.max_sockets), FIXED,
     .min = 1, .max = EXIT_SOCKETS_MAX,
     .meaning = "Sockets of circuits: one for each circuit and family."},
    {"exit", "max_destinations", &setting_count,
     AT(tunnel.exit.max_destinations), FIXED, .min = 1, .max = EXIT_SOCKETS_MAX,
     .meaning = "Destinations of one circuit."},
    {"exit", "max_questions", &setting_count, AT(tunnel.exit.max_questions),
     FIXED, .min = 1, .max = 65535,
     .meaning =
         "Questions to the DNS at a time. Each has a socket and, until it\n"
         "is answered, up to 75 kB."},
    {"exit", "max_waiting", &setting_count, AT(tunnel.exit.max_waiting), FIXED,
     .min = 1, .max = 65535,
     .meaning = "Datagrams and streams that wait for the DNS."},
    {"exit", "max_waiting_circuit", &setting_count,
     AT(tunnel.exit.max_waiting_circuit), FIXED, .min = 1, .max = 65535,
     .meaning = "The same of one circuit."},
    {"exit", "max_names", &setting_count, AT(tunnel.exit.max_names), FIXED,
     .min = 1, .max = 1000000,
     .meaning =
         "Names whose addresses are remembered, for each circuit its own."},
    {"exit", "rate", &setting_count, AT(tunnel.exit.rate), FIXED, .min = 1,
     .max = 10000000,
     .meaning = "Datagrams a second to the Internet, overall."},
    {"exit", "burst", &setting_count, AT(tunnel.exit.burst), FIXED, .min = 1,
     .max = 10000000, .meaning = "The same at once after a pause."},
    {"exit", "circuit_rate", &setting_count, AT(tunnel.exit.circuit_rate),
     FIXED, .min = 1, .max = 10000000,
     .meaning = "Datagrams a second to the Internet from one circuit."},
    {"exit", "circuit_burst", &setting_count, AT(tunnel.exit.circuit_burst),
     FIXED, .min = 1, .max = 10000000,
     .meaning = "The same at once after a pause."},
    {"exit", "silent_rate", &setting_count, AT(tunnel.exit.silent_rate), FIXED,
     .min = 1, .max = 1000,
     .meaning = "Datagrams a second to a destination that does not answer, of\n"
                "one circuit and of all."},
    {"exit", "silent_burst", &setting_count, AT(tunnel.exit.silent_burst),
     FIXED, .min = 1, .max = 1000,
     .meaning = "The same at once, and to a new destination."},
    {"exit", "question_rate", &setting_count, AT(tunnel.exit.question_rate),
     FIXED, .min = 1, .max = 1000,
     .meaning = "Questions to the DNS a second for one circuit."},
    {"exit", "question_burst", &setting_count, AT(tunnel.exit.question_burst),
     FIXED, .min = 1, .max = 1000,
     .meaning = "The same at once after a pause."},
    {"exit", "resolve_timeout", &setting_duration,
     AT(tunnel.exit.resolve_timeout), FIXED, .min = 100 * TIME_MS,
     .max = TIME_MIN, .meaning = "A name that takes longer is given up."},
    {"exit", "idle_timeout", AT(tunnel.exit.idle_timeout), FIXED, LIFETIME,
     .meaning = "A circuit's sockets are closed after so long without data."},
    {"exit", "tcp_max_sockets", &setting_count, AT(tunnel.outlet.max_sockets),
     FIXED, .min = 1, .max = 65535, .meaning = "TCP connections of streams."},
    {"exit", "tcp_max_source", &setting_count, AT(tunnel.outlet.max_source),
     FIXED, .min = 1, .max = 65535,
     .meaning = "The same for circuits from one IPv4 address or IPv6 /56."},
    {"exit", "tcp_max_circuit", &setting_count, AT(tunnel.outlet.max_circuit),
     FIXED, .min = 1, .max = 65535, .meaning = "Streams of one circuit."},
    {"exit", "tcp_max_connects", &setting_count, AT(tunnel.outlet.max_connects),
     FIXED, .min = 1, .max = 65535,
     .meaning = "Connects under way of one circuit."},
    {"exit", "tcp_rate", &setting_count, AT(tunnel.outlet.rate), FIXED,
     .min = 1, .max = 1000000, .meaning = "Streams opened a second, overall."},
    {"exit", "tcp_source_rate", &setting_count, AT(tunnel.outlet.source_rate),
     FIXED, .min = 1, .max = 1000000,
     .meaning = "The same of circuits from one IPv4 address or IPv6 /64."},
    {"exit", "tcp_circuit_rate", &setting_count, AT(tunnel.outlet.circuit_rate),
     FIXED, .min = 1, .max = 1000000, .meaning = "The same of one circuit."},
    {"exit", "tcp_circuit_burst", &setting_count,
     AT(tunnel.outlet.circuit_burst), FIXED, .min = 1, .max = 1000000,
     .meaning = "The same at once after a pause."},
    {"exit", "tcp_address_rate", &setting_count, AT(tunnel.outlet.address_rate),
     FIXED, .min = 1, .max = 1000000,
     .meaning = "Connects a minute to one address, for circuits from one\n"
                "IPv4 /24 or IPv6 /48."},
    {"exit", "tcp_max_silent", &setting_count, AT(tunnel.outlet.max_silent),
     FIXED, .min = 1, .max = 1000000,
     .meaning = "Connects a minute of one circuit that are refused or do not\n"
                "answer: an exit is no port scanner."},
    {"exit", "tcp_max_source_silent", &setting_count,
     AT(tunnel.outlet.max_source_silent), FIXED, .min = 1, .max = 1000000,
     .meaning = "The same for circuits from one IPv4 /24 or IPv6 /48; above,\n"
                "each circuit has an eighth of tcp_max_silent."},
    {"exit", "tcp_connect_timeout", &setting_duration,
     AT(tunnel.outlet.connect_timeout), FIXED, .min = TIME_S,
     .max = 5 * TIME_MIN,
     .meaning = "A connect that takes longer is given up."},
    {"exit", "tcp_idle_timeout", AT(tunnel.outlet.idle_timeout), FIXED,
     LIFETIME, .meaning = "A stream without a byte for so long ends."},
    {"exit", "tcp_rest_time", &setting_duration,
     AT(tunnel.outlet.stream.rest_time), FIXED, .min = TIME_S,
     .max = 10 * TIME_MIN,
     .meaning = "Streams wait for so long for their client to come back over\n"
                "another circuit."},
    {"exit", "tcp_max_clients", &setting_count,
     AT(tunnel.outlet.stream.max_connections), FIXED, .min = 1, .max = 1000000,
     .meaning = "Clients that have streams. At the cap one who rests, or of\n"
                "whoever has most, makes way."},
    {"exit", "tcp_max_memory", &setting_size,
     AT(tunnel.outlet.stream.max_memory), FIXED, .min = 1 << 20,
     .max = (uint64_t)1 << 40,
     .meaning = "Memory for all that is on its way in streams."},

    /* ---- [services] ---- */
    {"services", "max_services", &setting_count,
     AT(tunnel.service.max_services), FIXED, .min = 1, .max = 1024,
     .meaning = "Hidden services at a time: own ones, and others that are\n"
                "reached."},
    {"services", "max_circuits", &setting_count,
     AT(tunnel.max_service_circuits), FIXED, .min = 8, .max = 65535,
     .meaning = "Circuits of services, beside those of max_circuits."},
    {"services", "max_peers", &setting_count, AT(tunnel.service.max_peers),
     FIXED, .min = 1, .max = 10000,
     .meaning = "Peers of all services together."},
    {"services", "max_connects", &setting_count,
     AT(tunnel.service.max_connects), FIXED, .min = 1, .max = 10000,
     .meaning = "Connections to services under way."},
    {"services", "join_rate", &setting_count, AT(tunnel.service.join_rate),
     FIXED, .min = 1, .max = 10000,
     .meaning = "Peers a second that a service lets in."},
    {"services", "max_queue", &setting_count, AT(tunnel.service.max_queue),
     FIXED, .min = 1, .max = 65536,
     .meaning = "Introductions that wait for a circuit; those with the most\n"
                "work go first."},
    {"services", "max_work", &setting_duration, AT(tunnel.service.max_work),
     FIXED, .min = TIME_MS, .max = TIME_MIN,
     .meaning = "Time of a processor that this node is ready to work for a\n"
                "connection to a service that asks for it."},
    {"services", "max_sockets", &setting_count, AT(max_service_sockets),
     RELOADED, .min = 1, .max = 10000, .init = "256",
     .meaning = "Local sockets of services: one for each peer and port."},
    {"services", "idle_timeout", AT(service_idle_timeout), RELOADED, LIFETIME,
     .init = "5m",
     .meaning = "A peer's local socket is closed after so long without data."},

    /* ---- [meeting] ---- */
    {"meeting", "max_introductions", &setting_count,
     AT(tunnel.meeting.max_introductions), RELOADED, .min = 1, .max = 65536,
     .meaning = "Services of others that this relay introduces clients to."},
    {"meeting", "max_topics", &setting_count, AT(tunnel.meeting.max_topics),
     RELOADED, .min = 1, .max = 65536,
     .meaning = "Strings whose members this relay keeps."},
    {"meeting", "max_entries", &setting_count, AT(tunnel.meeting.max_entries),
     RELOADED, .min = 1, .max = 4096,
     .meaning = "Members that are kept of one string."},
    {"meeting", "max_cookies", &setting_count, AT(tunnel.meeting.max_cookies),
     RELOADED, .min = 1, .max = 65536,
     .meaning = "Clients that wait here for a service to come."},
    {"meeting", "max_lookups", &setting_count, AT(tunnel.meeting.max_lookups),
     RELOADED, .min = 1, .max = 4096,
     .meaning = "Lookups in the DHT for others at a time."},
    {"meeting", "introduce_rate", &setting_count,
     AT(tunnel.meeting.introduce_rate), RELOADED, .min = 1, .max = 1000000,
     .meaning = "Introductions a second, of all services."},
    {"meeting", "introduce_burst", &setting_count,
     AT(tunnel.meeting.introduce_burst), RELOADED, .min = 1, .max = 1000000,
     .meaning = "The same at once after a pause."},
    {"meeting", "service_rate", &setting_count, AT(tunnel.meeting.service_rate),
     RELOADED, .min = 1, .max = 1000000,
     .meaning = "Introductions a second to one service, and as many again for\n"
                "clients that have worked for it."},
    {"meeting", "service_burst", &setting_count,
     AT(tunnel.meeting.service_burst), RELOADED, .min = 1, .max = 1000000,
     .meaning = "The same at once after a pause."},
    {"meeting", "lookup_rate", &setting_count, AT(tunnel.meeting.lookup_rate),
     RELOADED, .min = 1, .max = 1000000,
     .meaning =
         "Lookups and stores in the DHT a second for others; a quarter to\n"
         "one IPv4 address or IPv6 /64."},
    {"meeting", "lookup_burst", &setting_count, AT(tunnel.meeting.lookup_burst),
     RELOADED, .min = 1, .max = 1000000,
     .meaning = "The same at once after a pause."},
    {"meeting", "verify_rate", &setting_count, AT(tunnel.meeting.verify_rate),
     RELOADED, .min = 1, .max = 1000000,
     .meaning = "Signatures checked a second for others; half of them to one\n"
                "IPv4 address or IPv6 /64."},
    {"meeting", "verify_burst", &setting_count, AT(tunnel.meeting.verify_burst),
     RELOADED, .min = 1, .max = 1000000,
     .meaning = "The same at once after a pause."},

    /* ---- [socks] ---- */
    {"socks", "listen", &config_socks, AT(socks), FIXED,
     .max = CONFIG_LISTENERS_MAX, .flag = "socks",
     .meaning =
         "Where programs reach the proxy (SOCKS5, SOCKS4a and CONNECT of\n"
         "HTTP on one port), a list; none: no proxy. hops=N behind an\n"
         "address is for what comes in there."},
    {"socks", "allow_public", &setting_bool, AT(socks_allow_public), FIXED,
     .meaning =
         "The proxy may listen on addresses that are not loopback. Whoever\n"
         "reaches them uses this node's circuits: no password is asked for."},
    {"socks", "max_clients", &setting_count, AT(socks_max_clients), FIXED,
     .min = 1, .max = 65536, .init = "4096",
     .meaning =
         "Connections to the proxy at a time; then one that has not said\n"
         "where it wants to go makes way, or the next one is refused."},
    {"socks", "max_clients_per_source", &setting_count,
     AT(socks_max_clients_per_source), FIXED, .min = 1, .max = 65536,
     .init = "2048",
     .meaning =
         "The same of one IPv4 address or IPv6 /64. A /56 may have twice as\n"
         "many, a /24 or /48 four times, a /16 or /32 sixteen times, but no\n"
         "more than half of all. All Unix sockets count as 127.0.0.1."},
    {"socks", "max_associations", &setting_count, AT(socks_max_associations),
     FIXED, .min = 1, .max = 65536, .init = "256",
     .meaning =
         "UDP associations of the proxy at a time; one more is refused.\n"
         "Each has a socket."},
    {"socks", "max_associations_per_source", &setting_count,
     AT(socks_max_associations_per_source), FIXED, .min = 1, .max = 65536,
     .init = "128",
     .meaning = "The same of one source, counted as for\n"
                "max_clients_per_source."},
    {"socks", "max_private", &setting_count, AT(socks_max_private), FIXED,
     .min = 1, .max = 65536, .init = "256",
     .meaning =
         "Proxies of `warren exec` and other programs (socks.open) at a\n"
         "time, but an eighth of the files that may be open; a quarter\n"
         "for one process."},
    {"socks", "handshake_timeout", &setting_duration,
     AT(socks_handshake_timeout), FIXED, .min = TIME_S, .max = 10 * TIME_MIN,
     .init = "30s",
     .meaning = "A program that has not said by then where it wants to go is\n"
                "sent away."},
    /* ---- [dns] ---- */
    {"dns", "listen", &config_dns, AT(dns), FIXED, .max = CONFIG_LISTENERS_MAX,
     .flag = "dns",
     .meaning =
         "Where programs reach a resolver (UDP) that asks exits, a list;\n"
         "none: no resolver. A, AAAA and PTR; HTTPS and SVCB are empty, other\n"
         "kinds get NOTIMP."},
    {"dns", "allow_public", &setting_bool, AT(dns_allow_public), FIXED,
     .meaning = "The resolver may listen on addresses that are not loopback.\n"
                "Whoever reaches them uses this node's circuits."},
    {"dns", "max_questions", &setting_count, AT(dns_max_questions), FIXED,
     .min = 1, .max = CARRIER_CALLS_MAX, .init = "256",
     .meaning = "Names and addresses looked up at a time; one more gets\n"
                "SERVFAIL. Equal questions count once."},
    {"dns", "max_questions_per_source", &setting_count,
     AT(dns_max_questions_per_source), FIXED, .min = 1,
     .max = CARRIER_CALLS_MAX, .init = "128",
     .meaning = "The same of one source, counted as for\n"
                "max_clients_per_source in [socks]; the socket with most\n"
                "makes way for one with none."},
    {"dns", "max_cached", &setting_count, AT(dns_max_cached), FIXED, .min = 1,
     .max = 65536, .init = "1024",
     .meaning = "Answers kept of each listener; the one not used for longest\n"
                "makes room."},
    {"dns", "timeout", &setting_duration, AT(dns_timeout), FIXED, .min = TIME_S,
     .max = TIME_MIN, .init = "20s",
     .meaning = "A question that has no answer by then gets SERVFAIL."},
    /* ---- [streams] ---- */
    {"streams", "max_memory", &setting_size, AT(carrier.stream.max_memory),
     FIXED, .min = 1 << 20, .max = (uint64_t)1 << 40,
     .meaning = "Bytes that streams of this node's own programs and services\n"
                "may hold, of connections and on their way; those of an exit\n"
                "are in [exit]. At the limit streams wait."},
    {"streams", "window", &setting_size, AT(carrier.stream.window), FIXED,
     .min = 65536, .max = 1 << 30,
     .meaning = "Bytes of a stream that may be on their way to a program that\n"
                "does not read them yet."},
    {"streams", "buffer", &setting_size, AT(carrier.stream.buffer), FIXED,
     .min = 65536, .max = 1 << 30,
     .meaning = "Bytes of a stream that were sent, and may be lost still."},
    {"streams", "max_streams", &setting_count, AT(carrier.stream.max_streams),
     FIXED, .min = 1, .max = 65536,
     .meaning = "Streams that one peer of a service has open at a time."},
    {"streams", "max_connections", &setting_count,
     AT(carrier.stream.max_connections), FIXED, .min = 1, .max = 65536,
     .meaning = "Peers of services that have streams at a time; at the limit\n"
                "idle ones make way."},
    {"streams", "max_trunks", &setting_count, AT(carrier.max_trunks), FIXED,
     .min = 1, .max = 65535,
     .meaning = "Connections to exits and services at a time: one for each\n"
                "isolation key and exit, and for each peer."},
    {"streams", "max_visits", &setting_count, AT(carrier.max_visits), FIXED,
     .min = 1, .max = 65536,
     .meaning = "Streams of peers that wait until a server of ours is there."},

    /* ---- [http] ---- */
    {"http", "listen", &config_http, AT(http), FIXED, .init = "127.0.0.1:7882",
     .flag = "http",
     .meaning =
         "ADDR:PORT of /metrics and /health, or none. Whoever reaches it\n"
         "can read it: keep it on loopback. The default is left out when\n"
         "another program has the port; what is set here has to be had."},
    {"http", "hosts", &config_names, AT(http_hosts), FIXED,
     .max = CONFIG_NAMES_MAX,
     .meaning = "Names under which the pages are asked for, a list. Others\n"
                "than these, localhost and addresses are refused: a web page\n"
                "of a stranger could have them point here."},

    /* ---- [log] ---- */
    {"log", "level", &config_level, AT(log.level), RELOADED, .init = "info",
     .flag = "log-level",
     .meaning = "Least important lines to write: error, warn, info, debug."},
    {"log", "format", &config_format, AT(log.format), RELOADED, .init = "text",
     .flag = "log-json", .flag_value = "json",
     .flag_meaning = "Write the log as JSON, one object a line.",
     .meaning = "text, or json: one object a line."},
    {"log", "addresses", &setting_bool, AT(log.addresses), RELOADED,
     .meaning = "Write the addresses of other nodes in full."},
    {"log", "rate", &setting_count, AT(log.rate), RELOADED, .min = 0,
     .max = 1000000, .init = "20",
     .meaning = "Lines a minute of one kind; the rest are counted. 0: all."},
};

const size_t config_keys_count = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
               "CONFIG_KEYS_MAX must be raised");

const struct setting_key *config_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];

        if ((section == NULL || strcmp(section, key->section) == 0) &&
            (name == NULL || strcmp(name, key->name) == 0))
            return key;
    }
    return NULL;
}
