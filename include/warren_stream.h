/* SPDX-License-Identifier: MIT
 *
 * Streams: bytes in order, both ways, to hosts of the Internet through exits,
 * and to and from peers of hidden services. Part of warren.h, which includes
 * it.
 *
 *     warren_connect(w, 0, "www.example.org:80", 3, &handler, &st);
 *     warren_stream_write(st, request, len);     at once, if it likes
 *     ... handler.on_data is called with what comes ...
 *     warren_stream_shutdown(st);                no more is written
 *     ... handler.on_closed is called, and st is gone ...
 *
 * A stream outlives circuits: when relays go or are renewed it goes on over
 * others, in order and whole. It ends when its exit, or its peer, is not
 * reached for a minute.
 *
 * Backpressure. What the program does not take (on_data) waits here, up to
 * streams.window, and then at the other end; what the other end does not read
 * waits here, up to streams.buffer, and then warren_stream_write takes no more.
 *
 * A stream is the program's from warren_connect or on_stream until on_closed
 * has returned, or until warren_stream_reset or warren_free; after that nothing
 * may be called with it. Callbacks come out of the loop, as all do.
 */
#ifndef WARREN_STREAM_H
#define WARREN_STREAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct warren;
struct warren_peer;   /* warren_service.h */
struct warren_reason; /* warren.h */
struct warren_stream;

#define WARREN_STREAM_EARLY   16384 /* bytes taken before on_opened */
#define WARREN_STREAM_SECONDS 60    /* until on_opened, else on_closed */

/* All may be NULL. `arg` comes with each; it is copied. */
struct warren_stream_handler {
    void *arg;
    /* The other end is there: the exit has connected, or the peer has taken it.
     * Not called for streams that others open. */
    void (*on_opened)(void *arg, struct warren_stream *st);
    /* How many bytes of `data` were taken, from its beginning. What was not
     * comes again, with what follows it, when warren_stream_resume asks for it.
     * NULL: all is taken. */
    size_t (*on_data)(void *arg, struct warren_stream *st, const void *data,
                      size_t len);
    /* No more comes: the other end has shut its half, and all of it was taken.
     * More may be written. */
    void (*on_end)(void *arg, struct warren_stream *st);
    /* There is room again after warren_stream_write took less than it was
     * given. */
    void (*on_writable)(void *arg, struct warren_stream *st);
    /* The last call. `error` is
     *
     *   WARREN_OK              both halves were shut; `why` is empty
     *   WARREN_ERR_REFUSED     it was never there: `why` is "refused" (nobody
     *                          listens at that port), "policy", "resolve" (no
     *                          such name), "full", "requested" (the service
     *                          cannot be reached), ...
     *   WARREN_ERR_TIMEOUT     likewise, for nobody has answered in time
     *   WARREN_ERR_NO_NODES    likewise, for there were no relays or exits
     *   WARREN_ERR_FAILED      it broke off: by the other end, or because that
     *                          is not reached any more ("link_lost")
     *   WARREN_ERR_CANCELLED   by warren_free */
    void (*on_closed)(void *arg, struct warren_stream *st, int error,
                      const struct warren_reason *why);
};

/* Opens a stream to
 *
 *   "192.0.2.1:80", "[2001:db8::1]:80"  a host of the Internet,
 *   "www.example.org:80"                which the exit looks up, never this
 *                                       node; over 1 to 4 hops
 *   "<56 characters>.warren:80"         a service, over 1 to 3 hops unless it
 *                                       is registered otherwise
 *   "p17.peer.warren:80"                a peer of a registration; `hops` is
 *                                       ignored
 *
 * Streams with different isolation keys never share a circuit or an exit's
 * connection, as in struct warren_sending; to services and peers it is ignored.
 * Up to three exits are asked, unless something was written already.
 *
 * `stream` may be NULL. WARREN_ERR_ARGUMENT (destination, hops, port 0),
 * WARREN_ERR_UNSUPPORTED (a name that is never resolved, like localhost),
 * WARREN_ERR_NOT_FOUND (the peer is gone), WARREN_ERR_FULL (4,096 wait for an
 * answer), WARREN_ERR_NO_MEMORY, WARREN_ERR_CANCELLED (in warren_free). */
WARREN_API int warren_connect(struct warren *w, uint64_t isolation,
                              const char *destination, unsigned hops,
                              const struct warren_stream_handler *handler,
                              struct warren_stream **stream);

/* Takes bytes, as many as there is room for; returns how many. After less than
 * `len` on_writable is called, once. 0 after warren_stream_shutdown. Before
 * on_opened they travel with the request: to something that must not get them
 * twice, or from another exit, that is all the same, as no other exit is asked
 * then. */
WARREN_API size_t warren_stream_write(struct warren_stream *st,
                                      const void *data, size_t len);

/* No more is written: the other end hears of it after all that was. */
WARREN_API void warren_stream_shutdown(struct warren_stream *st);

/* Has on_data called again with what it did not take, soon. */
WARREN_API void warren_stream_resume(struct warren_stream *st);

/* Ends both halves at once: what was not sent is forgotten, and the other end
 * is told that this is no good end. The stream is gone, and on_closed is not
 * called. */
WARREN_API void warren_stream_reset(struct warren_stream *st);

/* ---- Streams of peers --------------------------------------------------- */

struct warren_stream_listener {
    void *arg;
    /* A peer opens a stream to the port. 1: it is taken, and `handler`, which
     * is all zero, was filled in; it may be written to already. 0: it is
     * refused, and gone. `peer` is valid during the call; where the
     * registration has on_peer, it was called for it. */
    int (*on_stream)(void *arg, struct warren_stream *st,
                     const struct warren_peer *peer, uint16_t port,
                     struct warren_stream_handler *handler);
};

/* Takes the streams that peers of a registration (warren_register_service) open
 * to a port, from 1 on, until the registration ends; ahead of a line `port` of
 * a section of `config_file` for the same. Again, it has the new `listener`,
 * which is copied; NULL: streams are refused again, and those that there are go
 * on.
 *
 * WARREN_ERR_ARGUMENT (port 0), WARREN_ERR_NOT_FOUND (no such registration),
 * WARREN_ERR_NO_MEMORY, WARREN_ERR_CANCELLED (in warren_free). */
WARREN_API int warren_listen(struct warren *w, uint32_t service, uint16_t port,
                             const struct warren_stream_listener *listener);

#ifdef __cplusplus
}
#endif
#endif
