/* SPDX-License-Identifier: MIT
 *
 * The daemon's settings: defaults, then an INI file, then the environment
 * (WARREN_SECTION_KEY), then flags; each source overrides those before it.
 * Names, types, limits and meanings stand once, in config_keys.c; parsing,
 * printing and checking follow from there. A variable that is empty counts as
 * one that is not set.
 *
 *     [node]
 *     listen = 0.0.0.0:7881, [::]:7881     # a list: with commas, or
 *     listen = 127.0.0.1:9000              # the key again, or both
 *
 * Comments begin with # or ; at the start of a line or after a blank. A list
 * that a later source sets replaces the whole list of the earlier one. Sizes
 * are 512, 10k, 5m, 1g (powers of 1024), durations 500ms, 30s, 15m, 2h, 1d.
 *
 * Every key has a flag --SECTION.KEY VALUE; the usual ones have a short form
 * too (--listen, --log-json).
 *
 * A section [service NAME] is a hidden service of that name. Such sections are
 * in the file only, each once (config_service.c).
 */
#ifndef WARREN_NODE_CONFIG_CONFIG_H
#define WARREN_NODE_CONFIG_CONFIG_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"
#include "dht/dht.h"
#include "node/log/log.h"
#include "tunnel/exit/policy.h"
#include "tunnel/member/member.h"
#include "tunnel/traffic/carrier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH_SIZE     1024
#define CONFIG_ENDPOINTS_MAX 16
#define CONFIG_BOOTSTRAP_MAX 32
#define CONFIG_NAMES_MAX     8
#define CONFIG_FILES_MAX     8
#define CONFIG_POLICY_MAX    64 /* lines of a policy that can be set */
#define CONFIG_ABUSED        5  /* more, of streams */
#define CONFIG_HOST_SIZE     256
#define CONFIG_SERVICES_MAX  16
#define CONFIG_PORTS_MAX     8   /* of one service */
#define CONFIG_LISTENERS_MAX 8   /* of the proxy */
#define CONFIG_SOCKS_HOPS    3   /* of a listener that does not say */
#define CONFIG_SERVICE_SIZE  32  /* a name, with the terminator */
#define CONFIG_STRING_SIZE   256 /* the same */
#define CONFIG_SOCKET_SIZE   108 /* the path of a Unix socket, the same */
#define CONFIG_ERRORS_MAX    (16 * 1024) /* for the `errors` below */

struct config_endpoints {
    unsigned count;
    struct endpoint at[CONFIG_ENDPOINTS_MAX];
};

struct config_host {
    char host[CONFIG_HOST_SIZE]; /* a name or an address, without brackets */
    uint16_t port;
};

struct config_hosts {
    unsigned count;
    struct config_host at[CONFIG_BOOTSTRAP_MAX];
};

struct config_names {
    unsigned count;
    char at[CONFIG_NAMES_MAX][CONFIG_HOST_SIZE];
};

struct config_files {
    unsigned count;
    char at[CONFIG_FILES_MAX][CONFIG_PATH_SIZE];
};

struct config_policy {
    unsigned count;
    struct policy_line lines[POLICY_LINES_MAX];
};

struct config_http {
    bool on; /* false: no HTTP server */
    struct endpoint listen;
};

/* Where programs reach the proxy, and how many hops what they send takes. */
struct config_listener {
    bool is_unix;
    struct endpoint at;
    char path[CONFIG_SOCKET_SIZE]; /* with is_unix */
    unsigned hops;                 /* at least 1 */
};

struct config_listeners {
    unsigned count; /* 0: no proxy */
    struct config_listener at[CONFIG_LISTENERS_MAX];
};

/* Datagrams, or streams, for a port of a service go to this socket. */
struct config_port {
    uint16_t port;
    bool is_tcp;     /* streams: to a TCP or a Unix stream socket */
    bool tells_peer; /* with is_tcp: by the PROXY protocol, version 2 */
    bool is_unix;
    struct endpoint to;
    char path[CONFIG_SOCKET_SIZE]; /* with is_unix */
};

#define CONFIG_PORT_TEXT (CONFIG_SOCKET_SIZE + 32)
/* As it is written in a file; returns `text`. */
const char *config_port_print(const struct config_port *port,
                              char text[CONFIG_PORT_TEXT]);

