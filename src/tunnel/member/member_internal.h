/* SPDX-License-Identifier: MIT
 *
 * What the files member*.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_MEMBER_MEMBER_INTERNAL_H
#define WARREN_TUNNEL_MEMBER_MEMBER_INTERNAL_H

#include "tunnel/circuit/piece.h"
#include "tunnel/circuit/pool.h"
#include "tunnel/link/puncture.h"
#include "tunnel/member/member.h"
#include "tunnel/path/guard.h"

#define MEMBER_ADDRESSES 4

/* Events that wait to be told, oldest first, in a ring. */
struct member_news {
    struct member_event *events;
    unsigned first, count, room;
};

struct member {
    struct member_config config;
    struct member_env env;
    struct router router;
    struct pool pool;
    struct directory *directory;
    struct guards guards;
    struct puncture puncture;
    struct exit *exit;     /* NULL when this is none */
    struct outlet *outlet; /* NULL when no streams leave here */
    struct meeting *meeting;
    struct services *services;
    struct policy *policy;
    struct piece_budget budget;
    struct speedtest_gate gate;
    enum path_result path[ONION_HOPS_MAX + 1]; /* of the pool, by length */
    uint64_t learned;   /* relays, when paths were last looked for */
    uint64_t gone;      /* of the directory's, seen so far */
    uint32_t judged;    /* a circuit that ends, and whose hop was judged */
    uint64_t wall;      /* as the world told last */
    uint64_t ticked_at; /* pieces and speed tests */
    uint64_t own_deadline;
    struct member_news news;
    bool telling;                     /* a callback runs */
    bool ending;                      /* member_free runs */
    bool wanted_relays, wanted_exits; /* as the directory was told */
    bool has_self;
    struct directory_self self;
    char policy_text[POLICY_SUMMARY_SIZE];
    char tcp_text[DESCRIPTOR_TCP_MAX + 1];
};

/* Where the exit of a circuit is to send; all zeros: no matter. */
struct member_need {
    enum member_protocol protocol;
    uint16_t port; /* 0: to some */
};

/* Above a circuit of ours: its void *above, made when it is first needed. */
struct member_client {
    struct pieces pieces;
    uint16_t piece_id;
    struct member_need need; /* of its exit */
    bool keeps_exit;         /* hops may be replaced, but for this one: */
    uint8_t exit[32];
    struct speedtest *speedtest;
    uint64_t reported_at;
    bool test_counts;       /* it is long enough to measure hops by */
    unsigned test_replaced; /* hops in the circuit's life before it began */
};

/* Above a circuit of others that ends here, likewise. */
struct member_tail {
    struct pieces pieces;
    uint16_t piece_id;
    struct speedtest_hop speedtest;
    struct exit_circuit *exit;
    struct outlet_circuit *outlet;
};

/* member_tell.c: how the world hears of events. To be called before a circuit
 * is made: there is room then for all that will be told of it. */
bool member_news_reserve(struct member *t);
void member_tell(struct member *t, const struct member_event *event);
/* At once, within the call that brought it. */
void member_tell_data(struct member *t, const struct member_event *event);
/* Calls back for all that waits now. */
void member_tell_news(struct member *t);
void member_news_deinit(struct member_news *n);

/* A circuit for data with this id, or NULL. */
struct circuit *member_find(const struct member *t, uint32_t id);

/* member_service.c: circuits for services, and what clients ask of us for
 * them. */
void member_service_ready(struct member *t, struct circuit *c, uint64_t now);
void member_service_closed(struct member *t, struct circuit *c, enum reason why,
                           unsigned hop, uint64_t now);
void member_service_refused(struct member *t, struct circuit *c,
                            enum reason why, uint64_t now);
void member_service_answered(struct member *t, struct circuit *c, unsigned hop,
                             const struct circuit_message *m, uint64_t now);
bool member_service_message(void *ctx, struct circuit *c, unsigned hop,
                            struct bytes text, uint64_t now);
void member_service_end(void *ctx, struct circuit *c, uint8_t *body,
                        size_t body_len, uint64_t now);
enum reason member_service_asked(void *ctx, struct transit *relay,
                                 struct bytes text, uint64_t now);
