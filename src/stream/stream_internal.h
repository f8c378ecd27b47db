/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 *
 * ngtcp2 is called from three places alone: streams_receive (a packet comes
 * in), streams_tick (a timer), and `conn_settle`, when the outermost call of
 * the interface ends (streams_leave): what functions of the interface ask for
 * waits until then. So handlers, which ngtcp2's callbacks call, may call
 * whatever they like, and nothing is freed under anybody's feet.
 */
#ifndef WARREN_STREAM_STREAM_INTERNAL_H
#define WARREN_STREAM_STREAM_INTERNAL_H

#include "stream/stream.h"

#include "base/table/keyed_table.h"
#include "base/table/shares.h"
#include "stream/stream_heap.h"
#include "stream/stream_memory.h"

#include <ngtcp2/ngtcp2.h>
#include <sodium.h>
#include <sys/queue.h>

/* What the protocol fixes, so that the first packet can carry data: what an
 * acceptor grants at least. */
#define STREAM_FIRST_WINDOW            ((size_t)65536)
#define STREAM_FIRST_CONNECTION_WINDOW ((size_t)262144)
#define STREAM_FIRST_STREAMS           64
#define STREAM_CONNECTION_IDS          8

#define STREAM_HELLO_MAX 256 /* of the handshake: length, parameters */
/* ---- What was written --------------------------------------------------- */

#define CHUNK_BYTES 4064

struct chunk {
    struct chunk *next;
    uint8_t data[CHUNK_BYTES];
};

/* Offsets count from the stream's first byte. All chunks are full, but for the
 * last one. */
struct send_buffer {
    struct chunk *first, *last;
    struct chunk *cursor;   /* with the byte at `sent`, or NULL */
    uint64_t first_offset;  /* of first's first byte */
    uint64_t cursor_offset; /* of cursor's */
    uint64_t acked, sent, end;
};

/* What came and was not taken: `len` bytes from `at` of the first chunk. */
struct kept {
    struct chunk *first, *last;
    size_t at, len;
};

/* ---- Streams ------------------------------------------------------------ */

struct stream {
    TAILQ_ENTRY(stream) link;    /* conn->streams */
    TAILQ_ENTRY(stream) ready;   /* conn->ready, while `is_ready` */
    TAILQ_ENTRY(stream) changed; /* conn->changed, while `is_changed` */
    TAILQ_ENTRY(stream) waiting; /* streams->waiting, while `is_waiting` */
    struct stream_conn *conn;
    const struct stream_handler *handler;
    void *arg;
    int64_t id;      /* or one of these: */
#define ID_NONE (-1) /* ngtcp2 does not know it yet */
#define ID_GONE (-2) /* ngtcp2 is done with it, its reader is not */
    struct send_buffer out;
    struct kept kept;
    size_t returned;     /* bytes taken; the other end does not know yet */
    size_t window;       /* what may be on its way to us, */
    size_t owed;         /* less this, which is told with more of it */
    uint64_t quarter_at; /* when a quarter of it was told last; 0: not yet */
    bool counts;         /* what it has grown by is in conn->grown */
    uint32_t code;       /* of a reset */
    bool is_ready, is_changed, is_waiting;
    bool wants_room;
    bool finished, fin_sent;
    bool write_over; /* the other end reads no more */
    bool read_over;  /* what comes is dropped */
    bool fin_came;   /* what is kept is the last of it */
    bool fin_told;
    bool resuming;      /* stream_resume was called */
    bool maybe_stopped; /* the other end has reset its half */
    bool stop_told;
    bool resetting; /* stream_reset was called, ngtcp2 does not know yet */
    bool ended;     /* the holder was told, or is when we leave */
    bool told;
};

TAILQ_HEAD(stream_list, stream);

/* ---- Connections -------------------------------------------------------- */

/* One of the acceptor's connection ids, for streams->by_id. */
struct id_entry {
    struct keyed_entry entry;
    struct id_entry *next; /* of the connection's */
    struct stream_conn *conn;
    uint8_t id[STREAM_ID_BYTES];
};

