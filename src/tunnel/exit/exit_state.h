/* SPDX-License-Identifier: MIT
 *
 * The inside of struct exit, which exit.c, exit_socket.c and exit_resolve.c
 * share; nobody else includes it.
 *
 * Ownership: the exit owns its sockets and questions, a question the
 * datagrams that wait for it, who called exit_circuit_new the circuits. A
 * circuit that goes takes along its sockets and what waits for its sake.
 */
#ifndef WARREN_TUNNEL_EXIT_EXIT_STATE_H
#define WARREN_TUNNEL_EXIT_EXIT_STATE_H

#include "base/limiter.h"
#include "base/source.h"
#include "base/table/shares.h"
#include "tunnel/exit/exit.h"
#include "tunnel/exit/exit_destination.h"
#include "tunnel/exit/exit_pace.h"
#include "tunnel/exit/exit_silence.h"
#include "tunnel/exit/name_cache.h"

#include <stdbool.h>
#include <sys/queue.h>

#define NO_SOCKET     UINT32_MAX
#define EXIT_NETWORKS 64

struct exit_circuit {
    void *owner;               /* as exit_circuit_new was given it */
    struct endpoint neighbour; /* before it: its source */
    uint64_t site;             /* source_hash of it, for exit_silence_take */
    unsigned network;          /* of EXIT_NETWORKS, in which it is */
    struct name_holder names;
    TAILQ_HEAD(, exit_question) questions; /* under way, the oldest first */
    struct exit_destinations destinations;
    struct token_bucket bucket, question_bucket;
    uint32_t sockets[FAMILIES]; /* slots, or NO_SOCKET */
    unsigned waiting;           /* datagrams and lookups, for the DNS */
    uint64_t used_at;
    bool listed; /* among those that have something to close when idle */
    TAILQ_ENTRY(exit_circuit) use;
};

/* Its cookie: generation in the upper half, slot in the lower. */
struct exit_socket {
    struct exit_circuit *circuit; /* NULL when the slot is free */
    void *handle;
    uint32_t next_free;
    uint16_t generation;
    uint8_t family;
};

/* What somebody wants of a name: a datagram sent to it, or its addresses; or
 * the name of an address. */
struct exit_want {
    bool lookup;
    uint64_t number; /* of the lookup */
    bool reverse;    /* which is one of `address` */
    struct endpoint address;
    uint16_t port; /* of the datagram */
    struct bytes payload;
};

/* One that waits for the addresses. */
struct exit_wait {
    struct exit_wait *next;
    struct exit_want want;
    uint8_t payload[]; /* that want.payload is */
};

struct exit_question {
    TAILQ_ENTRY(exit_question) age; /* among all */
    TAILQ_ENTRY(exit_question) of_circuit;
    struct exit_question *outer;  /* while it is served */
    struct exit_circuit *circuit; /* NULL: it is gone */
    struct exit_wait *first, **last;
    uint64_t deadline;
    uint64_t asked_at;
    bool held; /* answered: until its deadline */
    struct name_answer answer;
    uint64_t ttl;
    uint32_t cookie;
    uint32_t place; /* in x->places */
    struct name name;
    bool reverse; /* the name is the text of `address`, which no name is */
    struct endpoint address;
};

struct exit {
    struct exit_config config;
    struct exit_env env;
    struct policy *policy;
    struct token_rate rate, network_rate, circuit_rate, silent_rate,
        question_rate;
    struct token_bucket bucket;
    struct token_bucket networks[EXIT_NETWORKS]; /* of neighbours, by hash */

    struct exit_socket *sockets;
    uint32_t socket_slots, socket_count, free_socket;

    TAILQ_HEAD(exit_questions, exit_question) questions; /* oldest first */
    struct exit_questions held;                          /* by deadline */
    /* Those whose waits are being served, innermost first; in no other list
     * any more. */
    struct exit_question *answered;
    uint32_t next_cookie;
    unsigned question_count, waiting;
    struct exit_question **places; /* all under way, in any order; grows */
    unsigned place_cap;
    struct shares waiting_by, sockets_by; /* which sources */
    struct name_cache cache;
    struct exit_pace pace;
    struct exit_silence silence;
    uint8_t site_key[SOURCE_KEY_BYTES];

    TAILQ_HEAD(exit_circuits, exit_circuit) by_use; /* the oldest first */
    unsigned circuits;
    struct exit_stats stats;
};

/* exit.c: closes and forgets what it can have again. */
void exit_circuit_rest(struct exit *x, struct exit_circuit *c);

/* exit.c: what becomes of a want, now that the DNS has answered. EXIT_SENT: it
 * was done. */
enum reason exit_serve(struct exit *x, struct exit_circuit *c,
                       const struct exit_want *want,
                       const struct name_answer *answer, uint64_t now);

/* exit_socket.c */
enum reason exit_socket_get(struct exit *x, struct exit_circuit *c,
                            enum family family, uint64_t now, void **handle);
/* NULL for a cookie whose socket is closed. */
struct exit_socket *exit_socket_find(struct exit *x, uint32_t cookie);
void exit_sockets_close(struct exit *x, struct exit_circuit *c);

/* exit_resolve.c: asks for the name, or joins the circuit's own question. */
enum reason exit_wait(struct exit *x, struct exit_circuit *c,
                      const struct name *name, const struct exit_want *want,
                      uint64_t now);
void exit_waits_drop(struct exit *x, struct exit_circuit *c);
void exit_questions_tick(struct exit *x, uint64_t now);
uint64_t exit_questions_deadline(const struct exit *x);

#endif
