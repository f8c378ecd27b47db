/* SPDX-License-Identifier: MIT
 *
 * What the files of the host share; nobody else includes it.
 *
 *     service_host.c     the engine's world; services of the settings
 *     service_program.c  services that a program registers (libwarren)
 */
#ifndef WARREN_NODE_SERVICE_SERVICE_HOST_INTERNAL_H
#define WARREN_NODE_SERVICE_SERVICE_HOST_INTERNAL_H

#include "node/service/reached.h"
#include "node/service/service_host.h"
#include "node/service/solver.h"

/* A walk over the listeners; walks nest. */
struct walk {
    struct walk *outer;
    struct service_listener *next;
};

struct service_host {
    struct service_host_world world;
    const struct config_services *sections; /* the node's */
    char network[DHT_NETWORK_MAX + 1];
    struct carrier *carrier; /* NULL: nobody has streams */
    struct services *engine;
    struct local_ports *ports;
    struct solver *solver;
    struct hosted *hosted[HOSTED_MAX];
    unsigned count;
    struct hosted *starting;
    struct reached_list reached;
    struct service_listener *listeners;
    struct walk *walks;
    struct event *flush;  /* active while rows wait that must not be lost */
    struct event *refuse; /* active while there are some that: */
    uint64_t unsolved[SOLVER_TASKS];
    unsigned unsolved_count;
    uint32_t period; /* in which seqs were forgotten last */
    struct service_host_counters counters;
};

/* NULL: there are HOSTED_MAX, or memory is out. */
struct hosted *hosted_add(struct service_host *h, const char *name);
/* Forgets one that does not run. */
void hosted_drop(struct service_host *h, struct hosted *s);
/* With the settings that it has; what went wrong stands in it. */
void hosted_start(struct service_host *h, struct hosted *s, uint64_t now);
/* Not when it does not run. */
void hosted_stop(struct service_host *h, struct hosted *s, bool withdraw,
                 uint64_t now);

#endif
