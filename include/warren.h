/* SPDX-License-Identifier: MIT
 *
 * libwarren: a node of the warren network inside a program. It is a member of
 * the Kademlia DHT and of the tunnel community, and lives on the program's
 * libevent loop:
 *
 *     w = warren_new(base, &options, why, sizeof(why));
 *     warren_build_tunnels(w, 3);
 *     ... the loop runs, options.opened is called ...
 *     n = warren_active_data_circuits(w, 3, ids, 8);
 *     warren_tunnel_data(w, ids[0], "192.0.2.1:53", "data", packet, len);
 *     ... options.data is called with what comes back ...
 *     warren_free(w);
 *
 * Threads. A node belongs to the thread that runs its event_base: its
 * functions are to be called there, and its callbacks come from there. Nothing
 * is global: a process may have many nodes, each with a data directory and
 * addresses of its own.
 *
 * Ownership. What is given to a function is copied before it returns, but for
 * the event_base and the DHT provider, which must outlive the node. What a
 * callback is given (addresses, payloads, texts) is valid until it returns.
 *
 * Callbacks come out of the loop, one after the other: no function calls one
 * before it returns, and none is called while another one of the same node
 * runs. So what one is told may be old news: a circuit that it hears of may
 * have ended, of which it hears next. There are three exceptions:
 *
 * - warren_free ends everything and calls back before it returns;
 * - `log` comes whenever there is something to write, out of functions too;
 * - the functions of a warren_dht_provider are not told, but asked: they come
 *   whenever the tunnels want something, out of functions too.
 *
 * Every callback, and every function of a warren_dht_provider, may call every
 * function of its node but warren_free; `log` may call none. While warren_free
 * runs nothing begins any more: functions that begin something return
 * WARREN_ERR_CANCELLED then.
 *
 * Errors. Functions that can fail return WARREN_OK or an enum warren_error,
 * and change what they were to fill in only on success.
 *
 * Before version 1 structures may grow with the minor version, and the soname
 * changes with it: initialize members by name, and let the rest be zero.
 */
#ifndef WARREN_H
#define WARREN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WARREN_API __attribute__((visibility("default")))

struct event_base; /* libevent's */
struct warren;

WARREN_API const char *warren_version(void); /* "0.1.0" */

/* The numbers stay; new ones are added at the end. */
enum warren_error {
    WARREN_OK = 0,
    WARREN_ERR_ARGUMENT = 1,    /* an argument that can never be right */
    WARREN_ERR_NOT_FOUND = 2,   /* no such circuit, publication, ... */
    WARREN_ERR_TOO_LARGE = 3,   /* more than one datagram may carry */
    WARREN_ERR_FULL = 4,        /* a cap is reached: later again */
    WARREN_ERR_NO_MEMORY = 5,   /* an allocation failed */
    WARREN_ERR_UNSUPPORTED = 6, /* not by this version, or not so configured */
    WARREN_ERR_NO_NODES = 7,    /* nobody to ask, or no circuit in time */
    WARREN_ERR_TIMEOUT = 8,     /* nobody answered in time */
    WARREN_ERR_CANCELLED = 9,   /* ended by this program */
    WARREN_ERR_FAILED = 10,     /* anything else */
    WARREN_ERR_REFUSED = 11,    /* by exits: their policy, a name, a limit */
    WARREN_ERR_NOT_KEPT = 12    /* done, but the disk could not be written */
};

/* A sentence fragment for people, of any number. */
WARREN_API const char *warren_error_text(int error);

/* ---- Creation ----------------------------------------------------------- */

/* A setting as the configuration file has it: "tunnel.min_circuits", "4".
 * `warren config default` prints all with their meaning. A list is one text
 * with commas, or the name again for each element. */
struct warren_setting {
    const char *name, *value;
};

enum warren_log_level {
    WARREN_LOG_ERROR = 0, /* does not work; somebody must do something */
    WARREN_LOG_WARN = 1,
    WARREN_LOG_INFO = 2, /* a few lines an hour */
    WARREN_LOG_DEBUG = 3
};

/* Why a circuit ended or a datagram was not sent: `name` is for programs and
 * stays ("timeout"), `text` for people ("no answer in time"). Both live as
 * long as the program. */
struct warren_reason {
    const char *name, *text;
};

struct warren_dht_provider;

