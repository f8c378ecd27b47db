/* SPDX-License-Identifier: MIT
 *
 * What the files tunnel*.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_MEMBER_TUNNEL_INTERNAL_H
#define WARREN_TUNNEL_MEMBER_TUNNEL_INTERNAL_H

#include "tunnel/circuit/piece.h"
#include "tunnel/circuit/pool.h"
#include "tunnel/directory/guard.h"
#include "tunnel/link/puncture.h"
#include "tunnel/member/tunnel.h"

#define TUNNEL_ADDRESSES 4

/* Events that wait to be told, oldest first, in a ring. */
struct tunnel_news {
    struct tunnel_event *events;
    unsigned first, count, room;
};

struct tunnel {
    struct tunnel_config config;
    struct tunnel_env env;
    struct engine engine;
    struct pool pool;
    struct directory *directory;
    struct guards guards;
    struct puncture puncture;
    struct exit *exit; /* NULL when this is none */
    struct policy *policy;
    struct piece_budget budget;
    struct speedtest_gate gate;
    enum path_result path[ONION_HOPS_MAX + 1]; /* of the pool, by length */
    uint64_t learned;   /* relays, when paths were last looked for */
    uint32_t judged;    /* a circuit that ends, and whose hop was judged */
    uint64_t wall;      /* as the world told last */
    uint64_t ticked_at; /* pieces and speed tests */
    uint64_t own_deadline;
    struct tunnel_news news;
    bool telling; /* a callback runs */
    bool ending;  /* tunnel_free runs */
    bool has_self;
    struct directory_self self;
    char policy_text[POLICY_SUMMARY_SIZE];
};

/* Above a circuit of ours. */
struct tunnel_client {
    struct pieces pieces;
    uint16_t piece_id;
    uint16_t port; /* that its exit is to send to; 0: no matter */
    struct speedtest *speedtest;
    uint64_t reported_at;
    bool test_counts;       /* it is long enough to measure hops by */
    unsigned test_replaced; /* hops in the circuit's life before it began */
};

/* Above a circuit that ends here, from its first message on. */
struct tunnel_tail {
    struct pieces pieces;
    uint16_t piece_id;
    struct speedtest_hop speedtest;
    struct exit_circuit *exit;
};

/* tunnel_tell.c: how the world hears of events. To be called before a circuit
 * is made: there is room then for all that will be told of it. */
bool tunnel_news_reserve(struct tunnel *t);
void tunnel_tell(struct tunnel *t, const struct tunnel_event *event);
/* At once, within the call that brought it. */
void tunnel_tell_data(struct tunnel *t, const struct tunnel_event *event);
/* Calls back for all that waits now. */
void tunnel_tell_news(struct tunnel *t);
void tunnel_news_deinit(struct tunnel_news *n);

/* tunnel_settings.c */
enum error tunnel_config_check(const struct tunnel_config *c);
struct engine_config tunnel_engine_config(const struct tunnel_config *c);
struct pool_config tunnel_pool_config(const struct tunnel_config *c);

/* tunnel_data.c: what circuits of ours do with messages. */
struct tunnel_client *tunnel_client_of(struct circuit *c);
void tunnel_client_data(void *ctx, struct circuit *c,
                        const struct circuit_message *m, uint64_t now);
void tunnel_client_answered(void *ctx, struct circuit *c, unsigned hop,
                            const struct circuit_message *m, uint64_t now);
void tunnel_client_free(struct tunnel *t, struct circuit *c);
void tunnel_client_tick(struct tunnel *t, struct circuit *c, uint64_t now);
uint64_t tunnel_client_deadline(const struct circuit *c);

/* tunnel_exit.c: what circuits of others do that end here. */
enum reason tunnel_tail_message(void *ctx, struct relay *relay,
                                const struct circuit_message *m, uint64_t now);
void tunnel_tail_closed(void *ctx, struct relay *relay, uint64_t now);
void tunnel_tail_tick(struct tunnel *t, struct relay *relay, uint64_t now);
uint64_t tunnel_tail_deadline(const struct relay *relay);
enum error tunnel_exit_new(struct tunnel *t);

/* tunnel_paths.c: which relays circuits go through, and what they were like. */
enum error tunnel_choose_path(void *ctx, unsigned hops,
                              struct link_target *out);
bool tunnel_replace_hops(void *ctx, const struct circuit *c, unsigned stands,
                         unsigned hop, enum reason why,
                         struct link_target *out);
/* Looks for paths again that could not be had, when relays are new. Not at
 * once, so that others that answer have a chance too. */
void tunnel_path_again(struct tunnel *t, uint64_t now);
void tunnel_path_worked(struct tunnel *t, const struct circuit *c);
/* It ended at hop `hop`, from 1. */
void tunnel_path_ended(struct tunnel *t, const struct circuit *c, unsigned hop,
                       enum reason why, uint64_t now);
/* A speed test over all hops found this, bytes a second. */
void tunnel_path_measured(struct tunnel *t, const struct circuit *c,
                          uint64_t bytes);

/* tunnel_self.c: what this node says of itself. */
void tunnel_restore_previous(struct tunnel *t, uint64_t now);
void tunnel_retire_previous(struct tunnel *t, uint64_t now);
enum error tunnel_directory_new(struct tunnel *t, uint64_t now);
/* For whoever sends without a circuit. */
bool tunnel_send_cell(void *ctx, struct link *link, enum cell_type type,
                      struct bytes text, uint64_t now);
void tunnel_send_datagram(void *ctx, const struct endpoint *to,
                          struct bytes datagram);

/* tunnel_neighbours.c: links, and who is at their other ends. */
void tunnel_puncture_init(struct tunnel *t);
void tunnel_link_up(void *ctx, struct link *link, uint64_t now);
void tunnel_link_down(void *ctx, struct link *link, enum reason why,
                      uint64_t now);
void tunnel_link_unanswered(void *ctx, const struct link *link, uint64_t now);
enum error tunnel_neighbour(void *ctx, struct link *link, enum cell_type type,
                            struct bytes text, uint64_t now);
bool tunnel_may_extend(void *ctx, const struct endpoint *to);

/* Sends a DATA message, cut into pieces when it must be. `send` sends one. */
enum error tunnel_send_data(const struct circuit_message *m, uint16_t *piece_id,
                            enum error (*send)(void *ctx,
                                               const struct circuit_message *),
                            void *ctx);
/* A PIECE came: true when it makes a DATA message whole, which `out` is. */
bool tunnel_take_piece(struct tunnel *t, struct pieces *pieces,
                       const struct circuit_message *m, uint64_t now,
                       struct circuit_message *out);

#endif
