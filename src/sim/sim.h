/* SPDX-License-Identifier: MIT
 *
 * A whole network in one process, on virtual time. Nodes are engines behind
 * a table of functions; what they send goes through links that delay,
 * lose, duplicate and reorder; everything random comes from one seed, so that
 * the same program with the same seed does the same to the bit.
 *
 * Time moves in steps of a microsecond (SIM_TICK) and only in sim_run_*. A
 * deadline or an arrival between two steps happens at the later one.
 *
 * Windows. A datagram takes at least the shortest latency of the network, so
 * nodes cannot touch each other for that long: time is worked off in windows
 * no longer than it, and in a window node by node, each with its arrivals and
 * deadlines of that window in their order (conservative parallel simulation:
 * Chandy and Misra, 1979; Bryant, 1977). Between two nodes there is no order
 * within a window. What holds:
 *   - a node's arrivals come by (step, sender, the sender's count), those of a
 *     step before the node's deadlines of that step;
 *   - what chance does to a datagram hangs on the seed, its sender and how many
 *     that had sent, on nothing else;
 *   - the calls of sim_at, and whatever is done outside of sim_run_*, happen
 *     between windows: at their exact step, before anything else of it, while
 *     nothing else runs.
 * So the same program with the same seed does the same to the bit, whatever
 * the number of threads and the machine. A window ends at each call of
 * sim_at: many calls at one step cost less than one a step.
 *
 * What may be called where:
 *   - inside an engine's functions: sim_send*, sim_random and sim_wake of its
 *     own node, sim_now (which is that node's time), and to look at what only
 *     changes between windows: sim_alive, sim_endpoint, sim_node_at, sim_nodes.
 *     With threads, what an engine's callbacks write is to be of its own node,
 *     and nothing reads it before the window has ended;
 *   - in the tap also sim_at and sim_node_add; there is a tap only with one
 *     thread, and it sees all in the order of time (the windows are one step
 *     long);
 *   - in what sim_at calls: everything but sim_run_*.
 */
#ifndef WARREN_SIM_SIM_H
#define WARREN_SIM_SIM_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/timestamp.h"
#include "sim/address.h"
#include "sim/chance/rng.h"
#include "sim/path/nat.h"
#include "sim/path/path.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_TICK         TIME_US
#define SIM_DATAGRAM_MAX 1500
#define SIM_NODE_NONE    UINT32_MAX
#define SIM_THREADS_MAX  64

/* The planes of one UDP port, as its first byte tells them apart
 * (wire/msgpack/plane.h; of the mainline DHT a bencoded dictionary): a datagram
 * that is of none goes to no engine. With one engine alone all go to that. */
enum sim_plane { SIM_PLANE_DHT, SIM_PLANE_MAINLINE, SIM_PLANE_TUNNEL };
#define SIM_PLANES 3

/* ---- Configuration ----------------------------------------------------- */

/* One way, a datagram takes
 *     base + access(a) + access(b) + distance(a, b) + jitter
 * where each node draws its access delay (0..access) and a place on a torus
 * once, and each datagram its jitter (0..jitter). All in ns, below 4 s. */
struct sim_latency {
    uint32_t base;
    uint32_t access;
    uint32_t distance; /* between the two farthest places */
    uint32_t jitter;
};

struct sim_config {
    uint64_t seed;
    uint64_t start; /* the first `now` */
    /* Of the two DHTs the one that is looked at: sim_dht_of (dht_node.h) means
     * a node's engine of this one. */
    enum sim_plane dht;
    enum sim_addressing addressing;
    uint32_t max_nodes; /* dead ones count; <= SIM_NODES_MAX */
    /* In flight, counted at the beginning of a window: what one node sends
     * in it beyond that is dropped and counted. */
    uint32_t max_datagrams;
    uint32_t threads; /* <= SIM_THREADS_MAX; the caller's is one of them */
    struct sim_latency latency;
    /* Probabilities, 0..1, for each datagram. */
    double loss;
    double duplicate;
    double reorder;         /* held back by up to reorder_delay */
    uint32_t reorder_delay; /* ns */
    /* Bytes a second that a node can send; 0: no limit. What would wait
     * longer than uplink_queue (ns) is dropped. */
    uint32_t uplink;
    uint64_t uplink_queue;
    /* Who sends to a node that is dead hears of it (sim_engine.unreachable), as
     * the ICMP of a machine whose program has ended tells it. */
    bool refuses;
    /* NULL, or what else lies between nodes; outlives the network. Where it
     * has latencies or uplinks they count instead of those above. */
    const struct path *path;
};

/* A wide-area network: 10 to 130 ms one way, no loss. */
void sim_config_init(struct sim_config *config);

struct sim;

/* ERR_RANGE, ERR_NO_MEMORY. */
enum error sim_new(const struct sim_config *config, struct sim **out);
/* Frees every engine too. */
void sim_free(struct sim *s);

/* Changes loss, duplicate, reorder, latency, uplink for what is sent from
 * now on; the rest of `config` is ignored. */
void sim_reconfigure(struct sim *s, const struct sim_config *config);

/* ---- Nodes ------------------------------------------------------------- */

/* How an engine is driven; the shapes of dht.h. next_deadline may return a
 * time that has passed: tick is then called at the next step. It is asked after
 * each call of the others, and by sim_wake. Different nodes' are called from
 * different threads, those of one node from one at a time. */
