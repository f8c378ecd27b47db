/* SPDX-License-Identifier: MIT
 *
 * An exit: sends the datagrams of circuits to the Internet, and brings back
 * the answers.
 *
 *     exit_send ----> name? --resolve--> policy --> destination --> socket
 *     deliver  <---- destination known? <------------------------- exit_receive
 *
 *     exit_lookup -> name? --resolve--> found: a name for another purpose
 *     exit_reverse -> policy -> --reverse--> found: the name of an address
 *
 * Every circuit has at most one UDP socket of each family, opened when it is
 * first needed and closed when the circuit is idle. Rules:
 *
 * - The policy decides after resolution, about the address that is sent to.
 * - An answer is passed on only when it comes from an address and port that
 *   this circuit has sent to.
 * - A destination that is silent gets `silent_burst` packets of a circuit,
 *   then `silent_rate` a second. It is silent until it answers, and again when
 *   its last answer is EXIT_ANSWER_COUNTS old. While it answers no circuit at
 *   all, it gets no more than that from all of them (exit_silence.h).
 * - A circuit has at most `max_destinations`. The one used least recently
 *   makes room once its allowance of silent packets is full again, so that
 *   forgetting it forgives nothing. Else the circuit is told FULL.
 * - Sockets, questions to the DNS, datagrams that wait for an answer of the
 *   DNS, cached names and rates are capped, over all and for each circuit. At
 *   the cap over all who has most makes way (base/table/shares.h), by the
 *   addresses of the neighbours that circuits come from, and for questions by
 *   circuit: the oldest question goes, the sockets idle for longest are
 *   closed. Who has most is refused himself. A lookup counts as a datagram.
 * - A circuit learns nothing of what others have asked the DNS: it has
 *   questions and names of its own, and no answer is sooner than that to the
 *   first who asked was (exit_pace.h).
 * - The name of an address is asked for when all may send there: nothing of
 *   this node's addresses and networks, or that is not global.
 *
 * Reasons for a refusal:
 *   PROTOCOL   text that is neither address nor name, or too long a datagram
 *   NO_NAME    there is no such name, or none of that address
 *   RESOLVE    the name has no address that can be had, the address no name
 *   TIMEOUT    the DNS does not answer
 *   DNS        it says that it failed, or cannot be asked
 *   POLICY     the policy refuses every address of it, or to say its name
 *   NO_EXIT    names of addresses are not to be had here
 *   FULL       a cap is reached (destinations, sockets, questions), or the
 *              question made room for another's
 *   RATE       the circuit, or all of them, send too much
 *   SILENT     the destination has had its packets
 *   IO         the system does not open a socket or does not send
 */
#ifndef WARREN_TUNNEL_EXIT_EXIT_H
#define WARREN_TUNNEL_EXIT_EXIT_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "tunnel/exit/policy.h"
#include "tunnel/link/reason.h"

#include <stddef.h>
#include <stdint.h>

#define EXIT_SENT          ((enum reason)0) /* nothing went wrong */
#define EXIT_PAYLOAD_MAX   9600
#define EXIT_SOCKETS_MAX   65535
#define EXIT_ANSWER_COUNTS (30 * TIME_S)

struct exit_config {              /* nothing may be 0 */
    unsigned max_sockets;         /* over all; at most EXIT_SOCKETS_MAX */
    unsigned max_destinations;    /* of a circuit; as many */
    unsigned max_questions;       /* to the DNS, over all */
    unsigned max_waiting;         /* datagrams and lookups, over all */
    unsigned max_waiting_circuit; /* likewise, and so questions */
    unsigned max_names;           /* cached */
    unsigned rate, burst;         /* datagrams a second, over all */
    unsigned circuit_rate, circuit_burst;
    unsigned silent_rate, silent_burst;     /* of a destination */
    unsigned question_rate, question_burst; /* of a circuit */
    uint64_t resolve_timeout;
    uint64_t idle_timeout; /* without a datagram either way */
};

/* What a public node is fine with. */
void exit_config_default(struct exit_config *config);

/* What the DNS says; views are valid during the call. */
struct exit_answer {
    enum reason why;              /* EXIT_SENT; else there is nothing below */
    const struct endpoint *addrs; /* of a name; their ports do not matter */
    size_t count;
    struct bytes name; /* of an address */
    uint64_t ttl;      /* ns */
};

/* What an exit needs of the system. No function may free the exit. */
struct exit_world {
    void *ctx;

