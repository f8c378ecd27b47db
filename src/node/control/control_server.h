/* SPDX-License-Identifier: MIT
 *
 * The daemon's end of the control socket: a Unix socket of mode 0600, several
 * clients at once, each with several requests running. What a client sends
 * and what waits for it is bounded: one that does not read is cut off.
 */
#ifndef WARREN_NODE_CONTROL_CONTROL_SERVER_H
#define WARREN_NODE_CONTROL_CONTROL_SERVER_H

#include "base/error.h"
#include "base/text.h"
#include "node/control/control_frame.h"
#include "node/log/log.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;

#define CONTROL_CALLS_MAX 512 /* running for one client */
#define CONTROL_OUTPUT_MAX                            \
    (4 * CONTROL_FRAME_MAX) /* waiting for one client \
                             */

/* Bytes waiting for one client, above which */
#define CONTROL_ROOM_MAX  (256 * 1024)  /* there is no room for streams */
#define CONTROL_NEWS_MAX  (1024 * 1024) /* news are not told any more */
#define CONTROL_ROOM_LEFT (64 * 1024)   /* there is room again, at most */

struct control_counters {
    uint64_t accepted; /* clients */
    uint64_t requests;
    uint64_t failed;       /* requests answered with an error */
    uint64_t bad_frames;   /* clients cut off for what they sent */
    uint64_t slow_clients; /* clients cut off for what they did not read */
    uint64_t made_way;     /* clients cut off for others */
    uint64_t lost;         /* news that did not fit: control_lost */
};

/* A request that was not answered yet. It ends with control_finish or
 * control_fail, or when its client goes away. */
struct control_call;

struct control_handler {
    void *arg;
    /* `method` and `params` are valid until it returns; `params` is at a map,
     * or at its end. Must answer the call, now or later. */
    void (*call)(void *arg, struct control_call *call, struct bytes method,
                 struct mp_reader *params);
};

struct control_server;

/* Listens at `path`. A socket that nobody listens on any more is replaced.
 * ERR_IN_USE when somebody does, or `path` is no socket; ERR_IO;
 * ERR_TOO_LARGE (a path that does not fit a socket address); ERR_NO_MEMORY.
 * `why` gets a sentence. With `max_clients` there, one makes way for the next:
 * the longest idle one of the process (SO_PEERCRED) that has most; if none is
 * idle, one of a process that has more than the new one's. Else that waits. */
enum error control_server_new(struct event_base *base, const char *path,
                              unsigned max_clients,
                              const struct control_handler *handler,
                              struct log *log, struct control_server **out,
                              struct text *why);
/* Cancels what runs and removes the socket. */
void control_server_free(struct control_server *s);

unsigned control_clients(const struct control_server *s);
const struct control_counters *control_counters(const struct control_server *s);

/* `cancel` is called once if the client goes away before the answer. */
void control_on_cancel(struct control_call *call, void (*cancel)(void *arg),
                       void *arg);

/* The caller writes the result into what control_reply returns, at most
 * CONTROL_FRAME_MAX bytes, then finishes, which frees the call. A result that
 * does not fit is answered with an error. */
struct mp_writer *control_reply(struct control_call *call);
void control_finish(struct control_call *call);
/* The same for news of a request that goes on. */
struct mp_writer *control_notify(struct control_call *call, const char *method);
void control_notified(struct control_call *call);

/* Answers with an error and frees the call. `text` NULL: error_text. */
void control_fail(struct control_call *call, enum error err, const char *text);
/* The same with a code that is no name of an error. */
void control_fail_as(struct control_call *call, const char *code,
                     const char *text);

/* ---- Calls that go on, and calls about them ----------------------------- */

uint32_t control_msgid(const struct control_call *call);
bool control_same_client(const struct control_call *a,
                         const struct control_call *b);
bool control_same_process(const struct control_call *a,
                          const struct control_call *b);
/* Another call of the same client, by its msgid: ERR_NOT_FOUND, ERR_IN_USE when
 * several have it. */
enum error control_find(const struct control_call *call, uint32_t msgid,
                        struct control_call **out);
/* What was given to control_on_cancel with `cancel`; NULL: it was called with
 * something else. */
void *control_held(const struct control_call *call, void (*cancel)(void *arg));
/* As if its client had gone, but it is answered with ERR_CANCELLED. False: it
 * cannot be. */
bool control_cancel(struct control_call *call);

/* Whoever has much to tell asks whether it is being read. */
bool control_has_room(const struct control_call *call);   /* CONTROL_ROOM_MAX */
bool control_takes_news(const struct control_call *call); /* CONTROL_NEWS_MAX */
/* `room` is called once, out of the loop, when CONTROL_ROOM_LEFT wait at most:
 * soon, if they do. May end calls, this one as well. */
void control_on_room(struct control_call *call, void (*room)(void *arg),
                     void *arg);
/* Counts news that were not told. */
void control_lost(struct control_call *call);

#endif
