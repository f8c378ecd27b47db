/* SPDX-License-Identifier: MIT
 *
 * What requests that go on share: who has asked for events, who listens for the
 * streams of peers, and which of those wait.
 */
#ifndef WARREN_NODE_RPC_LIVE_LIVE_H
#define WARREN_NODE_RPC_LIVE_LIVE_H

#include "base/bytes.h"
#include "node/rpc/rpc_internal.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event;
struct listening;
struct stream_call;
struct subscriber;
struct visit;

#define STREAM_PIECE (64 * 1024) /* bytes of one "data" */

struct live {
    TAILQ_HEAD(, subscriber) subscribers;
    LIST_HEAD(, listening) listening;
    TAILQ_HEAD(, visit) visits;       /* neither accepted nor refused yet */
    uint64_t last_visit, last_stream; /* the numbers given last */
    /* What has come of one stream and is told when the loop comes round, or
     * another stream has something: packets are small. */
    uint8_t *piece; /* STREAM_PIECE bytes; NULL until something comes */
    size_t piece_len;
    struct stream_call *piece_of;
    struct event *piece_event;
};

/* {}. */
void live_answer(struct control_call *call);

/* ---- Events of streams (events.c) --------------------------------------- */

/* What is 0, empty or NULL is not told. */
struct stream_news {
    const char *event; /* "asked", "accepted", "opened", "ended" */
    uint64_t stream;
    struct bytes to;  /* asked */
    uint64_t peer;    /* accepted */
    uint16_t port;    /* likewise */
    bool counts, bad; /* ended; badly */
    uint64_t read, written;
    const char *reason, *text; /* bad */
};

void live_tell_stream(struct rpc *rpc, const struct stream_news *news);

/* ---- Streams of peers (rpc_listen.c) ------------------------------------ */

void live_invite(struct rpc *rpc);
void live_uninvite(struct rpc *rpc);

#endif