    /* A UDP socket, not bound to a port of ours; what it receives goes to
     * exit_receive with this `cookie`. Any error: it cannot be had. */
    enum error (*open)(void *ctx, enum family family, uint32_t cookie,
                       void **handle);
    /* ERR_NO_SPACE: dropped, as UDP may be. Any other error is the
     * destination's. */
    enum error (*send)(void *ctx, void *handle, const struct endpoint *to,
                       struct bytes payload);
    void (*close)(void *ctx, void *handle);

    /* Asks for the addresses of an absolute name: no search domains, no hosts
     * file. The answer goes to exit_resolved with this `cookie`, also at
     * once. An error: there will be none. */
    enum error (*resolve)(void *ctx, const char *name, uint32_t cookie);
    /* Likewise for the name of an address. NULL: there is none to be had. */
    enum error (*reverse)(void *ctx, const struct endpoint *address,
                          uint32_t cookie);
    /* Nobody waits for that answer any more. */
    void (*resolve_cancel)(void *ctx, uint32_t cookie);
};

/* `owner` is what exit_circuit_new was given. `deliver`, `failed` and `found`
 * may free circuits, send and look up. */
struct exit_env {
    struct exit_world world;
    void *ctx;
    struct random_source random;
    void (*deliver)(void *ctx, void *owner, const struct endpoint *source,
                    struct bytes payload, uint64_t now);
    /* A datagram that exit_send took was not sent after all. */
    void (*failed)(void *ctx, void *owner, enum reason why, uint64_t now);
    /* A lookup has ended. Its `ttl` is the same for all that is found: what
     * the DNS says is how long ago somebody else has asked. */
    void (*found)(void *ctx, void *owner, uint64_t lookup,
                  const struct exit_answer *answer, uint64_t now);
};

struct exit_stats {
    uint64_t sent, sent_bytes, received, received_bytes;
    uint64_t refused[REASON_END_]; /* at once or later */
    uint64_t dropped;              /* ERR_NO_SPACE */
    uint64_t strangers;            /* answers that nobody asked for */
    uint64_t late;                 /* for a socket that was closed */
    uint64_t questions, cache_hits, late_answers, lookups;
    uint64_t reversals;
    uint64_t displaced; /* questions and circuits that made room for others */
    /* now */
    unsigned circuits, sockets, open_questions, waiting, names;
};

struct exit;
struct exit_circuit;

/* The policy stays the caller's, who may change it at any time. */
enum error exit_new(const struct exit_config *config,
                    const struct exit_env *env, struct policy *policy,
                    struct exit **out);
/* Closes all sockets. The circuits must be freed before. */
void exit_free(struct exit *x);

/* Without sockets yet; `neighbour` is where the circuit comes from. Errors:
 * ERR_NO_MEMORY. Free it when the circuit goes; what still waits for the DNS is
 * dropped without a word. */
enum error exit_circuit_new(struct exit *x, void *owner,
                            const struct endpoint *neighbour, uint64_t now,
                            struct exit_circuit **out);
void exit_circuit_free(struct exit *x, struct exit_circuit *c);

/* Sends to an address, or to a port of a name. EXIT_SENT, or the reason why
 * not. What waits for the DNS may still fail: env.failed. */
enum reason exit_send(struct exit *x, struct exit_circuit *c,
                      const struct endpoint *to, struct bytes payload,
                      uint64_t now);
enum reason exit_send_name(struct exit *x, struct exit_circuit *c,
                           struct bytes name, uint16_t port,
                           struct bytes payload, uint64_t now);

/* Asks for the addresses of a name; of an address, for itself. env.found tells
 * them with this number, which no other of the circuit has, also before this
 * returns; any result but EXIT_SENT is the reason why it will not. */
enum reason exit_lookup(struct exit *x, struct exit_circuit *c,
                        struct bytes name, uint64_t lookup, uint64_t now);
/* Asks for the name of an address, whose port does not matter. Likewise. */
enum reason exit_reverse(struct exit *x, struct exit_circuit *c,
                         const struct endpoint *address, uint64_t lookup,
                         uint64_t now);
/* It is not told any more. One that was is left alone. */
void exit_lookup_cancel(struct exit *x, struct exit_circuit *c,
                        uint64_t lookup);

/* A datagram came in on a socket. */
void exit_receive(struct exit *x, uint32_t cookie, const struct endpoint *from,
                  struct bytes payload, uint64_t now);

/* The DNS has answered. */
void exit_resolved(struct exit *x, uint32_t cookie,
                   const struct exit_answer *answer, uint64_t now);

void exit_tick(struct exit *x, uint64_t now);
uint64_t exit_next_deadline(const struct exit *x);

void exit_get_stats(const struct exit *x, struct exit_stats *out);

#endif
