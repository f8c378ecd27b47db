/* SPDX-License-Identifier: MIT
 *
 * One attempt to meet somebody: this end waits at a rendezvous point of its
 * choice and says so, sealed, to the other end.
 *
 *     stem M --RENDEZVOUS, READY-------------.
 *     stem I --one more hop: the point-------+- work -- INTRODUCE ..ACK
 *                                                             |
 *     JOINED on M, with the other end's noise2 <--------------'
 *
 * A channel that is to be renewed goes the same way, but that MOVE on the
 * channel itself takes the place of the point. What is said goes out again,
 * unchanged, until it is answered. An attempt asks at one point, once: whoever
 * wants another tries again, with fresh keys and circuits.
 */
#ifndef WARREN_TUNNEL_SERVICE_CONNECT_H
#define WARREN_TUNNEL_SERVICE_CONNECT_H

#include "tunnel/service/service_internal.h"

/* Times that the other end may have restarted while one is after it. */
#define CONNECT_AGAIN_MAX 2

enum connect_end {
    CONNECT_JOINED,
    CONNECT_PROBED, /* a probe was answered as one that is taken */
    CONNECT_NO_CIRCUIT,
    CONNECT_NO_POINT,      /* the point was not reached, or knows nothing */
    CONNECT_SILENT,        /* nobody answered through the point */
    CONNECT_REFUSED,       /* by the service */
    CONNECT_BUSY,          /* likewise: later, or with work */
    CONNECT_AGAIN,         /* it has restarted: with `greeting`, once more */
    CONNECT_WORK,          /* more work than we are ready to do, or no luck */
    CONNECT_NO_RENDEZVOUS, /* taken, but nobody came */
    CONNECT_HANDSHAKE      /* somebody came who is not the one */
};

/* Whom to meet, and through which point. */
struct connect_goal {
    uint8_t key[32];     /* service key of the point, or M of a member */
    uint8_t auth_id[16]; /* at the point */
    struct relay_target point;
    bool has_work;
    uint8_t work_seed[WORK_SEED_BYTES];
    uint32_t effort;
    uint32_t greeting; /* when what we know of it was issued */
    bool probe;        /* it is not to come */
    bool resume;       /* `resume_id` names the channel that is to go on */
    uint8_t resume_id[CHANNEL_RESUME_BYTES];
    const uint8_t *member; /* STRING: our M and its secret; else NULL */
    const uint8_t *member_secret;
};

struct connect_result {
    enum connect_end end;
    struct circuit *circuit; /* JOINED: the caller's now */
    struct channel_keys keys;
    bool resumed;
    uint32_t effort;        /* BUSY */
    uint32_t greeting;      /* AGAIN */
    uint8_t rendezvous[32]; /* identity of the relay */
};

struct connect;

/* `done` is called once, and last, but not from within connect_new; it may
 * begin another one. */
typedef void connect_done_fn(void *arg, const struct connect_result *result,
                             uint64_t now);

/* Through the stems of `kit`. With `over` it is MOVE on that channel, and the
 * goal's point counts nothing. ERR_FULL (max_connects), ERR_NO_MEMORY. */
enum error connect_new(struct service *service, struct stem_kit *kit,
                       const struct connect_goal *goal, struct channel *over,
                       connect_done_fn *done, void *arg, uint64_t now,
                       struct connect **out);
/* `done` is not called any more. */
void connect_free(struct connect *c, uint64_t now);

/* The other end may have been asked to come. */
bool connect_has_asked(const struct connect *c);
/* It has not reached this point yet. */
bool connect_is_on_its_way_to(const struct connect *c,
                              const uint8_t auth_id[AUTH_ID_BYTES]);
/* It comes: the point has said so. */
bool connect_is_taken(const struct connect *c);
/* When it should be joined, by what those before it took. */
uint64_t connect_overdue_at(const struct connect *c);
/* When an attempt that begins now has been under way for so long that a second
 * one, at another point, is begun beside it. */
uint64_t connect_second_at(const struct service *service, uint64_t now);
/* The other end does not come (channel_env.move_refused). */
void connect_move_refused(struct connect *c, uint64_t now);

/* Of all: stems of this kit can be taken, or cannot be had. */
void connects_stems(struct services *s, const struct stem_kit *kit,
                    enum path_result why, uint64_t now);
void connects_tick(struct services *s, uint64_t now);
uint64_t connects_deadline(const struct services *s);

#endif
