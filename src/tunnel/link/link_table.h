/* SPDX-License-Identifier: MIT
 *
 * What the files link*.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_LINK_LINK_TABLE_H
#define WARREN_TUNNEL_LINK_LINK_TABLE_H

#include "tunnel/link/cookie.h"
#include "tunnel/link/link.h"

#include "base/limiter.h"
#include "base/table/shares.h"

/* Ages and pauses of a link, all in ns. */
#define LINK_REKEY_AFTER     (10 * TIME_MIN)
#define LINK_REKEY_JITTER    (2 * TIME_MIN)
#define LINK_REKEY_RETRY     (5 * TIME_S)
#define LINK_SESSION_MAX_AGE (20 * TIME_MIN) /* the responder's patience */
#define LINK_PREVIOUS_LIFE   (30 * TIME_S)
#define LINK_KEEPALIVE       (15 * TIME_S)
#define LINK_KEEPALIVE_SPAN  (10 * TIME_S) /* of the jitter */
#define LINK_SUSPECT_AFTER \
    (3 * TIME_S) /* sent, but nothing heard for so long */
#define LINK_PING_PAUSE (1 * TIME_S)
#define LINK_PING_TRIES 3
/* Without circuits: before the first one, and after the last. */
#define LINK_UNUSED_LIFE (15 * TIME_S)
#define LINK_KEPT_LIFE   (5 * TIME_MIN)
#define LINK_KEPT_SILENCE                                                     \
    (LINK_KEPT_LIFE / 2) /* after which it is asked whether the peer is there \
                          */
#define LINK_INIT_TRIES   4
#define LINK_INIT_TIMEOUT (500 * TIME_MS)          /* doubled with each try */
#define LINK_OPEN_LIFE    (15 * LINK_INIT_TIMEOUT) /* of all tries */
#define LINK_PING_NONCE   8                        /* bytes */

/* A peer of whom the network says that he is gone: pauses between PINGs, at
 * least and without a known round trip; INITs. Each time that it was wrong
 * doubles the pauses, up to the usual one, and the time until it is listened to
 * again, and adds a PING. At the most it takes as long as after a silence. */
#define LINK_DOUBT_PAUSE   (5 * TIME_MS)
#define LINK_DOUBT_UNKNOWN (100 * TIME_MS)
#define LINK_DOUBT_RTTS    4
#define LINK_DOUBT_SHAKES  2 /* of a handshake, which takes longer */
#define LINK_DOUBT_INITS   3
#define LINK_DOUBT_PINGS   3 /* added at most */
#define LINK_DOUBT_TRUST   (50 * TIME_MS)
#define LINK_DOUBTS_WRONG  7
#define LINK_DOUBT_RATE    100 /* a second, over all links */
/* UNKNOWN: said a second, over all and to one host; listened to, over all. */
#define LINK_UNKNOWN_RATE   256
#define LINK_UNKNOWN_SOURCE 8
#define LINK_UNKNOWN_HEARD  1000
#define LINK_GONE_MAX       16
#define LINK_GONE_LIFE      (10 * TIME_S)

/* A peer that answered within `patience`, and then was gone as the network had
 * said. */
struct link_gone {
    struct endpoint ep;
    uint64_t patience;
    uint64_t until; /* 0: none */
};

struct links {
    struct link_config config;
    struct link_env env;
    const struct responder *responder;
    struct cookie_jar jar;
    struct token_rate free_rate; /* INITs that need no cookie */
    uint64_t free_interval;      /* of it, while there is little load */
    struct token_bucket free_bucket;
    struct limiter limiter;
    struct limiter targets; /* of INITs because of neighbours, by target */
    struct token_rate doubt_rate;
    struct token_bucket doubt_bucket;
    struct limiter unknown; /* UNKNOWN, by whom it is said to */
    struct token_rate heard_rate;
    struct token_bucket heard_bucket; /* of those that come */
    struct link_gone gone[LINK_GONE_MAX];
    struct slot_table sessions;
    struct link **links; /* of all states */
    size_t count;
    struct link **half; /* the HALF_OPEN ones */
    size_t half_open;
    struct shares shares;      /* of the others, but for our own; by holder */
    struct shares half_shares; /* of the HALF_OPEN ones */
    uint64_t deadline;
    struct link_stats stats;
};

