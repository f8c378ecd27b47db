/* SPDX-License-Identifier: MIT
 *
 * Links between neighbours: a Noise handshake (INIT, ACCEPT; RETRY under
 * load), then cells both ways. The initiator knows whom it talks to; the
 * responder does not, and learns no more than an address.
 *
 *     link_open ----> OPENING --ACCEPT--> UP ----> closed: link_env.down
 *     INIT comes ---> HALF_OPEN --first cell--> UP
 *
 * A link rekeys by time, is kept alive with jitter while circuits use it and
 * closes when none has used it for a while: soon when none ever has, else after
 * minutes, so that who has it extended to learns little by the time that takes.
 * A peer whose address changes is followed once it has answered a PING there:
 * an authentic cell alone may have any source address.
 *
 * That nobody is there any more is what the network may say (ICMP), and who
 * knows both addresses can make up: it is asked about, faster than after a
 * silence, and the slower the more often it was wrong (links_unreachable). Whom
 * that has shown to be gone is knocked at once, and not for long, for some
 * time. A peer that was started again says itself that it knows nothing of a
 * session (UNKNOWN), which proves no more: it is asked about in the same way.
 *
 * A link is held by who opened it: we ourselves, a stranger, or the neighbour
 * because of whom we did (link_open_for). At max_links one of whoever holds
 * most makes way (base/table/shares.h), those without circuits first; none of
 * our own does. Half-open links have places of their own, since their sources
 * may be made up: those that have shown a cookie stay, of the others the oldest
 * of whoever has most goes.
 */
#ifndef WARREN_TUNNEL_LINK_LINK_H
#define WARREN_TUNNEL_LINK_LINK_H

#include "base/endpoint.h"
#include "tunnel/crypto/responder.h"
#include "tunnel/link/cell.h"
#include "tunnel/link/link_message.h"
#include "tunnel/link/reason.h"
#include "tunnel/link/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum link_state { LINK_OPENING, LINK_HALF_OPEN, LINK_UP };

struct circuit_end;
struct parts;

/* Whether large cells pass to the peer; link_large.c. */
enum large_state {
    LARGE_UNKNOWN,
    LARGE_WHOLE, /* yes */
    LARGE_PARTS, /* as two datagrams each: the path's MTU is too small */
    LARGE_LOST   /* not even so */
};

struct link_large {
    enum large_state state;
    bool in_parts; /* how they are sent now */
    bool asks;     /* PINGs are under way: */
    bool asks_in_parts, small_passed;
    unsigned tries;
    uint64_t nonce;    /* of the large one */
    uint64_t asked_at; /* the last of them */
    uint64_t next_at;  /* when to ask, if there is a large cell to send */
};

/* Whom to have a link with. */
struct link_target {
    uint8_t identity[32];
    uint8_t handshake_key[NOISE_KEY_BYTES];
    struct endpoint ep;
};

