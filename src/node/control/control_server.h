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

#include <stdint.h>

struct event_base;

#define CONTROL_CALLS_MAX 16 /* running for one client */
#define CONTROL_OUTPUT_MAX                            \
    (4 * CONTROL_FRAME_MAX) /* waiting for one client \
                             */

struct control_counters {
    uint64_t accepted; /* clients */
    uint64_t requests;
    uint64_t failed;       /* requests answered with an error */
    uint64_t bad_frames;   /* clients cut off for what they sent */
    uint64_t slow_clients; /* clients cut off for what they did not read */
    uint64_t made_way;     /* clients cut off for others */
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

#endif
