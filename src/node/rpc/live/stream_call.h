/* SPDX-License-Identifier: MIT
 *
 * A stream of a client of the control socket, which is a request that runs
 * until the stream is over (stream.connect, stream.accept):
 *
 *     ASKED   by a call of the carrier
 *     OPEN    the carrier's stream is there
 *
 * What comes is told as far as the client's credit goes, and while it reads;
 * the rest waits in the stream, and slows the other end down. What the client
 * writes is taken as far as the stream has room; the rest waits here, and the
 * write is answered when it is gone, so that one waits at most.
 */
#ifndef WARREN_NODE_RPC_LIVE_STREAM_CALL_H
#define WARREN_NODE_RPC_LIVE_STREAM_CALL_H

#include "node/rpc/live/live.h"
#include "tunnel/traffic/carrier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_WRITE_MAX      32768
#define STREAM_CREDIT_DEFAULT 65536

struct stream_call {
    struct rpc *rpc;
    struct control_call *call;
    struct control_call *writing; /* that is not answered yet; NULL: none */
    struct carrier_call *asked;   /* ASKED */
    struct stream *st;            /* OPEN */
    uint32_t service;             /* that is held for it; 0: none */
    uint64_t number;              /* in events */
    uint64_t credit;              /* bytes that may still be told */
    uint64_t read, written;
    uint8_t *rest; /* of the last write, not taken yet; NULL: none */
    size_t rest_at, rest_len;
    bool shut;   /* the client writes no more */
    bool ended;  /* nor does the other end: "end" was told */
    bool broken; /* by the other end, which says `why` */
    enum reason why;
};

/* The client's `credit` among the params counts. NULL when memory is out, and
 * then `call` has been answered. */
struct stream_call *stream_call_new(struct rpc *rpc, struct control_call *call,
                                    const struct rpc_params *params);
/* Asks the carrier, after which the handler has it. Errors of carrier_open;
 * nothing else has changed then. */
enum error stream_call_ask(struct stream_call *s,
                           const struct carrier_target *target, uint64_t now);
/* It is open: what has come already is told. `s` may be gone then. */
void stream_call_open(struct stream_call *s, struct stream *st, uint64_t now);
/* Nobody is told or answered. */
void stream_call_free(struct stream_call *s);

/* The stream that runs as the request `params->call` of the client of `call`;
 * NULL after `call` was answered. */
struct stream_call *stream_call_find(struct control_call *call,
                                     const struct rpc_params *params);

/* Of a stream without a `rest`: a copy goes as far as there is room, and
 * `writing` is answered when all of it has gone. ERR_NO_MEMORY, and then it is
 * not. */
enum error stream_call_write(struct stream_call *s, struct bytes data,
                             struct control_call *writing, uint64_t now);
void stream_call_shutdown(struct stream_call *s, uint64_t now);
/* `s` may be gone then. */
void stream_call_more_credit(struct stream_call *s, uint64_t credit,
                             uint64_t now);

#endif