struct sim_engine {
    void (*receive)(void *engine, const struct endpoint *from,
                    struct bytes datagram, uint64_t now);
    void (*tick)(void *engine, uint64_t now);
    uint64_t (*next_deadline)(void *engine);
    void (*free)(void *engine);
    /* Nobody receives at `to`; NULL: the engine does not want to know. */
    void (*unreachable)(void *engine, const struct endpoint *to, uint64_t now);
    /* NULL, or brings into the cache what a call is going to touch. Called some
     * events ahead, with `stage` 0, and again nearer to it with 1 and 2, so
     * that each can follow pointers which the one before has brought. Changes
     * nothing. */
    void (*prefetch)(const void *engine, unsigned stage);
};

/* Where a node is. */
struct sim_place {
    bool family[FAMILIES];
    /* Its address, when it is not to be made from the index. */
    const struct endpoint *at[FAMILIES];
    /* What it is behind: then its address is the NAT's, from other ports of
     * which its datagrams may come. */
    enum nat_kind nat;
};

/* A node without engine: it receives nothing yet. ERR_FULL, ERR_IN_USE (an
 * address), ERR_RANGE (no family), ERR_NO_MEMORY. */
enum error sim_node_add(struct sim *s, const struct sim_place *place,
                        uint32_t *out);

/* The node owns the engine from now on. One a plane. */
void sim_attach(struct sim *s, uint32_t node, enum sim_plane plane,
                const struct sim_engine *vtable, void *engine);

/* Frees its engines; it keeps its addresses, at which nobody answers. New
 * engines may be attached: the node is back. */
void sim_kill(struct sim *s, uint32_t node);

/* To be called after an engine was used directly: reads its deadline. */
void sim_wake(struct sim *s, uint32_t node);

bool sim_alive(const struct sim *s, uint32_t node);
/* NULL when dead or without an engine on that plane. */
void *sim_engine_of(const struct sim *s, uint32_t node, enum sim_plane plane);
enum sim_plane sim_dht_plane(const struct sim *s); /* as configured */
uint32_t sim_nodes(const struct sim *s);           /* indexes are below this */
/* False when the node has no address of that family. */
bool sim_endpoint(const struct sim *s, uint32_t node, enum family family,
                  struct endpoint *out);
/* SIM_NODE_NONE when nobody ever had it. */
uint32_t sim_node_at(const struct sim *s, const struct endpoint *ep);
/* The node's own stream of random bytes, for its engine. */
void sim_random(struct sim *s, uint32_t node, void *buf, size_t len);

/* Nodes of different groups do not reach each other; all start in 0. */
void sim_partition(struct sim *s, uint32_t node, uint16_t group);
void sim_heal(struct sim *s);

/* ---- Datagrams --------------------------------------------------------- */

/* From the node's own address of the family of `to`; dropped when it has
 * none. */
void sim_send(struct sim *s, uint32_t node, const struct endpoint *to,
              struct bytes datagram);
/* With a source address that may be another's, or nobody's. */
void sim_send_as(struct sim *s, uint32_t node, const struct endpoint *from,
                 const struct endpoint *to, struct bytes datagram);

enum sim_fate {
    SIM_SENT, /* will arrive, unless its receiver dies first */
    SIM_DELIVERED,
    SIM_LOST,
    SIM_DUPLICATED, /* a second copy will arrive too */
    SIM_REORDERED,  /* was held back; in addition to SIM_SENT */
    SIM_CUT,        /* by a partition */
    SIM_FILTERED,   /* by the NAT of its receiver */
    SIM_UNREACHABLE,
    SIM_OVERFLOW, /* max_datagrams or the uplink's queue */
    SIM_FATES
};

/* Sees everything; `from_node` sent it, `to_node` may be SIM_NODE_NONE. Only
 * with one thread. */
struct sim_tap {
    void *ctx;
    void (*see)(void *ctx, enum sim_fate fate, uint32_t from_node,
                uint32_t to_node, const struct endpoint *from,
                const struct endpoint *to, struct bytes datagram, uint64_t now);
};

/* NULL takes it off. Copied. */
void sim_set_tap(struct sim *s, const struct sim_tap *tap);

/* ---- Time -------------------------------------------------------------- */

/* Inside an engine its time, else the last step that was worked off. */
uint64_t sim_now(const struct sim *s);
void sim_run_until(struct sim *s, uint64_t until);
void sim_run_for(struct sim *s, uint64_t duration);
/* Until `*flag`, looked at after each window and each call of sim_at, or
 * `limit`; returns *flag. */
bool sim_run_until_set(struct sim *s, const bool *flag, uint64_t limit);

/* Calls `fire` once at `at`; it may call sim_at again. Calls of one step fire
 * in the order in which they were asked for. ERR_NO_MEMORY. What has not fired
 * is dropped by sim_free. */
enum error sim_at(struct sim *s, uint64_t at,
                  void (*fire)(void *ctx, uint64_t now), void *ctx);

/* The network's own random numbers, for scenarios. */
struct sim_rng *sim_rng(struct sim *s);

/* ---- Numbers ----------------------------------------------------------- */

struct sim_stats {
    uint64_t fate[SIM_FATES]; /* datagrams; SIM_SENT counts copies too */
    uint64_t offered;         /* handed to sim_send* */
    uint64_t offered_bytes;
    uint64_t delivered_bytes;
    uint64_t ticks;     /* calls of an engine's tick */
    uint64_t idle_ends; /* timers that had moved on when they fired */
    uint64_t in_flight;
    /* Sum of a hash of every delivery: time, ends, the sender's count, length,
     * last bytes. Equal for two runs that did the same, whatever the order in
     * which nodes were worked off. */
    uint64_t digest;
    /* Bytes of the simulator without the engines; the only one of these
     * numbers that depends on the number of threads. */
    size_t memory;
};

void sim_stats(const struct sim *s, struct sim_stats *out);

/* Datagrams that a node offered. */
uint64_t sim_node_sent(const struct sim *s, uint32_t node);

#endif
