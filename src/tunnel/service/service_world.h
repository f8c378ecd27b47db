/* SPDX-License-Identifier: MIT
 *
 * What services tell the world above, and ask of it: events, what is to be
 * found again after a restart, and work that is too long for the loop.
 */
#ifndef WARREN_TUNNEL_SERVICE_SERVICE_WORLD_H
#define WARREN_TUNNEL_SERVICE_SERVICE_WORLD_H

#include "base/bytes.h"
#include "tunnel/link/link.h"
#include "tunnel/link/reason.h"
#include "tunnel/record/work.h"
#include "tunnel/stem/vanguard.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- What is kept over a restart ---------------------------------------- */

/* An introduction point of ours. No key: those follow from the service's secret
 * and the salt; without the row they are gone. */
struct service_point_row {
    struct link_target relay;
    uint8_t salt[16];
    uint64_t since, until; /* wall seconds */
    uint64_t introductions;
    uint32_t period; /* STRING: of the topic that it is under; else 0 */
};

/* The last seq of a blinded key: of a period, and of an access secret (0: of
 * none, else its place in the options + 1). */
struct service_seq_row {
    uint32_t period;
    uint32_t access;
    int64_t seq;
};

struct service_memory {
    const struct service_point_row *points;
    unsigned point_count;
    const struct service_seq_row *seqs;
    unsigned seq_count;
    struct vanguard_set third; /* count 0: none yet */
};

/* ---- Events ------------------------------------------------------------- */

/* Why a service is not reachable, or cannot be reached; OK: it is, or nothing
 * is known to the contrary yet. */
enum service_problem {
    SERVICE_FINE,
    SERVICE_STARTING,     /* nothing has failed yet */
    SERVICE_NO_PATH,      /* too few relays are known for circuits */
    SERVICE_NO_POINT,     /* no relay takes us for an introduction point */
    SERVICE_NOT_STORED,   /* too few nodes of the DHT took the descriptor */
    SERVICE_NOT_VERIFIED, /* stored, but not found again */
    SERVICE_PROBE_FAILED, /* found, but its points do not lead to us */
    SERVICE_NOT_FOUND,    /* REMOTE: nobody has a descriptor of it */
    SERVICE_EXPIRED,      /* only an old one: it is down, or a clock is wrong */
    SERVICE_WITHDRAWN,    /* its owner has removed it */
    SERVICE_POINTS_FAIL,  /* none of its points leads to it */
    SERVICE_BUSY,         /* it takes nobody now */
    SERVICE_TOO_MANY,     /* we have max_connects, or lookups, under way */
    SERVICE_TOO_MUCH_WORK, /* more than we are ready to do */
    SERVICE_NO_RENDEZVOUS, /* it did not come to the rendezvous point */
    SERVICE_ALONE,         /* STRING: no other member was found */
    SERVICE_PROBLEMS
};

/* A sentence fragment for people, and a name for JSON and metrics. */
const char *service_problem_text(enum service_problem p);
const char *service_problem_name(enum service_problem p);

enum service_event_kind {
    SERVICE_EVENT_PEER, /* a peer is there: once for each */
    SERVICE_EVENT_DATA, /* port, payload: in the middle of a receive */
    SERVICE_EVENT_GONE, /* why; its number is not used again */
    SERVICE_EVENT_STATE /* status and problem have changed */
};

struct service_event {
    enum service_event_kind kind;
    uint32_t service;
    uint64_t peer;
    bool opened;  /* PEER: by this side */
    bool has_key; /* PEER: `key` is the member's or the service's */
    uint8_t key[32];
    uint16_t port;
    struct bytes payload;         /* valid during the call */
    enum reason why;              /* GONE */
    enum service_problem problem; /* STATE */
};

/* ---- The world ---------------------------------------------------------- */

/* All may be NULL. */
struct service_world {
    void *ctx;
    void (*event)(void *ctx, const struct service_event *event);

    /* A packet of streams came from a peer, for this side of them; in the
     * middle of a receive. NULL: there are no streams. */
    void (*packet)(void *ctx, uint64_t peer, bool to_acceptor,
                   struct bytes packet, uint64_t now);

    /* What is to be found again after a restart. */
    void (*remember_point)(void *ctx, uint32_t service,
                           const struct service_point_row *row);
    void (*forget_point)(void *ctx, uint32_t service, const uint8_t relay[32]);
    void (*remember_seq)(void *ctx, uint32_t service,
                         const struct service_seq_row *row);
    void (*remember_third)(void *ctx, uint32_t service,
                           const struct vanguard_set *set);
    void (*remember_layer2)(void *ctx, const struct vanguard_set *set);

    /* Solves a challenge outside of the loop, for `budget` ns at most, and
     * calls services_solved later (not from within). NULL: no work is done. */
    void (*solve)(void *ctx, uint64_t id, const struct work_task *task,
                  uint64_t budget);
};

#endif
