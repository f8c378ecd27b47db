/* SPDX-License-Identifier: MIT
 *
 * The inside of struct outlet, which the files outlet*.c share; nobody else
 * includes it.
 *
 * Ownership: the outlet owns its connections (until `over`) and its streams;
 * who called outlet_circuit_new the circuits. A stream that is joined outlives
 * its connection, as long as the world has something left for its socket.
 *
 *     opened -> ASKING -> NAMING -> CONNECTING -> JOINED -> parted
 *                      \-> NAMING -> answered
 *
 * Except in JOINED, a stream of the engine (`st`) is handled here; one that was
 * answered or reset is handed over to a handler that drops what still comes.
 */
#ifndef WARREN_TUNNEL_OUTLET_OUTLET_STATE_H
#define WARREN_TUNNEL_OUTLET_OUTLET_STATE_H

#include "base/table/shares.h"
#include "base/table/slot_table.h"
#include "stream/stream_request.h"
#include "tunnel/exit/name_cache.h"
#include "tunnel/outlet/outlet.h"
#include "tunnel/outlet/outlet_limits.h"

#include <sys/queue.h>

#define OUTLET_DONE     ((enum reason)0) /* nothing went wrong */
#define OUTLET_NO_PLACE SIZE_MAX
#define OUTLET_TICK     TIME_S /* by which time-outs are late */

enum outlet_state {
    OUTLET_ASKING,
    OUTLET_NAMING,
    OUTLET_CONNECTING,
    OUTLET_JOINED
};

struct outlet_circuit {
    uint64_t path; /* a serial number, and its index in o->circuits */
    void *owner;
    struct exit_circuit *names; /* NULL: none were asked for */
    struct outlet_share share;
    unsigned streams, under_way; /* connects */
    LIST_HEAD(, outlet_conn) conns;
};

struct outlet_conn {
    struct outlet *outlet;
    struct outlet_circuit *circuit; /* NULL: it rests */
    struct endpoint source;         /* where it is, or was last */
    LIST_ENTRY(outlet_conn) of_circuit, of_all;
    LIST_HEAD(, outlet_stream) streams;
};

/* What is asked, until it is answered. */
struct outlet_request {
    struct stream_message message;
    struct stream_request asked; /* views into the message */
    struct endpoint address[NAME_ADDRS_MAX];
    unsigned count, next, tries;
    enum reason why;  /* an address will not do; DONE: none was tried */
    uint64_t charged; /* a connect, to the circuit with this path */
    bool is_looking;  /* a lookup is under way */
};

struct outlet_stream {
    uint64_t id;              /* likewise, in o->streams */
    struct outlet_conn *conn; /* NULL: it is over */
    LIST_ENTRY(outlet_stream) of_conn;
    struct stream *st;              /* NULL when joined */
    struct outlet_request *request; /* NULL when joined */
    void *handle;                   /* of the world */
    size_t place;                   /* in o->sockets; NO_PLACE: it has none */
    struct endpoint source;         /* for which the socket is counted */
    uint64_t since;                 /* in this state */
    uint8_t state;
    bool ended; /* the client has written its last */
};

struct outlet {
    struct outlet_config config;
    struct outlet_env env;
    struct exit *exit;
    struct policy *policy;
    struct streams *engine;
    struct outlet_limits limits;
    struct slot_table circuits, streams;
    uint64_t serial; /* of circuits and streams */
    LIST_HEAD(, outlet_conn) conns;
    struct outlet_stream **sockets; /* in any order; grows */
    size_t socket_count, socket_cap;
    struct shares sockets_by; /* which sources */
    uint64_t tick_at;
    unsigned under_way;
    struct outlet_stats stats;
};

/* ---- outlet_stream.c ---------------------------------------------------- */

extern const struct stream_handler outlet_handler;

/* NULL for a number that is nobody's. */
struct outlet_stream *outlet_stream_find(const struct outlet *o, uint64_t id);
/* It changes over to another state. */
void outlet_stream_enter(struct outlet *o, struct outlet_stream *s,
                         enum outlet_state state, uint64_t now);
/* Writes the answer, and ends it. */
void outlet_stream_answer(struct outlet *o, struct outlet_stream *s,
                          const struct stream_answer *a, uint64_t now);
void outlet_stream_refuse(struct outlet *o, struct outlet_stream *s,
                          enum reason why, uint64_t now);
/* Ends it with what it has, and resets what there still is at the client's
 * side. */
void outlet_stream_drop(struct outlet *o, struct outlet_stream *s,
                        enum reason why, uint64_t now);
/* The same without a word to the client. */
void outlet_stream_abandon(struct outlet *o, struct outlet_stream *s,
                           enum reason why);
/* Nothing of it is left but `st`, which is somebody else's by now. */
void outlet_stream_free(struct outlet *o, struct outlet_stream *s);
/* The circuit of its connection goes, or there is another one now: lookups end
 * with the one, and begin anew with the other. */
void outlet_conn_leave(struct outlet *o, struct outlet_conn *conn);
void outlet_conn_enter(struct outlet *o, struct outlet_conn *conn,
                       struct outlet_circuit *c, uint64_t now);
void outlet_stream_tick(struct outlet *o, struct outlet_stream *s,
                        uint64_t now);

/* ---- outlet_connect.c --------------------------------------------------- */

/* To the next of the request's addresses that will do, or refuses it. */
void outlet_connect_next(struct outlet *o, struct outlet_stream *s,
                         uint64_t now);
/* The connect under way took too long. */
void outlet_connect_overdue(struct outlet *o, struct outlet_stream *s,
                            uint64_t now);
/* Closes the socket, if there is one. */
void outlet_socket_close(struct outlet *o, struct outlet_stream *s,
                         enum reason code);
/* The world has closed it. */
void outlet_socket_gone(struct outlet *o, struct outlet_stream *s);
/* It is counted for this source from now on, if there is memory. */
void outlet_socket_moved(struct outlet *o, struct outlet_stream *s,
                         const struct endpoint *source);

/* ---- outlet.c ----------------------------------------------------------- */

/* NULL: it is gone. */
struct outlet_circuit *outlet_circuit_find(const struct outlet *o,
                                           uint64_t path);

#endif