/* The earliest deadline of all may have become earlier. */
void link_set_deadline(struct links *l, struct link *link, uint64_t at);
/* A link in the table, without sessions; the caller has made room. The holder
 * of one that is not HALF_OPEN may be zeros. ERR_NO_MEMORY. */
enum error link_new(struct links *l, enum link_state state,
                    const struct endpoint *ep, const struct endpoint *holder,
                    uint64_t now, struct link **out);
void link_free(struct links *l, struct link *link);

/* link_share.c: whose links there are. A place for one of `holder`: of one
 * without circuits, of one that we have opened because of somebody, or, with
 * `of_strangers`, of one that somebody has opened. False: there is none.
 * Callbacks are called for what makes way. */
bool link_make_room(struct links *l, const struct endpoint *holder,
                    bool of_strangers, uint64_t now);
bool link_make_room_half(struct links *l, const struct endpoint *from,
                         bool proven, uint64_t now);
/* Counts it among its holder's. ERR_NO_MEMORY. */
enum error link_count(struct links *l, struct link *link);
enum error link_count_half(struct links *l, struct link *link);
void link_uncount(struct links *l, struct link *link);
void link_uncount_half(struct links *l, struct link *link);
/* Whether `holder` may have us send an INIT to this address; NULL: another one.
 */
bool link_may_knock(struct links *l, const struct endpoint *target,
                    const struct endpoint *holder, uint64_t now);
/* `asker` uses it too: of those who do, who holds least holds it. Or whoever
 * asked first could, by what else he holds, have the circuits of others end. */
void link_join(struct links *l, struct link *link,
               const struct endpoint *asker);
/* It is our own from here on. */
void link_adopt(struct links *l, struct link *link);
/* Ends with a call of env.down. */
void link_fail(struct links *l, struct link *link, enum reason why,
               uint64_t now);

/* As link_send, to where the peer may be. */
void link_send_to(struct links *l, struct link *link, const struct endpoint *to,
                  enum cell_type type, struct bytes text, uint64_t now);

/* link_receive.c: which session a link sends with. The first one brings it up;
 * after a rekey `s` is the next one, and the one before is `previous`, still
 * opened for a while. */
void link_use_first_session(struct links *l, struct link *link,
                            struct session *s, uint64_t now);
void link_use_next_session(struct links *l, struct link *link,
                           struct session *s, uint64_t now);

/* Somebody at `to` sends with a session that is none of ours. */
void link_say_unknown(struct links *l, const struct endpoint *to,
                      uint32_t index, uint64_t now);
/* link_time.c: the peer at `from` says that of one of ours. */
enum error link_hear_unknown(struct links *l, const struct endpoint *from,
                             uint32_t index, uint64_t now);

/* link_time.c: the peer that was doubted has been heard. */
void link_believe(struct links *l, struct link *link, uint64_t now);
/* A new link to there has come up: nobody is gone. */
void link_is_there(struct links *l, const struct endpoint *ep);

/* A cell under the new keys has the responder use them too. */
void link_tell_keys(struct links *l, struct link *link, uint64_t now);

/* A large cell with this nonce, to be answered by a small one. */
void link_send_large_ping(struct links *l, struct link *link,
                          const uint8_t nonce[LINK_PING_NONCE], bool in_parts,
                          uint64_t now);

/* link_large.c: after a large cell, when it is time to ask; a PONG, if it is
 * about that; deadlines; sending as parts what was sealed. */
void large_wanted(struct links *l, struct link *link, uint64_t now);
bool large_pong(struct link *link, uint64_t nonce, uint64_t now);
void large_moved(struct link *link);
void large_tick(struct links *l, struct link *link, uint64_t now);
uint64_t large_deadline(const struct link *link);
void large_send_parts(struct links *l, const struct endpoint *to,
                      const uint8_t cell[CELL_LARGE]);

/* link_handshake.c */
enum error handshake_start(struct links *l, struct link *link, uint64_t now);
enum error handshake_send_rekey(struct links *l, struct link *link,
                                uint64_t now);
enum error handshake_receive_rekey(struct links *l, struct link *link,
                                   struct bytes text, uint64_t now);
enum error handshake_receive_rekeyed(struct links *l, struct link *link,
                                     struct bytes text, uint64_t now);
void handshake_forget(struct links *l, struct link *link);

#endif