struct link {
    enum link_state state;
    bool initiator;
    bool unwanted;           /* while OPENING: who asked for it has given up */
    bool closing;            /* env.down runs: nobody gets it any more */
    struct link_target peer; /* of a responder's link only `ep` is known */
    struct endpoint opened;  /* initiator: where the peer was to be found, */
    struct endpoint holder;  /* whose it is; zeros: our own */
    bool counted;            /* among the holder's; HALF_OPEN is not, yet */
    bool proven;             /* HALF_OPEN: its INIT had a cookie; OPENING:
                                the target has answered, by RETRY */
    bool carried;            /* a circuit has used it */
    struct session *session; /* to send with; NULL while OPENING */
    struct session *next;    /* responder: rekeyed, not used by the peer yet */
    struct session *previous;
    struct session *opening; /* initiator: has an index, but no keys yet */
    struct noise *handshake; /* initiator: OPENING or rekeying */
    uint8_t rekey[NOISE_OVERHEAD]; /* of our REKEY or REKEYED, said again */
    uint8_t mac1[LINK_MAC_BYTES];  /* of our last INIT */
    uint8_t cookie[LINK_COOKIE_BYTES];
    bool has_cookie;
    unsigned tries;         /* INITs, or PINGs that were not answered */
    bool doubted;           /* the network says that nobody is there */
    bool stale;             /* the peer says that it has no such session */
    unsigned doubts_wrong;  /* how often it was wrong, up to a most */
    uint64_t trusted_until; /* until then it is not listened to */
    uint64_t open_until;    /* OPENING: an answer would have come, or never */
    unsigned users;         /* circuits: link_hold, link_release */
    uint64_t deadline;
    uint64_t heard_at, sent_at;
    uint64_t used_at;       /* when it came up, or the last circuit let it go */
    uint64_t unanswered_at; /* first cell sent since heard_at, or never */
    uint64_t rekey_at;
    uint64_t told_at;        /* initiator: PING under new keys went out */
    uint64_t ping_at;        /* when the last PING went out */
    uint64_t rtt;            /* smoothed, ns; 0 unknown */
    bool rtt_is_exact;       /* of PINGs; else of the handshake */
    struct endpoint seen_at; /* where the peer may be now */
    uint64_t seen_nonce;     /* of the PING that asks there; 0: none */
    uint64_t seen_asked_at;
    struct link_large large;
    struct parts *parts;      /* NULL until one comes */
    size_t slot;              /* in struct links, */
    size_t half_slot;         /* and while HALF_OPEN among those */
    struct circuit_end *ends; /* circuits over it, kept by circuit_end.c */
};

/* What a link needs from above. `up` tells of links of both sides. `cell` gets
 * every authentic cell that is not the link's own business and says why it
 * drops one; `datagram` may be rewritten in place and its body is opened
 * already unless it is a RELAY. None may free the links; all may open and
 * close links. */
struct link_env {
    void *ctx;
    struct random_source random;
    void *send_ctx;
    void (*send)(void *send_ctx, const struct endpoint *to,
                 struct bytes datagram);
    /* As `send`, and the datagram is to be alone on its way: what asks for the
     * length that a path lets through must not travel in a train, which some
     * paths carry as one while they lose what is as long and single. NULL where
     * nothing makes trains. */
    void (*send_alone)(void *send_ctx, const struct endpoint *to,
                       struct bytes datagram);
    void (*up)(void *ctx, struct link *link, uint64_t now);
    /* May a link move to this address, when its peer answers there? One that
     * differs in the port only is not asked about. */
    bool (*may_move)(void *ctx, const struct endpoint *to);
    /* A link that we open has had no answer yet: a NAT may be in the way.
     * No link may be opened or closed meanwhile. */
    void (*unanswered)(void *ctx, const struct link *link, uint64_t now);
    /* The link is gone when this returns. */
    void (*down)(void *ctx, struct link *link, enum reason why, uint64_t now);
    enum error (*cell)(void *ctx, struct link *link,
                       const struct cell_head *head, uint8_t *datagram,
                       size_t len, uint64_t now);
};

struct link_config {
    unsigned max_links;      /* at least 1 */
    unsigned max_half_open;  /* at least 1, beside those */
    unsigned handshake_rate; /* INITs a second without a cookie */
    unsigned handshake_burst;
    unsigned handshake_source_rate; /* with a cookie, of one host */
    unsigned handshake_source_burst;
    unsigned proven_rate; /* with a cookie, over all; REKEYs beside them */
    unsigned max_sources; /* whose rate is remembered */
};

/* Counters since creation. */
struct link_stats {
    uint64_t inits_in, accepts_out, retries_out, refuses_out;
    uint64_t inits_out, opened, failed, rekeys;
    uint64_t cells_in, cells_out;
    uint64_t half_open_evicted;
    uint64_t made_way;   /* for another, at max_links */
    uint64_t large_lost; /* links that were found to lose large cells */
    uint64_t parts_in, parts_out;
    uint64_t doubts, doubts_wrong;      /* of peers; of those, who answered */
    uint64_t unknown_out, unknown_held; /* cells of no session; not answered */
    uint64_t unknown_in, unknown_odd;   /* hints; about no link of ours */
};

