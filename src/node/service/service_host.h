/* SPDX-License-Identifier: MIT
 *
 * Hidden services of a node, around their engine (tunnel/service): which there
 * are, by their names, from sections of the configuration and from key files;
 * what the store keeps of them; local ports; work in a thread; what happens to
 * them, for the log and for those who listen.
 *
 *     section [service NAME]  ->  key file, made if it is not there  -> runs
 *     key file by itself (`warren service new`)                      -> runs
 *
 * One that cannot run (its key file is damaged, say) stays in the list with
 * the reason, and is tried again by a reload.
 *
 * The member drives the engine: the host gives it what it asks for in struct
 * service_env, and is told when it is there (service_host_start).
 */
#ifndef WARREN_NODE_SERVICE_SERVICE_HOST_H
#define WARREN_NODE_SERVICE_SERVICE_HOST_H

#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"
#include "node/log/log.h"
#include "node/service/key_file.h"
#include "node/service/local_ports.h"
#include "tunnel/member/member.h"
#include "tunnel/service/service.h"

#include <stdbool.h>
#include <stdint.h>

struct carrier;
struct event_base;
struct service_host;
struct store;

#define HOSTED_MAX      64
#define HOSTED_WHY_SIZE 256
/* A service of others that nobody uses is let go after so long. */
#define REACHED_IDLE (10 * TIME_MIN)

struct service_host_world {
    struct event_base *base;
    struct store *store;
    struct log *log;
    char data_dir[CONFIG_PATH_SIZE];
    /* Something was asked of the engine outside of the member: its timer is to
     * be set anew. */
    void *arg;
    void (*rearm)(void *arg);
};

/* What a program wants of a service that it runs. */
struct service_program {
    unsigned hops;
    unsigned max_peers; /* 0: as a section without it */
    bool has_access;    /* who has this secret may find it, */
    uint8_t access[32]; /* beside those of the key file */
};

/* A service of this node. */
struct hosted {
    char name[SERVICE_NAME_SIZE];
    uint32_t id;               /* 0: it does not run, */
    enum error trouble;        /* for this reason, */
    char why[HOSTED_WHY_SIZE]; /* said to people */
    bool has_section;
    bool by_itself;
    struct service_program *program; /* NULL: it is none of a program */
    struct config_service config;    /* as it runs */
    enum service_problem problem;    /* as the engine has told last */
    uint64_t problem_since;          /* monotonic */
};

struct service_host_counters {
    uint64_t no_port;  /* DATA for a port that the section does not have */
    uint64_t not_sent; /* what a server answered and no peer could get */
    uint64_t not_remembered; /* rows that the store did not take */
    uint64_t not_solved;     /* challenges that no thread could be had for */
};

/* ---- Life --------------------------------------------------------------- */

/* `config` is borrowed, here and below. ERR_NO_MEMORY. */
enum error service_host_new(const struct service_host_world *world,
                            const struct config *config,
                            struct service_host **out);
/* After the member: the engine is not called any more. */
void service_host_free(struct service_host *h);

/* What the member is to call. */
void service_host_env(struct service_host *h, struct service_world *env);
/* The node's layer-2 guards as they were kept. */
void service_host_layer2(struct service_host *h, struct vanguard_set *out);
/* The engine is there: services start. */
void service_host_start(struct service_host *h, struct services *engine,
                        uint64_t now);
/* `report` gets a line for each service that cannot be as the settings say. */
void service_host_reconfigure(struct service_host *h,
                              const struct config *config, struct text *report,
                              uint64_t now);
/* Now and then: idle sockets, services of others that nobody uses. */
void service_host_tick(struct service_host *h, uint64_t wall, uint64_t now);

/* Who has the streams of peers; NULL: nobody. */
void service_host_carry(struct service_host *h, struct carrier *carrier);

/* NULL before service_host_start. */
struct services *service_host_engine(const struct service_host *h);
/* The engine's timer has to be set anew: after calls of its functions. */
void service_host_rearm(struct service_host *h);

/* ---- Services of this node ---------------------------------------------- */

unsigned service_host_count(const struct service_host *h);
const struct hosted *service_host_at(const struct service_host *h, unsigned i);
/* NULL: no such service. */
const struct hosted *service_host_find(const struct service_host *h,
                                       const char *name);
const struct hosted *service_host_by_id(const struct service_host *h,
                                        uint32_t id);

/* Makes a service with this key, which runs by itself, and starts it.
 * ERR_IN_USE: the name is taken; errors of key_file_create and service_serve,
 * with a sentence in `why`; after an error there is no key file. */
enum error service_host_add(struct service_host *h, const char *name,
                            const struct key_file *key, struct text *why,
                            uint64_t now);
/* For good: others are told, the key file goes, and what the store has.
 * A key file that no service runs of goes as well. ERR_NOT_FOUND; ERR_IN_USE:
 * it has a section. */
enum error service_host_remove(struct service_host *h, const char *name,
                               struct text *why, uint64_t now);
/* Writes the key file with another list of who may find the service, and has
 * the service follow it. */
enum error service_host_change_access(struct service_host *h, const char *name,
                                      const struct key_file *key,
                                      struct text *why, uint64_t now);

/* ---- Services of a program ---------------------------------------------- */

/* Makes a key and a file for it, under a name of its own. No section and no
 * restart runs it, service_host_run does. Errors of key_file_create. */
enum error service_host_new_key(struct service_host *h, uint8_t key[32],
                                struct text *why);
/* Runs the service whose key file has this key, until service_host_end; or
 * gives the one that runs already, as its settings are. ERR_NOT_FOUND: no such
 * file; ERR_FULL, and errors of service_serve, with a sentence in `why`. */
enum error service_host_run(struct service_host *h, const uint8_t key[32],
                            const struct service_program *program,
                            struct text *why, uint64_t now, uint32_t *id);
/* Without effect on one that the settings or a key file run. */
void service_host_end(struct service_host *h, uint32_t id, uint64_t now);
/* The service of this node that is a member of the string; 0: none is. */
uint32_t service_host_of_string(const struct service_host *h,
                                struct bytes string);

/* ---- Services of others ------------------------------------------------- */

/* As service_reach, held until service_host_let_go, and for REACHED_IDLE
 * longer, unless another needs the place. */
enum error service_host_reach(struct service_host *h, const uint8_t key[32],
                              const uint8_t access[32], unsigned hops,
                              uint64_t now, uint32_t *id);
void service_host_let_go(struct service_host *h, uint32_t id, uint64_t now);

/* ---- Who listens -------------------------------------------------------- */

/* Lives in who listens. */
struct service_listener {
    uint32_t service; /* 0: of all */
    void *arg;
    void (*event)(void *arg, const struct service_event *event);
    struct service_listener *next, **link; /* the host's */
};

/* A listener may leave, or have others leave, while an event is told. */
void service_host_listen(struct service_host *h, struct service_listener *l);
void service_host_unlisten(struct service_host *h, struct service_listener *l);

/* ---- Looking inside ----------------------------------------------------- */

const struct service_host_counters *
service_host_counters(const struct service_host *h);
const struct local_counters *service_host_ports(const struct service_host *h);

#endif
