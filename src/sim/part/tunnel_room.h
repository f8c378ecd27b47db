/* SPDX-License-Identifier: MIT
 *
 * What the files of tunnel_work share. Each member that has something to do in
 * tunnels has a record: engines write into their own one alone, in callbacks;
 * it is counted once a second (the harvest), between two windows of the
 * network.
 */
#ifndef WARREN_SIM_PART_TUNNEL_ROOM_H
#define WARREN_SIM_PART_TUNNEL_ROOM_H

#include "sim/part/part.h"
#include "sim/tunnel_node.h"

#define TUNNEL_NEWS     32   /* of circuits, between two harvests of a client */
#define TUNNEL_ALIVE    64   /* circuits that got ready and are not closed */
#define TUNNEL_PROBES   4096 /* datagrams without a verdict, at most */
#define TUNNEL_CONNECTS 4    /* under way, of a client */
#define TUNNEL_MET      64   /* members of its string that a member has met */

/* ns: what is not answered by then is lost. */
#define TUNNEL_ANSWER  (10 * TIME_S)
#define TUNNEL_CONNECT (2 * TIME_MIN)
/* A service that has been there for less is not asked for yet. */
#define TUNNEL_SETTLE (2 * TIME_MIN)

/* ---- Clients: tunnel_circuits.c ------------------------------------------ */

/* A path through which a circuit got ready, or the end of one that never did */
struct circuit_news {
    bool ready, first_time;
    uint64_t took;               /* ready the first time: ns */
    struct endpoint first, last; /* ready: where its hops are */
};

/* A datagram on its way. */
struct tunnel_probe {
    uint64_t sent_at, answered_at; /* 0: not */
};

struct tunnel_circuits {
    unsigned news_count;
    struct circuit_news news[TUNNEL_NEWS];
    uint32_t alive[TUNNEL_ALIVE]; /* ids; 0: free */
    unsigned alive_next;
    uint64_t failed[REASON_END_]; /* counted so far */
    /* Datagrams by number: [settled, sent) have no verdict yet. */
    uint64_t interval, send_at;
    uint32_t sent, settled, room; /* a power of two */
    struct tunnel_probe *probes;
};

/* ---- Clients: tunnel_connects.c ------------------------------------------ */

struct tunnel_connect {
    bool busy;
    uint32_t service, seat;
    uint64_t begun_at, came_at; /* 0: it has not come */
    bool failed;
};

/* ---- Services and members of strings: tunnel_services.c ------------------ */

struct tunnel_met {
    uint32_t service;
    uint8_t key[32];   /* as a member of the string */
    uint64_t first_at; /* 0: it has met nobody */
    bool counted;
    unsigned count;
    uint8_t keys[TUNNEL_MET][32];
};

/* ---- All of them --------------------------------------------------------- */

struct tunnel_work;

struct tunnel_record {
    struct tunnel_work *work; /* not to be changed by engines */
    struct sim_tunnel *n;
    enum population_role role;
    uint32_t node, member;
    uint32_t place; /* in work->records */
    uint32_t seat;  /* which key, or which place in which string */
    uint64_t came;
    bool hostile;                     /* not measured */
    struct tunnel_circuits *circuits; /* of a client; else NULL */
    struct tunnel_met *met;           /* of a member of a string; else NULL */
    struct tunnel_connect connects[TUNNEL_CONNECTS]; /* of a client */
};

/* Whose turn it is to serve which key. Seats outlive those who sit there: a
 * key is served again when its member, or another one, comes. */
struct tunnel_seats {
    uint32_t count;
    struct tunnel_record **who; /* NULL: empty */
    struct sim_rows **rows;     /* of services: what they have stored */
};

struct tunnel_work {
    struct laboratory *lab;
    struct sim_rng rng;
    struct tunnel_record **records;
    uint32_t count, cap;
    uint32_t relays;          /* present */
    uint32_t next_to_look_at; /* of the samples, among the records */
    struct tunnel_seats services, associates;
};

/* Each returns ERR_NO_MEMORY, or what the engine says; the record is then
 * freed by the caller. */
enum error tunnel_circuits_begin(struct tunnel_record *r);
void tunnel_circuits_end(struct tunnel_record *r);
void tunnel_circuits_harvest(struct tunnel_record *r, uint64_t now);

void tunnel_connects_begin(struct tunnel_record *r);
void tunnel_connects_harvest(struct tunnel_record *r, uint64_t now);

enum error tunnel_seats_init(struct tunnel_seats *s, uint32_t count);
void tunnel_seats_deinit(struct tunnel_seats *s);
/* The public key of the service of a seat. */
void tunnel_service_key(const struct tunnel_work *w, uint32_t seat,
                        uint8_t out[32]);
enum error tunnel_service_begin(struct tunnel_record *r);
enum error tunnel_associate_begin(struct tunnel_record *r);
bool tunnel_has_met(const struct tunnel_met *met, const uint8_t key[32]);
void tunnel_seat_end(struct tunnel_record *r);
void tunnel_associate_harvest(struct tunnel_record *r, uint64_t now);

/* tunnel_view.c: levels of a few records. */
void tunnel_view_sample(struct tunnel_work *w, uint64_t now);

#endif
