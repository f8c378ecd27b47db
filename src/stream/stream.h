/* SPDX-License-Identifier: MIT
 *
 * Reliable, ordered streams of bytes over datagrams that may be lost, doubled
 * or overtaken: QUIC (RFC 9000, 9002) by ngtcp2, with BBR, and without its
 * cryptography, as what carries the packets is sealed end to end already.
 *
 * A path carries packets between the two ends: a circuit to an exit, or a
 * channel to a service. It is a number here, which its holder gives and never
 * gives again. A connection is made by the opener, over a path, and outlives
 * it: the opener takes it to another path to the same acceptor, who finds it
 * by the 8 bytes that it has given it (its connection id), and proves that the
 * new path leads to the opener before much is sent there. Between two paths it
 * rests, up to `rest_time`.
 *
 *     opener                                acceptor
 *     stream_connect, stream_open
 *     stream_write          --packets-->    env.accept, opened, data
 *     data                  <--packets--    stream_write
 *     stream_finish         --FIN------>    data (fin): half closed
 *     stream_reset          --RESET---->    reset
 *
 * Streams are opened by the opener alone, and what is written at once travels
 * with its first packet. Data comes in order; what its reader does not take
 * waits here, and counts against the window of the stream until stream_resume
 * has it offered again and it is taken: so a slow reader slows the writer.
 * What is written is copied, and kept until the other end has it.
 *
 * Sans-IO: packets and the time go in; packets, calls of a handler and the next
 * deadline come out. Handlers are called by streams_receive, streams_tick,
 * stream_resume, stream_reset and stream_conn_close alone, and may call all
 * functions here but streams_free; what those send or tell leaves when the
 * outermost call ends.
 *
 * Times may be a little older than those of an earlier call; they are taken as
 * the latest then.
 *
 * The other end is not trusted: its windows, limits and acks are checked by
 * ngtcp2, and what it can have us keep is bounded by struct stream_config.
 */
#ifndef WARREN_STREAM_STREAM_H
#define WARREN_STREAM_STREAM_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PACKET_MAX 1232 /* bytes; one large cell carries one */
#define STREAM_ID_BYTES   8    /* of the acceptor's connection ids */

/* The acceptor has no memory for a stream, and resets it. */
#define STREAM_CODE_MEMORY UINT32_MAX

struct streams; /* all connections of a node */
struct stream_conn;
struct stream;

/* Why a connection ended. */
enum stream_end {
    STREAM_END_CLOSED,   /* one of the ends closed it, with `code` */
    STREAM_END_IDLE,     /* without streams, for `idle_time` */
    STREAM_END_TIMEOUT,  /* no answer, or no path for `rest_time` */
    STREAM_END_ROOM,     /* it made way for another one's */
    STREAM_END_PROTOCOL, /* what came makes no sense */
    STREAM_END_MEMORY    /* ours ran out */
};

/* Codes of resets and closes are the holder's, up to 2^32 - 1. `opened`,
 * `openable`, `moved` and `over` are the connection's, with its `holder`; the
 * others the stream's, with its `arg`: a stream has the handler of its
 * connection until stream_hand_over gives it another one. */
struct stream_handler {
    /* Acceptor: a new stream, whose arg is NULL. */
    void (*opened)(void *holder, struct stream *st, uint64_t now);
    /* How many bytes of `data` were taken, from its beginning. It is valid
     * during the call, and empty only with `fin`: no more comes after it. What
     * was not taken comes again, first, when stream_resume asks for it. */
    size_t (*data)(void *arg, struct stream *st, struct bytes data, bool fin,
                   uint64_t now);
    /* There is room again after stream_write took less than it was given. */
    void (*writable)(void *arg, struct stream *st, uint64_t now);
    /* The other end has reset the half that it writes, or (`reading`) reads no
     * more of what we write. */
    void (*reset)(void *arg, struct stream *st, bool reading, uint32_t code,
                  uint64_t now);
    /* Both halves have ended and were read, or the connection has: then what
     * was not taken is lost, and `data` has not said `fin`. `st` is gone when
     * this returns; the last call for it. */
    void (*closed)(void *arg, struct stream *st, uint64_t now);
    /* After stream_open has said ERR_FULL: the other end allows more, or some
     * have ended (opener). May be NULL. */
    void (*openable)(void *holder, struct stream_conn *c, uint64_t now);
    /* The connection goes on over another path (acceptor). */
    void (*moved)(void *holder, struct stream_conn *c, uint64_t path,
                  uint64_t now);
    /* It has ended, after its streams were told; gone when this returns. */
    void (*over)(void *holder, struct stream_conn *c, enum stream_end why,
                 uint32_t code, uint64_t now);
};

struct stream_env {
    void *ctx;
    struct random_source random;
    /* A packet for the other end: `to_acceptor` says which of its sides it is
     * for, as both ends of a path may have opened a connection over it. Calls
     * nothing here. */
    void (*send)(void *ctx, uint64_t path, bool to_acceptor,
                 struct bytes packet, uint64_t now);
    /* A connection comes in over `path`: its handler and `holder`; NULL: it is
     * refused, silently. NULL: none is accepted. */
    const struct stream_handler *(*accept)(void *ctx, struct stream_conn *c,
                                           uint64_t path, void **holder);
};