/* All may be zero. `arg` comes with each callback. */
struct warren_options {
    /* Settings from an INI file, as the daemon reads it, and those of the
     * program, which override the file. The environment is not looked at.
     * node.data_dir is the only one that every node needs; its default is
     * the daemon's. It is for the node alone: one that holds files of something
     * else and none of a node's is refused. What belongs to the daemon alone
     * (node.control, [http]) is checked and has no effect. */
    const char *config_file;
    const struct warren_setting *settings;
    size_t setting_count;

    void *arg;
    /* A line without newline; may call no function of the node. NULL: lines go
     * to stderr. `log.level` and the other settings of [log] decide which come,
     * and how they look. */
    void (*log)(void *arg, enum warren_log_level level, const char *line);
    /* A data circuit can be used now. It may be one that was open before and
     * had a hop replaced. */
    void (*opened)(void *arg, uint32_t circuit, unsigned hops);
    /* It is gone, or could not be built. `hop` is the one at which it failed,
     * the nearest being 1, or 0 when it was ended here. */
    void (*closed)(void *arg, uint32_t circuit, unsigned hops, unsigned hop,
                   const struct warren_reason *why);
    /* A datagram came from `source` through the circuit's exit. `type` is
     * "data". */
    void (*data)(void *arg, uint32_t circuit, const struct sockaddr *source,
                 socklen_t source_len, const char *type, const void *payload,
                 size_t len);
    /* The exit refused to send a datagram; it says so once for each, unless
     * that is lost on the way. Another circuit may have an exit that does. */
    void (*refused)(void *arg, uint32_t circuit,
                    const struct warren_reason *why);

    /* Through which the tunnels find relays; NULL: the built-in DHT. The
     * table is used until warren_free has returned. */
    const struct warren_dht_provider *dht_provider;
};

#define WARREN_WHY_SIZE 4096 /* enough for most of what warren_new says */

/* Reads the settings, takes the data directory (created with mode 0700, held
 * by one node at a time), opens the store, binds the sockets and starts the
 * engines. Nothing is sent until the loop runs, and no callback but `log` is
 * called. NULL on failure; `why` then has the reason in sentences of one line
 * each, cut to `why_size`: each mistake in the settings is named. `why` may be
 * NULL when `why_size` is 0. */
WARREN_API struct warren *warren_new(struct event_base *base,
                                     const struct warren_options *options,
                                     char *why, size_t why_size);

/* Tells the neighbours, writes the store, and gives everything back. Circuits
 * end with a call of `closed`, peers with one of on_gone, requests with
 * WARREN_ERR_CANCELLED. NULL is
 * legal. Not to be called out of a callback of the node.
 *
 * libevent puts off the end of connections: before the event_base is freed, run
 * it once more with EVLOOP_NONBLOCK. */
WARREN_API void warren_free(struct warren *w);

/* For people: what is wrong and what to do about it, a line each, or that all
 * is well; then what the node knows and has. Writes at most `size` bytes with
 * the terminator, and returns the length of the whole text, as snprintf. */
WARREN_API size_t warren_status(const struct warren *w, char *text,
                                size_t size);

/* ---- Tunnels ------------------------------------------------------------ */

/* Starts keeping a pool of data circuits of that many hops (1 to 4), between
 * tunnel.min_circuits and tunnel.max_circuits. Again is no error.
 * WARREN_ERR_ARGUMENT. */
WARREN_API int warren_build_tunnels(struct warren *w, unsigned hops);

/* Keeps it no longer, whether this program or its settings wanted it; circuits
 * stay until they are old or unused, and the pool until nothing is under way
 * over it (warren_send.h). No pool is no error. WARREN_ERR_ARGUMENT. */
WARREN_API int warren_stop_tunnels(struct warren *w, unsigned hops);

/* The circuits of `hops` hops (0: of any number) that data can be sent over
 * now. Returns how many there are, which may be more than `max`, and puts up
 * to `max` of their numbers into `circuits`. A number names one circuit for
 * the life of the node. */
WARREN_API unsigned warren_active_data_circuits(const struct warren *w,
                                                unsigned hops,
                                                uint32_t *circuits,
                                                unsigned max);

/* Available circuits divided by tunnel.min_circuits, over the pools of all
 * lengths: above 1.0 with more than the minimum, 0.0 without a pool. */
WARREN_API double warren_tunnels_ready(const struct warren *w);

