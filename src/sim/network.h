/* SPDX-License-Identifier: MIT
 *
 * The inside of struct sim, shared by sim.c (nodes), link.c (datagrams that are
 * sent), window.c (what happens to nodes in a window) and run.c (time).
 *
 * Who writes what. In a window a worker writes its own struct and its own nodes
 * and reads sites; between windows the caller's thread may touch everything.
 */
#ifndef WARREN_SIM_NETWORK_H
#define WARREN_SIM_NETWORK_H

#include "sim/clockwork/calendar.h"
#include "sim/clockwork/crew.h"
#include "sim/clockwork/pool.h"
#include "sim/sim.h"

#define SIM_NEVER SIM_CALENDAR_HORIZON /* as a tick */

/* What others look at when they send to a node: written between windows only,
 * and beside each other. */
struct sim_site {
    uint32_t access; /* its part of every latency, ns */
    uint16_t x, y;   /* on a torus of 65,536 by 65,536; x: its region */
    uint16_t group;
    uint8_t has;   /* families, one bit each */
    uint8_t asked; /* those whose address is not made from the index */
    bool runs;     /* it has an engine */
    bool hidden;   /* behind a NAT */
};

/* What only its worker touches; first what every event needs. */
struct sim_node {
    _Alignas(128) void *engine[SIM_PLANES]; /* NULL: not there */
    const struct sim_engine *vtable[SIM_PLANES];
    uint64_t due[SIM_PLANES]; /* ticks of their deadlines; SIM_NEVER */
    /* Ticks of the two records in the calendar that still mean something;
     * SIM_NEVER: none. `filed` is never after what is due. */
    uint64_t filed, later;
    struct sim_draw random; /* for its engines */
    uint64_t sent;
    uint64_t uplink_free; /* when the uplink has sent what it was given */
    struct endpoint at[FAMILIES];
};

/* A datagram on its way. A refusal is one that has come back to its sender:
 * from_node is where nobody was, `to` the address there. */
struct sim_arrival {
    struct sim_record head; /* first; when, and to whom */
    uint32_t from_node;
    uint32_t count; /* of the sender's */
    struct endpoint from, to;
    uint16_t len;
    bool refusal;
    uint8_t data[];
};

/* One thing that a node has to do in a window. */
struct sim_due {
    uint64_t key; /* node, tick since the day's beginning, deadlines last */
    struct sim_arrival *arrival; /* NULL: a deadline */
};

struct sim_dues {
    struct sim_due *v;
    size_t count, cap;
};

/* What works off the nodes whose index is its own modulo their number. */
struct sim_worker {
    _Alignas(64) struct sim *sim;
    uint64_t now;  /* tick of the node that is worked on */
    uint64_t end;  /* of the window */
    uint64_t room; /* datagrams that it may still launch in this window */
    uint32_t node; /* which one; SIM_NODE_NONE between windows */
    uint32_t index;
    struct sim_pool timer_chunks, datagram_chunks;
    struct sim_calendar *timers;
    struct sim_calendar **to; /* datagrams, one for each worker */
    struct sim_chunks *read;  /* today's chunks, by the worker they are from */
    struct sim_dues rest;     /* of today, unsorted */
    struct sim_dues due;      /* of this window */
    struct sim_dues spare;    /* to sort by */
    struct sim_stats stats;   /* in_flight: what was launched here */
    uint64_t ended;           /* datagrams that are no longer in flight */
};

struct sim_call {
    uint64_t tick, number;
    void (*fire)(void *ctx, uint64_t now);
    void *ctx;
};

struct sim {
    struct sim_config config;
    uint64_t loss, duplicate, reorder; /* thresholds */
    struct sim_rng rng;
    uint64_t now;      /* the last tick that was worked off */
    uint64_t shortest; /* ticks that any datagram takes at least */
    struct sim_site *sites;
    struct sim_node *nodes;
    struct nat **nats; /* by node; NULL: there are none */
    uint32_t *uplinks; /* by node, as the path says; NULL: all the same */
    uint32_t node_count;
    struct sim_address_map addresses; /* those that were asked for */
    struct sim_worker *workers;
    uint32_t worker_count;
    struct sim_crew *crew; /* NULL with one thread */
    uint64_t window_end;
    size_t window_dues;     /* that the last window had */
    uint64_t in_flight;     /* between windows */
    struct sim_call *calls; /* a heap by (tick, number) */
    size_t call_count, call_cap;
    uint64_t call_number;
    struct sim_tap tap;
    bool inside; /* a window is worked off */
};

/* The worker that runs on this thread; NULL between windows. */
extern _Thread_local struct sim_worker *sim_worker_here;

static inline struct sim_node *sim_node_of(const struct sim *s, uint32_t node)
{
    return &s->nodes[node];
}

/* Who works off the node. */
static inline struct sim_worker *sim_worker_of(const struct sim *s,
                                               uint32_t node)
{
    return &s->workers[node % s->worker_count];
}

/* The step at or after `at`; SIM_NEVER when that is too far ahead. */
static inline uint64_t sim_tick_of(uint64_t at)
{
    uint64_t tick = at / SIM_TICK + (at % SIM_TICK != 0);

    return tick < SIM_NEVER ? tick : SIM_NEVER;
}

static inline uint64_t sim_node_due(const struct sim_node *n)
{
    return time_min(n->due[SIM_PLANE_DHT], time_min(n->due[SIM_PLANE_MAINLINE],
                                                    n->due[SIM_PLANE_TUNNEL]));
}

static inline void sim_see(struct sim_worker *w, enum sim_fate fate,
                           uint32_t from_node, uint32_t to_node,
                           const struct endpoint *from,
                           const struct endpoint *to, struct bytes datagram)
{
    const struct sim_tap *tap = &w->sim->tap;

    w->stats.fate[fate]++;
    if (tap->see != NULL)
        tap->see(tap->ctx, fate, from_node, to_node, from, to, datagram,
                 w->now * SIM_TICK);
}

/* link.c: nobody is there to get this datagram, which would arrive at `at`: its
 * sender hears of it as long after that as it was on its way. */
void sim_refuse(struct sim_worker *w, const struct sim_arrival *g, uint64_t at);
/* What no datagram of `config` is faster than, in ticks, at least 1. */
uint64_t sim_link_shortest(const struct sim_config *config);

/* workers.c. ERR_NO_MEMORY; sim_workers_free is legal after it. */
enum error sim_workers_new(struct sim *s);
void sim_workers_free(struct sim *s);
/* Sorts all that waits into other days when the shortest latency calls for
 * that. */
void sim_workers_refit(struct sim *s);
/* Works off the window of today that ends before the tick `end`. */
void sim_workers_work(struct sim *s, uint64_t end);
/* After s->now was moved. */
void sim_workers_set_now(struct sim *s);

/* window.c: puts into the calendar that the node has something to do, not
 * before the tick `earliest`. */
void sim_node_file(struct sim_worker *w, struct sim_node *n, uint64_t earliest);
/* Reads the deadlines of its engines. */
void sim_node_read_due(struct sim_node *n);
/* Collects what today has for the worker; `first` is the first tick that is
 * left of it, SIM_NEVER when none is. */
uint64_t sim_worker_gather(struct sim_worker *w);
/* Works off what lies before the tick `end`, which is at most the day's end. */
void sim_worker_work(struct sim_worker *w, uint64_t end);

#endif