/* How many links are up by what becomes of large cells. */
struct link_paths {
    unsigned whole, parts, lost;
};

struct links;

/* `responder` answers for this node, and outlives the links. */
enum error links_new(const struct link_config *config,
                     const struct link_env *env,
                     const struct responder *responder, uint64_t now,
                     struct links **out);
/* Tells all peers that their links are gone, before links_free: else they find
 * out only when they next need us, and wait in vain for some seconds. */
void links_say_closed(struct links *l, uint64_t now);
/* No callback is called. */
void links_free(struct links *l);

/* A link to `target`: the one that we have opened to it already, or a new one,
 * which is UP when env.up was called. ERR_FULL, ERR_NO_MEMORY, ERR_ADDRESS,
 * ERR_RANGE (a key that is none). */
enum error link_open(struct links *l, const struct link_target *target,
                     uint64_t now, struct link **out);
/* The same because of the neighbour at `asker`, whose link it is then. No link
 * that another has opened and circuits use goes for it. One INIT goes out, and
 * no other before the target has answered, but for link_open_again. Where the
 * target's address is global that is at most twice a second to one host, more
 * to a wider source (base/limiter.h), and one source has two links at most that
 * wait for one host: ERR_RATE_LIMITED. */
enum error link_open_for(struct links *l, const struct link_target *target,
                         const struct endpoint *asker, uint64_t now,
                         struct link **out);

/* `asker` asks again for a link that he waits for: another INIT may go out. */
void link_open_again(struct links *l, struct link *link, uint64_t now);

/* Circuits keep a link from closing for want of use. */
void link_hold(struct link *link);
void link_release(struct link *link, uint64_t now);

/* Sends a RELAY cell whose body lies in `datagram` (len CELL_LARGE or
 * CELL_SMALL), from where it lies. False while the link is OPENING. */
bool link_send_relay(struct links *l, struct link *link, uint32_t circuit,
                     uint8_t *datagram, size_t len, uint64_t now);
/* Sends a cell of another type with this text, padded; as above. */
bool link_send(struct links *l, struct link *link, enum cell_type type,
               uint32_t circuit, struct bytes text, uint64_t now);

/* One datagram that is a cell. OK, or the reason for dropping it. */
enum error links_receive_cell(struct links *l, const struct endpoint *from,
                              uint8_t *datagram, size_t len, uint64_t now);
/* One datagram that is half of a cell (part.h); likewise. ERR_NO_MEMORY. */
enum error links_receive_part(struct links *l, const struct endpoint *from,
                              struct bytes datagram, uint64_t now);
/* One INIT, ACCEPT, RETRY, REFUSE or UNKNOWN, as read from `datagram`. */
enum error links_receive_message(struct links *l, const struct endpoint *from,
                                 const struct link_message *m, uint64_t now);

/* Our network has changed: asks the peers of links in use whether they still
 * hear us, which also tells them our new address. */
void links_check(struct links *l, uint64_t now);
/* The network says that nobody receives at `ep`: a hint, no proof. Links to
 * there are asked at once, and fail after some PINGs a few round trips apart;
 * any cell keeps one. Those that are OPENING are tried less often. */
void links_unreachable(struct links *l, const struct endpoint *ep,
                       uint64_t now);
void links_tick(struct links *l, uint64_t now);
uint64_t links_next_deadline(const struct links *l);

/* As limiter_load (base/limiter.h): handshakes over all follow the load. */
void links_set_load(struct links *l, unsigned load);

unsigned links_count(const struct links *l);
const struct link_stats *links_stats(const struct links *l);
struct link_paths links_paths(const struct links *l);
/* Every link, in no order; none may be opened or closed meanwhile. */
void links_visit(const struct links *l,
                 void (*visit)(void *ctx, struct link *link), void *ctx);

#endif