/* A circuit of others ends: what `relay->meeting` is goes. */
void member_service_parted(struct member *t, struct transit *relay,
                           uint64_t now);
/* What the relay at `ep` says of itself (directory_env.told). */
void member_service_told(void *ctx, const struct endpoint *ep,
                         struct bytes text, uint64_t now);
enum error member_services_new(struct member *t, uint64_t now);
enum error member_meeting_new(struct member *t);
void member_meeting_configure(struct member *t);

/* member_settings.c */
enum error member_config_check(const struct member_config *c);
struct router_config member_router_config(const struct member_config *c);
struct pool_config member_pool_config(const struct member_config *c);

/* member_data.c: what circuits of ours do with messages. */
struct member_client *member_client_of(struct circuit *c);
void member_client_data(void *ctx, struct circuit *c,
                        const struct circuit_message *m, uint64_t now);
void member_client_answered(void *ctx, struct circuit *c, unsigned hop,
                            const struct circuit_message *m, uint64_t now);
void member_client_free(struct member *t, struct circuit *c);
void member_client_tick(struct member *t, struct circuit *c, uint64_t now);
uint64_t member_client_deadline(const struct circuit *c);

/* member_exit.c: what circuits of others do that end here. */
enum reason member_tail_message(void *ctx, struct transit *relay,
                                const struct circuit_message *m, uint64_t now);
void member_tail_closed(void *ctx, struct transit *relay, uint64_t now);
void member_tail_tick(struct member *t, struct transit *relay, uint64_t now);
uint64_t member_tail_deadline(const struct transit *relay);
enum error member_exit_new(struct member *t);

/* member_paths.c: which relays circuits go through, and what they were like. */
enum error member_choose_path(void *ctx, unsigned hops,
                              struct link_target *out);
bool member_replace_hops(void *ctx, const struct circuit *c, unsigned stands,
                         unsigned hop, enum reason why,
                         struct link_target *out);
/* Looks for paths again that could not be had, when relays are new. Not at
 * once, so that others that answer have a chance too. */
void member_path_again(struct member *t, uint64_t now);
/* Draws guards anew when more relays are known than when they were drawn. */
void member_guards_settle(struct member *t, uint64_t now);
void member_path_worked(struct member *t, const struct circuit *c);
/* It ended at hop `hop`, from 1. */
void member_path_ended(struct member *t, const struct circuit *c, unsigned hop,
                       enum reason why, uint64_t now);
/* A speed test over all hops found this, bytes a second. */
void member_path_measured(struct member *t, const struct circuit *c,
                          uint64_t bytes);

/* member_self.c: what this node says of itself. */
void member_restore_previous(struct member *t, uint64_t now);
void member_retire_previous(struct member *t, uint64_t now);
enum error member_directory_new(struct member *t, uint64_t now);
/* For whoever sends without a circuit. */
bool member_send_cell(void *ctx, struct link *link, enum cell_type type,
                      struct bytes text, uint64_t now);
void member_send_datagram(void *ctx, const struct endpoint *to,
                          struct bytes datagram);

/* member_neighbours.c: links, and who is at their other ends. */
void member_puncture_init(struct member *t);
void member_link_up(void *ctx, struct link *link, uint64_t now);
void member_link_down(void *ctx, struct link *link, enum reason why,
                      uint64_t now);
void member_link_unanswered(void *ctx, const struct link *link, uint64_t now);
enum error member_neighbour(void *ctx, struct link *link, enum cell_type type,
                            struct bytes text, uint64_t now);
bool member_may_extend(void *ctx, const struct endpoint *to);

/* Sends a DATA message, cut into pieces when it must be. `send` sends one. */
enum error member_send_data(const struct circuit_message *m, uint16_t *piece_id,
                            enum error (*send)(void *ctx,
                                               const struct circuit_message *),
                            void *ctx);
/* A PIECE came: true when it makes a DATA message whole, which `out` is. */
bool member_take_piece(struct member *t, struct pieces *pieces,
                       const struct circuit_message *m, uint64_t now,
                       struct circuit_message *out);

#endif
