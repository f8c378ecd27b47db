/* SPDX-License-Identifier: MIT
 *
 * What link.c and link_handshake.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_LINK_TABLE_H
#define WARREN_TUNNEL_LINK_TABLE_H

#include "tunnel/link.h"

struct links {
    struct link_config config;
    struct link_env env;
    const struct responder *responder;
    struct cookie_jar jar;
    struct token_rate free_rate; /* INITs that need no cookie */
    struct token_bucket free_bucket;
    struct limiter limiter;
    struct slot_table sessions;
    struct link **links;
    size_t count;
    size_t half_open;
    uint64_t deadline;
    struct link_stats stats;
};

/* The earliest deadline of all may have become earlier. */
void link_set_deadline(struct links *l, struct link *link, uint64_t at);
/* A link in the table, without sessions. ERR_FULL, ERR_NO_MEMORY. */
enum error link_new(struct links *l, const struct endpoint *ep, uint64_t now,
                    struct link **out);
void link_free(struct links *l, struct link *link);
/* Ends with a call of env.down. */
void link_fail(struct links *l, struct link *link, enum reason why,
               uint64_t now);

/* The sessions change their roles: `s` is the one to send with. */
void link_use_session(struct links *l, struct link *link, struct session *s,
                      uint64_t now);

/* link_handshake.c */
enum error handshake_start(struct links *l, struct link *link, uint64_t now);
enum error handshake_start_rekey(struct links *l, struct link *link,
                                 uint64_t now);
enum error handshake_receive_rekey(struct links *l, struct link *link,
                                   struct bytes text, uint64_t now);
enum error handshake_receive_rekeyed(struct links *l, struct link *link,
                                     struct bytes text, uint64_t now);
void handshake_forget(struct links *l, struct link *link);

#endif
