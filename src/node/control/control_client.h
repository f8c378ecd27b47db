/* SPDX-License-Identifier: MIT
 *
 * The other end of the control socket, for the command line: one connection,
 * one request at a time, blocking.
 */
#ifndef WARREN_NODE_CONTROL_CONTROL_CLIENT_H
#define WARREN_NODE_CONTROL_CONTROL_CLIENT_H

#include "base/error.h"
#include "base/text.h"
#include "node/control/control_frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control_client {
    int fd;
    uint32_t msgid;
    uint8_t *in; /* CONTROL_FRAME_MAX bytes, touched as far as needed */
    size_t in_len;
    size_t in_used; /* of the frame that was handed out last */
    struct mp_token *tokens;
};

/* What happens until the answer is there; any may be NULL. */
struct control_listener {
    void *arg;
    void (*notification)(void *arg, struct bytes method,
                         struct mp_reader params);
    /* Every 100 ms or so. */
    void (*waiting)(void *arg, uint64_t waited);
};

/* ERR_NOT_FOUND when no daemon listens at `path`; else as unix_connect. */
enum error control_client_init(struct control_client *c, const char *path,
                               struct text *why);
void control_client_deinit(struct control_client *c);

/* Sends a request whose params are the map in `params` (empty: none) and waits
 * for its answer. The views in `out`, and texts read from
 * them (reply.h), are valid until the next call. Errors:
 * ERR_TIMEOUT; ERR_IO (the daemon went away); ERR_REMOTE: it answered with an
 * error, see `out->code`; those of control_frame_read. But for ERR_REMOTE,
 * `why` gets a sentence. */
enum error control_client_call(struct control_client *c, const char *method,
                               struct bytes params, uint64_t timeout,
                               const struct control_listener *listener,
                               struct control_frame *out, struct text *why);

/* Sends a request that goes on, and waits for its first news: `out`. From then
 * on the socket is the caller's to watch; what comes is the end of the request,
 * or of the daemon. Errors as above. */
enum error control_client_begin(struct control_client *c, const char *method,
                                struct bytes params, uint64_t timeout,
                                struct control_frame *out, struct text *why);

/* For several requests at a time: sends one, and tells its number. */
enum error control_client_send(struct control_client *c, const char *method,
                               struct bytes params, uint32_t *msgid,
                               struct text *why);
/* The next answer, to whichever; `out->code` says whether it is an error. The
 * views are valid until the next call. ERR_TIMEOUT: none within `timeout`, or a
 * signal came, and then `why` gets nothing. Other errors as above. */
enum error control_client_take(struct control_client *c, uint64_t timeout,
                               struct control_frame *out, struct text *why);

#endif