/* A path as ngtcp2 knows it: by a number, which is its made-up address. While
 * the handshake goes on ngtcp2 cannot move, and later only with a spare
 * connection id: then another path takes the number over. */
struct route {
    struct keyed_entry entry; /* opener: streams->by_path, while `live` */
    struct stream_conn *conn;
    uint8_t key[8]; /* the path */
    uint64_t path;
    uint64_t number; /* 0: none any more */
    bool live;
};

#define ROUTES 4

TAILQ_HEAD(conn_list, stream_conn);

struct stream_conn {
    TAILQ_ENTRY(stream_conn) link;  /* streams->conns */
    TAILQ_ENTRY(stream_conn) dirty; /* streams->dirty, while `is_dirty` */
    struct streams *streams;
    ngtcp2_conn *quic;
    ngtcp2_mem mem;
    const struct stream_handler *handler;
    void *holder;
    bool opener, is_dirty;

    struct stream_list list, ready, changed;
    unsigned count;         /* streams that the holder has */
    unsigned opening;       /* of these, those without an id */
    size_t returned;        /* bytes of streams that are gone */
    size_t grown;           /* by so much the windows of streams have grown, */
    unsigned grown_streams; /* and of so many; */
    bool is_tight;          /* somebody would have more, and there is none */
    uint64_t lapsed_at;     /* when unused ones were looked for */
    size_t kept;            /* came, and was not taken, of all streams */
    size_t unsent;          /* was written, and is not on its way, of all */
    bool wants_streams;     /* stream_open has said ERR_FULL */
    size_t memory;
    struct route routes[ROUTES];
    uint64_t path; /* 0: it rests */
    uint64_t number_now, numbers;
    bool moving; /* ngtcp2 has yet to hear of `path` */

    struct id_entry *ids;
    struct endpoint source;
    size_t place; /* of streams->accepted */

    struct heap_entry timer;
    uint64_t rest_at;       /* NEVER: it does not rest */
    uint64_t idle_at;       /* NEVER: it has streams */
    uint64_t unanswered_at; /* since when nothing came for what was sent */

    bool begun;           /* something was sent */
    bool answered;        /* the handshake is done */
    bool open;            /* opener: ngtcp2 has sent the last word of it */
    bool ping;            /* say where we are */
    uint64_t shows_until; /* opener: that is said again and again; 0: not */
    bool over, tell_other;
    enum stream_end why;
    uint32_t code;

    uint8_t hello[STREAM_HELLO_MAX];
    size_t hello_len;
};

struct streams {
    struct stream_config config;
    struct stream_env env;
    struct stream_stats stats;
    struct conn_list conns, dirty;
    unsigned dirty_count;
    struct stream_list waiting; /* writers, for memory */
    bool newcomer_waits;        /* was refused for want of it */
    struct stream_conn **accepted;
    size_t accepted_count, accepted_cap;
    struct keyed_table by_id, by_path;
    struct shares shares;
    struct heap timers;
    uint8_t secret[crypto_generichash_KEYBYTES]; /* of tokens */
    unsigned depth;
    uint64_t now; /* of the outermost call */
};

/* ---- stream.c ----------------------------------------------------------- */

void streams_enter(struct streams *s, uint64_t now);
void streams_leave(struct streams *s);
/* The same, but nobody is told anything: of the outermost call alone packets of
 * this connection are sent. */
void streams_leave_quietly(struct stream_conn *c);
void conn_mark(struct stream_conn *c); /* to be settled */
void conn_unmark(struct stream_conn *c);
/* It ends when we leave; without effect when it does already. */
void conn_end(struct stream_conn *c, enum stream_end why, uint32_t code,
              bool tell_other);
/* What ngtcp2 has answered; fatal errors end the connection. */
void conn_failed(struct stream_conn *c, int rv);

/* ---- stream_conn.c: life of a connection -------------------------------- */

struct stream_conn *conn_new(struct streams *s, bool opener);
void conn_free(struct stream_conn *c); /* nobody is told */
void conn_settle(struct stream_conn *c);
/* Sends what can be sent; what is to be told waits for the next tick, which is
 * due at once. */
