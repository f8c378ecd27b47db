/* SPDX-License-Identifier: MIT
 *
 * A datagram through some exit, and its answer: the library chooses the
 * circuit, and another one when that breaks or its exit refuses. Part of
 * warren.h, which includes it. Who wants to choose calls warren_tunnel_data.
 *
 * It goes over a circuit whose exit says that it sends to the port; one is
 * built if need be, and the pool of that length is kept meanwhile. Over one
 * circuit it is sent once: who sends again, as over UDP, does so by calling
 * again. An exit that refuses makes room for others, up to three. After a
 * second of silence the exit is asked whether it is there; when it does not
 * answer the circuit is closed, and the datagram goes over another one. So it
 * may arrive more than once.
 */
#ifndef WARREN_SEND_H
#define WARREN_SEND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct warren;

/* All of it is copied by warren_tunnel_send. */
struct warren_sending {
    const char *destination; /* as of warren_tunnel_data */
    const void *payload;
    size_t len;
    unsigned hops; /* 1 to 4 */
    /* Datagrams with different keys never share a circuit: a destination
     * cannot tell by it that they come from one program. 0 is a key as any
     * other. The last circuit of a key may be closed to make room for others
     * when it was not used for 10 seconds. Circuits that the program uses by
     * their number are no concern of this. */
    uint64_t isolation;
    unsigned timeout_ms; /* for all of it; 0: 30 seconds */
};

/* How it ended; valid during the call. */
struct warren_answer {
    /* The answer, where there is one. Of a name any source with the right port
     * counts. It goes to `data` of struct warren_options as well. */
    const struct sockaddr *source;
    socklen_t source_len;
    const void *payload;
    size_t len;
    struct warren_reason why; /* of the last refusal; both NULL without one */
    uint32_t circuit;         /* that it went over last, or 0 */
    unsigned broken;          /* circuits that were lost meanwhile */
    unsigned refusals;        /* exits that did not send it */
    /* Without an answer: 1 when the exit has said since that it is there. The
     * destination is silent then, or the datagram was lost. */
    int exit_answers;
    uint64_t rtt, duration; /* ns; of the answer, of all */
};

/* `done` is called exactly once, out of the loop, unless the request is
 * cancelled by warren_tunnel_send_cancel. `error` is WARREN_OK (answered),
 * WARREN_ERR_TIMEOUT (sent, no answer in time), WARREN_ERR_REFUSED (by the
 * exits), WARREN_ERR_NO_NODES (no circuit could be had in time),
 * WARREN_ERR_CANCELLED (by warren_free), or as of warren_tunnel_data. May be
 * NULL, as for datagrams without an answer. */
struct warren_send_handler {
    void *arg;
    void (*done)(void *arg, int error, const struct warren_answer *answer);
};

/* `handler` and `request` may be NULL; a request is never 0.
 * WARREN_ERR_ARGUMENT (hops, destination), WARREN_ERR_UNSUPPORTED (a name that
 * is never resolved), WARREN_ERR_TOO_LARGE (when a circuit is there; else
 * `done` tells), WARREN_ERR_FULL (1024 at a time), WARREN_ERR_NO_MEMORY,
 * WARREN_ERR_CANCELLED (in warren_free). */
WARREN_API int warren_tunnel_send(struct warren *w,
                                  const struct warren_sending *what,
                                  const struct warren_send_handler *handler,
                                  uint64_t *request);

/* Its handler is not called any more. Without effect when it was called. */
WARREN_API void warren_tunnel_send_cancel(struct warren *w, uint64_t request);

#ifdef __cplusplus
}
#endif
#endif