/* Sends one datagram through the circuit's exit. `destination` is
 * "192.0.2.1:53", "[2001:db8::1]:53" or "host.example:53"; names are resolved
 * at the exit. Peers and services (warren_service.h) need no circuit. `type`
 * says what is sent: "data" is the only one there is. Delivery is as with UDP:
 * WARREN_OK means that it was sent, not that it arrived. WARREN_ERR_NOT_FOUND
 * (no such circuit that data can be sent over), WARREN_ERR_TOO_LARGE,
 * WARREN_ERR_ARGUMENT (destination), WARREN_ERR_FULL, WARREN_ERR_UNSUPPORTED
 * (type; names that are never resolved, as localhost), WARREN_ERR_NO_MEMORY. */
WARREN_API int warren_tunnel_data(struct warren *w, uint32_t circuit,
                                  const char *destination, const char *type,
                                  const void *payload, size_t len);

/* The same to an IPv4 or IPv6 address, such as `data` is given. */
WARREN_API int warren_tunnel_data_to(struct warren *w, uint32_t circuit,
                                     const struct sockaddr *destination,
                                     const char *type, const void *payload,
                                     size_t len);

/* The pool replaces it if it has to. WARREN_ERR_NOT_FOUND. */
WARREN_API int warren_close_circuit(struct warren *w, uint32_t circuit);

/* ---- The built-in DHT --------------------------------------------------- */

/* Of a lookup, and of the first round of an announcement. */
struct warren_dht_result {
    unsigned asked, answered; /* nodes */
    unsigned hops;            /* to the one that named the first peer, else to
                                 the nearest; 1: known beforehand */
    unsigned peers;           /* distinct ones that were found */
    unsigned stored;          /* nodes that took the announcement */
    uint64_t duration;        /* ns */
    int kept;                 /* 1: the announcement is on disk, and goes on
                                 after a restart; 0: it cannot be written */
    /* Of a scrape (warren_dht.h): nodes that count, and how many hosts
     * announce the hash, estimated. */
    unsigned scraped;
    double seeds, downloaders;
};

/* Who hears of a request; both may be NULL. `done` is called exactly once, and
 * last, unless the request is cancelled by warren_dht_cancel; `error` is
 * WARREN_OK also when nothing was found, and `result` is never NULL. */
struct warren_dht_handler {
    void *arg;
    void (*peer)(void *arg, const struct sockaddr *peer, socklen_t len);
    void (*done)(void *arg, int error, const struct warren_dht_result *result);
};

/* Looks for the peers of a hash. `handler` and `request` may be NULL; a
 * request is never 0. WARREN_ERR_FULL (dht.max_lookups),
 * WARREN_ERR_NO_MEMORY. */
WARREN_API int warren_dht_get_peers(struct warren *w, const uint8_t hash[20],
                                    const struct warren_dht_handler *handler,
                                    uint64_t *request);

/* Announces this host under a hash, at `port` or, when that is 0, at the one
 * that the node sends from; announces it again, also after a restart, until
 * it is withdrawn. The handler hears of the first round. Announced again, the
 * hash has the new port, and a first round that is still under way ends with
 * WARREN_ERR_CANCELLED. Errors as above, WARREN_ERR_FULL also at
 * dht.max_publications. */
WARREN_API int warren_dht_announce(struct warren *w, const uint8_t hash[20],
                                   uint16_t port,
                                   const struct warren_dht_handler *handler,
                                   uint64_t *request);

/* Others forget it within dht.peer_lifetime. A first round that is under way
 * ends with WARREN_ERR_CANCELLED. WARREN_ERR_NOT_FOUND; WARREN_ERR_NOT_KEPT: it
 * is announced no more, but still on the disk, which could not be written (it
 * is full). The node tries again every few seconds; should it end before, the
 * next one announces it again. Withdrawn once more, it is WARREN_ERR_NOT_KEPT
 * again for as long as that lasts, and then WARREN_ERR_NOT_FOUND. */
WARREN_API int warren_dht_withdraw(struct warren *w, const uint8_t hash[20]);

/* Its handler is not called any more, not even for what has been found
 * already. An announcement goes on unheard. Without effect when `done` was
 * called. */
WARREN_API void warren_dht_cancel(struct warren *w, uint64_t request);

#ifdef __cplusplus
}
#endif

#include "warren_dht.h"
#include "warren_provider.h"
#include "warren_send.h"
#include "warren_service.h"
#include "warren_stream.h"

#endif