/* A section [service NAME]. */
struct config_service {
    char name[CONFIG_SERVICE_SIZE];
    char string[CONFIG_STRING_SIZE]; /* empty: a service with a key */
    unsigned hops, points, max_peers;
    struct config_ports {
        unsigned count;
        struct config_port at[CONFIG_PORTS_MAX];
    } ports;
};

struct config_services {
    unsigned count;
    struct config_service at[CONFIG_SERVICES_MAX];
};

/* The DHT that relays and services are found in. */
enum config_meeting_place {
    MEET_IN_BUILTIN,  /* this network's own */
    MEET_IN_MAINLINE, /* that of BitTorrent */
    MEET_IN_BOTH
};

/* A plain value: it can be copied as a whole, and key by key. */
struct config {
    char data_dir[CONFIG_PATH_SIZE]; /* empty: nobody knows a default */
    char control[CONFIG_PATH_SIZE];  /* Unix socket */
    struct config_endpoints listen;  /* at least 1 */
    unsigned receive_buffer;         /* bytes */
    unsigned send_buffer;
    unsigned max_control_clients;

    struct config_hosts bootstrap;
    /* Ready for dht_new but for the ids: the families are those of `listen`.
     * The network's name and kind stand here and nowhere else. */
    struct dht_config dht;

    /* The same of the mainline DHT, whose network has no name. */
    bool mainline_enabled;
    struct config_hosts mainline_bootstrap;
    struct config_files mainline_files;
    struct dht_config mainline;

    /* Ready for member_new but for identity and keys: network,
     * testing_network, the families and the declared family are filled in. */
    struct member_config tunnel;
    bool tunnel_build[ONION_HOPS_MAX + 1]; /* by hops: keep circuits */
    enum config_meeting_place tunnel_dht;
    char tunnel_family[DHT_NETWORK_MAX + 1];
    struct config_endpoints tunnel_addresses; /* of ours; none: learned */
    struct config_endpoints tunnel_relays;    /* to ask at the start */
    struct config_policy exit_policy;
    struct config_policy exit_tcp_policy;     /* as it was set; may be empty */
    struct config_policy exit_tcp_lines;      /* what follows */
    struct config_endpoints exit_nameservers; /* none: /etc/resolv.conf */

    unsigned max_service_sockets; /* local ones, of all services */
    uint64_t service_idle_timeout;
    struct config_services services;

    struct config_listeners socks;
    bool socks_allow_public; /* else all listen on loopback, or are Unix's */
    unsigned socks_max_clients;
    unsigned socks_max_clients_per_source;
    unsigned socks_max_associations;
    unsigned socks_max_associations_per_source;
    unsigned socks_max_private;
    uint64_t socks_handshake_timeout;
    struct carrier_config carrier; /* streams of our own */

    struct config_listeners
        dns; /* where the resolver listens; none is Unix's */
    bool dns_allow_public;
    unsigned dns_max_questions;
    unsigned dns_max_questions_per_source;
    unsigned dns_max_cached;
    uint64_t dns_timeout;

    struct config_http http;
    struct config_names http_hosts; /* besides addresses and localhost */
    bool http_is_default;           /* nobody has asked for it */

    struct log_config log;
};

struct warren_setting; /* warren.h */

/* Where settings come from; each member may be NULL (a count 0). */
struct config_input {
    const char *file;         /* --config in the flags overrides it */
    char *const *environment; /* as `environ` */
    const struct warren_setting *settings; /* of a program */
    size_t setting_count;
    int argc; /* flags only, without program and verb */
    char *const *argv;
};

/* Reads everything and reports every mistake as a line in `errors`, each
 * "FILE:LINE: ...", "WARREN_X_Y: ..." or "--flag: ...". ERR_SYNTAX when there
 * was one, ERR_IO when the file cannot be read; `out` changes on success. */
enum error config_load(const struct config_input *input, struct config *out,
                       struct text *errors);

/* Takes from `fresh` the keys that can change while the daemon runs, and
 * derives the rest anew. `report` gets a line for each other key that differs,
 * and for each whose new value does not fit what stays: it needs a restart. */
void config_reload(struct config *current, const struct config *fresh,
                   struct text *report);

/* An INI file of every key with its meaning, limits and default, each default
 * as a comment: who copies the file has decided nothing yet. */
void config_print_defaults(struct text *out);

/* /var/lib/warren for root, else $XDG_STATE_HOME/warren or
 * ~/.local/state/warren; empty when there is no home. */
void config_default_data_dir(char out[CONFIG_PATH_SIZE]);

#endif