struct stream_config {        /* nothing may be 0; what the protocol grants at
                                 least (docs/protocol-streams.md, 5) counts
                                 where less is said */
    unsigned max_connections; /* accepted ones; at the cap an idle one, or one
                                 of whoever has most, makes way (shares.h) */
    unsigned max_streams;     /* of a connection, opened by the other end */
    size_t window;            /* bytes on their way to us, of a stream */
    size_t connection_window; /* of all streams of a connection: half of it, up
                                 to 16 MB, is what windows grow by */
    size_t buffer;      /* bytes written, not yet acknowledged: a stream */
    size_t max_memory;  /* bytes of everything, buffers and ngtcp2's own;
                           above it nothing is opened nor taken */
    uint64_t idle_time; /* ns, without streams */
    uint64_t rest_time; /* ns, without a path, or without an answer on one */
};

void stream_config_init(struct stream_config *config);

/* ERR_NO_MEMORY. */
enum error streams_new(const struct stream_config *config,
                       const struct stream_env *env, struct streams **out);
/* Nothing is sent, nobody is called. */
void streams_free(struct streams *s);

/* ---- Connections -------------------------------------------------------- */

/* `rtt` of the path, ns, as far as it is known; else 0. Packets can be sent on
 * it at once. ERR_NO_MEMORY, ERR_FULL (max_memory), ERR_IN_USE. */
enum error stream_connect(struct streams *s, uint64_t path, uint64_t rtt,
                          const struct stream_handler *handler, void *holder,
                          uint64_t now, struct stream_conn **out);
/* Opener: goes on over this path, at once. ERR_IN_USE: another connection of
 * ours is on it; ERR_NOT_FOUND (it is ending), ERR_NO_MEMORY. */
enum error stream_move(struct stream_conn *c, uint64_t path, uint64_t now);
/* Tells the other end; `closed` of all streams and `over` are called before
 * this returns, or when the outermost call ends. */
void stream_conn_close(struct stream_conn *c, uint32_t code, uint64_t now);

uint64_t stream_conn_path(const struct stream_conn *c); /* 0: it rests */
bool stream_conn_answered(const struct stream_conn *c); /* handshake is done */
/* Half of what may be on its way to us has come, and nobody takes it. */
bool stream_conn_is_clogged(const struct stream_conn *c);
unsigned stream_conn_streams(const struct stream_conn *c);
uint64_t stream_conn_rtt(const struct stream_conn *c); /* smoothed; 0 unknown */
void *stream_conn_holder(const struct stream_conn *c);

/* ---- Paths -------------------------------------------------------------- */

/* A packet came over `path`, for this side of us. `source`: who is to be
 * counted for it (acceptor; else NULL). Why it was dropped, which is counted.
 * Packet bytes may be rewritten. */
enum error streams_receive(struct streams *s, uint64_t path, bool to_acceptor,
                           const struct endpoint *source, const uint8_t *packet,
                           size_t len, uint64_t now);
/* Connections on it rest. */
void streams_path_gone(struct streams *s, uint64_t path, uint64_t now);

/* ---- Streams ------------------------------------------------------------ */

/* Opener. ERR_FULL: the other end allows no more now, which ends with openable;
 * ERR_NO_MEMORY (or max_memory), ERR_NOT_FOUND (it is ending). The other end
 * hears of it with its first byte, or its end. */
enum error stream_open(struct stream_conn *c, void *arg, uint64_t now,
                       struct stream **out);
/* From here on it is told to these, once more also that no more comes, after a
 * stream_resume; NULL: the handler stays. */
void stream_hand_over(struct stream *st, const struct stream_handler *handler,
                      void *arg);
struct stream_conn *stream_conn_of(const struct stream *st);

/* How many bytes were taken: less than given when the buffer is full. */
size_t stream_write(struct stream *st, struct bytes data, uint64_t now);
size_t stream_room(const struct stream *st);
/* There is none: `writable` is to be called when there is. */
void stream_want_room(struct stream *st);
/* No more is written. */
void stream_finish(struct stream *st, uint64_t now);
/* Both halves end: what was not sent is forgotten, nothing more is told of it
 * but `closed`. */
void stream_reset(struct stream *st, uint32_t code, uint64_t now);
/* Offers what was not taken once more: by `data`, before this returns or when
 * the outermost call ends. */
void stream_resume(struct stream *st, uint64_t now);

/* ---- Time, and looking inside ------------------------------------------- */

void streams_tick(struct streams *s, uint64_t now);
/* Between these nothing is sent, and nothing told but what packets bring: for
 * packets that come in batches, whose acknowledgements are put together, and
 * for much that is asked at once. They nest. */
void streams_hold(struct streams *s, uint64_t now);
void streams_release(struct streams *s);
uint64_t streams_next_deadline(const struct streams *s);

struct stream_stats {
    uint64_t connected, accepted, moved;
    uint64_t ended[STREAM_END_MEMORY + 1];
    uint64_t refused;        /* by accept, or for want of memory */
    uint64_t opened, closed; /* streams, of both ends */
    uint64_t resets;         /* by the other end */
    uint64_t packets_in, packets_out;
    uint64_t bytes_in, bytes_out;  /* of streams */
    uint64_t lost;                 /* packets said again */
    uint64_t dropped_unknown;      /* packets of no connection */
    uint64_t dropped_invalid;      /* not QUIC, or not of this version */
    size_t memory;                 /* now */
    unsigned connections, streams; /* now */
};

const struct stream_stats *streams_stats(const struct streams *s);
const char *stream_end_name(enum stream_end why);

#endif