void conn_send_now(struct stream_conn *c);
void conn_tick(struct stream_conn *c);
/* ngtcp2's half of it. `first`: the acceptor's, from the first packet. */
enum error conn_open_quic(struct stream_conn *c, uint64_t rtt);
enum error conn_accept_quic(struct stream_conn *c, const ngtcp2_pkt_hd *first);
enum error conn_add_id(struct stream_conn *c, const ngtcp2_cid *id);
void conn_remove_id(struct stream_conn *c, const ngtcp2_cid *id);
/* By which the opener believes us that we know this id no more. */
void id_token(const struct streams *s, const uint8_t id[STREAM_ID_BYTES],
              uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN]);

/* ---- stream_crypto.c ---------------------------------------------------- */

void crypto_callbacks(ngtcp2_callbacks *cb);
/* What an acceptor grants at least, told to ngtcp2 before it has said so. */
enum error crypto_assume_grants(struct stream_conn *c);
void crypto_params(const struct streams *s, bool opener,
                   ngtcp2_transport_params *params);

/* ---- stream_data.c: streams, and what ngtcp2 says of them --------------- */

void data_callbacks(ngtcp2_callbacks *cb);
void stream_free(struct stream *st);
void stream_tell_closed(struct stream *st);
/* There is something to be asked of ngtcp2, or to be told, when we leave. */
void stream_change(struct stream *st);
void stream_unchange(struct stream *st);
/* Asks of ngtcp2 what was asked of us meanwhile. */
void conn_apply_streams(struct stream_conn *c);
/* The other end reads no more. */
void stream_stopped(struct stream *st);
/* Calls `openable` if that was waited for, and is so. */
void conn_offer_streams(struct stream_conn *c);
/* Calls `writable` where there is room again. */
void conn_offer_room(struct stream_conn *c);

/* ---- stream_window.c ---------------------------------------------------- */

void window_open(struct stream *st);
void window_close(struct stream *st);
/* So much of it was taken; by how much ngtcp2 is to extend what may come. */
size_t window_returns(struct stream *st, size_t taken);

/* ---- stream_keep.c ------------------------------------------------------ */

/* False: no memory. */
bool kept_add(struct stream *st, struct bytes data);
void kept_forget(struct stream *st);
/* Tells the reader until it takes less than it is given. */
void stream_offer(struct stream *st);
/* What has just come. False: no memory. */
bool stream_came(struct stream *st, struct bytes data, bool fin);

/* ---- stream_send.c ------------------------------------------------------ */

size_t send_buffer_add(struct stream *st, struct bytes data);
void send_buffer_acked(struct stream *st, uint64_t upto);
/* ngtcp2 has forgotten it, or says no more of it: the stream is reset. */
void send_buffer_forget(struct stream *st);
void stream_ready(struct stream *st);
void stream_unready(struct stream *st);
void conn_flush(struct stream_conn *c);
void conn_write_close(struct stream_conn *c);

/* ---- stream_path.c ------------------------------------------------------ */

void path_fill(ngtcp2_path_storage *ps, uint64_t number);
struct route *route_find(struct stream_conn *c, uint64_t path);
/* Of a path that was not known; NULL: no memory. */
struct route *route_add(struct stream_conn *c, uint64_t path);
void route_remove(struct route *r);
void routes_deinit(struct stream_conn *c);
/* The path that ngtcp2 sends on; NULL: it is gone. */
struct route *route_of_number(struct stream_conn *c, const ngtcp2_path *path);
void conn_rest(struct stream_conn *c);
/* The opener's connection that a packet over it is for, or NULL. */
struct stream_conn *path_owner(const struct streams *s, uint64_t path);
/* Opener: `path` is its from now on. ERR_IN_USE, ERR_NO_MEMORY. */
enum error path_take(struct stream_conn *c, uint64_t path);
void conn_apply_move(struct stream_conn *c);
/* Acceptor: a packet comes over it. */
struct route *path_came(struct stream_conn *c, uint64_t path);
/* Acceptor: which path ngtcp2 is on now. */
void conn_follow(struct stream_conn *c);

/* ---- stream_accept.c ---------------------------------------------------- */

void conn_unlist(struct stream_conn *c); /* of the accepted ones */

#endif
